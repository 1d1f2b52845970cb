"""The last line: the keys that matter here."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual import events

from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.text import line
from flasktop.tui.keys import Key, Scope, keys_of
from flasktop.tui.widgets.lines import Lines, margin


class KeyFooter(Lines):
    """The footer of the scopes given, made from the key table; what does not fit goes by rank. Keys can be clicked."""

    DEFAULT_CSS = """
    KeyFooter { height: 1; dock: bottom; }
    """

    def __init__(self, scopes: Sequence[Scope]) -> None:
        super().__init__()
        self._scopes = tuple(scopes)
        self._idle: frozenset[str] = frozenset()

    def leave_out(self, actions: frozenset[str]) -> None:
        """Do not show the keys of ``actions``, which would do nothing now."""
        if actions != self._idle:
            self._idle = actions
            self.redraw()

    def show(self, scopes: Sequence[Scope]) -> None:
        """Show the keys of other scopes."""
        self._scopes = tuple(scopes)
        self.redraw()

    def draw(self, width: int, height: int, palette: Palette) -> Sequence[Text]:
        made = line(" " * margin(width))
        for i, key in enumerate(self._fitting(width)):
            made.append("   " if i and width >= 120 else "  " if i else "")
            made.append(key.shown, palette.accent)
            made.append(f" {key.label}", palette.dim)
        return [made]

    def _fitting(self, width: int) -> list[Key]:
        gap = 3 if width >= 120 else 2
        keys = [key for key in keys_of(*self._scopes) if key.footer and key.action not in self._idle]
        keys.sort(key=lambda key: self._scopes.index(key.scope))
        while keys and sum(_cells(key) + gap for key in keys) - gap > width - 2 * margin(width):
            keys.remove(max(keys, key=lambda key: key.footer))
        return keys

    def on_click(self, event: events.Click) -> None:
        gap = 3 if self.size.width >= 120 else 2
        x = margin(self.size.width)
        for key in self._fitting(self.size.width):
            if x <= event.x < x + _cells(key):
                self.app.simulate_key(key.keys.split(",")[0])
                return
            x += _cells(key) + gap


def _cells(key: Key) -> int:
    return len(key.shown) + 1 + len(key.label)
