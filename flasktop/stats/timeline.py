"""Where intervals live: one second each for the last minute, five seconds each up to five minutes.

Windows are whole intervals, the one that runs included: the window of 10 s covers the last 9 to 10 seconds, that of
1 m the last 59 to 60, that of 5 m the last 295 to 300. Rates are taken over the time that is really covered. What
comes late is put where it belongs; what is older than five minutes counts only in the distributions of ALL.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flasktop.stats.chunks import Chunk, Delta, merged
from flasktop.stats.columns import COUNT, ROW_BITS
from flasktop.stats.rows import Rows
from flasktop.stats.views import Window
from flasktop.stats.windows import Merged, Rolling

COARSE: Final = 5
"""Seconds of an interval older than a minute."""

_PACK_AT: Final = 4
"""A coarse interval with more chunks than this is packed into one."""

MAX_OPEN: Final = 64
"""So many seconds may be open before they are folded unasked."""

_FOLLOWED: Final = 2
"""So many single workers' windows are kept up to date at once."""

_UNFOLLOW_AFTER: Final = 30
"""Seconds after which a window that nobody asks for is not kept up to date any more."""

_AHEAD: Final = 60
"""A second that lies further in the future than this (a clock that was misjudged) counts as now. Nearer ones are kept
where they belong: a screen that is frozen asks for the past while the stream goes on."""


_ROLLING: Final = (Window.TEN_SECONDS, Window.MINUTE, Window.FIVE_MINUTES)


def window_start(window: Window, now_second: int) -> int:
    """Return the first second of a window (ALL: of what its trend shows)."""
    if window is Window.TEN_SECONDS:
        return now_second - 9
    if window is Window.MINUTE:
        return now_second - 59
    return ((now_second - 300) // COARSE + 1) * COARSE


class Timeline:
    """The intervals and the windows over them. ``open`` are the seconds that ingest fills.

    A window is kept by adding what comes and subtracting what leaves, so that looking at it costs no walk through the
    intervals. Only windows that are looked at are kept; one that is asked for anew is put together once.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.open: dict[int, Delta] = {}
        self._now = 0
        self._fine: dict[int, list[Chunk]] = {}
        self._coarse: dict[int, list[Chunk]] = {}
        self._everyone = Rolling(rows)
        self._all = Merged(rows)
        self._single: dict[int, Rolling] = {}
        self._requests: dict[int, dict[int, int]] = {}

    def clear(self) -> None:
        """Forget everything but what time it is."""
        now = self._now
        self.__init__(self._rows)  # type: ignore[misc]
        self._now = now

    def rolling(self, worker: int | None) -> Rolling:
        """Return the trends of all workers, or of one (put together when first asked for, then followed like the
        others; of single workers the two asked for last)."""
        if worker is None:
            return self._everyone
        rolling = self._single.pop(worker, None)
        if rolling is None:
            rolling = Rolling(self._rows, worker)
            for slot, chunks in self._coarse.items():
                for chunk in chunks:
                    rolling.count(slot * COARSE, chunk)
            for second, chunks in self._fine.items():
                for chunk in chunks:
                    rolling.count(second, chunk)
        self._single[worker] = rolling
        while len(self._single) > _FOLLOWED:
            del self._single[next(iter(self._single))]
        return rolling

    def window(self, window: Window, worker: int | None) -> Merged:
        """Return the sums of a window. ALL holds all detail since the reader began; for one worker it holds the last
        five minutes (its exact counts come from its totals)."""
        if window is Window.ALL:
            if worker is None:
                return self._all
            window = Window.FIVE_MINUTES
        rolling = self.rolling(worker)
        rolling.asked[window] = self._now
        return rolling.followed.get(window) or rolling.follow(window, self._chunks(window))

    def count_of(self, worker: int, since: int) -> int:
        """Return how many requests of a worker ended in the second ``since`` or later, at most five minutes back."""
        return sum(counts.get(worker, 0) for second, counts in self._requests.items() if second >= since)

    def fold(self, now: float) -> None:
        """Move the windows up to ``now`` and take in what was received."""
        self._advance(int(now))
        if not self.open:
            return
        received, self.open = self.open, {}
        for second, delta in received.items():
            self._keep(second if second <= self._now + _AHEAD else self._now, delta.pack())

    def _keep(self, second: int, chunk: Chunk) -> None:
        self._all.apply(chunk, 1, None)
        windows = [window for window in _ROLLING if second >= window_start(window, self._now)]
        if not windows:
            return
        for rolling in self._rollings():
            for window in windows:
                rolling.apply(window, chunk, 1)
            rolling.count(second, chunk)
        self._count_requests(second, chunk)
        if Window.MINUTE in windows:
            self._fine.setdefault(second, []).append(chunk)
        else:
            self._keep_coarse(second, [chunk])

    def _count_requests(self, second: int, chunk: Chunk) -> None:
        counts = self._requests.setdefault(second, {})
        for key, sums in chunk.cells.items():
            worker = key >> ROW_BITS
            counts[worker] = counts.get(worker, 0) + sums[COUNT]

    def _keep_coarse(self, second: int, chunks: list[Chunk]) -> None:
        kept = self._coarse.setdefault(second // COARSE, [])
        kept.extend(chunks)
        if len(kept) > _PACK_AT:
            kept[:] = [merged(kept)]

    def _advance(self, now: int) -> None:
        if now <= self._now:
            return
        before, self._now = self._now, now
        self._leave(Window.TEN_SECONDS, window_start(Window.TEN_SECONDS, before), window_start(Window.TEN_SECONDS, now))
        start = window_start(Window.MINUTE, now)
        for second in sorted(second for second in self._fine if second < start):
            chunks = self._fine.pop(second)
            self._subtract(Window.MINUTE, chunks)
            self._keep_coarse(second, chunks)
        first = window_start(Window.FIVE_MINUTES, now) // COARSE
        for slot in [slot for slot in self._coarse if slot < first]:
            self._subtract(Window.FIVE_MINUTES, self._coarse.pop(slot))
        for second in [second for second in self._requests if second < first * COARSE]:
            del self._requests[second]
        for rolling in self._rollings():
            rolling.drop_trends(now)
            rolling.unfollow(now - _UNFOLLOW_AFTER)

    def _leave(self, window: Window, start_before: int, start: int) -> None:
        for second, chunks in self._fine.items():
            if start_before <= second < start:
                self._subtract(window, chunks)

    def _subtract(self, window: Window, chunks: list[Chunk]) -> None:
        for rolling in self._rollings():
            for chunk in chunks:
                rolling.apply(window, chunk, -1)

    def _rollings(self) -> Iterator[Rolling]:
        yield self._everyone
        yield from self._single.values()

    def _chunks(self, window: Window) -> Iterator[Chunk]:
        start = window_start(window, self._now)
        if window is Window.FIVE_MINUTES:
            for chunks in self._coarse.values():
                yield from chunks
        for second, chunks in self._fine.items():
            if second >= start:
                yield from chunks
