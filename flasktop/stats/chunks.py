"""Flat tables of one interval.

One entry per cell (worker and endpoint, or worker and pair of endpoint and statement) in one interval; a distribution
is kept per row over all workers. Each column is a flat array of the narrowest integers that hold it: a cell of a
statement takes some 16 bytes, a tenth of what a list in a dictionary takes, and adding to and subtracting from a window
needs no more. Where hardly two traces share a cell, what came is kept as it came: a key may occur more than once.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import Final

from flasktop.stats.columns import PAIR_BITS, PAIR_MASK, STATEMENT_COLUMNS
from flasktop.stats.packed import columns_of, narrowed, packed
from flasktop.steps import Steps

_WIDTHS: Final = {"B": 1, "H": 2, "I": 4, "Q": 8}
"""The widths of the arrays that ``narrow`` makes, in bytes."""


class PackedCells:
    """Sums by key, one array a column; a key may occur more than once."""

    __slots__ = ("_packed", "columns", "keys")

    def __init__(self, keys: array[int], columns: Sequence[array[int]], packed: Sequence[int] | None = None) -> None:
        """``packed`` are the same sums as ``packed()`` returns them, kept until ``settle`` is called."""
        self.keys = keys
        self.columns = tuple(columns)
        self._packed = packed

    def items(self) -> Iterator[tuple[int, ...]]:
        """Yield (key, sum, sum, …)."""
        return zip(self.keys, *self.columns, strict=True)

    def by_pair(self, worker: int | None) -> Iterator[tuple[int, ...]]:
        """Yield (pair, sum, sum, …) of all workers, or of one; of cells of uses only."""
        if worker is None:
            return zip([key & PAIR_MASK for key in self.keys], *self.columns, strict=True)
        return ((key & PAIR_MASK, *sums) for key, *sums in self.items() if key >> PAIR_BITS == worker)

    def counts(self) -> Iterator[tuple[int, int]]:
        """Yield (key, count): the first column of both tables is the count."""
        return zip(self.keys, self.columns[0], strict=True)

    def packed(self) -> Iterator[tuple[int, int]]:
        """Yield (key, all sums in one integer); of endpoint cells only."""
        return zip(self.keys, packed(self.columns) if self._packed is None else self._packed, strict=True)

    def settle(self) -> None:
        """Keep no more than is needed later."""
        self._packed = None


def endpoint_cells(sums: Mapping[int, int]) -> PackedCells:
    """Return endpoint cells of sums by key, each packed into one integer."""
    values = list(sums.values())
    return PackedCells(narrowed(sums), columns_of(values), values)


def use_cells(items: Iterable[tuple[int, ...]]) -> PackedCells:
    """Return cells of uses in which each key occurs once, of (key, sum, sum, …)."""
    total: dict[int, list[int]] = {}
    add_uses(total, items)
    columns = zip(*total.values(), strict=True) if total else ((),) * STATEMENT_COLUMNS
    return PackedCells(narrowed(total), [narrowed(column) for column in columns])


def add_uses(total: dict[int, list[int]], items: Iterable[tuple[int, ...]]) -> None:
    """Add (key, sum, sum, …) to the sums of uses by key."""
    get = total.get
    for key, count, errors, execute, fetch, rows in items:
        known = get(key)
        if known is None:
            total[key] = [count, errors, execute, fetch, rows]
        else:
            known[0] += count
            known[1] += errors
            known[2] += execute
            known[3] += fetch
            known[4] += rows


class PackedCounts:
    """Counts by key in two flat arrays; without ``counts`` each key counts one, and may occur more than once."""

    __slots__ = ("_counts", "keys")

    def __init__(self, keys: array[int], counts: array[int] | None = None) -> None:
        self.keys = keys
        self._counts = counts

    @classmethod
    def of(cls, counts: Mapping[int, int]) -> PackedCounts:
        return cls(narrowed(counts), narrowed(counts.values()))

    def items(self) -> Iterator[tuple[int, int]]:
        """Yield (key, count)."""
        return zip(self.keys, repeat(1) if self._counts is None else self._counts)  # noqa: B905 - endless ones


def counted(parts: Iterable[PackedCounts]) -> PackedCounts:
    """Return the counts of several tables."""
    parts = list(parts)
    if all(part._counts is None for part in parts):
        keys = _joined([part.keys for part in parts])
        if not alike(keys):
            return PackedCounts(keys)
    total = Counter(chain.from_iterable([part.keys for part in parts if part._counts is None]))
    get = total.get
    for part in parts:
        if part._counts is not None:
            for key, count in part.items():
                total[key] = get(key, 0) + count
    return PackedCounts.of(total)


class Chunk:
    """Endpoint cells, uses of statements, statuses and distributions of one interval (``hist`` by endpoint row and
    bucket, ``statement_hist`` by statement row and bucket, ``apps`` by bucket for each app). ``ran`` (the
    statement rows that it has uses of) and ``requests`` by worker are known until it is settled. ``in_all``: whether
    the window ALL counts its statements already."""

    __slots__ = ("apps", "cells", "hist", "in_all", "ran", "requests", "statement_hist", "statuses", "uses")

    def __init__(
        self,
        cells: PackedCells,
        uses: PackedCells,
        statuses: PackedCounts,
        hist: PackedCounts,
        statement_hist: PackedCounts,
        apps: Mapping[str, PackedCounts],
        ran: Iterable[int] = (),
        requests: Mapping[int, int] = {},
    ) -> None:
        self.cells = cells
        self.uses = uses
        self.statuses = statuses
        self.hist = hist
        self.statement_hist = statement_hist
        self.apps = apps
        self.ran = ran
        self.requests = requests
        self.in_all = False

    def settle(self) -> None:
        """Keep no more than is needed later: what came is in the windows."""
        self.cells.settle()
        self.ran, self.requests = (), {}


def merging(chunks: Sequence[Chunk]) -> Steps[Chunk]:
    """Return one settled chunk that holds the sums of ``chunks``."""
    names = {app for chunk in chunks for app in chunk.apps}
    cells, uses = [chunk.cells for chunk in chunks], [chunk.uses for chunk in chunks]
    of_endpoints = _united(cells) or endpoint_cells(_summed(chain.from_iterable([part.packed() for part in cells])))
    yield
    of_uses = _united(uses) or use_cells(chain.from_iterable([part.items() for part in uses]))
    yield
    statuses = counted(chunk.statuses for chunk in chunks)
    yield
    hist = counted(chunk.hist for chunk in chunks)
    yield
    statement_hist = counted(chunk.statement_hist for chunk in chunks)
    yield
    apps = {app: counted(chunk.apps[app] for chunk in chunks if app in chunk.apps) for app in names}
    one = Chunk(of_endpoints, of_uses, statuses, hist, statement_hist, apps)
    one.settle()
    return one


def alike(keys: Sequence[int]) -> bool:
    """Whether so many of ``keys`` occur more than once that summing them up pays: what is not summed up is at most
    twice as long."""
    return len(set(keys)) * 2 < len(keys)


def _united(parts: Sequence[PackedCells]) -> PackedCells | None:
    """The cells of several tables one after the other; None where they had better be summed up."""
    keys = _joined([part.keys for part in parts])
    if alike(keys):
        return None
    return PackedCells(keys, [_joined(columns) for columns in zip(*[part.columns for part in parts], strict=True)])


def _joined(parts: Sequence[array[int]]) -> array[int]:
    """Arrays one after the other, as bytes where they are of one width."""
    code = max([part.typecode for part in parts], key=_WIDTHS.__getitem__, default="B")
    data = [(part if part.typecode == code else array(code, part)).tobytes() for part in parts]
    return array(code, b"".join(data))


def _summed(items: Iterable[tuple[int, int]]) -> dict[int, int]:
    total: dict[int, int] = {}
    get = total.get
    for key, sums in items:
        total[key] = get(key, 0) + sums
    return total
