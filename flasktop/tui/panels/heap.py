"""5 Heap: what each worker's memory does, and the heaps that were taken of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any, ClassVar, Final

from rich.text import Text
from textual.binding import BindingType
from textual.screen import Screen

from flasktop.stats.heaps import Take
from flasktop.stats.views import Window, WorkerRow
from flasktop.tui.columns import Column, SortValue
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.text import fit, safe
from flasktop.tui.draw.trend import trend
from flasktop.tui.feed import Feed
from flasktop.tui.heap_keys import mark_heap, take_heap
from flasktop.tui.keys import Scope, bindings
from flasktop.tui.memory_keys import count_objects, trace_allocations
from flasktop.tui.panels.base import ListPanel
from flasktop.tui.panels.cells import cell, number
from flasktop.tui.panels.heap_preview import WorkerHeap, heap_preview
from flasktop.tui.panels.processes import slope, state
from flasktop.tui.widgets.preview import Drawing
from flasktop.tui.widgets.table import Table
from flasktop.units import bytes_, clock, ms_unit, whole

TICK_S: Final = 0.5
"""How often the seconds of a take under way are counted on."""


def of_worker(
    render: Callable[[WorkerRow, int, Palette], Text],
) -> Callable[[WorkerHeap, int, Palette], Text]:
    """A cell of ``Processes`` in this table."""
    return lambda row, width, palette: render(row.worker, width, palette)


def _size(value: int | None, palette: Palette) -> Text:
    return number(bytes_(value), palette)


def _of_take(tell: Callable[[Take], str]) -> Callable[[WorkerHeap, int, Palette], Text]:
    def render(row: WorkerHeap, width: int, palette: Palette) -> Text:
        return cell("·", palette.faint) if row.take is None else cell(tell(row.take), palette.text)

    return render


def _by_take(value: Callable[[Take], float]) -> Callable[[WorkerHeap], SortValue]:
    return lambda row: None if row.take is None else value(row.take)


def _says(row: WorkerHeap, width: int, palette: Palette) -> Text:
    """What a take does now, why there is none, or what is marked."""
    if row.underway is not None:
        return cell(f"◐ {fit(row.underway.words(row.now), width - 2)}", palette.accent)
    if row.trouble is not None:
        return cell(fit(f"✗ {safe(row.trouble.message)}", width), palette.warn)
    if not may_take(row.worker):
        return cell("not granted", palette.dim)
    if row.marked is not None:
        return cell(f"✓ marked {clock(row.marked.taken.taken_at)}", palette.good)
    return cell("·", palette.faint)


def may_take(row: WorkerRow) -> bool:
    """Whether the app's settings allow its heap to be taken, as far as is known."""
    return row.hello is None or "heap" in row.hello.grants


COLUMNS: tuple[Column[WorkerHeap], ...] = (
    Column(
        "pid", "PID", 7, 0, lambda row, width, palette: cell(str(row.worker.worker.pid), palette.strong),
        lambda row: row.worker.worker.pid, "Process id", descending=False,
    ),
    Column(
        "state", "STATE", 9, 1, of_worker(state), lambda row: row.worker.state, "live, silent, ended or died",
        right=False, descending=False,
    ),
    Column(
        "rss", "RSS", 8, 0, lambda row, width, palette: _size(row.worker.rss_bytes, palette),
        lambda row: row.worker.rss_bytes, "Resident memory, shared pages included",
    ),
    Column(
        "rss_trend", "RSS TREND", 10, 4,
        lambda row, width, palette: trend(row.worker.rss_trend, width, palette.wait, from_zero=False),
        lambda row: row.worker.rss_bytes, "RSS over the window", right=False, grow=1, widest=20,
    ),
    Column(
        "slope", "GROWTH/H", 9, 0, of_worker(slope), lambda row: row.worker.rss_slope,
        "How RSS grows, in bytes an hour",
    ),
    Column(
        "uss", "USS", 8, 5, lambda row, width, palette: _size(row.worker.uss_bytes, palette),
        lambda row: row.worker.uss_bytes, "Memory of its own: what ending it would free",
    ),
    Column(
        "pss", "PSS", 8, 6, lambda row, width, palette: _size(row.worker.pss_bytes, palette),
        lambda row: row.worker.pss_bytes, "Memory with shared pages divided by their users",
    ),
    Column(
        "taken", "TAKEN", 8, 2, _of_take(lambda take: clock(take.taken.taken_at)),
        _by_take(lambda take: take.taken.taken_at), "When its heap was taken last",
    ),
    Column(
        "bytes", "HEAP", 8, 0, _of_take(lambda take: bytes_(take.taken.bytes)),
        _by_take(lambda take: take.taken.bytes), "Python objects of the last take, in bytes",
    ),
    Column(
        "objects", "OBJECTS", 10, 3, _of_take(lambda take: whole(take.taken.objects)),
        _by_take(lambda take: take.taken.objects), "Python objects of the last take",
    ),
    Column(
        "pause", "PAUSED", 7, 4, _of_take(lambda take: ms_unit(take.taken.pause_us / 1000)),
        _by_take(lambda take: take.taken.pause_us), "How long the app stood still for the last take",
    ),
    Column(
        "says", "TAKE", 18, 0, _says, lambda row: None, "What a take does now, why there is none, what is marked",
        right=False, grow=3, widest=60,
    ),
)  # fmt: skip


