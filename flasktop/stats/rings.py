"""The traces that are kept whole for drilling down: recent, failed and slowest of each endpoint, and the log.

All of it is bounded: by endpoint, and over all endpoints together (with very many endpoints each keeps fewer). What is
kept depends only on the traces, not on the order in which they came.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush, heapreplace
from typing import Final, NamedTuple

from flasktop.protocol.records import Trace

RECENT: Final = 50
"""Recent traces kept per endpoint, and as many failed ones."""

SLOWEST: Final = 20
"""Slowest traces kept per endpoint and stretch of ten seconds, and of all time."""

LOG: Final = 1_000
"""Traces in the log, over all workers."""

BUDGET: Final = 10_000
"""About so many recent traces over all endpoints; about as many failed ones, and as many slow ones."""

_STRETCH: Final = 10
_STRETCHES: Final = 31


class Kept(NamedTuple):
    """A trace that is kept, newest last in order. ``ended`` is on the reader's monotonic clock, ``at`` is Unix seconds;
    ``worker`` is the worker's number in the store, ``row`` the endpoint row."""

    ended: float
    worker: int
    number: int
    at: float
    row: int
    trace: Trace


class Newest:
    """The ``size`` newest traces, whatever the order in which they came."""

    __slots__ = ("_floor", "_kept")

    def __init__(self) -> None:
        self._kept: list[Kept] = []
        self._floor = float("-inf")

    def add(self, kept: Kept, size: int) -> None:
        """Keep a trace if it is new enough."""
        if kept.ended < self._floor:
            return
        self._kept.append(kept)
        if len(self._kept) >= size + size // 2 + 4:
            self._trim(size)

    def newest(self, size: int) -> list[Kept]:
        """Return the traces, newest first."""
        return sorted(self._kept, reverse=True, key=_by_end)[:size]

    def __iter__(self) -> Iterator[Kept]:
        return iter(self._kept)

    def _trim(self, size: int) -> None:
        self._kept.sort(reverse=True, key=_by_end)
        del self._kept[size:]
        self._floor = self._kept[-1].ended


class Slowest:
    """The slowest traces of a stretch, as a heap whose first is the fastest of them."""

    __slots__ = ("_heap", "least")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int, Kept]] = []
        self.least = -1

    def add(self, kept: Kept, size: int) -> None:
        """Keep a trace if it is slow enough."""
        entry = (kept.trace.duration_us, kept.worker, kept.number, kept)
        heap = self._heap
        while len(heap) > size:
            heappop(heap)
        if len(heap) < size:
            heappush(heap, entry)
        elif entry > heap[0]:
            heapreplace(heap, entry)
        if len(heap) >= size:
            self.least = heap[0][0]

    def __iter__(self) -> Iterator[Kept]:
        return (entry[3] for entry in self._heap)


class Detail:
    """What is kept of one endpoint."""

    __slots__ = ("_stretches", "failed", "recent", "slowest")

    def __init__(self) -> None:
        self.recent = Newest()
        self.failed = Newest()
        self.slowest = Slowest()
        self._stretches: dict[int, Slowest] = {}

    def add(self, kept: Kept, failed: bool, recent: int, slow: int) -> None:
        """Take a trace; ``recent`` and ``slow`` are how many of each kind may be kept."""
        self.recent.add(kept, recent)
        if failed:
            self.failed.add(kept, recent)
        duration = kept.trace.duration_us
        stretch = int(kept.ended) // _STRETCH
        slowest = self._stretches.get(stretch)
        if slowest is None:
            slowest = self._new_stretch(stretch)
        if duration >= slowest.least:
            slowest.add(kept, slow)
            if duration >= self.slowest.least:
                self.slowest.add(kept, min(SLOWEST, recent))

    def slowest_since(self, since: float | None) -> list[Kept]:
        """Return kept traces that ended at ``since`` or later (None: all), slowest first."""
        found = {kept[:3]: kept for kept in self if since is None or kept.ended >= since}
        return sorted(found.values(), key=_by_duration, reverse=True)

    def __iter__(self) -> Iterator[Kept]:
        """Yield all that is kept, some more than once."""
        yield from self.recent
        yield from self.failed
        yield from self.slowest
        for slowest in self._stretches.values():
            yield from slowest

    def _new_stretch(self, stretch: int) -> Slowest:
        slowest = Slowest()
        stretches = self._stretches
        stretches[stretch] = slowest
        if len(stretches) > _STRETCHES:
            del stretches[min(stretches)]
        return slowest


class Rings:
    """All traces that are kept, by endpoint row, and the log."""

    def __init__(self) -> None:
        self.log = Newest()
        self._details: dict[int, Detail] = {}
        self.recent = RECENT
        self.slow = SLOWEST

    def detail(self, row: int) -> Detail:
        """Return what is kept of an endpoint row, to add to."""
        detail = self._details.get(row)
        if detail is None:
            detail = self._details[row] = Detail()
            self.recent = min(RECENT, max(4, BUDGET // len(self._details)))
            self.slow = min(SLOWEST, max(1, BUDGET // (len(self._details) * 12)))
        return detail

    def find(self, row: int) -> Detail | None:
        """Return what is kept of an endpoint row, None where nothing is."""
        return self._details.get(row)

    def clear(self) -> None:
        """Forget all traces."""
        self.__init__()  # type: ignore[misc]

    def __iter__(self) -> Iterator[Kept]:
        """Yield every trace that is kept, some more than once."""
        yield from self.log
        for detail in self._details.values():
            yield from detail


def _by_end(kept: Kept) -> tuple[float, int, int]:
    return kept[:3]


def _by_duration(kept: Kept) -> tuple[int, float]:
    return kept.trace.duration_us, kept.ended
