"""Cells of one interval: open while they fill, packed when they are kept.

A cell is the sums of one worker's row (or pair) in one interval; a distribution is kept per row over all workers.
Open cells are lists in a dictionary, which is what ingest is fast with; packed cells are flat arrays, which take a
tenth of the memory and are all that adding to and subtracting from a window needs.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from operator import add

from flasktop.stats.columns import ENDPOINT_COLUMNS, STATEMENT_COLUMNS


class Delta:
    """What was received of one interval since the last fold: endpoint cells, uses of statements, statuses and
    distributions (``hist`` by endpoint row and bucket, ``statement_hist`` by statement row and bucket)."""

    __slots__ = ("cells", "hist", "statement_hist", "statuses", "uses")

    def __init__(self) -> None:
        self.cells: dict[int, list[int]] = {}
        self.uses: dict[int, list[int]] = {}
        self.statuses: dict[int, int] = {}
        self.hist: dict[int, int] = {}
        self.statement_hist: dict[int, int] = {}

    def pack(self) -> Chunk:
        """Return the same, packed."""
        return Chunk(
            PackedCells.of(self.cells, ENDPOINT_COLUMNS),
            PackedCells.of(self.uses, STATEMENT_COLUMNS),
            PackedCounts.of(self.statuses),
            PackedCounts.of(self.hist),
            PackedCounts.of(self.statement_hist),
        )


class PackedCells:
    """Sums by key, in two flat arrays."""

    __slots__ = ("columns", "keys", "values")

    def __init__(self, keys: array[int], values: array[int], columns: int) -> None:
        self.keys = keys
        self.values = values
        self.columns = columns

    @classmethod
    def of(cls, cells: dict[int, list[int]], columns: int) -> PackedCells:
        values = array("q")
        for sums in cells.values():
            values.extend(sums)
        return cls(array("Q", cells), values, columns)

    def items(self) -> Iterator[tuple[int, list[int]]]:
        """Yield (key, sums)."""
        columns, values = self.columns, self.values
        start = 0
        for key in self.keys:
            yield key, values[start : start + columns].tolist()
            start += columns

    def counts(self) -> Iterator[tuple[int, int]]:
        """Yield (key, count): the first column of both tables is the count."""
        return zip(self.keys, self.values[:: self.columns], strict=True)


class PackedCounts:
    """Counts by key, in two flat arrays."""

    __slots__ = ("counts", "keys")

    def __init__(self, keys: array[int], counts: array[int]) -> None:
        self.keys = keys
        self.counts = counts

    @classmethod
    def of(cls, counts: dict[int, int]) -> PackedCounts:
        return cls(array("Q", counts), array("I", counts.values()))

    def items(self) -> Iterator[tuple[int, int]]:
        """Yield (key, count)."""
        return zip(self.keys, self.counts, strict=True)


class Chunk:
    """A packed ``Delta``; never changed."""

    __slots__ = ("cells", "hist", "statement_hist", "statuses", "uses")

    def __init__(
        self,
        cells: PackedCells,
        uses: PackedCells,
        statuses: PackedCounts,
        hist: PackedCounts,
        statement_hist: PackedCounts,
    ) -> None:
        self.cells = cells
        self.uses = uses
        self.statuses = statuses
        self.hist = hist
        self.statement_hist = statement_hist


def merged(chunks: Iterable[Chunk]) -> Chunk:
    """Return one chunk that holds the sums of ``chunks``."""
    chunks = list(chunks)
    return Chunk(
        PackedCells.of(_summed(chunk.cells for chunk in chunks), ENDPOINT_COLUMNS),
        PackedCells.of(_summed(chunk.uses for chunk in chunks), STATEMENT_COLUMNS),
        PackedCounts.of(_counted(chunk.statuses for chunk in chunks)),
        PackedCounts.of(_counted(chunk.hist for chunk in chunks)),
        PackedCounts.of(_counted(chunk.statement_hist for chunk in chunks)),
    )


def combine(total: dict[int, list[int]], key: int, sums: list[int], how: Callable[[int, int], int]) -> None:
    """Add ``sums`` to (or subtract them from) the sums of ``key``; a row that counts nothing any more goes."""
    known = total.get(key)
    if known is None:
        total[key] = sums
        return
    known[:] = map(how, known, sums)
    if not any(known):
        del total[key]


def _summed(parts: Iterable[PackedCells]) -> dict[int, list[int]]:
    total: dict[int, list[int]] = {}
    for part in parts:
        for key, sums in part.items():
            combine(total, key, sums, add)
    return total


def _counted(parts: Iterable[PackedCounts]) -> dict[int, int]:
    total: dict[int, int] = {}
    for part in parts:
        for key, count in part.items():
            total[key] = total.get(key, 0) + count
    return total
