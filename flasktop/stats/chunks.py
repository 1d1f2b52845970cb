"""What was received of one interval, packed: it is kept for five minutes, and its numbers never change.

A cell is the sums of one worker's row (or pair) in one interval; a distribution is kept per row over all workers.
Each column is a flat array of the narrowest integers that hold it: a cell of a statement takes some 16 bytes, a tenth
of what a list in a dictionary takes, and adding to and subtracting from a window needs no more.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import add
from typing import Final

from flasktop.stats.columns import ENDPOINT_COLUMNS, STATEMENT_COLUMNS

_WIDTHS: Final = ((1 << 8, "B"), (1 << 16, "H"), (1 << 32, "I"))


def narrow(values: Sequence[int]) -> array[int]:
    """Return ``values`` in an array of the narrowest integers that hold them."""
    if not values:
        return array("B")
    most = max(values)
    if min(values) >= 0:
        for bound, code in _WIDTHS:
            if most < bound:
                return array(code, values)
    return array("q", values)


class PackedCells:
    """Sums by key, one array a column; a key may occur more than once."""

    __slots__ = ("columns", "keys")

    def __init__(self, keys: Sequence[int], columns: Iterable[Sequence[int]]) -> None:
        self.keys = narrow(keys)
        self.columns = tuple(map(narrow, columns))

    @classmethod
    def of(cls, keys: Sequence[int], cells: Sequence[Sequence[int]], columns: int) -> PackedCells:
        """Pack ``cells``, each of so many ``columns``."""
        return cls(keys, zip(*cells, strict=True) if cells else ((),) * columns)

    def items(self) -> Iterator[tuple[int, ...]]:
        """Yield (key, sum, sum, …)."""
        return zip(self.keys, *self.columns, strict=True)

    def counts(self) -> Iterator[tuple[int, int]]:
        """Yield (key, count): the first column of both tables is the count."""
        return zip(self.keys, self.columns[0], strict=True)


class PackedCounts:
    """Counts by key, in two flat arrays."""

    __slots__ = ("counts", "keys")

    def __init__(self, keys: Sequence[int], counts: Sequence[int]) -> None:
        self.keys = narrow(keys)
        self.counts = narrow(counts)

    @classmethod
    def of(cls, counts: Mapping[int, int]) -> PackedCounts:
        return cls(list(counts), list(counts.values()))

    def items(self) -> Iterator[tuple[int, int]]:
        """Yield (key, count)."""
        return zip(self.keys, self.counts, strict=True)


class Chunk:
    """Endpoint cells, uses of statements, statuses and distributions of one interval (``hist`` by endpoint row and
    bucket, ``statement_hist`` by statement row and bucket, ``apps`` by bucket for each app). ``in_all``: whether the
    window ALL counts its statements already."""

    __slots__ = ("apps", "cells", "hist", "in_all", "statement_hist", "statuses", "uses")

    def __init__(
        self,
        cells: PackedCells,
        uses: PackedCells,
        statuses: PackedCounts,
        hist: PackedCounts,
        statement_hist: PackedCounts,
        apps: Mapping[str, PackedCounts],
    ) -> None:
        self.cells = cells
        self.uses = uses
        self.statuses = statuses
        self.hist = hist
        self.statement_hist = statement_hist
        self.apps = apps
        self.in_all = False


def merged(chunks: Iterable[Chunk]) -> Chunk:
    """Return one chunk that holds the sums of ``chunks``."""
    chunks = list(chunks)
    names = {app for chunk in chunks for app in chunk.apps}
    return Chunk(
        _summed([chunk.cells for chunk in chunks], ENDPOINT_COLUMNS),
        _summed([chunk.uses for chunk in chunks], STATEMENT_COLUMNS),
        _counted(chunk.statuses for chunk in chunks),
        _counted(chunk.hist for chunk in chunks),
        _counted(chunk.statement_hist for chunk in chunks),
        {app: _counted(chunk.apps[app] for chunk in chunks if app in chunk.apps) for app in names},
    )


def _summed(parts: Iterable[PackedCells], columns: int) -> PackedCells:
    total: dict[int, Sequence[int]] = {}
    for part in parts:
        for key, *sums in part.items():
            known = total.get(key)
            total[key] = sums if known is None else [*map(add, known, sums)]
    return PackedCells.of(list(total), list(total.values()), columns)


def _counted(parts: Iterable[PackedCounts]) -> PackedCounts:
    total: dict[int, int] = {}
    for part in parts:
        for key, count in part.items():
            total[key] = total.get(key, 0) + count
    return PackedCounts.of(total)
