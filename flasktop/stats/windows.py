"""Rolling windows: the merged sums of their intervals, kept by adding what comes and subtracting what leaves.

They come in three parts, since most pictures need only one of them: what is known of endpoints, how often and for how
long statements ran (by pair of endpoint and statement), and how the times of statements are distributed. A part of a
window is kept up to date only while somebody looks at it.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import add, sub
from typing import Final, Generic, Protocol, TypeVar

from flasktop.stats.chunks import Chunk, PackedCells, PackedCounts
from flasktop.stats.columns import ROW_BITS, ROW_MASK, STATUS_BITS, STATUS_MASK
from flasktop.stats.histogram import KEY_BITS, Histogram
from flasktop.stats.rows import Rows
from flasktop.stats.trends import TrendSet
from flasktop.stats.views import Window

_BUCKET_MASK: Final = (1 << KEY_BITS) - 1


class Part(Protocol):
    """One part of the sums of a window."""

    def apply(self, chunk: Chunk, sign: int, worker: int | None) -> None:
        """Add (``sign`` 1) or subtract (-1) a chunk; of one worker only, then without distributions, if given."""

    @staticmethod
    def counts(chunk: Chunk, worker: int | None, rows: Rows) -> dict[int, int]:
        """Return what a chunk counts for trends, by row."""


class EndpointSums:
    """``endpoints`` and ``statuses`` by endpoint row, and distributions by endpoint row and (``apps``, for the summary
    line) by app."""

    __slots__ = ("apps", "endpoints", "hists", "statuses")

    def __init__(self) -> None:
        self.endpoints: dict[int, list[int]] = {}
        self.statuses: dict[int, dict[int, int]] = {}
        self.hists: dict[int, Histogram] = {}
        self.apps: dict[str, Histogram] = {}

    def apply(self, chunk: Chunk, sign: int, worker: int | None) -> None:
        _apply_cells(self.endpoints, chunk.cells, sign, worker)
        for key, count in chunk.statuses.items():
            cell = key >> STATUS_BITS
            if worker is None or cell >> ROW_BITS == worker:
                self._count_status(cell & ROW_MASK, key & STATUS_MASK, sign * count)
        if worker is None:
            _apply_counts(self.hists, chunk.hist, sign)
            for app, counts in chunk.apps.items():
                hist = self.apps.get(app)
                if hist is None:
                    hist = self.apps[app] = Histogram()
                for index, count in counts.items():
                    hist.add(index, sign * count)

    @staticmethod
    def counts(chunk: Chunk, worker: int | None, rows: Rows) -> dict[int, int]:
        found: dict[int, int] = {}
        for key, count in chunk.cells.counts():
            if worker is None or key >> ROW_BITS == worker:
                row = key & ROW_MASK
                found[row] = found.get(row, 0) + count
        return found

    def _count_status(self, row: int, status: int, count: int) -> None:
        statuses = self.statuses.get(row)
        if statuses is None:
            statuses = self.statuses[row] = {}
        left = statuses.get(status, 0) + count
        if left:
            statuses[status] = left
            return
        statuses.pop(status, None)
        if not statuses:
            del self.statuses[row]


class UseSums:
    """The sums of statements by pair of endpoint and statement."""

    __slots__ = ("uses",)

    def __init__(self) -> None:
        self.uses: dict[int, list[int]] = {}

    def apply(self, chunk: Chunk, sign: int, worker: int | None) -> None:
        _apply_cells(self.uses, chunk.uses, sign, worker)

    @staticmethod
    def counts(chunk: Chunk, worker: int | None, rows: Rows) -> dict[int, int]:
        return {}


class StatementTimes:
    """Distributions by statement row."""

    __slots__ = ("hists",)

    def __init__(self) -> None:
        self.hists: dict[int, Histogram] = {}

    def apply(self, chunk: Chunk, sign: int, worker: int | None) -> None:
        if worker is None:
            _apply_counts(self.hists, chunk.statement_hist, sign)

    @staticmethod
    def counts(chunk: Chunk, worker: int | None, rows: Rows) -> dict[int, int]:
        found: dict[int, int] = {}
        pairs = rows.pairs
        for key, count in chunk.uses.counts():
            if worker is None or key >> ROW_BITS == worker:
                statement = pairs[key & ROW_MASK][1]
                found[statement] = found.get(statement, 0) + count
        return found


def _apply_cells(total: dict[int, list[int]], cells: PackedCells, sign: int, worker: int | None) -> None:
    how = add if sign > 0 else sub
    for key, *sums in cells.items():
        if worker is not None and key >> ROW_BITS != worker:
            continue
        row = key & ROW_MASK
        known = total.get(row)
        if known is None:
            total[row] = sums
            continue
        known[:] = map(how, known, sums)
        if not known[0] and not any(known):  # a row that counts nothing any more goes
            del total[row]


def _apply_counts(hists: dict[int, Histogram], counts: PackedCounts, sign: int) -> None:
    row, hist = -1, Histogram()
    for key, count in counts.items():
        if key >> KEY_BITS != row:  # keys of a row mostly stand together
            if not hist.total and row in hists:
                del hists[row]
            row = key >> KEY_BITS
            known = hists.get(row)
            if known is None:
                known = hists[row] = Histogram()
            hist = known
        hist.add(key & _BUCKET_MASK, sign * count)
    if not hist.total and row in hists:
        del hists[row]


P = TypeVar("P", bound=Part)


class Rolling(Generic[P]):
    """One part of the windows of all workers, or of one, as far as somebody looks at them, and its trends.

    ``followed`` are the windows that are kept up to date; ``asked`` is the second in which each was asked for last,
    ``used`` the one in which anything was.
    """

    def __init__(self, kind: type[P], rows: Rows, worker: int | None) -> None:
        self.followed: dict[Window, P] = {}
        self.asked: dict[Window, int] = {}
        self.used = 0
        self.trends = TrendSet()
        self._kind = kind
        self._rows = rows
        self._worker = worker

    def follow(self, window: Window, chunks: Iterable[Chunk]) -> P:
        """Follow a window from now on, given what is in it."""
        part = self.followed[window] = self._kind()
        for chunk in chunks:
            part.apply(chunk, 1, self._worker)
        return part

    def unfollow(self, before: int) -> None:
        """Let go of windows that nobody asked for since the second ``before``."""
        for window, asked in list(self.asked.items()):
            if asked < before:
                del self.asked[window], self.followed[window]

    def apply(self, window: Window, chunk: Chunk, sign: int) -> None:
        """Take a chunk into a window (1) or out of it (-1), if it is followed."""
        part = self.followed.get(window)
        if part is not None:
            part.apply(chunk, sign, self._worker)

    def count(self, second: int, chunk: Chunk) -> None:
        """Count a chunk of one second in the trends."""
        self.trends.add(second, self._kind.counts(chunk, self._worker, self._rows))
