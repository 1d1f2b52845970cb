"""What a request of an endpoint leaves behind in memory, where that can be told.

An interval between two samples tells it when requests of one endpoint alone finished in it, none was in flight at
either end, nothing is missing, and the process burnt little CPU beside them. All others tell nothing of anybody:
memory has no owner. Of the intervals that do tell, the median a request is taken, and believed only where most of them
and their sum agree: garbage that waits for a collection comes and goes, a leak only comes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from flasktop.protocol.messages import Frame
from flasktop.protocol.records import UNKNOWN, Sample, Trace
from flasktop.stats.memory_views import EndpointGrowth

if TYPE_CHECKING:
    from flasktop.stats.rows import Rows
    from flasktop.stats.workers import Worker

KEPT: Final = 120
"""Intervals kept per endpoint and worker."""
MAX_ENDPOINTS: Final = 300
MIN_INTERVALS: Final = 5
MIN_REQUESTS: Final = 25
"""With fewer intervals or requests nothing is said."""
AGREE: Final = 0.75
"""So great a part of the requests must lie in intervals that grew (or that did not)."""
LEAST_BLOCKS: Final = 1.0
"""Fewer blocks a request than this are no growth: a counter, a log line, noise."""
LEAST_RSS: Final = 1_000_000
"""RSS moves in steps; below so many bytes in all it says nothing of a single request."""


class Interval(NamedTuple):
    """``requests`` of one endpoint, and what they left: ``blocks`` and ``rss`` bytes, all of them together; ``full``:
    how many full collections ran meanwhile."""

    requests: int
    blocks: int
    rss: int
    full: int


@dataclass(slots=True)
class _Told:
    """What is known of one local route."""

    alone: list[Interval] = field(default_factory=list)
    shared: int = 0
    uncounted: int = 0


class Growth:
    """Takes the frames of one worker in order; what comes late (backfill) is passed over."""

    def __init__(self) -> None:
        self.routes: dict[int, _Told] = {}
        self._seq = -1
        self._start: Sample | None = None
        self._mono = 0.0
        self._restart()

    def _restart(self) -> None:
        self._counts: Counter[int] = Counter()
        self._cpu_us = 0
        self._whole = True

    def frame(self, frame: Frame) -> None:
        """Take a frame in."""
        if frame.seq <= self._seq:
            return
        if frame.seq != self._seq + 1 or len(frame.traces) != frame.finished:
            self._whole = False
        self._seq = frame.seq
        if frame.traces:
            self._take(frame.traces)
        if frame.sample is not None:
            self._end(frame.sample, frame.mono)
            self._start, self._mono = frame.sample, frame.mono
            self._restart()

    def _take(self, traces: tuple[Trace, ...]) -> None:
        self._counts.update([trace.route for trace in traces])
        cpu_us = [trace.cpu_us for trace in traces]
        self._cpu_us = UNKNOWN if UNKNOWN in cpu_us or self._cpu_us == UNKNOWN else self._cpu_us + sum(cpu_us)

    def _end(self, sample: Sample, mono: float) -> None:
        start = self._start
        if start is None or not self._counts:
            return
        alone = len(self._counts) == 1 and self._whole and not start.in_flight and not sample.in_flight
        alone = alone and self._quiet(sample, mono - self._mono)
        for route, requests in self._counts.items():
            told = self._told(route)
            if told is None:
                continue
            if not alone:
                told.shared += 1
            elif UNKNOWN in (start.allocated_blocks, sample.allocated_blocks):
                told.uncounted += 1
            else:
                blocks = sample.allocated_blocks - start.allocated_blocks
                full = sum(sample.gc_counts[2:]) - sum(start.gc_counts[2:])
                told.alone.append(Interval(requests, blocks, sample.rss_bytes - start.rss_bytes, full))
                del told.alone[:-KEPT]

    def _quiet(self, sample: Sample, seconds: float) -> bool:
        """Whether the process did little beside the requests (and what a server does for each of them)."""
        if self._cpu_us == UNKNOWN or sample.cpu_percent is None:
            return True
        ours = (sample.agent_cpu_percent or 0.0) / 100 * seconds
        known = self._cpu_us / 1e6
        beside = sample.cpu_percent / 100 * seconds - known - ours
        return beside <= 0.05 + 0.5 * known + 0.001 * sum(self._counts.values())

    def _told(self, route: int) -> _Told | None:
        told = self.routes.get(route)
        if told is None and len(self.routes) < MAX_ENDPOINTS:
            told = self.routes[route] = _Told()
        return told


def grown(worker: Worker, rows: Rows) -> tuple[EndpointGrowth, ...]:
    """Return the growth of each endpoint of a worker: what grows first, then what does not, then what cannot be told
    (the more intervals the earlier)."""
    made = []
    for route, told in worker.growth.routes.items():
        key = rows.endpoints[worker.endpoint_row(route)].key
        blocks, why = _judged(told)
        requests = sum(interval.requests for interval in told.alone)
        rss = sum(interval.rss for interval in told.alone)
        rss_each = rss / requests if blocks and rss >= LEAST_RSS else None
        made.append(EndpointGrowth(key, blocks, rss_each, len(told.alone), requests, why))
    made.sort(key=lambda each: (each.blocks is None, -(each.blocks or 0.0), -each.intervals, each.key))
    return tuple(made)


def _judged(told: _Told) -> tuple[float | None, str]:
    """Blocks a request, or None and why not; a number may carry a warning in words."""
    intervals = told.alone
    requests = sum(interval.requests for interval in intervals)
    if len(intervals) < MIN_INTERVALS or requests < MIN_REQUESTS:
        return None, _too_few(told, requests)
    middle = _weighted_median(intervals)
    mean = sum(interval.blocks for interval in intervals) / requests
    growing = sum(i.requests for i in intervals if i.blocks >= max(LEAST_BLOCKS, middle / 4) * i.requests) / requests
    if middle >= LEAST_BLOCKS and growing >= AGREE and mean >= middle / 2:
        full = sum(interval.full for interval in intervals)
        return middle, "" if full else "no full collection yet: garbage may be among it"
    if middle < LEAST_BLOCKS and mean < LEAST_BLOCKS:
        return 0.0, ""
    low, high = (edge(i.blocks / i.requests for i in intervals) for edge in (min, max))
    return None, f"uneven: from {low:+.0f} to {high:+.0f} blocks a request"


def _too_few(told: _Told, requests: int) -> str:
    alone = len(told.alone)
    if told.shared > alone:
        return f"other work ran beside it in {told.shared} of {told.shared + alone + told.uncounted} intervals"
    if told.uncounted > alone:
        return "allocated blocks are not counted here"
    return f"too few: {requests} requests in {alone} intervals, {MIN_REQUESTS} in {MIN_INTERVALS} are needed"


def _weighted_median(intervals: list[Interval]) -> float:
    """The median of blocks a request, each interval weighing as many as its requests."""
    ordered = sorted((interval.blocks / interval.requests, interval.requests) for interval in intervals)
    half, seen = sum(requests for _, requests in ordered) / 2, 0
    for value, requests in ordered:
        seen += requests
        if seen >= half:
            return value
    return 0.0
