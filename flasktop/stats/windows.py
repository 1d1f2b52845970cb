"""Rolling windows: the merged sums of their intervals, kept by adding what comes and subtracting what leaves."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from operator import add, sub
from typing import Final

from flasktop.stats.chunks import Chunk, PackedCounts, combine
from flasktop.stats.columns import ROW_BITS, ROW_MASK, STATUS_BITS, STATUS_MASK
from flasktop.stats.histogram import KEY_BITS, Histogram
from flasktop.stats.rows import Rows
from flasktop.stats.views import Window

_BUCKET_MASK: Final = (1 << KEY_BITS) - 1

TREND_STEP: Final = {Window.TEN_SECONDS: 1, Window.MINUTE: 2, Window.FIVE_MINUTES: 10, Window.ALL: 10}
"""Seconds behind one point of a trend."""

TREND_POINTS: Final = {Window.TEN_SECONDS: 10, Window.MINUTE: 30, Window.FIVE_MINUTES: 30, Window.ALL: 30}
"""The most points of a trend; ALL shows the last five minutes."""


class Merged:
    """The sums of one window: ``endpoints`` and ``uses`` by row and pair, ``statuses`` by endpoint row, and
    distributions by endpoint row, statement row and app (the last for the summary line)."""

    __slots__ = ("_rows", "apps", "endpoints", "hists", "statement_hists", "statuses", "uses")

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.endpoints: dict[int, list[int]] = {}
        self.uses: dict[int, list[int]] = {}
        self.statuses: dict[int, dict[int, int]] = {}
        self.hists: dict[int, Histogram] = {}
        self.statement_hists: dict[int, Histogram] = {}
        self.apps: dict[str, Histogram] = {}

    def apply(self, chunk: Chunk, sign: int, worker: int | None) -> None:
        """Add (``sign`` 1) or subtract (-1) a chunk; of one worker only, then without distributions, if given."""
        how = add if sign > 0 else sub
        for total, part in ((self.endpoints, chunk.cells), (self.uses, chunk.uses)):
            for key, sums in part.items():
                if worker is None or key >> ROW_BITS == worker:
                    combine(total, key & ROW_MASK, sums, how)
        for key, count in chunk.statuses.items():
            cell = key >> STATUS_BITS
            if worker is None or cell >> ROW_BITS == worker:
                self._count_status(cell & ROW_MASK, key & STATUS_MASK, sign * count)
        if worker is None:
            self._apply_hist(chunk.hist, sign)
            _apply_counts(self.statement_hists, chunk.statement_hist, sign)

    def _count_status(self, row: int, status: int, count: int) -> None:
        statuses = self.statuses.setdefault(row, {})
        left = statuses.get(status, 0) + count
        if left:
            statuses[status] = left
            return
        statuses.pop(status, None)
        if not statuses:
            del self.statuses[row]

    def _apply_hist(self, counts: PackedCounts, sign: int) -> None:
        _apply_counts(self.hists, counts, sign)
        infos, apps = self._rows.endpoints, self.apps
        for key, count in counts.items():
            app = infos[key >> KEY_BITS].key.app
            hist = apps.get(app)
            if hist is None:
                hist = apps[app] = Histogram()
            hist.add(key & _BUCKET_MASK, sign * count)


def _apply_counts(hists: dict[int, Histogram], counts: PackedCounts, sign: int) -> None:
    for key, count in counts.items():
        row = key >> KEY_BITS
        hist = hists.get(row)
        if hist is None:
            hist = hists[row] = Histogram()
        hist.add(key & _BUCKET_MASK, sign * count)
        if not hist.total:
            del hists[row]


class Trends:
    """Counts per row and step of time, dense by row."""

    __slots__ = ("_column", "_slots", "step")

    def __init__(self, step: int) -> None:
        self.step = step
        self._slots: dict[int, array[int]] = {}

    def add(self, second: int, counts: Sequence[tuple[int, int]]) -> None:
        """Count (row, count) pairs of one second."""
        if not counts:
            return
        slot = self._slots.get(second // self.step)
        if slot is None:
            slot = self._slots[second // self.step] = array("I")
        for row, count in counts:
            if row >= len(slot):
                slot.extend(array("I", bytes(slot.itemsize * (row + 1 - len(slot)))))
            slot[row] += count

    def drop_before(self, second: int) -> None:
        """Forget steps that ended before ``second``."""
        first = second // self.step
        for slot in [slot for slot in self._slots if slot < first]:
            del self._slots[slot]

    def window(self, now: float, points: int, since: float) -> TrendWindow:
        """Return the last ``points`` steps up to ``now``, but none that ended before ``since``."""
        step = self.step
        last = int(now // step)
        elapsed = now - last * step
        if elapsed < step / 2 and (last * step) > since:
            last, elapsed = last - 1, float(step)
        first = max(last - points + 1, min(int(since // step), last))
        columns = [self._slots.get(slot) for slot in range(first, last + 1)]
        seconds = [float(step)] * (len(columns) - 1) + [max(min(elapsed, step), step / 2)]
        return TrendWindow(columns, seconds)


class TrendWindow:
    """The steps of one trend, oldest first."""

    __slots__ = ("_columns", "_seconds")

    def __init__(self, columns: list[array[int] | None], seconds: list[float]) -> None:
        self._columns = columns
        self._seconds = seconds

    def of(self, row: int) -> tuple[float, ...]:
        """Return a row's rate per step."""
        return tuple(
            column[row] / seconds if column is not None and row < len(column) else 0.0
            for column, seconds in zip(self._columns, self._seconds, strict=True)
        )

    def of_rows(self, rows: Sequence[int]) -> tuple[float, ...]:
        """Return the rate per step of several rows together."""
        return tuple(
            sum(column[row] for row in rows if row < len(column)) / seconds if column is not None else 0.0
            for column, seconds in zip(self._columns, self._seconds, strict=True)
        )


