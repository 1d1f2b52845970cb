"""A table of view models: fixed header, cursor that follows its row, and only the visible rows drawn.

Own Line API instead of ``DataTable``: a refresh costs the rows on screen (not the rows there are), widths are ours, and
the cursor is a key, never a position.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from flasktop.steps import Steps
from flasktop.tui.columns import Column, Placed
from flasktop.tui.columns import fit as fit_columns
from flasktop.tui.draw.palette import palette_of
from flasktop.tui.draw.text import fit
from flasktop.tui.widgets.lines import clean, margin, pointed_at, segments_of, strip_of, with_bar

R = TypeVar("R")

WHEEL = 3
"""Rows a turn of the mouse wheel moves."""


class Table(Widget, Generic[R], can_focus=True):
    """Shows ``rows`` in ``columns``. The owner sorts and filters; the table keeps cursor and scroll position.

    Until the cursor is moved it stays on the top row, whichever that is; from then on it follows its row. Going to
    the top lets go again where ``sticky_top`` is set (a log that runs on).
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--bar",
    }

    DEFAULT_CSS = """
    Table { height: 1fr; background: transparent; }
    Table > .table--bar { color: $panel-lighten-2; }
    """

    @dataclass
    class Moved(Message):
        """The person moved the cursor."""

        table: Table[object]

    @dataclass
    class Opened(Message):
        """A row was double-clicked."""

        table: Table[object]

    @dataclass
    class HeaderClicked(Message):
        """The header of a column was clicked."""

        table: Table[object]
        column: str

    def __init__(self, key: Callable[[R], Hashable], *, sticky_top: bool = False, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._key = key
        self._sticky_top = sticky_top
        self._columns: Sequence[Column[R]] = ()
        self._placed: tuple[Placed[R], ...] = ()
        self._sorted = ""
        self._upward = False
        self._rows: Sequence[R] = ()
        self._keys: list[Hashable] = []
        self._cursor = 0
        self._following = False
        self._top = 0
        self._strips: dict[Hashable, tuple[R, Strip]] = {}
        self._ground = self._bar = Style()
        self.empty = ""

    # What the owner says

    def show_columns(self, columns: Sequence[Column[R]], sorted_by: str, upward: bool) -> None:
        """Show ``columns``, with the sort mark (``▲`` where ``upward``) at the one named ``sorted_by``."""
        self._sorted, self._upward = sorted_by, upward
        if columns != self._columns:
            self._columns = columns
            self._lay_out()
        self.refresh()

    def show_rows(self, rows: Sequence[R]) -> None:
        """Show ``rows`` in this order; the cursor stays with its row, and where that is gone, at its place."""
        visible = self._top <= self._cursor < self._top + self.page
        selected = self._keys[self._cursor] if self._keys and self._following else None
        self._rows, self._keys = rows, [self._key(row) for row in rows]
        if selected is not None:
            try:
                self._cursor = self._keys.index(selected)
            except ValueError:
                self._cursor = max(0, min(self._cursor, len(rows) - 1))
        elif not self._following:
            self._cursor = 0
        self._bring(self._cursor if visible else None)
        kept = set(self._keys[self._top : self._top + self.page])
        self._strips = {key: strip for key, strip in self._strips.items() if key in kept}
        self.refresh()

    def next_selected(self, rows: Sequence[R]) -> R | None:
        """The row that will be under the cursor when ``rows`` are shown; None where that is not known yet."""
        if not self._following:
            return rows[0] if rows else None
        key = self.selected_key
        return next((row for row in rows if self._key(row) == key), None)

    def drawing(self, rows: Sequence[R]) -> Steps[None]:
        """Draw in steps what of ``rows`` will be visible when they are shown, where that is as far down as now."""
        if not self._placed:
            return
        for row in rows[self._top : self._top + self.page]:
            self._drawn(row, self._key(row))
            yield

    def redraw(self) -> None:
        """Draw all rows anew, when what decides their look changed outside the rows."""
        self._strips.clear()
        self.refresh()

    @property
    def selected(self) -> R | None:
        """The row under the cursor, None where there are no rows."""
        return self._rows[self._cursor] if self._rows else None

    @property
    def selected_key(self) -> Hashable | None:
        return self._keys[self._cursor] if self._keys else None

    @property
    def keys(self) -> list[Hashable]:
        """The keys of all rows, in the order shown."""
        return self._keys

    @property
    def rows(self) -> Sequence[R]:
        """All rows, in the order shown."""
        return self._rows

    @property
    def page(self) -> int:
        """How many rows are visible."""
        return max(1, self.size.height - 1)

    @property
    def shown_columns(self) -> tuple[str, ...]:
        """The names of the columns that fit."""
        return tuple(placed.column.name for placed in self._placed)

    # The cursor

    def move(self, by: int) -> None:
        """Move the cursor ``by`` rows."""
        self.move_to(max(0, self._cursor + by))

    def move_to(self, row: int) -> None:
        """Move the cursor to ``row``; a negative one counts from the end."""
        if not self._rows:
            return
        last = len(self._rows) - 1
        self._cursor = min(row, last) if row >= 0 else max(0, len(self._rows) + row)
        self._following = not (self._sticky_top and self._cursor == 0)
        self._bring(self._cursor)
        self.refresh()
        self.post_message(self.Moved(self))  # type: ignore[arg-type]

    def select(self, key: Hashable) -> None:
        """Put the cursor on the row with ``key``, if it is there."""
        if key in self._keys:
            self._cursor = self._keys.index(key)
            self._following = True
            self._bring(self._cursor)
            self.refresh()

    def _bring(self, row: int | None) -> None:
        if row is not None:
            self._top = min(self._top, row)
            self._top = max(self._top, row - self.page + 1)
        self._top = max(0, min(self._top, len(self._rows) - self.page))

    # Drawing

    def _lay_out(self) -> None:
        self._placed = fit_columns(self._columns, self._inner_width) if self._columns else ()
        self._strips.clear()
        self.refresh()

    @property
    def _inner_width(self) -> int:
        return max(1, self.size.width - 2 * margin(self.size.width))

    def render_lines(self, crop: Region) -> list[Strip]:
        # Both are put together from all ancestors: once for all lines.
        self._ground, self._bar = self.rich_style, self.get_component_rich_style("table--bar")
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y == 0:
            return self._header().adjust_cell_length(width, self._ground)
        if not self._rows:
            return self._empty_line(y, width)
        index = self._top + y - 1
        if index >= len(self._rows):
            return Strip.blank(width, self._ground)
        strip = self._drawn(self._rows[index], self._keys[index])
        if index == self._cursor:
            strip = pointed_at(strip, palette_of(self.app))
        strip = strip.apply_style(self._ground).adjust_cell_length(width, self._ground)
        return with_bar(strip, y - 1, self._top, self.page, len(self._rows), self._bar)

    def _header(self) -> Strip:
        palette = palette_of(self.app)
        cells = []
        for placed in self._placed:
            column = placed.column
            if column.name == self._sorted:
                cells.append(Text(column.marked(placed.width, "▲" if self._upward else "▼"), palette.accent))
            else:
                cells.append(Text(column.header(placed.width), palette.dim))
        return self._line(cells).apply_style(self._ground)

    def _drawn(self, row: R, key: Hashable) -> Strip:
        known = self._strips.get(key)
        if known is not None and known[0] is row:
            return known[1]
        palette = palette_of(self.app)
        strip = self._line([placed.column.render(row, placed.width, palette) for placed in self._placed])
        self._strips[key] = (row, strip)
        return strip

    def _line(self, cells: Sequence[Text]) -> Strip:
        """The cells side by side, each exactly as wide as its place."""
        segments: list[Segment] = [Segment(" " * margin(self.size.width))]
        x = 0
        for placed, cell in zip(self._placed, cells, strict=True):
            if placed.x > x:
                segments.append(Segment(" " * (placed.x - x)))
            segments.extend(self._fitted(cell, placed))
            x = placed.x + placed.width
        return Strip(segments).adjust_cell_length(self.size.width)

    def _fitted(self, cell: Text, placed: Placed[R]) -> list[Segment]:
        cell = clean(cell)
        room = placed.width - cell.cell_len
        if room < 0:
            cell = cell.copy()
            cell.truncate(placed.width, overflow="ellipsis")
            room = placed.width - cell.cell_len
        drawn = segments_of(cell, self.app.console)
        pad = [Segment(" " * room)] if room > 0 else []
        return pad + drawn if placed.column.right else drawn + pad

    def _empty_line(self, y: int, width: int) -> Strip:
        lines = self.empty.split("\n")
        first = max(2, self.size.height // 3 - len(lines) // 2)
        if not first <= y < first + len(lines):
            return Strip.blank(width, self._ground)
        said = fit(lines[y - first], width)
        text = Text(" " * ((width - cell_len(said)) // 2) + said, palette_of(self.app).dim)
        return strip_of(text, width, self.app.console).apply_style(self._ground)

    # Events

    def on_resize(self) -> None:
        self._lay_out()
        self._bring(self._cursor)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips.clear()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._wheel(WHEEL)
        event.stop()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._wheel(-WHEEL)
        event.stop()

    def _wheel(self, by: int) -> None:
        self._top += by
        self._bring(None)
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        if event.y == 0:
            self._header_clicked(event.x - margin(self.size.width))
        elif self._top + event.y - 1 < len(self._rows):
            self.move_to(self._top + event.y - 1)
            if event.chain == 2:
                self.post_message(self.Opened(self))  # type: ignore[arg-type]

    def _header_clicked(self, x: int) -> None:
        for placed in self._placed:
            if placed.x - 1 <= x <= placed.x + placed.width:
                self.post_message(self.HeaderClicked(self, placed.column.name))  # type: ignore[arg-type]
                return
