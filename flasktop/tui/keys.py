"""The one key table: it makes the bindings, the footer, the help and the palette.

A screen or panel names the scopes it answers to (``bindings("everywhere", "panel", "endpoints")``); a new key is one
entry here. Reserved for what is not built yet and not to be taken: ``F [ ]``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from textual.binding import Binding, BindingType

Scope = Literal[
    "everywhere",
    "view",
    "panel",
    "endpoints",
    "queries",
    "in_flight",
    "processes",
    "heap",
    "findings",
    "log",
    "detail",
    "endpoint",
    "profile",
    "trace",
    "stack",
    "statement",
    "plan",
    "finding",
    "one heap",
    "allocations",
    "types",
    "start",
    "columns",
    "confirm",
]
"""Where a key works. ``panel`` is all panels of the main screen, ``detail`` all drill-down screens."""

SCOPE_TITLES: Final[dict[Scope, str]] = {
    "everywhere": "Everywhere",
    "view": "Wherever numbers are shown",
    "panel": "Every list",
    "endpoints": "Endpoints",
    "queries": "Queries",
    "in_flight": "In flight",
    "processes": "Processes",
    "heap": "Heap",
    "findings": "Findings",
    "log": "Log",
    "detail": "Every detail",
    "endpoint": "One endpoint",
    "profile": "A profile",
    "trace": "One request",
    "stack": "One request while it runs",
    "statement": "One statement",
    "plan": "A statement's plan",
    "finding": "One finding",
    "one heap": "One heap",
    "allocations": "Allocation sites",
    "types": "Objects by type",
    "start": "Before there is an app",
    "columns": "Choosing columns",
    "confirm": "A question",
}


@dataclass(frozen=True, slots=True)
class Key:
    """One key.

    ``keys`` is what Textual calls them, comma separated; ``shown`` how the footer and help write them; ``label`` is
    the footer's one or two words, ``help`` the whole sentence; ``footer`` is the rank in the footer (0: not there,
    1 stays longest when the terminal is narrow).
    """

    keys: str
    shown: str
    action: str
    label: str
    help: str
    scope: Scope
    footer: int = 0
    palette: bool = False
    priority: bool = False

    @property
    def id(self) -> str:
        """The name under which a keymap may change it."""
        return f"{self.scope}.{self.action}"


KEYS: Final[tuple[Key, ...]] = (
    # Wherever numbers are shown
    Key("space", "space", "app.freeze", "freeze", "Hold the picture; collection goes on", "view", 6, palette=True),
    Key("w", "w", "app.window", "window", "Next time window: 10s, 1m, 5m, all", "view", 5, palette=True),
    Key("plus,equals_sign", "+", "app.slower", "slower", "Refresh less often", "view", palette=True),
    Key("minus", "-", "app.faster", "faster", "Refresh more often", "view", palette=True),
    Key("W", "W", "app.worker", "worker", "Next worker alone, then all again", "view", palette=True),
    Key("A", "A", "app.next_app", "app", "Next app of the workers, then all", "view", palette=True),
    Key("R", "R", "app.reset", "reset", "Forget what was counted, begin anew", "view", palette=True),
    # Everywhere
    Key("T", "T", "theme", "theme", "Next theme", "everywhere", palette=True),
    Key("question_mark,f1", "?", "help", "help", "Show the keys of this screen", "everywhere", 3, palette=True),
    Key("q", "q", "quit", "quit", "Leave; the app is not touched", "everywhere", 2, palette=True),
    Key("ctrl+c", "^c", "interrupt", "interrupt", "Leave with exit code 130", "everywhere", priority=True),
    Key("ctrl+p", "^p", "command_palette", "palette", "Find a command by its name", "everywhere", 9),
    # Processes and Heap
    Key("h", "h", "take_heap", "take heap", "Take the worker's heap and show it", "processes", 2, palette=True),
    Key("h", "h", "take_heap", "take heap", "Take the worker's heap; again: stop the take", "heap", 1, palette=True),
    Key("m", "m", "mark_heap", "mark", "Compare later takes with the last one", "heap", 4, palette=True),
    # One heap
    Key("h", "h", "take_heap", "take again", "Take the heap anew; again: stop the take", "one heap", 2, palette=True),
    Key("m", "m", "mark_heap", "mark", "Compare later takes with this one, or no longer", "one heap", 3, palette=True),
    Key("b", "b", "by(1)", "by", "Divide by type, module, referrers, owner, size", "one heap", 3, palette=True),
    Key("B", "B", "by(-1)", "by, back", "Divide as before", "one heap"),
    Key("left", "←", "older(1)", "older take", "The take before this one", "one heap", 7),
    Key("right", "→", "older(-1)", "newer take", "The take after this one", "one heap", 7),
    Key("s", "s", "sort(1)", "sort", "Sort by the next column", "one heap", 5),
    Key("S", "S", "sort(-1)", "sort back", "Sort by the previous column", "one heap"),
    Key("r", "r", "reverse", "reverse", "Reverse the order", "one heap"),
    # What memory does, live
    Key("t", "t", "trace_allocations", "trace", "Trace allocations: which lines' stay", "heap", 3, palette=True),
    Key("o", "o", "count_objects", "objects", "Count live objects by type", "heap", 4, palette=True),
    Key("t", "t", "trace_allocations", "trace", "Trace allocations: which lines' stay", "one heap", 6, palette=True),
    Key("o", "o", "count_objects", "objects", "Count live objects by type", "one heap", 6, palette=True),
    Key("t", "t", "again", "trace again", "Ask once more whether to trace", "allocations", 3, palette=True),
    Key("left", "←", "time(-1)", "shorter", "Trace for a shorter time", "allocations"),
    Key("right", "→", "time(1)", "longer", "Trace for a longer time", "allocations"),
    Key("o", "o", "count", "count again", "Count again, and show what grew", "types", 2, palette=True),
    Key("h", "h", "take_heap", "take heap", "Take the worker's heap, which weighs all of it", "types", 2),
    Key("a", "a", "repeat", "every 10 s", "Count every 10 s, or no longer", "types", 3, palette=True),
    Key("m", "m", "from_here", "mark", "Show growth from the last count on", "types", 4, palette=True),
    # Every list
    Key("1", "1", "panel('endpoints')", "endpoints", "Endpoints: which are slow, and why", "panel", palette=True),
    Key("2", "2", "panel('queries')", "queries", "Queries: which statements cost", "panel", palette=True),
    Key("3", "3", "panel('in_flight')", "in flight", "In flight: what runs at this moment", "panel", palette=True),
    Key("4", "4", "panel('processes')", "processes", "Processes: what each worker costs", "panel", palette=True),
    Key("5", "5", "panel('heap')", "heap", "Heap: what grew, and who holds it", "panel", palette=True),
    Key("6", "6", "panel('findings')", "findings", "Findings: what is wrong, and the fix", "panel", palette=True),
    Key("L", "L", "panel('log')", "log", "Log of requests, newest first", "panel", palette=True),
    Key("tab", "tab", "next_panel(1)", "next", "Next panel", "panel"),
    Key("shift+tab", "s-tab", "next_panel(-1)", "previous", "Previous panel", "panel"),
    Key("enter", "↵", "open", "open", "Open the selected row", "panel", 1),
    Key("slash", "/", "filter", "filter", "Filter rows: text, /regex/, ! inverts", "panel", 4, palette=True),
    Key("escape", "esc", "clear", "clear", "Clear the filter, then show all workers", "panel"),
    Key("s", "s", "sort(1)", "sort", "Sort by the next column", "panel", 5),
    Key("S", "S", "sort(-1)", "sort back", "Sort by the previous column", "panel"),
    Key("r", "r", "reverse", "reverse", "Reverse the order", "panel", 8, palette=True),
    Key("c", "c", "columns", "columns", "Choose the columns", "panel", palette=True),
    Key("H", "H", "hide", "hide", "Hide the row; none left: show all", "panel", palette=True),
    Key("y", "y", "copy", "copy", "Copy the row's full text", "panel", 7, palette=True),
    Key("down,j", "j ↓", "cursor(1)", "down", "Next row", "panel"),
    Key("up,k", "k ↑", "cursor(-1)", "up", "Previous row", "panel"),
    Key("home,g", "g", "cursor_to(0)", "top", "First row", "panel"),
    Key("end,G", "G", "cursor_to(-1)", "end", "Last row", "panel"),
    Key("pagedown", "pgdn", "page(1)", "page down", "One page down", "panel"),
    Key("pageup", "pgup", "page(-1)", "page up", "One page up", "panel"),
    # Every detail
    Key("enter", "↵", "open", "open", "Go deeper: open the selected line", "detail", 1),
    Key("escape", "esc", "back", "back", "Back to where you came from", "detail", 1),
    Key("n", "n", "sibling(1)", "next", "Next of the list that you came from", "detail", 4),
    Key("N,p", "p", "sibling(-1)", "previous", "Previous of the list that you came from", "detail", 5),
    Key("y", "y", "copy", "copy", "Copy the full statement, request line or route", "detail", 7, palette=True),
    Key("tab", "tab", "section(1)", "next list", "Next list", "detail", 8),
    Key("shift+tab", "s-tab", "section(-1)", "previous list", "Previous list", "detail"),
    Key("down,j", "j ↓", "cursor(1)", "down", "Next line", "detail"),
    Key("up,k", "k ↑", "cursor(-1)", "up", "Previous line", "detail"),
    Key("home,g", "g", "cursor_to(0)", "top", "First line", "detail"),
    Key("end,G", "G", "cursor_to(-1)", "end", "Last line", "detail"),
    Key("pagedown", "pgdn", "page(1)", "page down", "One page down", "detail"),
    Key("pageup", "pgup", "page(-1)", "page up", "One page up", "detail"),
    # Plans
    Key("x", "x", "plan", "plan", "Show the database's plan of the statement", "queries", 3, palette=True),
    Key("x", "x", "plan", "plan", "Show the database's plan of the selected statement", "endpoint", 6, palette=True),
    Key("x", "x", "plan", "plan", "Show the database's plan of the selected statement", "trace", 6, palette=True),
    Key("x", "x", "plan", "plan", "Show the database's plan of the statement", "statement", 2, palette=True),
    Key("x", "x", "plan", "plan", "Show the database's plan of the finding's statement", "finding", 6, palette=True),
    Key("x", "x", "plan", "plan again", "Ask the database for the plan anew", "plan", 2, palette=True),
    # An endpoint's profile
    Key("P", "P", "profile", "profile", "Sample the endpoint's requests for 10 s", "endpoints", 3),
    Key("P", "P", "profile", "profile", "Sample this endpoint's requests for 10 s", "endpoint", 3, palette=True),
    Key("right,l", "→", "unfold(True)", "unfold", "Show what a function called", "profile", 3),
    Key("left,h", "←", "unfold(False)", "fold", "Fold it again, or go to its caller", "profile", 3),
    Key("E", "E", "export", "export", "Write speedscope JSON and collapsed stacks here", "profile", 2, palette=True),
    Key("P", "P", "profile", "again", "Sample again for 10 s", "profile", 4, palette=True),
    # Choosing columns
    Key("space", "space", "tick", "tick", "Tick the column, or not", "columns"),
    Key("a", "a", "every", "all", "Tick all columns", "columns"),
    Key("enter", "↵", "accept", "accept", "Show what is ticked", "columns", priority=True),
    Key("escape", "esc", "cancel", "cancel", "Leave it as it was", "columns"),
    Key("down,j", "j ↓", "cursor(1)", "down", "Next column", "columns"),
    Key("up,k", "k ↑", "cursor(-1)", "up", "Previous column", "columns"),
    # Before there is an app
    Key("enter", "↵", "choose", "watch", "Watch the selected app", "start", 1),
    Key("down,j", "j ↓", "cursor(1)", "down", "Next app", "start"),
    Key("up,k", "k ↑", "cursor(-1)", "up", "Previous app", "start"),
    # A question
    Key("y", "y", "accept", "yes", "Do it", "confirm"),
    Key("escape,n", "esc", "cancel", "no", "Leave it", "confirm"),
    # One request
    Key("right,l", "→", "unfold(True)", "calls", "Show each call of a repeated statement", "trace", 6),
    Key("left,h", "←", "unfold(False)", "fold", "Fold the calls again", "trace"),
    # One request while it runs
    Key("right,l", "→", "unfold(True)", "unfold", "Show the frames of libraries one by one", "stack", 6),
    Key("left,h", "←", "unfold(False)", "fold", "Fold the frames of libraries again", "stack"),
)
"""Every key of the program, in the order of the help."""


def keys_of(*scopes: Scope) -> tuple[Key, ...]:
    """The keys that work in ``scopes``, in the table's order."""
    return tuple(key for key in KEYS if key.scope in scopes)


def bindings(*scopes: Scope) -> list[BindingType]:
    """Textual's bindings for ``scopes``."""
    return [
        Binding(
            key.keys,
            key.action,
            key.label,
            show=key.footer > 0,
            key_display=key.shown,
            priority=key.priority,
            id=key.id,
        )
        for key in keys_of(*scopes)
    ]