class Rolling:
    """The windows of all workers, or of one, as far as somebody looks at them, and the trends.

    ``followed`` are the windows that are kept up to date; ``asked`` is when each was last asked for.
    """

    def __init__(self, rows: Rows, worker: int | None = None) -> None:
        self.worker = worker
        self.followed: dict[Window, Merged] = {}
        self.asked: dict[Window, int] = {}
        self.endpoint_trends = {step: Trends(step) for step in sorted(set(TREND_STEP.values()))}
        self.statement_trends = {step: Trends(step) for step in sorted(set(TREND_STEP.values()))}
        self._rows = rows

    def follow(self, window: Window, chunks: Iterable[Chunk]) -> Merged:
        """Follow a window from now on, given what is in it."""
        merged = self.followed[window] = Merged(self._rows)
        for chunk in chunks:
            merged.apply(chunk, 1, self.worker)
        return merged

    def unfollow(self, before: int) -> None:
        """Let go of windows that nobody asked for since the second ``before``."""
        for window, asked in list(self.asked.items()):
            if asked < before:
                del self.asked[window], self.followed[window]

    def apply(self, window: Window, chunk: Chunk, sign: int) -> None:
        """Take a chunk into a window (1) or out of it (-1), if it is followed."""
        merged = self.followed.get(window)
        if merged is not None:
            merged.apply(chunk, sign, self.worker)

    def count(self, second: int, chunk: Chunk) -> None:
        """Count a chunk of one second in the trends."""
        worker, pairs = self.worker, self._rows.pairs
        cells = [
            (key & ROW_MASK, count)
            for key, count in chunk.cells.counts()
            if worker is None or key >> ROW_BITS == worker
        ]
        uses = [
            (pairs[key & ROW_MASK][1], count)
            for key, count in chunk.uses.counts()
            if worker is None or key >> ROW_BITS == worker
        ]
        for endpoint_trend in self.endpoint_trends.values():
            endpoint_trend.add(second, cells)
        for statement_trend in self.statement_trends.values():
            statement_trend.add(second, uses)

    def drop_trends(self, now_second: int) -> None:
        """Forget what no trend shows any more."""
        for window, step in TREND_STEP.items():
            if window is not Window.ALL:
                oldest = now_second - step * (TREND_POINTS[window] + 1)
                self.endpoint_trends[step].drop_before(oldest)
                self.statement_trends[step].drop_before(oldest)
