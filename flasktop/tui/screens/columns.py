"""Choosing the columns of a panel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import SelectionList, Static
from textual.widgets.selection_list import Selection

from flasktop.tui.columns import Column
from flasktop.tui.draw.palette import palette_of
from flasktop.tui.draw.text import line


class ColumnsScreen(ModalScreen[tuple[str, ...] | None]):
    """A list of columns to tick. It answers with the names ticked, in the panel's order; empty: all of them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel"),
        Binding("enter", "accept", "accept", priority=True),
        Binding("a", "every", "all"),
        Binding("j", "app.simulate('down')", show=False),
        Binding("k", "app.simulate('up')", show=False),
    ]

    DEFAULT_CSS = """
    ColumnsScreen { align: center middle; background: $background 60%; }
    ColumnsScreen > Vertical { width: 72; max-width: 100%; height: auto; max-height: 100%; }
    ColumnsScreen > Vertical { padding: 1 2; background: $panel; }
    ColumnsScreen SelectionList { height: auto; max-height: 1fr; border: none; background: transparent; padding: 0; }
    ColumnsScreen Static { height: auto; margin-bottom: 1; }
    ColumnsScreen #hint { margin: 1 0 0 0; color: $text-muted; }
    """

    def __init__(self, title: str, columns: Sequence[Column[object]], chosen: Sequence[str]) -> None:
        super().__init__()
        self._title, self._columns, self._chosen = title, columns, set(chosen)

    def compose(self) -> ComposeResult:
        palette = palette_of(self.app)
        with Vertical():
            yield Static(line((f"Columns of {self._title}", palette.strong)))
            yield SelectionList[str](
                *(
                    Selection(self._prompt(column), column.name, column.name in self._chosen)
                    for column in self._columns
                ),
                compact=True,
            )
            yield Static(
                "space ticks  ·  a all  ·  ↵ shows them, as many as fit  ·  esc leaves", id="hint", markup=False
            )

    def _prompt(self, column: Column[object]) -> Text:
        palette = palette_of(self.app)
        return line((f"{column.name:<10} ", palette.text), (column.about, palette.dim))

    def action_cancel(self) -> None:
        self.dismiss(None)

    def action_every(self) -> None:
        self.query_one(SelectionList).select_all()

    def action_accept(self) -> None:
        ticked = set(self.query_one(SelectionList).selected)
        names = tuple(column.name for column in self._columns if column.name in ticked)
        self.dismiss(() if len(names) == len(self._columns) else names)
