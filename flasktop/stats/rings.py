"""The traces that are kept whole for drilling down: recent, failed and slowest of each endpoint, and the log.

All of it is bounded: by endpoint, and over all endpoints together (with very many endpoints each keeps fewer). What is
kept depends only on the traces, not on the order in which they came.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush, heapreplace
from operator import attrgetter
from typing import Final

import msgspec

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


class Kept(msgspec.Struct, frozen=True, gc=False):
    """A trace that is kept, newest last in order. ``ended`` is on the reader's monotonic clock, ``at`` is Unix seconds;
    ``worker`` is the worker's number in the store, ``row`` the endpoint row."""

    ended: float
    worker: int
    number: int
    at: float
    row: int
    trace: Trace


_Slow = tuple[int, int, int, float, int, Kept]
"""How traces are ordered by slowness; nothing of two that are the same in all else is compared but their identity."""

_by_end: Final = attrgetter("ended", "worker", "number")


class Newest:
    """The ``size`` newest traces, whatever the order in which they came."""

    __slots__ = ("_floor", "_kept", "_slack")

    def __init__(self, slack: float = 0.5) -> None:
        """``slack`` is the part of the size by which more may be kept before the oldest are cut off."""
        self._slack = slack
        self._kept: list[Kept] = []
        self._floor = float("-inf")

    def extend(self, came: Sequence[Kept], size: int) -> None:
        """Keep those of some traces that are new enough."""
        floor = self._floor
        self._kept.extend(came if floor < 0 else [kept for kept in came if kept.ended >= floor])
        if len(self._kept) >= size + size * self._slack + 4:
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
        self._heap: list[_Slow] = []
        self.least = -1

    def extend(self, came: Sequence[Kept], durations: Sequence[int], size: int) -> None:
        """Keep those of some traces that are slow enough."""
        least = self.least
        if max(durations) < least:
            return
        for kept, duration in zip(came, durations, strict=True):
            if duration >= least:
                self._add((duration, kept.worker, kept.number, kept.ended, id(kept), kept), size)
                least = self.least

    def _add(self, entry: _Slow, size: int) -> None:
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
        return (entry[-1] for entry in self._heap)


class Detail:
    """What is kept of one endpoint."""

    __slots__ = ("_stretches", "failed", "recent", "slowest")

    def __init__(self) -> None:
        self.recent = Newest()
        self.failed = Newest()
        self.slowest = Slowest()
        self._stretches: dict[int, Slowest] = {}

    def extend(
        self, came: Sequence[Kept], durations: Sequence[int], failed: Sequence[Kept], recent: int, slow: int
    ) -> None:
        """Take traces that ended in the same second; ``recent`` and ``slow`` are how many of each kind may be kept."""
        self.recent.extend(came, recent)
        if failed:
            self.failed.extend(failed, recent)
        stretch = int(came[0].ended) // _STRETCH
        slowest = self._stretches.get(stretch)
        if slowest is None:
            slowest = self._new_stretch(stretch)
        slowest.extend(came, durations, slow)
        self.slowest.extend(came, durations, min(SLOWEST, recent))

    def slowest_since(self, since: float | None) -> list[Kept]:
        """Return kept traces that ended at ``since`` or later (None: all), slowest first."""
        found = {_by_end(kept): kept for kept in self if since is None or kept.ended >= since}
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
        self.log = Newest(slack=2.0)
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


def _by_duration(kept: Kept) -> tuple[int, float]:
    return kept.trace.duration_us, kept.ended
