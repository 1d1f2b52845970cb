"""Choosing the columns of a panel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from flasktop.tui.columns import Column
from flasktop.tui.draw.palette import Palette, palette_of
from flasktop.tui.draw.text import line
from flasktop.tui.keys import Scope, bindings
from flasktop.tui.panels.cells import cell
from flasktop.tui.widgets.table import Table


class ColumnsScreen(ModalScreen["tuple[str, ...] | None"]):
    """A list of columns to tick. It answers with the names ticked, in the panel's order; empty: all of them."""

    scopes: ClassVar[tuple[Scope, ...]] = ("columns",)
    BINDINGS: ClassVar[list[BindingType]] = bindings("columns")

    DEFAULT_CSS = """
    ColumnsScreen { align: center middle; background: $background 60%; }
    ColumnsScreen > Vertical { width: 76; max-width: 100%; height: auto; max-height: 100%; }
    ColumnsScreen > Vertical { padding: 1 1; background: $panel; }
    ColumnsScreen Table { max-height: 1fr; }
    ColumnsScreen Static { height: 1; padding: 0 1; margin-bottom: 1; }
    ColumnsScreen #hint { margin: 1 0 0 0; color: $text-muted; }
    """

    def __init__(self, title: str, columns: Sequence[Column[Any]], chosen: Sequence[str]) -> None:
        super().__init__()
        self._title, self._columns, self._ticked = title, columns, set(chosen)

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(line((f"Columns of {self._title}", palette_of(self.app).strong)))
            table: Table[Column[Any]] = Table(lambda column: column.name)
            table.styles.height = len(self._columns) + 1
            yield table
            yield Static("space ticks   a all   ↵ shows as many as fit   esc leaves", id="hint", markup=False)

    def on_mount(self) -> None:
        table = self.query_one(Table)
        table.show_columns(self._look(), "", False)
        table.show_rows(self._columns)
        table.focus()

    def _look(self) -> list[Column[Column[Any]]]:
        """The columns of the table of columns."""

        def tick(row: Column[Any], width: int, palette: Palette) -> Text:
            return cell("✓", palette.good) if row.name in self._ticked else cell("·", palette.faint)

        def name(row: Column[Any], width: int, palette: Palette) -> Text:
            return cell(row.name, palette.text if row.name in self._ticked else palette.dim)

        def about(row: Column[Any], width: int, palette: Palette) -> Text:
            return cell(row.about, palette.dim)

        return [
            Column("tick", "", 1, 0, tick, lambda row: row.name, "", right=False),
            Column("name", "COLUMN", 10, 0, name, lambda row: row.name, "", right=False),
            Column("about", "", 30, 0, about, lambda row: row.about, "", right=False, grow=1, widest=60),
        ]

    def action_cursor(self, by: int) -> None:
        self.query_one(Table).move(by)

    def action_tick(self) -> None:
        column = self.query_one(Table).selected
        if column is not None:
            self._ticked ^= {column.name}
            self.query_one(Table).redraw()

    def action_every(self) -> None:
        self._ticked = {column.name for column in self._columns}
        self.query_one(Table).redraw()

    def action_cancel(self) -> None:
        self.dismiss(None)

    def action_accept(self) -> None:
        names = tuple(column.name for column in self._columns if column.name in self._ticked)
        self.dismiss(() if len(names) == len(self._columns) else names)
