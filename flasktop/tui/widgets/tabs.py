"""The line of panels, and beside it what narrows the view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.style import Style
from rich.text import Text
from textual import events
from textual.message import Message

from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.text import cut, line
from flasktop.tui.widgets.lines import Lines, Part, laid_out, margin
from flasktop.units import count

SHORT_NOTE = 22
"""Cells of a note where there is not room for all of it."""


class Tab(NamedTuple):
    """One panel: the key that shows it, its title and how many rows it has (None: not said)."""

    panel: str
    key: str
    title: str
    rows: int | None


class Note(NamedTuple):
    """Something that narrows or holds the view; ``meaning`` is a style of the palette."""

    text: str
    meaning: str = "warn"


class TabLine(Lines):
    """``1 Endpoints 12   2 Queries 31 …`` with the active one marked; tabs can be clicked."""

    DEFAULT_CSS = """
    TabLine { height: 1; width: 1fr; }
    """

    @dataclass
    class Chosen(Message):
        """A tab was clicked."""

        panel: str

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._tabs: Sequence[Tab] = ()
        self._active = ""
        self._notes: Sequence[Note] = ()

    def show(self, tabs: Sequence[Tab], active: str, notes: Sequence[Note]) -> None:
        """Show these tabs; ``notes`` stand on the right."""
        if (tabs, active, notes) != (self._tabs, self._active, self._notes):
            self._tabs, self._active, self._notes = tabs, active, notes
            self.redraw()

    def draw(self, width: int, height: int, palette: Palette) -> Sequence[Text]:
        edge = margin(self.screen.size.width)
        start = [Part(self._drawn_tab(tab, palette), 0, None) for tab in self._fitting(width - 2 * edge)]
        end = [self._drawn_note(note, i + 1, palette) for i, note in enumerate(self._notes)]
        return [line(" " * edge, laid_out(start, end, width - 2 * edge, self._gap))]

    def _fitting(self, width: int) -> list[Tab]:
        """The tabs; where they do not fit, those that are not shown say no number, the last ones first."""
        tabs = list(self._tabs)
        for at in reversed(range(len(tabs))):
            if sum(_cells(tab) + self._gap for tab in tabs) - self._gap <= width:
                break
            if tabs[at].panel != self._active:
                tabs[at] = tabs[at]._replace(rows=None)
        return tabs

    @staticmethod
    def _drawn_note(note: Note, rank: int, palette: Palette) -> Part:
        text = line((note.text, getattr(palette, note.meaning)))
        return Part(text, rank, cut(text, SHORT_NOTE) if text.cell_len > SHORT_NOTE else None)

    @property
    def _gap(self) -> int:
        return 2 if self.screen.size.width < 140 else 4

    def _drawn_tab(self, tab: Tab, palette: Palette) -> Text:
        active = tab.panel == self._active
        title = palette.strong + Style(underline=True) if active else palette.dim
        made = line((tab.key, palette.accent if active else palette.dim), " ", (tab.title, title))
        if tab.rows is not None:
            made.append(f" {count(tab.rows)}", palette.dim)
        return made

    def on_click(self, event: events.Click) -> None:
        x = margin(self.screen.size.width)
        for tab in self._fitting(self.size.width - 2 * x):
            if x <= event.x < x + _cells(tab):
                self.post_message(self.Chosen(tab.panel))
                return
            x += _cells(tab) + self._gap


def _cells(tab: Tab) -> int:
    return len(tab.key) + 1 + len(tab.title) + (1 + len(count(tab.rows)) if tab.rows is not None else 0)