class HeapPanel(ListPanel[WorkerHeap]):
    """One row a worker. Enter opens its last take."""

    panel: ClassVar[str] = "heap"
    digit: ClassVar[str] = "5"
    title: ClassVar[str] = "Heap"
    scope: ClassVar[Scope] = "heap"
    default_sort: ClassVar[str] = "pid"
    columns: ClassVar[Sequence[Column[Any]]] = COLUMNS
    BINDINGS: ClassVar[list[BindingType]] = bindings("heap")

    _seen: Sequence[WorkerHeap] = ()

    def on_mount(self) -> None:
        self.set_interval(TICK_S, self._count_on)

    def rows(self, feed: Feed) -> Sequence[WorkerHeap]:
        if not feed.frozen or not self._seen:
            self._seen = [self._row(worker) for worker in feed.store.workers(feed.now(), feed.window)]
        return self._seen

    def _row(self, worker: WorkerRow) -> WorkerHeap:
        desk = self.flasktop.heaps
        who = worker.worker
        return WorkerHeap(
            worker,
            desk.heaps.newest(who),
            desk.heaps.marked(who),
            desk.underway(who),
            desk.trouble(who),
            self.flasktop.clock(),
        )

    def key(self, row: WorkerHeap) -> Hashable:
        return row.worker.worker

    def text(self, row: WorkerHeap) -> str:
        return f"{row.worker.worker.pid} {row.worker.state}"

    def copied(self, row: WorkerHeap) -> str:
        return str(row.worker.worker.pid)

    def nothing(self, window: Window) -> str:
        return "No worker has answered yet."

    def opened(self, row: WorkerHeap) -> Screen[None] | None:
        from flasktop.tui.detail.heap import HeapScreen

        return HeapScreen(row.worker.worker)

    def preview(self, row: WorkerHeap, feed: Feed) -> Drawing | None:
        rows = feed.store.memory(feed.now(), feed.window)
        memory = next((each for each in rows if each.worker == row.worker.worker), None)
        return partial(heap_preview, row, memory=memory)

    def refresh_view(self) -> None:
        """Show what is known now. (A take may end while the screen is being closed: there is no table then.)"""
        if self.query(Table):
            super().refresh_view()

    def _count_on(self) -> None:
        """Let the seconds of takes under way run."""
        if self.is_on_screen and not self.flasktop.feed.frozen and any(row.underway for row in self._seen):
            self.refresh_view()

    @property
    def is_on_screen(self) -> bool:
        """Whether this is the panel that is shown."""
        return self.display and self.screen.is_current

    # Keys

    def action_take_heap(self) -> None:
        row = self.selected
        if row is not None:
            take_heap(self.flasktop, row.worker)

    def action_mark_heap(self) -> None:
        row = self.selected
        if row is not None:
            mark_heap(self.flasktop, row.worker.worker, row.take)

    def action_trace_allocations(self) -> None:
        row = self.selected
        if row is not None:
            trace_allocations(self.flasktop, row.worker.worker)

    def action_count_objects(self) -> None:
        row = self.selected
        if row is not None:
            count_objects(self.flasktop, row.worker.worker)
