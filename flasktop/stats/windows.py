"""Rolling windows: the merged sums of their intervals, kept by adding what comes and subtracting what leaves.

They come in three parts, since most pictures need only one of them: what is known of endpoints, how often and for how
long statements ran (by pair of endpoint and statement), and how the times of statements are distributed. A part of a
window is kept up to date only while somebody looks at it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import Protocol, TypeVar

from flasktop.stats.chunks import Chunk, add_uses
from flasktop.stats.columns import PAIR_BITS, ROW_BITS, STATEMENT_MASK, STATUS_BITS, STATUS_MASK
from flasktop.stats.histogram import Histogram, add_counts
from flasktop.stats.packed import unpacked


class Part(Protocol):
    """One part of the sums of a window."""

    def apply(self, chunk: Chunk, sign: int, worker: int | None) -> None:
        """Add (``sign`` 1) or subtract (-1) a chunk; of one worker only, then without distributions, if given."""

    @staticmethod
    def counts(chunk: Chunk, worker: int | None) -> dict[int, int]:
        """Return what a chunk counts for trends, by row."""


class EndpointTimes:
    """Distributions by endpoint row, and (``apps``, for the summary line) by app."""

    __slots__ = ("apps", "hists")

    def __init__(self) -> None:
        self.hists: dict[int, Histogram] = {}
        self.apps: dict[str, Histogram] = {}

    def apply(self, chunk: Chunk, sign: int) -> None:
        """Add or subtract a chunk, of all workers."""
        add_counts(self.hists, chunk.hist.items(), sign)
        for app, counts in chunk.apps.items():
            hist = self.apps.get(app)
            if hist is None:
                hist = self.apps[app] = Histogram()
            for index, count in counts.items():
                hist.add(index, sign * count)


class EndpointSums:
    """``sums`` by endpoint row, each packed into one integer, counts by ``row << STATUS_BITS | status``, and ``times``,
    which are empty for one worker."""

    __slots__ = ("_statuses", "_sums", "times")

    def __init__(self) -> None:
        self._sums: dict[int, int] = {}
        self._statuses: dict[int, int] = {}
        self.times = EndpointTimes()

    def apply(self, chunk: Chunk, sign: int, worker: int | None) -> None:
        _add_counted(self._sums, chunk.cells.packed(), sign, ROW_BITS, worker)
        _add_counted(self._statuses, chunk.statuses.items(), sign, ROW_BITS + STATUS_BITS, worker)
        if worker is None:
            self.times.apply(chunk, sign)

    @property
    def endpoints(self) -> dict[int, tuple[int, ...]]:
        """The sums by endpoint row."""
        return {row: unpacked(sums) for row, sums in self._sums.items()}

    @property
    def statuses(self) -> dict[int, dict[int, int]]:
        """Counts by endpoint row and status."""
        found: dict[int, dict[int, int]] = {}
        for key, count in self._statuses.items():
            found.setdefault(key >> STATUS_BITS, {})[key & STATUS_MASK] = count
        return found

    @staticmethod
    def counts(chunk: Chunk, worker: int | None) -> dict[int, int]:
        found: dict[int, int] = {}
        _add_counted(found, chunk.cells.counts(), 1, ROW_BITS, worker)
        return found


class UseSums:
    """The sums of statements by pair of endpoint and statement."""

    __slots__ = ("uses",)

    def __init__(self) -> None:
        self.uses: dict[int, list[int]] = {}

    def apply(self, chunk: Chunk, sign: int, worker: int | None, most: int = 0) -> None:
        """See ``Part.apply``; of more than ``most`` pairs (0: no bound) the others count as outside requests."""
        if most and len(self.uses) >= most:
            add_uses(self.uses, _outside(chunk.uses.by_pair(worker), self.uses))
        elif sign > 0:
            add_uses(self.uses, chunk.uses.by_pair(worker))
        else:
            _take_uses(self.uses, chunk.uses.by_pair(worker))

    @staticmethod
    def counts(chunk: Chunk, worker: int | None) -> dict[int, int]:
        return {}


class StatementTimes:
    """Distributions by statement row."""

    __slots__ = ("hists",)

    def __init__(self) -> None:
        self.hists: dict[int, Histogram] = {}

    def apply(self, chunk: Chunk, sign: int, worker: int | None) -> None:
        if worker is None:
            add_counts(self.hists, chunk.statement_hist.items(), sign)

    @staticmethod
    def counts(chunk: Chunk, worker: int | None) -> dict[int, int]:
        found: dict[int, int] = {}
        for key, count in chunk.uses.counts():
            if worker is None or key >> PAIR_BITS == worker:
                statement = key & STATEMENT_MASK
                found[statement] = found.get(statement, 0) + count
        return found


def _add_counted(
    total: dict[int, int], items: Iterable[tuple[int, int]], sign: int, bits: int, worker: int | None
) -> None:
    """Add to or subtract from sums by key, where a key's bits from ``bits`` on are its worker; what is nothing goes."""
    mask, get = (1 << bits) - 1, total.get
    for key, value in items:
        if worker is not None and key >> bits != worker:
            continue
        row = key & mask
        left = get(row, 0) + (value if sign > 0 else -value)
        if left:
            total[row] = left
        else:
            del total[row]


def _outside(items: Iterable[tuple[int, ...]], known: Container[int]) -> Iterator[tuple[int, ...]]:
    """Uses by pair; those of pairs that are not ``known`` as if they had run outside any request."""
    return ((pair if pair in known else pair & STATEMENT_MASK, *sums) for pair, *sums in items)


def _take_uses(total: dict[int, list[int]], items: Iterable[tuple[int, ...]]) -> None:
    for key, count, errors, execute, fetch, rows in items:
        known = total[key]
        known[0] -= count
        known[1] -= errors
        known[2] -= execute
        known[3] -= fetch
        known[4] -= rows
        if not known[0]:  # a row that counts nothing any more goes
            del total[key]


P = TypeVar("P", bound=Part)
