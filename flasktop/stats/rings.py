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
from flasktop.stats.encoded import decoded

RECENT: Final = 50
"""Recent traces kept per endpoint, and as many failed ones."""

SLOWEST: Final = 20
"""Slowest traces kept per endpoint and stretch of time, and of all time."""

LOG: Final = 1_000
"""Traces in the log, over all workers."""

BUDGET: Final = 10_000
"""About so many recent traces over all endpoints; about as many failed ones, and as many slow ones."""

_SHORT: Final = (10, 31)
_LONG: Final = (60, 6)
"""Seconds of a stretch, and how many are kept of an endpoint: of very many endpoints few long ones."""


class Kept(msgspec.Struct, frozen=True, order=True, gc=False):
    """A trace that is kept. ``ended`` is on the reader's monotonic clock, ``at`` is Unix seconds; ``worker`` is the
    worker's number in the store, ``row`` the endpoint row, ``data`` the trace encoded."""

    ended: float
    worker: int
    number: int
    at: float
    row: int
    duration_us: int
    data: bytes

    @property
    def trace(self) -> Trace:
        """The trace, decoded anew each time."""
        return decoded(self.data)


_Slow = tuple[int, int, int, Kept]
"""How traces are ordered by slowness."""

_by_end: Final = attrgetter("ended", "worker", "number")


class Newest:
    """The ``size`` newest traces, whatever the order in which they came; between trims there are more."""

    __slots__ = ("floor", "kept")

    def __init__(self) -> None:
        self.kept: list[Kept] = []
        self.floor = float("-inf")
        """What ended before this moment is not among the newest."""

    def extend(self, came: Sequence[Kept], size: int, most: int) -> None:
        """Keep those of some traces that are new enough; once they are ``most`` the oldest are let go."""
        floor = self.floor
        self.kept.extend(came if floor < 0 else [kept for kept in came if kept.ended >= floor])
        if len(self.kept) >= most:
            self.trim(size)

    def newest(self, size: int) -> list[Kept]:
        """Return the traces, newest first."""
        return sorted(self.kept, reverse=True, key=_by_end)[:size]

    def trim(self, size: int) -> None:
        """Let go of all but the newest, and of what ended in the same moment as the last of them; where that is most
        of it (a frame whose traces all claim one moment), of nothing but the newest."""
        ends = [kept.ended for kept in self.kept]
        ends.sort()
        self.floor = floor = ends[-size]
        self.kept = [kept for kept in self.kept if kept.ended >= floor]
        if 2 * len(self.kept) > len(ends) + size:  # little went: the next one would have all looked at again
            self.kept = sorted(self.kept, key=_by_end)[-size:]


class Slowest:
    """The slowest traces of a stretch, as a heap whose first is the fastest of them; ``least`` is what a trace must
    have taken to be among them."""

    __slots__ = ("_heap", "least")

    def __init__(self) -> None:
        self._heap: list[_Slow] = []
        self.least = -1

    def add(self, kept: Kept, duration: int, size: int) -> None:
        """Keep a trace if it is slow enough."""
        entry = (duration, kept.worker, kept.number, kept)
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
    """What is kept of one endpoint. ``stretch`` is the stretch of time that was added to last, ``least`` what a trace
    of it must have taken to be among the slowest of it or of all."""

    __slots__ = ("_stretches", "failed", "least", "recent", "slowest", "stretch")

    def __init__(self) -> None:
        self.recent = Newest()
        self.failed = Newest()
        self.slowest = Slowest()
        self.stretch = -1
        self.least = -1
        self._stretches: dict[int, Slowest] = {}

    def slow(self, kept: Kept, duration: int, stretch: int, stretches: int, size: int, ever: int) -> None:
        """Keep a trace if it is among the ``size`` slowest of its stretch or the ``ever`` slowest of all."""
        of_stretch = self._stretches.get(stretch)
        if of_stretch is None:
            of_stretch = self._stretches[stretch] = Slowest()
            while len(self._stretches) > stretches:
                del self._stretches[min(self._stretches)]
        if duration >= of_stretch.least:
            of_stretch.add(kept, duration, size)
        if duration >= self.slowest.least:
            self.slowest.add(kept, duration, ever)
        self.stretch = stretch
        self.least = min(of_stretch.least, self.slowest.least)

    def slowest_since(self, since: float | None) -> list[Kept]:
        """Return kept traces that ended at ``since`` or later (None: all), slowest first."""
        found = {_by_end(kept): kept for kept in self if since is None or kept.ended >= since}
        return sorted(found.values(), key=_by_duration, reverse=True)

    def __iter__(self) -> Iterator[Kept]:
        """Yield all that is kept, some more than once."""
        yield from self.recent.kept
        yield from self.failed.kept
        yield from self.slowest
        for slowest in self._stretches.values():
            yield from slowest


class Rings:
    """All traces that are kept, by endpoint row, and the log."""

    def __init__(self) -> None:
        self._log = Newest()
        self._details: dict[int, Detail] = {}
        self._recent, self._slow = RECENT, SLOWEST
        self._most = 2 * RECENT
        self._stretch = _SHORT

    def log(self, came: Sequence[Kept]) -> None:
        """Take traces into the log, in whatever order they come."""
        self._log.extend(came, LOG, 3 * LOG)

    def newest(self) -> list[Kept]:
        """Return the log, newest first."""
        return self._log.newest(LOG)

    def extend(self, came: Sequence[Kept], durations: Sequence[int], failed: Sequence[Kept]) -> None:
        """Take traces that ended in the same second, and those of them that failed, at their endpoints."""
        details, (seconds, stretches) = self._details, self._stretch
        stretch = int(came[0].ended) // seconds * seconds
        for kept, duration in zip(came, durations, strict=True):
            detail = details.get(kept.row) or self._new(kept.row)
            recent = detail.recent
            if kept.ended >= recent.floor:
                recent.kept.append(kept)
                if len(recent.kept) >= self._most:
                    recent.trim(self._recent)
            if duration >= detail.least or detail.stretch != stretch:
                detail.slow(kept, duration, stretch, stretches, self._slow, min(SLOWEST, self._recent))
        for kept in failed:
            details[kept.row].failed.extend((kept,), self._recent, self._most)

    def find(self, row: int) -> Detail | None:
        """Return what is kept of an endpoint row, None where nothing is."""
        return self._details.get(row)

    def clear(self) -> None:
        """Forget all traces."""
        self.__init__()  # type: ignore[misc]

    def __iter__(self) -> Iterator[Kept]:
        """Yield every trace that is kept, some more than once."""
        yield from self._log.kept
        for detail in self._details.values():
            yield from detail

    def _new(self, row: int) -> Detail:
        detail = self._details[row] = Detail()
        self._recent = min(RECENT, max(4, BUDGET // len(self._details)))
        self._most = self._recent + self._recent // 2 + 4  # as soon as so many are held the oldest are let go
        self._stretch = _SHORT if len(self._details) * _SHORT[1] <= BUDGET else _LONG
        self._slow = min(SLOWEST, max(1, BUDGET // (len(self._details) * 12)))
        return detail


def _by_duration(kept: Kept) -> tuple[int, float]:
    return kept.duration_us, kept.ended
