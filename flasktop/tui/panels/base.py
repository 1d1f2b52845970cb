"""What every panel with a list is made of: sort, filter, hold, hide, follow, preview."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar, cast

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.screen import Screen

from flasktop.stats.views import Window
from flasktop.steps import Steps
from flasktop.tui.columns import Column, held, ordered
from flasktop.tui.feed import Feed
from flasktop.tui.filtering import NO_FILTER, Filter
from flasktop.tui.keys import Scope
from flasktop.tui.panels.marks import mark_column
from flasktop.tui.widgets.preview import Drawing, Preview
from flasktop.tui.widgets.table import Table
from flasktop.tui.widgets.tabs import Note

if TYPE_CHECKING:
    from flasktop.tui.app import FlasktopApp

R = TypeVar("R")

HOLD_S: Final = 4.0
"""How long rows keep their order after the cursor moved."""

PREVIEW_FROM: Final = 30
"""Lines of terminal from which on a preview of the selected row is shown."""


class ListPanel(Vertical, Generic[R]):
    """A table of rows with a preview. A panel is a subclass: its columns, where its rows come from, what opens.

    ``name`` is the panel in settings and actions, ``digit`` its key, ``title`` its tab.
    """

    panel: ClassVar[str]
    digit: ClassVar[str]
    title: ClassVar[str]
    scope: ClassVar[Scope]
    default_sort: ClassVar[str]
    sticky_top: ClassVar[bool] = False

    columns: ClassVar[Sequence[Column[Any]]]

    DEFAULT_CSS = """
    ListPanel { height: 1fr; }
    """

    class Changed(Message):
        """What stands in the tab line changed: filter, hold, hidden rows."""

    def __init__(self) -> None:
        super().__init__(id=self.panel)
        self.sorted_by = self.default_sort
        self.reverse = False
        self.chosen_columns: tuple[str, ...] = ()
        self.filter: Filter = NO_FILTER
        self.hidden: set[Hashable] = set()
        self._hold_until = float("-inf")
        self._every: Sequence[R] = ()
        self._ahead: tuple[Sequence[R], Sequence[R]] | None = None
        self._marked: Mapping[Hashable, object] | None = None
        self._mark_columns: list[Column[R]] = []

    # What a panel says about itself

    def rows(self, feed: Feed) -> Sequence[R]:
        """All rows of this panel."""
        raise NotImplementedError

    def reading(self, feed: Feed) -> Steps[None]:
        """Read what ``rows`` is about to ask for, in steps; a panel that has much to read reads it in more than one,
        and draws it, too (``drawing``)."""
        self.rows(feed)
        yield

    def count(self, feed: Feed) -> int:
        """How many rows there are, for the tab; asked of panels that are not shown, so let it cost little."""
        return len(self.rows(feed))

    def key(self, row: R) -> Hashable:
        """What makes a row the same row at the next refresh."""
        raise NotImplementedError

    def text(self, row: R) -> str:
        """What a filter looks at."""
        raise NotImplementedError

    def copied(self, row: R) -> str:
        """What ``y`` copies: whole, however long."""
        return self.text(row)

    def opened(self, row: R) -> Screen[None] | None:
        """The screen that Enter opens, None for none."""
        return None

    def nothing(self, window: Window) -> str:
        """What to say where there are no rows at all."""
        return "Nothing yet."

    def preview(self, row: R, feed: Feed) -> Drawing | None:
        """What to draw under the table for the selected row."""
        return None

    # Parts

    def compose(self) -> ComposeResult:
        yield Table(self.key, sticky_top=self.sticky_top)
        yield Preview()

    @property
    def table(self) -> Table[R]:
        return self.query_one(Table)

    @property
    def flasktop(self) -> FlasktopApp:
        return cast("FlasktopApp", self.app)

    @property
    def selected(self) -> R | None:
        return self.table.selected

    @property
    def previews(self) -> bool:
        """Whether there is room for a preview."""
        return self.screen.size.height >= PREVIEW_FROM

    # State

    @property
    def visible_columns(self) -> list[Column[R]]:
        """The columns chosen (all by default), in their order; those of them that fit are shown."""
        offered = self.offered_columns
        named = {column.name: column for column in offered}
        chosen = [named[name] for name in self.chosen_columns if name in named]
        return [*self._marks(self._every), *(chosen or offered)]

    def _marks(self, every: Sequence[R]) -> list[Column[R]]:
        """The column of marks, where findings concern rows of this panel."""
        marks = self.flasktop.findings.marks
        if not marks or not any(self.key(row) in marks for row in every):
            return []
        if self._marked is not marks:  # the same column as long as the marks are: what was drawn of it is kept
            self._marked, self._mark_columns = marks, [mark_column(lambda row: marks.get(self.key(row)))]
        return self._mark_columns

    @property
    def offered_columns(self) -> Sequence[Column[R]]:
        """The columns that say something here."""
        return self.columns

    @property
    def sort_column(self) -> Column[R]:
        return self._sort_column(self._every)

    def _sort_column(self, every: Sequence[R]) -> Column[R]:
        known = (*self._marks(every), *self.columns)
        return next((column for column in known if column.name == self.sorted_by), self.columns[0])

    @property
    def holding(self) -> bool:
        """Whether the order is held because the cursor moved a moment ago."""
        return self.flasktop.clock() < self._hold_until

    def notes(self) -> list[Note]:
        """What narrows or holds the view, for the tab line, the most important first."""
        notes = []
        if self.filter.error:
            notes.append(Note(f"/ {self.filter.text} · {self.filter.error.partition(' at position')[0]}", "bad"))
        elif self.filter:
            notes.append(Note(f"/ {self.filter.text}  {len(self.table.keys)} shown", "accent"))
        if self.holding:
            notes.append(Note("sort held", "warn"))
        if self.hidden:
            notes.append(Note(f"{len(self.hidden)} hidden", "dim"))
        return notes

    # What a person does

    def sort_by(self, name: str) -> None:
        """Sort by a column; by the one it is sorted by already: the other way round."""
        self.reverse = not self.reverse if name == self.sorted_by else False
        self.sorted_by = name
        self._released()

    def sort_next(self, by: int) -> None:
        """Sort by the next (``by`` 1) or previous (-1) column of those shown."""
        names = list(self.table.shown_columns) or [column.name for column in self.columns]
        at = names.index(self.sorted_by) if self.sorted_by in names else -1 if by > 0 else 0
        self.sorted_by, self.reverse = names[(at + by) % len(names)], False
        self._released()

    def turn(self) -> None:
        """Reverse the order."""
        self.reverse = not self.reverse
        self._released()

    def _released(self) -> None:
        self._hold_until = float("-inf")
        self.refresh_view()

    def filter_by(self, wanted: Filter) -> None:
        """Show the rows that pass."""
        self.filter = wanted
        self._released()

    def hide(self) -> None:
        """Hide the selected row; where there is none, show all hidden ones again."""
        key = self.table.selected_key
        if key is None:
            self.hidden.clear()
        else:
            self.hidden.add(key)
        self.refresh_view()

    def show_hidden(self) -> None:
        """Show all hidden rows again."""
        self.hidden.clear()
        self.refresh_view()

    def on_table_moved(self) -> None:
        self._hold_until = self.flasktop.clock() + HOLD_S
        self._ahead = None
        self._show_preview()
        self.post_message(self.Changed())

    # Refresh

    def drawing(self, feed: Feed) -> Steps[None]:
        """Order and draw in steps what ``refresh_view`` is about to show, once ``feed`` has been read: then that takes
        half as long. For panels whose ``rows`` are the same objects until the next refresh."""
        every = self.rows(feed)
        order = self._order(every)
        self._ahead = (every, order)
        yield
        if self.previews and (row := self.table.next_selected(order)) is not None:
            self.preview(row, feed)  # what it asks for is kept
            yield
        yield from self.table.drawing(order)

    def refresh_view(self) -> None:
        """Read the rows anew and show them."""
        feed, table = self.flasktop.feed, self.table
        every = self._every = self.rows(feed)
        ahead, self._ahead = self._ahead, None  # a person's key comes here, too: what it changed is another order
        order = ahead[1] if ahead is not None and ahead[0] is every else self._order(every)
        table.empty = self._emptiness(len(every), feed.window)
        table.show_columns(self.visible_columns, self.sorted_by, self.sort_column.descending == self.reverse)
        table.show_rows(order)
        self._show_preview()

    def _order(self, every: Sequence[R]) -> Sequence[R]:
        rows = [row for row in every if self._passes(row)]
        if self.holding:
            return held(rows, self.table.keys, self.key)
        return ordered(rows, self._sort_column(every), self.reverse)

    def _passes(self, row: R) -> bool:
        return self.key(row) not in self.hidden and (not self.filter or self.filter.passes(self.text(row)))

    def _emptiness(self, all_rows: int, window: Window) -> str:
        if self.flasktop.source.chosen is None:
            return ""  # nobody knows yet whether there is an app
        if not all_rows:
            return self.nothing(window)
        if self.filter:
            return f"None of {all_rows} rows passes “{self.filter.text}”.\nesc clears the filter"
        return f"All {all_rows} rows are hidden.\nH shows them again"

    def _show_preview(self) -> None:
        self.flasktop.pulse.when_folded(self, self._show_preview_now)

    def _show_preview_now(self) -> None:
        if not self.is_mounted:
            return
        preview = self.query_one(Preview)
        preview.display = self.previews
        if preview.display:
            preview.styles.height = max(9, min(16, self.screen.size.height // 4 + 1))
            row = self.selected
            preview.show(None if row is None else self.preview(row, self.flasktop.feed))
