"""Would a cache answer an endpoint's requests? Counted from the keys that workers give their slow GETs.

A worker's keys mean something within that worker only, so each worker's requests are compared with each other, in the
order in which they ended. History that comes late (older than what was counted already) is left out: what came before
what cannot be told any more.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from flasktop.protocol.records import PRIVATE, Trace

CACHE_HORIZON: Final = 300
"""Seconds that an answer is remembered for, and that counts are told of."""

KEYS: Final = 512
"""Paths and queries remembered of one endpoint in one worker, the newest; with more in use there are more repeats than
are counted."""

ENDPOINTS: Final = 256
"""Pairs of endpoint and worker that are followed, those with the newest requests."""

_STRETCH: Final = 10
_STRETCHES: Final = CACHE_HORIZON // _STRETCH
_KEYED, _REPEATS, _SAME, _PRIVATE, _KEYED_US, _REPEAT_US, _SAME_US = range(7)


@dataclass(frozen=True, slots=True)
class Cacheability:
    """Would a cache answer an endpoint's requests? What was seen in the last ``CACHE_HORIZON`` seconds.

    Of the endpoint's slow GETs with a small body, ``keyed`` were looked at; ``distinct`` is how many different paths
    and queries they asked for, ``repeats`` how many asked for one that the same worker had answered within the horizon,
    ``same`` how many of the repeats got the same body as the time before. ``keyed_ms`` is their time, ``repeat_ms``
    the time of the repeats and ``same_ms`` that of the same ones: what a cache would have saved. ``private`` counts
    keyed answers that are for one visitor (a cookie, ``private``, ``no-store``, authorization): not to be cached.

    Each worker compares its own requests, so the ratios are those of a cache in each worker: a lower bound for a
    shared one."""

    keyed: int
    distinct: int
    repeats: int
    same: int
    private: int
    keyed_ms: float
    repeat_ms: float
    same_ms: float

    @property
    def hit_ratio(self) -> float:
        """Which share of the keyed requests a cache would have answered with what the app answered, 0 to 1."""
        return self.same / self.keyed if self.keyed else 0.0


class _Followed:
    """One endpoint in one worker. ``answers`` maps request keys to when they were answered last, and with which body;
    the newest last."""

    __slots__ = ("answers", "counts")

    def __init__(self) -> None:
        self.answers: OrderedDict[int, tuple[float, int]] = OrderedDict()
        self.counts: dict[int, list[int]] = {}

    def add(self, at: float, trace: Trace) -> None:
        counts = self._counts(int(at) // _STRETCH)
        counts[_KEYED] += 1
        counts[_KEYED_US] += trace.duration_us
        counts[_PRIVATE] += bool(trace.flags & PRIVATE)
        before = self.answers.pop(trace.request_key, None)
        if before is not None and at - before[0] <= CACHE_HORIZON:
            counts[_REPEATS] += 1
            counts[_REPEAT_US] += trace.duration_us
            if before[1] == trace.body_key:
                counts[_SAME] += 1
                counts[_SAME_US] += trace.duration_us
        self.answers[trace.request_key] = (at, trace.body_key)
        if len(self.answers) > KEYS:
            self.answers.popitem(last=False)

    def _counts(self, stretch: int) -> list[int]:
        counts = self.counts.get(stretch)
        if counts is None:
            counts = self.counts[stretch] = [0] * 7
            if len(self.counts) > _STRETCHES + 1:
                del self.counts[min(self.counts)]
        return counts

    def sums(self, now: float) -> list[int]:
        """The columns over the horizon, and how many request keys were answered in it."""
        first = int(now) // _STRETCH - _STRETCHES
        columns = [counts for stretch, counts in self.counts.items() if stretch > first]
        distinct = sum(1 for at, _ in self.answers.values() if now - at <= CACHE_HORIZON)
        return [*(sum(column[number] for column in columns) for number in range(7)), distinct]


class Caching:
    """Follows all endpoints of all workers, bounded."""

    def __init__(self) -> None:
        self._followed: OrderedDict[tuple[int, int], _Followed] = OrderedDict()
        self._newest: dict[int, int] = {}

    def follows(self, worker: int, seq: int) -> bool:
        """Whether a frame is newer than all that was counted of its worker; from then on it is the newest."""
        newest = seq > self._newest.get(worker, -1)
        if newest:
            self._newest[worker] = seq
        return newest

    def add(self, worker: int, row: int, at: float, trace: Trace) -> None:
        """Take a trace that has a request key; it ended ``at`` on the reader's clock."""
        followed = self._followed.get((worker, row))
        if followed is None:
            followed = self._followed[worker, row] = _Followed()
            if len(self._followed) > ENDPOINTS:
                self._followed.popitem(last=False)
        else:
            self._followed.move_to_end((worker, row))
        followed.add(at, trace)

    def view(self, row: int, workers: set[int], now: float) -> Cacheability | None:
        """Return what was seen of an endpoint row in those workers; None where nothing was within the horizon."""
        of_row = [one for (worker, its), one in self._followed.items() if its == row and worker in workers]
        sums = [sum(column) for column in zip(*(one.sums(now) for one in of_row), strict=True)]
        if not sums or not sums[_KEYED]:
            return None
        keyed, repeats, same, private, keyed_us, repeat_us, same_us, distinct = sums
        return Cacheability(
            keyed, distinct, repeats, same, private, keyed_us / 1_000, repeat_us / 1_000, same_us / 1_000
        )

    def clear(self) -> None:
        """Count anew from what comes next."""
        self._followed.clear()
