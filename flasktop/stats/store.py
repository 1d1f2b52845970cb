"""The reader's aggregation of frames, over time windows and over workers."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from math import isfinite
from typing import Final

from flasktop.protocol.events import (
    CaughtUp,
    Defined,
    Event,
    Framed,
    Joined,
    StateChanged,
    Totalled,
    WorkerId,
)
from flasktop.protocol.messages import Frame
from flasktop.stats.cacheability import Cacheability, Caching
from flasktop.stats.coverage import Coverage
from flasktop.stats.drill import Drill
from flasktop.stats.growth import grown
from flasktop.stats.in_flight import Died, InFlightId, InFlightView, in_flight_view
from flasktop.stats.ingest import MAX_GATHERED, Ingest
from flasktop.stats.memory import memory_row
from flasktop.stats.memory_views import MemoryRow
from flasktop.stats.naming import local_ids
from flasktop.stats.pictures import endpoint_rows, query_rows
from flasktop.stats.rings import Rings
from flasktop.stats.roster import Roster
from flasktop.stats.rows import Rows
from flasktop.stats.selection import Asked, Selection
from flasktop.stats.served import Served, served
from flasktop.stats.summary import summary, worker_row
from flasktop.stats.survey import Survey
from flasktop.stats.timeline import MAX_OPEN, Timeline, window_start
from flasktop.stats.totals import Exact
from flasktop.stats.views import (
    EndpointDetail,
    EndpointKey,
    EndpointRow,
    QueryRow,
    StatementDetail,
    StatementKey,
    Summary,
    TraceId,
    TraceView,
    Window,
    WorkerRow,
)
from flasktop.stats.workers import Worker
from flasktop.steps import Steps, finished

MAX_DIED: Final = 200
"""So many requests that died with their workers are remembered, the newest."""


class Store:
    """All that the screens show, from the events of all workers.

    ``now`` is the reader's monotonic clock in seconds; ``worker`` None merges all; ``app`` None is every app of the
    workers. Methods are not safe for several threads at once.

    *Windows* (10 s, 1 m, 5 m) hold what ended in them, from every worker that was seen, also one that has gone since.
    *ALL* shows the workers' own exact totals, of the workers that are there now (live or silent); where none of the
    app is left, of those that are gone or died. Its percentiles come from the detail received.

    *One worker*: counts, sums, means and trends are its own in every window. Distributions are kept merged over the
    workers, since one per worker and row would take thirty times the memory: percentiles (and the largest value in
    the windows) are None for one of several workers.

    *One app*: statements are those that the app's routes ran, and those run outside requests in a worker of the app.
    In ALL a statement that two apps ran is counted whole, since a worker's totals do not tell them apart.
    """

    def __init__(self) -> None:
        self._rows = Rows()
        self._rings = Rings()
        self._caching = Caching()
        self._roster = Roster(self._rows)
        self._ingest = Ingest(self._rows, self._rings, self._caching)
        self._timeline = Timeline(self._ingest.packing)
        self._drill = Drill(self._rows, self._rings, self._roster.all)
        self._died: deque[Died] = deque(maxlen=MAX_DIED)
        self._clock = 0.0
        self._coverage = Coverage()
        self._exact = Exact()

    def apply(self, event: Event) -> None:
        """Take one event in."""
        worker = self._roster.of(event.worker)
        if isinstance(event, Framed):
            self._frame(worker, event.frame, event.live)
        elif isinstance(event, Defined):
            worker.defined(event.definitions)
        elif isinstance(event, Totalled):
            self._exact.take(worker.number, worker.totals, event.totals, None)
            if worker.base_due:
                worker.base_due = False
                worker.totals.set_base()
                self._exact.forget()
        elif isinstance(event, Joined):
            self._joined(worker, event)
        elif isinstance(event, CaughtUp):
            worker.losses.begin(event.next_number)
            if worker.history_from is None:
                worker.history_from = event.history_from
        else:
            self._state_changed(worker, event)

    @property
    def gathered(self) -> int:
        """How many traces and spans wait to be taken in; ``folding`` does it in steps, and any question at once."""
        return self._ingest.gathered

    @property
    def is_folding(self) -> bool:
        """Whether that is half done: then whoever asks something waits for the other half."""
        return self._timeline.is_folding

    def folding(self, now: float) -> Steps[None]:
        """Reckon what waits, in steps."""
        self._clock = max(self._clock, now)
        yield from self._timeline.folding(now)

    def reset(self, now: float) -> None:
        """Begin anew: windows, traces and losses from here on, ALL relative to the totals of this moment."""
        self._timeline.fold(now)
        self._timeline.clear()
        self._rings.clear()
        self._caching.clear()
        self._coverage.reset(now)
        self._exact.forget()
        for worker in self._roster.all:
            worker.totals.set_base()
            worker.losses.restart()
            worker.history_from = worker.wall(now)

    def summary(self, now: float, window: Window, *, app: str | None = None, worker: WorkerId | None = None) -> Summary:
        """Return the first line: how is my app?"""
        selection = self._select(now, window, app, worker)
        workers = self._roster.chosen(app, worker)
        return summary(workers, self._roster.shown(app, worker), selection, now, window, app)

    def local_ids(self, key: EndpointKey | StatementKey) -> tuple[tuple[WorkerId, tuple[int, ...]], ...]:
        """Return what each live worker calls an endpoint or a statement, for commands."""
        return local_ids(key, self._rows, self._roster.all)

    def endpoints(
        self, now: float, window: Window, *, app: str | None = None, worker: WorkerId | None = None
    ) -> tuple[EndpointRow, ...]:
        """Return the endpoints that were called in the window, the most total time first."""
        return finished(self.reading_endpoints(now, window, app=app, worker=worker))

    def reading_endpoints(
        self, now: float, window: Window, *, app: str | None = None, worker: WorkerId | None = None
    ) -> Steps[tuple[EndpointRow, ...]]:
        """The same, of this moment, in steps."""
        return endpoint_rows(self._select(now, window, app, worker))

    def queries(
        self, now: float, window: Window, *, app: str | None = None, worker: WorkerId | None = None
    ) -> tuple[QueryRow, ...]:
        """Return the statements that ran in the window, the most total time first."""
        return finished(self.reading_queries(now, window, app=app, worker=worker))

    def reading_queries(
        self, now: float, window: Window, *, app: str | None = None, worker: WorkerId | None = None
    ) -> Steps[tuple[QueryRow, ...]]:
        """The same, in steps: of the moment of the first, but for trends and who ran them, which are of the next."""
        return query_rows(self._select(now, window, app, worker))

    def statement_count(
        self, now: float, window: Window, *, app: str | None = None, worker: WorkerId | None = None
    ) -> int:
        """Return how many statements ``queries`` would return; it costs far less."""
        return self._select(now, window, app, worker).statement_count()

    def workers(self, now: float, window: Window) -> tuple[WorkerRow, ...]:
        """Return the workers by pid; one that has gone stays for ``GONE_FOR``, one that died for ``DIED_FOR`` seconds
        after the reader learnt of it."""
        self._fold(now)
        rows = [
            worker_row(worker, self._rows, now, window, self._rate(worker, now, window))
            for worker in self._roster.visible(now)
        ]
        return tuple(sorted(rows, key=lambda row: (row.worker.pid, row.worker.started_ms)))

    def served(self) -> dict[WorkerId, Mapping[EndpointKey, Served]]:
        """Return what each live worker answered of each endpoint since its start."""
        return served((worker for worker in self._roster.all if worker.state == "live"), self._rows)

    def memory(self, now: float, window: Window) -> tuple[MemoryRow, ...]:
        """Return what is known of the memory of the workers that ``workers`` lists, in the same order."""
        self._fold(now)
        shown = sorted(self._roster.visible(now), key=lambda each: (each.identity.pid, each.identity.started_ms))
        return tuple(memory_row(each, now, window, grown(each, self._rows)) for each in shown)

    def in_flight(self, now: float, *, app: str | None = None, worker: WorkerId | None = None) -> InFlightView:
        """Return the requests that run now, oldest first."""
        self._fold(now)
        hists = self._timeline.endpoint_times(Window.ALL).hists
        return in_flight_view(self._roster.chosen(app, worker), self._rows, hists, now, app)

    def ended(self, request: InFlightId) -> TraceId | None:
        """Return the trace of a request that was in flight and has ended; None while it runs, or if it was lost."""
        worker = self._roster.find(request.worker)
        number = None if worker is None else worker.running.ended(request.begun_us)
        return None if number is None else TraceId(request.worker, number)

    def died(self) -> tuple[Died, ...]:
        """Return the requests that died with their workers, newest first."""
        return tuple(self._died)

    def log(self, *, app: str | None = None, worker: WorkerId | None = None, limit: int = 500) -> tuple[TraceView, ...]:
        """Return the newest ``limit`` traces, newest first."""
        return self._drill.log(self._roster.numbers(app, worker), app, limit)

    def endpoint(
        self, key: EndpointKey, now: float, window: Window, *, worker: WorkerId | None = None
    ) -> EndpointDetail | None:
        """Return the drill-down of an endpoint, None where the window knows nothing of it."""
        return self.survey(now, window, worker=worker).endpoint(key)

    def statement(
        self, key: StatementKey, now: float, window: Window, *, worker: WorkerId | None = None
    ) -> StatementDetail | None:
        """Return the drill-down of a statement, None where the window knows nothing of it."""
        return self.survey(now, window, worker=worker).statement(key)

    def survey(self, now: float, window: Window, *, app: str | None = None, worker: WorkerId | None = None) -> Survey:
        """Return rows and drill-downs of one moment, for whoever asks for many; good until the next event."""
        selection = self._select(now, window, app, worker)
        chosen = self._roster.numbers(app, worker)
        since = None if window is Window.ALL else float(window_start(window, int(now)))
        return Survey(self._rows, self._drill, selection, chosen, since)

    def cacheability(self, key: EndpointKey, now: float, *, worker: WorkerId | None = None) -> Cacheability | None:
        """Return whether a cache would have answered an endpoint's requests; None where the last minutes do not tell
        (nothing slow enough, no GET, streamed or large bodies)."""
        row = self._rows.find_endpoint(key)
        return None if row is None else self._caching.view(row, self._roster.numbers(None, worker), now)

    def trace(self, trace_id: TraceId) -> TraceView | None:
        """Return a request that is still kept, None otherwise."""
        self._timeline.fold(self._clock)
        worker = self._roster.find(trace_id.worker)
        return None if worker is None else self._drill.trace(worker.number, trace_id.number)

    # Taking events in.

    def _joined(self, worker: Worker, event: Joined) -> None:
        first_time = worker.hello is None
        worker.joined(event.hello, event.mono_offset)
        self._coverage.began(event.hello.mono + event.mono_offset)
        started, reset_at = worker.started, self._coverage.reset_at
        if first_time and reset_at is not None and started is not None and started < reset_at:
            worker.base_due = True

    def _frame(self, worker: Worker, frame: Frame, live: bool) -> None:
        at = frame.mono + worker.offset
        if not isfinite(at) or not worker.received.add(frame.seq):
            return
        self._coverage.began(at)
        if at > self._clock:
            self._clock = at
        worker.frame(at, frame)
        if frame.totals is not None:
            self._exact.take(worker.number, worker.totals, frame.totals, frame.seq)
        timeline = self._timeline
        encoded = self._ingest.frame(worker, frame, timeline.open, self._coverage.reset_at or float("-inf"))
        worker.totals.frame(frame, encoded, live)
        if self._ingest.gathered > MAX_GATHERED or len(timeline.open) > MAX_OPEN:
            timeline.fold(self._clock)

    def _state_changed(self, worker: Worker, event: StateChanged) -> None:
        if worker.state != event.state:
            worker.state, worker.state_at, worker.state_mono = event.state, event.at, None
            self._died.extendleft(Died(request, event.at) for request in event.died)

    # Choosing.

    def _fold(self, now: float) -> None:
        self._clock = max(self._clock, now)
        self._timeline.fold(now)
        self._roster.passed(now)

    def _select(self, now: float, window: Window, app: str | None, worker: WorkerId | None) -> Selection:
        self._fold(now)
        chosen = None if worker is None else self._roster.find(worker)
        number = None if worker is None else (-1 if chosen is None else chosen.number)
        shown = self._roster.shown(app, worker)
        exact = self._exact.of({each.number: each.totals for each in shown}) if window is Window.ALL else None
        detail = worker is None or (chosen is not None and len(self._roster.all) == 1)
        seconds, since = self._coverage.seconds(now, window, shown), self._coverage.since(now, window)
        asked = Asked(now, window, app, number, seconds, since, detail)
        return Selection(self._rows, self._timeline, asked, exact)

    def _rate(self, worker: Worker, now: float, window: Window) -> float:
        seconds = self._coverage.seconds(now, window, [worker])
        if window is Window.ALL:
            return worker.totals.requests_since_base() / seconds
        start = window_start(window, int(now))
        return self._timeline.count_of(worker.number, start) / seconds
