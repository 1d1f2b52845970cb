"""What the screens of a heap ask the worker, and what they show while they wait for it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

from textual.timer import Timer

from flasktop.errors import FlasktopError
from flasktop.protocol.commands.heap import By, HeapHeld, Step
from flasktop.protocol.events import WorkerId
from flasktop.stats.heaps import HeapLine, Take
from flasktop.stats.views import WorkerRow
from flasktop.tui.deferred import deferred
from flasktop.tui.detail.page import Page
from flasktop.tui.detail.screen import DetailScreen
from flasktop.tui.heaps import HeapDesk, Trouble, Underway
from flasktop.tui.memory_keys import count_objects, trace_allocations

REST_S: Final = 0.3
"""So long the cursor rests on a row before it is asked who holds it."""

COUNT_S: Final = 0.25
"""How often the seconds of a question under way are counted on."""


class AskingScreen(DetailScreen):
    """A set of objects of a worker's heap (``steps`` lead to it from the whole), divided ``by`` something.

    ``dividing`` and ``searching`` are what is asked now, or why there is no answer. Both end when the screen is left,
    and a search when the cursor moves on.
    """

    key: WorkerId
    view: Take | None

    def __init__(self, worker: WorkerId, steps: tuple[Step, ...], by: By, siblings: Sequence[Hashable] = ()) -> None:
        super().__init__(worker, siblings)
        self.steps, self.by = steps, by
        self.dividing: Underway | Trouble | None = None
        self.searching: Underway | Trouble | None = None
        self._resting: Timer | None = None

    @property
    def selected(self) -> HeapLine | None:
        """The row under the cursor."""
        raise NotImplementedError

    def show_pane(self) -> None:
        """Show who holds the selected row, as far as is known."""
        raise NotImplementedError

    @property
    def desk(self) -> HeapDesk:
        return self.flasktop.heaps

    @property
    def worker_row(self) -> WorkerRow | None:
        """What is known of the worker."""
        workers = self.feed.store.workers(self.feed.now(), self.feed.window)
        return next((row for row in workers if row.worker == self.key), None)

    def worker(self) -> WorkerId | None:
        return self.key

    def gone_words(self) -> str:
        return ""

    def on_mount(self) -> None:
        self.set_interval(COUNT_S, self._count_on)

    def on_screen_resume(self) -> None:
        self.redraw()
        self.row_changed()

    def not_walkable(self) -> str:
        """Why nothing can be asked of this take."""
        if self.view is not None and self.view.taken.take < 0:
            return "Taken in process: there is no frozen copy to look into."
        return "Only the newest take can be looked into; this one is kept to be compared with. h takes it anew."

    def _count_on(self) -> None:
        """Let the seconds of what is under way run."""
        asking = isinstance(self.dividing, Underway) or isinstance(self.searching, Underway)
        if self.is_current and (asking or (self.desk.underway(self.key) and not self.feed.frozen)):
            self.redraw()

    def divide(self) -> None:
        """Ask for the rows."""
        take = self.view
        if take is None:
            return
        if not self.desk.can_walk(self.key, take):
            self.dividing = Trouble(self.not_walkable(), "")
            return
        self.dividing = Underway(self.flasktop.clock(), "asking")
        self.run_worker(deferred(self._ask_division, take, self.by), group="division", exclusive=True)

    async def _ask_division(self, take: Take, by: By) -> None:
        def told(doing: Underway) -> None:
            self.dividing = doing

        try:
            await self.desk.walk(self.key, take, self.steps, by, told)
        except FlasktopError as error:
            self.dividing = Trouble.of(error)
        else:
            self.dividing = None
            self.view = self.desk.heaps.find(self.key, take.number) or take
        self.redraw()
        self.row_changed()

    def on_page_moved(self, event: Page.Moved) -> None:
        if event.page is self.page:
            self.row_changed()

    def row_changed(self) -> None:
        """Another row is selected: stop searching for the last one's holder, and begin when the cursor rests."""
        self.workers.cancel_group(self, "paths")
        self.searching = None
        if self._resting is not None:
            self._resting.stop()
        self._resting = self.set_timer(REST_S, self._search)
        self.show_pane()

    def held(self, row: HeapLine) -> HeapHeld | None:
        """Who holds a row, where that is known."""
        if self.view is None or row.index is None:
            return None
        return self.desk.known_held(self.key, self.view, (*self.steps, Step(self.by, row.index)))

    def _search(self) -> None:
        row, take = self.selected, self.view
        if row is None or take is None or row.index is None or self.held(row) is not None:
            return
        if not self.desk.can_walk(self.key, take) or not self.is_current:
            return
        steps = (*self.steps, Step(self.by, row.index))
        self.searching = Underway(self.flasktop.clock(), "asking")
        self.run_worker(deferred(self._ask_paths, take, steps), group="paths", exclusive=True)
        self.show_pane()

    async def _ask_paths(self, take: Take, steps: tuple[Step, ...]) -> None:
        def told(doing: Underway) -> None:
            self.searching = doing

        try:
            await self.desk.paths(self.key, take, steps, told)
        except FlasktopError as error:
            self.searching = Trouble.of(error)
        else:
            self.searching = None
        self.show_pane()

    # Keys

    def action_trace_allocations(self) -> None:
        trace_allocations(self.flasktop, self.key)

    def action_count_objects(self) -> None:
        count_objects(self.flasktop, self.key)
