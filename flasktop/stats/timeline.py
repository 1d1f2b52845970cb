"""Where intervals live: one second each for the last minute, five seconds each up to five minutes.

Windows are whole intervals, the one that runs included: the window of 10 s covers the last 9 to 10 seconds, that of
1 m the last 59 to 60, that of 5 m the last 295 to 300. Rates are taken over the time that is really covered. What
comes late is put where it belongs; what is older than five minutes counts only in the distributions of ALL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from flasktop.stats.batch import Batch
from flasktop.stats.chunks import Chunk, merging
from flasktop.stats.following import Followed
from flasktop.stats.rows import MAX_PAIRS
from flasktop.stats.trends import TrendSet
from flasktop.stats.views import Window
from flasktop.stats.windows import EndpointSums, EndpointTimes, P, StatementTimes, UseSums
from flasktop.steps import DONE, Steps, finished

COARSE: Final = 5
"""Seconds of an interval older than a minute."""

_PACK_AT: Final = 4
"""A coarse interval that has more chunks than this is packed into one (late frames; a whole one is at once)."""

_PACK_FINE_AT: Final = 8
"""The same for a second of the last minute, which a burst of history may reckon in many batches."""

MAX_OPEN: Final = 64
"""So many seconds may be open before they are folded unasked."""

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
    """The intervals and the windows over them. ``open`` are the seconds that ingest fills, ``packing`` what makes a
    chunk of one, in steps.

    A window is kept by adding what comes and subtracting what leaves, so that looking at it costs no walk through the
    intervals. Only parts of windows that are looked at are kept; one that is asked for anew is put together once.
    """

    def __init__(self, packing: Callable[[Batch], Steps[Chunk]]) -> None:
        self._packing = packing
        self._under_way: Steps[None] | None = None
        self.open: dict[int, Batch] = {}
        self._now = 0
        self._moves = 0
        self._fine: dict[int, list[Chunk]] = {}
        self._coarse: dict[int, list[Chunk]] = {}
        self._followed = Followed(self._intervals, self._chunks)
        self._all_endpoint_times = EndpointTimes()
        self._all_uses = UseSums()
        self._all_times = StatementTimes()
        self._requests: dict[int, dict[int, int]] = {}
        self._ran: dict[int, int] = {}
        self._ran_newest = 0

    def clear(self) -> None:
        """Forget everything but what time it is."""
        now, moves = self._now, self._moves
        self.__init__(self._packing)  # type: ignore[misc]
        self._now, self._moves = now, moves + 1

    # What is asked for: ALL holds all detail since the reader began; for one worker it holds the last five minutes
    # (its exact counts come from its totals).

    def endpoints(self, window: Window, worker: int | None) -> EndpointSums:
        """Return the sums of endpoints in a window (ALL: of the last five minutes)."""
        return self._asked(EndpointSums, window, worker)

    def endpoint_times(self, window: Window) -> EndpointTimes:
        """Return the distributions of endpoints in a window, of all workers."""
        return self._all_endpoint_times if window is Window.ALL else self.endpoints(window, None).times

    def uses(self, window: Window, worker: int | None) -> UseSums:
        """Return the sums of statements in a window."""
        if window is Window.ALL and worker is None:
            self._count_in_all([chunk for _, chunk in self._intervals()])
            return self._all_uses
        return self._asked(UseSums, window, worker)

    def times(self, window: Window) -> StatementTimes:
        """Return the distributions of statements in a window, of all workers."""
        if window is Window.ALL:
            self._count_in_all([chunk for _, chunk in self._intervals()])
            return self._all_times
        return self._asked(StatementTimes, window, None)

    def endpoint_trends(self, worker: int | None) -> TrendSet:
        """Return the trends of endpoints."""
        return self._followed.rolling(EndpointSums, worker, self._now).trends

    def statement_trends(self, worker: int | None) -> TrendSet:
        """Return the trends of statements."""
        return self._followed.rolling(StatementTimes, worker, self._now).trends

    def statement_count(self, window: Window) -> int:
        """Return how many statements ran in a window (not ALL), in all workers."""
        start = window_start(window, self._now)
        return sum([last >= start for last in self._ran.values()])

    def count_of(self, worker: int, since: int) -> int:
        """Return how many requests of a worker ended in the second ``since`` or later, at most five minutes back."""
        return sum(counts.get(worker, 0) for second, counts in self._requests.items() if second >= since)

    def following(self, kind: type[P], window: Window, worker: int | None) -> Steps[None]:
        """Begin to follow a part of a window (not ALL) in steps, as long as nothing comes or leaves between two of
        them; whoever asks for it before the end has it put together at once."""
        moved = self._moves
        for _ in self._followed.following(kind, window, worker, self._now):
            yield
            if self._moves != moved:
                return

    def _asked(self, kind: type[P], window: Window, worker: int | None) -> P:
        if window is Window.ALL:
            window = Window.FIVE_MINUTES
        return self._followed.part(kind, window, worker, self._now)

    def _intervals(self) -> Iterator[tuple[int, Chunk]]:
        """Every chunk, with the first second of its interval."""
        for slot, chunks in self._coarse.items():
            for chunk in chunks:
                yield slot * COARSE, chunk
        for second, chunks in self._fine.items():
            for chunk in chunks:
                yield second, chunk

    # What comes, and what leaves.

    def fold(self, now: float) -> None:
        """Move the windows up to ``now`` and take in what was received; first what is under way in steps."""
        if self._under_way is not None:
            finished(self._under_way)
        if self.open or int(now) > self._now:
            finished(self._fold(int(now)))

    def folding(self, now: float) -> Steps[None]:
        """Fold in steps. Between them nothing is told of a fold half done: who asks has it finished at once."""
        if self._under_way is None:
            self._under_way = self._fold(int(now))
        steps = self._under_way
        while self._under_way is steps and next(steps, DONE) is not DONE:
            yield

    @property
    def is_folding(self) -> bool:
        """Whether a fold is half done."""
        return self._under_way is not None

    def _fold(self, now: int) -> Steps[None]:
        self._moves += 1
        yield from self._advance(now)
        received, self.open = self.open, {}  # what comes while this is half done is of a later moment
        for second, batch in received.items():
            chunk = yield from self._packing(batch)
            yield from self._keep(second if second <= self._now + _AHEAD else self._now, chunk)
        self._moves += 1
        self._under_way = None

    def _keep(self, second: int, chunk: Chunk) -> Steps[None]:
        self._all_endpoint_times.apply(chunk, 1)
        yield
        windows = [window for window in _ROLLING if second >= window_start(window, self._now)]
        if not windows:
            self._count_in_all([chunk])
            return
        for rolling in self._followed.all():
            for window in windows:
                rolling.apply(window, chunk, 1)
                yield
            rolling.count(second, chunk)
        self._count_requests(second, chunk)
        self._note_ran(second, chunk.ran)
        chunk.settle()
        if Window.MINUTE in windows:
            yield from self._put(self._fine.setdefault(second, []), chunk, _PACK_FINE_AT)
        else:
            yield from self._put(self._coarse.setdefault(second // COARSE, []), chunk, _PACK_AT)

    def _put(self, kept: list[Chunk], chunk: Chunk, most: int) -> Steps[None]:
        kept.append(chunk)
        if len(kept) > most:
            yield from self._pack_up(kept)

    def _count_requests(self, second: int, chunk: Chunk) -> None:
        counts = self._requests.setdefault(second, {})
        for worker, count in chunk.requests.items():
            counts[worker] = counts.get(worker, 0) + count

    def _note_ran(self, second: int, statements: Iterable[int]) -> None:
        """Note when statements ran last."""
        if second >= self._ran_newest:
            self._ran_newest = second
            self._ran.update(dict.fromkeys(statements, second))
            return
        for statement in statements:
            if self._ran.get(statement, 0) < second:
                self._ran[statement] = second

    def _pack_up(self, chunks: list[Chunk]) -> Steps[None]:
        """Make one chunk of several."""
        one = yield from merging(chunks)
        if any(chunk.in_all for chunk in chunks):
            self._count_in_all(chunks)
            one.in_all = True
        chunks[:] = [one]

    def _count_in_all(self, chunks: Iterable[Chunk]) -> None:
        """Count the statements of chunks in ALL, once: when somebody asks for ALL, or before they are forgotten."""
        for chunk in chunks:
            if not chunk.in_all:
                chunk.in_all = True
                self._all_uses.apply(chunk, 1, None, MAX_PAIRS)
                self._all_times.apply(chunk, 1, None)

    def _advance(self, now: int) -> Steps[None]:
        if now <= self._now:
            return
        before, self._now = self._now, now
        yield from self._leave(window_start(Window.TEN_SECONDS, before), window_start(Window.TEN_SECONDS, now))
        start = window_start(Window.MINUTE, now)
        for second in sorted(second for second in self._fine if second < start):
            chunks = self._fine.pop(second)
            yield from self._subtract(Window.MINUTE, chunks)
            kept = self._coarse.setdefault(second // COARSE, [])
            kept.extend(chunks)
        first = window_start(Window.FIVE_MINUTES, now) // COARSE
        for slot in [slot for slot in self._coarse if slot < first]:
            chunks = self._coarse.pop(slot)
            yield from self._subtract(Window.FIVE_MINUTES, chunks)
            self._count_in_all(chunks)
        for slot, kept in list(self._coarse.items()):
            if len(kept) > 1 and (slot + 1) * COARSE <= start:
                yield from self._pack_up(kept)
        for second in [second for second in self._requests if second < first * COARSE]:
            del self._requests[second]
        self._followed.let_go(now)

    def _leave(self, start_before: int, start: int) -> Steps[None]:
        """The window of ten seconds is over seconds that are kept as they are."""
        for second, chunks in list(self._fine.items()):
            if start_before <= second < start:
                yield from self._subtract(Window.TEN_SECONDS, chunks)

    def _subtract(self, window: Window, chunks: list[Chunk]) -> Steps[None]:
        for rolling in self._followed.all():
            for chunk in chunks:
                rolling.apply(window, chunk, -1)
                yield

    def _chunks(self, window: Window) -> Iterator[Chunk]:
        start = window_start(window, self._now)
        if window is Window.FIVE_MINUTES:
            for chunks in self._coarse.values():
                yield from chunks
        for second, chunks in self._fine.items():
            if second >= start:
                yield from chunks
