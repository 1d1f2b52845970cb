"""Requests in flight: what workers said of them last, corrected by what has ended since."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from flasktop.protocol.events import DiedRequest, WorkerId
from flasktop.protocol.records import DOING_UNKNOWN, UNKNOWN, InFlight, Sample
from flasktop.stats.histogram import Histogram
from flasktop.stats.rows import Rows
from flasktop.stats.views import EndpointKey, StatementKey

if TYPE_CHECKING:
    from flasktop.protocol.messages import Frame
    from flasktop.stats.workers import Worker

SAME_US: Final = 2
"""A trace and a request in flight that began within so many microseconds are the same: both clocks are rounded."""

ENDED_KEPT: Final = 1_000
"""Requests of one worker that were seen in flight and ended: so many are remembered, to find their traces."""


class InFlightId(NamedTuple):
    """One request in flight: its worker, and when it began on that worker's clock."""

    worker: WorkerId
    begun_us: int


@dataclass(frozen=True, slots=True)
class InFlightRow:
    """One request that runs. ``key`` is None, and ``route`` empty, before routing. ``age_ms`` is of now, what else is
    said of the moment ``seen_ms`` ago. ``doing`` is ``sql``, ``wait``, ``cpu`` or ``unknown``, for ``doing_ms``;
    ``kind`` and ``statement`` while in SQL. ``p95_ms`` is its endpoint's own, over all that was seen of it."""

    id: InFlightId
    key: EndpointKey | None
    app: str
    method: str
    route: str
    path: str
    age_ms: float
    seen_ms: float
    thread: str
    thread_id: int | None
    statements: int
    cpu_ms: float | None
    doing: str
    doing_ms: float | None
    kind: str
    statement: StatementKey | None
    p95_ms: float | None


@dataclass(frozen=True, slots=True)
class InFlightView:
    """The requests in flight, oldest first. ``beyond`` counts those that workers did not name: they name the oldest."""

    rows: tuple[InFlightRow, ...] = ()
    beyond: int = 0


@dataclass(frozen=True, slots=True)
class Died:
    """A request that died with its worker."""

    request: DiedRequest
    at: float


class Running:
    """What one worker said last of its requests in flight. ``at`` is the reader's clock then."""

    def __init__(self) -> None:
        self.at = float("-inf")
        self.requests: dict[int, InFlight] = {}
        self.count = 0
        self._mono_us = 0.0
        self._ended: dict[int, int] = {}
        self._ended_order: deque[int] = deque()

    def sampled(self, at: float, mono: float, sample: Sample) -> None:
        """Take a sample of the moment ``at`` (``mono`` on the worker's own clock)."""
        if at < self.at:
            return
        self.at, self._mono_us = at, mono * 1e6
        self.count = sample.in_flight
        self.requests = {one.begun_us: one for one in sample.running if one.begun_us != UNKNOWN}

    def frame(self, frame: Frame) -> None:
        """Take out what has ended, by the traces of a frame."""
        requests = self.requests
        if not requests:
            return
        mono_us = frame.mono * 1e6
        before_sample = mono_us - self._mono_us
        for trace in frame.traces:
            if trace.start_us >= before_sample:
                found = self._same(int(mono_us) - trace.start_us)
                if found is not None:
                    del requests[found]
                    self.count -= 1
                    self._remember(found, trace.number)

    def ended(self, begun_us: int) -> int | None:
        """The number of the trace of a request that was in flight and has ended; None for any other."""
        return self._ended.get(begun_us)

    def _same(self, begun_us: int) -> int | None:
        near = range(begun_us - SAME_US, begun_us + SAME_US + 1)
        return next((begun for begun in near if begun in self.requests), None)

    def _remember(self, begun_us: int, number: int) -> None:
        self._ended[begun_us] = number
        self._ended_order.append(begun_us)
        if len(self._ended_order) > ENDED_KEPT:
            self._ended.pop(self._ended_order.popleft(), None)


def in_flight_view(
    workers: Iterable[Worker], rows: Rows, hists: Mapping[int, Histogram], now: float, app: str | None
) -> InFlightView:
    """Return what runs in those of ``workers`` that are there, of one app or of all."""
    found, beyond = [], 0
    for worker in workers:
        if not worker.alive:
            continue
        running = worker.running
        beyond += max(running.count - len(running.requests), 0)
        for request in running.requests.values():
            row = _row(worker, request, rows, hists, now)
            if app is None or row.app == app:
                found.append(row)
    return InFlightView(tuple(sorted(found, key=lambda row: (-row.age_ms, row.id.begun_us))), beyond)


def _row(worker: Worker, request: InFlight, rows: Rows, hists: Mapping[int, Histogram], now: float) -> InFlightRow:
    number = worker.endpoint_row(request.route) if request.route != UNKNOWN else None
    key = rows.endpoints[number].key if number is not None else None
    hist = hists.get(number) if number is not None else None
    seen_ms = max(now - worker.running.at, 0.0) * 1e3
    p95_us = hist.quantiles(0.95)[0] if hist is not None and hist.total else None
    named = request.statement != UNKNOWN
    return InFlightRow(
        id=InFlightId(worker.identity, request.begun_us),
        key=key,
        app=key.app if key is not None else request.app,
        method=request.method,
        route=key.route if key is not None else "",
        path=request.path,
        age_ms=request.age_us / 1e3 + seen_ms,
        seen_ms=seen_ms,
        thread=request.thread,
        thread_id=None if request.thread_id == UNKNOWN else request.thread_id,
        statements=request.statements,
        cpu_ms=None if request.cpu_us == UNKNOWN else request.cpu_us / 1e3,
        doing=request.doing or DOING_UNKNOWN,
        doing_ms=None if request.doing_us == UNKNOWN else request.doing_us / 1e3 + seen_ms,
        kind=request.kind,
        statement=rows.statements[worker.statement_row(request.statement)].key if named else None,
        p95_ms=None if p95_us is None else p95_us / 1e3,
    )
