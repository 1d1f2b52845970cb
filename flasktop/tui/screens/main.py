"""The main screen: one panel a question, one of them shown."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.events import Resize
from textual.widgets import ContentSwitcher, Input

from flasktop.stats.views import WorkerRow
from flasktop.steps import Steps
from flasktop.tui.commands import Command
from flasktop.tui.feed import Feed
from flasktop.tui.filtering import NO_FILTER, parse
from flasktop.tui.heap_keys import take_heap
from flasktop.tui.keys import Scope, bindings
from flasktop.tui.panels.base import ListPanel
from flasktop.tui.panels.endpoints import EndpointsPanel
from flasktop.tui.panels.findings import FindingsPanel
from flasktop.tui.panels.heap import HeapPanel
from flasktop.tui.panels.in_flight import InFlightPanel
from flasktop.tui.panels.log import LogPanel
from flasktop.tui.panels.processes import HeapWanted, ProcessesPanel
from flasktop.tui.panels.queries import QueriesPanel
from flasktop.tui.screens.base import ViewScreen
from flasktop.tui.widgets.footer import KeyFooter
from flasktop.tui.widgets.table import Table
from flasktop.tui.widgets.tabs import Note, Tab, TabLine

PANELS: Final[tuple[type[ListPanel[object]], ...]] = (
    EndpointsPanel,
    QueriesPanel,
    InFlightPanel,
    ProcessesPanel,
    HeapPanel,
    FindingsPanel,
    LogPanel,
)  # type: ignore[assignment]
"""The panels, in the order of their tabs. A new one is a file of its own and a word here."""


class MainScreen(ViewScreen):
    """Tabs, the active panel, and what a person does with its list."""

    scopes: ClassVar[tuple[Scope, ...]] = ("panel",)
    BINDINGS: ClassVar[list[BindingType]] = bindings("panel")
    AUTO_FOCUS: ClassVar[str | None] = ""

    DEFAULT_CSS = """
    MainScreen #head { height: 1; }
    MainScreen #filter { width: 60%; max-width: 70; height: 1; display: none; border: none; }
    MainScreen #filter { padding: 0; background: $boost; }
    MainScreen #filter.open { display: block; }
    MainScreen #panels { height: 1fr; }
    MainScreen.roomy #panels { margin-top: 1; }
    """

    def body(self) -> ComposeResult:
        with Horizontal(id="head"):
            yield TabLine()
            yield Input(id="filter", placeholder="text   /regex/   !not", compact=True, select_on_focus=False)
        with ContentSwitcher(id="panels", initial=PANELS[0].panel):
            for panel in PANELS:
                yield panel()

    def on_mount(self) -> None:
        for panel in self.query(ListPanel):
            self.flasktop.memory.restore(panel)
        self.show_panel(PANELS[0].panel)

    def on_resize(self, event: Resize) -> None:
        super().on_resize(event)
        self.set_class(event.size.height >= 30, "roomy")
        self.call_after_refresh(self.refresh_view)

    def on_screen_resume(self) -> None:
        """Show what happened meanwhile at once, not at the next refresh."""
        if self.is_mounted:
            self.refresh_view()

    def footer_scopes(self) -> tuple[Scope, ...]:
        return (*((self.active.scope,) if self._complete else ()), "panel", "view", "everywhere")

    # Parts

    @property
    def active(self) -> ListPanel[object]:
        """The panel that is shown."""
        return self.query_one(f"#{self.query_one(ContentSwitcher).current}", ListPanel)

    def show_panel(self, name: str) -> None:
        """Show another panel."""
        self.flasktop.feed.catch_up()
        self.query_one(ContentSwitcher).current = name
        self._close_filter()
        self.active.query_one(Table).focus()
        self.query_one(KeyFooter).show(self.footer_scopes())
        self.refresh_view()

    # Refresh

    def reading(self, feed: Feed) -> Steps[None]:
        """Read the rows that ``refresh_view`` shows, and what the tabs count, in steps."""
        if self._complete:
            yield from self.active.reading(feed)
        for panel in list(self.query(ListPanel)):
            if self._complete and not self._filtering:  # between two steps the person may have gone on
                self._tab(panel, feed)
                yield

    def refresh_view(self) -> None:
        if self._complete:
            self.active.refresh_view()
            self._refresh_tabs()

    @property
    def _complete(self) -> bool:
        """Whether all parts are there: not before the first sight, nor while the screen is taken down."""
        return len(self.query(ListPanel)) == len(PANELS) and bool(self.query("TabLine"))

    def _refresh_tabs(self) -> None:
        panels = [self.active] if self._filtering else self.query(ListPanel)
        tabs = [self._tab(panel, self.feed) for panel in panels]
        self.query_one(TabLine).show(tabs, self.active.panel, self._notes())

    def _tab(self, panel: ListPanel[object], feed: Feed) -> Tab:
        rows = None if panel.panel == "log" else panel.count(feed)
        return Tab(panel.panel, panel.digit, panel.title, rows)

    def _notes(self) -> list[Note]:
        worker = self.feed.worker
        notes = [] if worker is None else [Note(f"only worker {worker.pid}", "accent")]
        if self.feed.app is not None:
            notes.append(Note(f"only app {self.feed.app}", "accent"))
        return [Note("/", "accent")] if self._filtering else notes + self.active.notes()

    # Keys

    def action_panel(self, name: str) -> None:
        self.show_panel(name)

    def action_next_panel(self, by: int) -> None:
        names = [panel.panel for panel in PANELS]
        self.show_panel(names[(names.index(self.active.panel) + by) % len(names)])

    def action_cursor(self, by: int) -> None:
        self.active.table.move(by)

    def action_cursor_to(self, row: int) -> None:
        self.active.table.move_to(row)

    def action_page(self, by: int) -> None:
        self.active.table.move(by * self.active.table.page)

    def action_open(self) -> None:
        row = self.active.selected
        if row is None:
            return
        if isinstance(row, WorkerRow):
            self.flasktop.watch_worker(row.worker)
            self.show_panel("endpoints")
            return
        screen = self.active.opened(row)
        if screen is not None:
            # What was opened is followed from now on, so that Esc comes back to it wherever it has been sorted to.
            self.active.table.select(self.active.table.selected_key)
            self.app.push_screen(screen)

    def action_sort(self, by: int) -> None:
        self.active.sort_next(by)
        self._remember_sort()

    def action_reverse(self) -> None:
        self.active.turn()
        self._remember_sort()

    def sort_by(self, column: str) -> None:
        """Sort the active panel by a column; again: the other way round."""
        self.active.sort_by(column)
        self._remember_sort()

    def action_hide(self) -> None:
        self.active.hide()
        self._refresh_tabs()

    def action_show_hidden(self) -> None:
        self.active.show_hidden()
        self._refresh_tabs()

    def action_copy(self) -> None:
        row = self.active.selected
        if row is not None:
            self.flasktop.copy(self.active.copied(row))

    def action_columns(self) -> None:
        """Ask which columns the panel shows."""
        from flasktop.tui.screens.columns import ColumnsScreen

        panel = self.active

        def chosen(names: tuple[str, ...] | None) -> None:
            if names is not None:
                panel.chosen_columns = names
                self.flasktop.memory.remember(panel)
                panel.refresh_view()

        here = [column.name for column in panel.visible_columns]
        self.app.push_screen(ColumnsScreen(panel.title, panel.offered_columns, here), chosen)

    def commands(self) -> Iterator[Command]:
        """What the palette offers for the panel that is shown, beside its keys."""
        panel = self.active
        for column in panel.visible_columns:
            yield f"Sort by {column.title}", column.about, partial(self.sort_by, column.name)
        yield "Show hidden rows", f"{len(panel.hidden)} hidden", self.action_show_hidden

    def _remember_sort(self) -> None:
        self.flasktop.memory.remember(self.active)
        self._refresh_tabs()

    # Filter

    @property
    def _filtering(self) -> bool:
        return self.query_one("#filter", Input).has_class("open")

    def action_filter(self) -> None:
        box = self.query_one("#filter", Input)
        box.value = self.active.filter.text
        box.cursor_position = len(box.value)
        box.add_class("open")
        box.focus()
        self._refresh_tabs()

    def action_clear(self) -> None:
        """Esc: leave the filter line, then the filter, then the single worker or app."""
        if self._filtering or self.active.filter.text:
            self._close_filter()
            self.active.filter_by(NO_FILTER)
            self._refresh_tabs()
        elif self.feed.worker is not None or self.feed.app is not None:
            self.flasktop.watch_all()

    def _close_filter(self) -> None:
        self.query_one("#filter", Input).remove_class("open")
        self.active.query_one(Table).focus()

    @on(Input.Changed, "#filter")
    def _filter_typed(self, event: Input.Changed) -> None:
        if self._filtering:
            self.active.filter_by(parse(event.value))
            self._refresh_tabs()

    @on(Input.Submitted, "#filter")
    def _filter_done(self) -> None:
        self._close_filter()
        self._refresh_tabs()

    # Mouse and messages

    @on(TabLine.Chosen)
    def _tab_chosen(self, event: TabLine.Chosen) -> None:
        self.show_panel(event.panel)

    @on(Table.HeaderClicked)
    def _header_clicked(self, event: Table.HeaderClicked) -> None:
        self.sort_by(event.column)

    @on(Table.Opened)
    def _row_opened(self) -> None:
        self.action_open()

    @on(HeapWanted)
    def _heap_wanted(self, event: HeapWanted) -> None:
        """To the worker's row in Heap, and into it."""
        row = event.worker
        self.show_panel(HeapPanel.panel)
        self.active.table.select(row.worker)
        if self.flasktop.heaps.underway(row.worker) is None:
            take_heap(self.flasktop, row)
        self.action_open()

    @on(ListPanel.Changed)
    def _panel_changed(self) -> None:
        self._refresh_tabs()
