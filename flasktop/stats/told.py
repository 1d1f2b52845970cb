"""What a worker said of its totals, kept flat by local id: a server has many workers, and each of them has a table."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from struct import Struct
from struct import error as StructError
from typing import Final

from flasktop.protocol.totals import RouteTotal, StatementTotal
from flasktop.stats.columns import ENDPOINT_COLUMNS, STATEMENT_COLUMNS
from flasktop.stats.rows import MAX_IDS
from flasktop.stats.sums import Columns, route_columns, statement_columns

_WORD: Final = 8
_MOST: Final = (1 << 63) - 1

Beside = tuple[int, ...]
"""What stands beside the columns of an id: of a statement its routes, of a route its statuses and then their counts."""


class Table:
    """Columns by local id in one flat array, since ids are dense, each with a few numbers ``beside``."""

    __slots__ = ("_beside", "_columns", "_pack", "_values")

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._pack = Struct(f"={columns}q")
        self._values = array("q")
        self._beside: list[Beside | None] = []

    def get(self, number: int) -> tuple[Columns, Beside]:
        """Return what is kept of an id, zeros and nothing at first."""
        beside = self._beside[number] if 0 <= number < len(self._beside) else None
        if beside is None:
            return (0,) * self._columns, ()
        start = number * self._columns
        return tuple(self._values[start : start + self._columns]), beside

    def count(self, number: int) -> int:
        """Return the first column of an id."""
        return self._values[number * self._columns] if 0 <= number < len(self._beside) else 0

    def items(self) -> Iterator[tuple[int, Columns, Beside]]:
        """Yield (id, columns, beside) of every id that is kept."""
        columns, values = self._columns, self._values
        for number, beside in enumerate(self._beside):
            if beside is not None:
                yield number, tuple(values[number * columns : (number + 1) * columns]), beside

    def _grow(self, number: int) -> None:
        """Make room for ids up to ``number``."""
        missing = number + 1 - len(self._beside)
        if missing > 0:
            self._beside.extend([None] * missing)
            self._values.extend(array("q", bytes(_WORD * self._columns * missing)))

    def _put(self, number: int, columns: Columns) -> None:
        try:
            self._pack.pack_into(self._values, number * self._pack.size, *columns)
        except StructError:  # beyond 64 bits: nonsense, which must stop nobody
            columns = tuple([max(min(value, _MOST), 0) for value in columns])
            self._pack.pack_into(self._values, number * self._pack.size, *columns)


class RouteTable(Table):
    """Totals of routes; their columns are those of endpoints, and after them the longest duration."""

    def __init__(self) -> None:
        super().__init__(ENDPOINT_COLUMNS + 1)

    def take(self, totals: Sequence[RouteTotal]) -> int:
        """Keep totals that are newer than what is known; return how many requests came with them."""
        came, values, columns = 0, self._values, self._columns
        if totals:
            self._grow(min(max([total.route for total in totals]), MAX_IDS - 1))
        known = len(self._beside)
        for total in totals:
            number = total.route
            new = total.count - values[number * columns] if 0 <= number < known else 0
            if new > 0:
                came += new
                self._put(number, (*route_columns(total), total.max_us))
                statuses = total.statuses
                self._beside[number] = (*statuses, *statuses.values())
        return came


class StatementTable(Table):
    """Totals of statements."""

    def __init__(self) -> None:
        super().__init__(STATEMENT_COLUMNS)

    def take(self, totals: Sequence[StatementTotal]) -> None:
        """Keep totals that are newer than what is known: with many statements, most of what a reader is told."""
        if totals:
            self._grow(min(max([total.statement for total in totals]), MAX_IDS - 1))
        values, all_beside, columns, known = self._values, self._beside, self._columns, len(self._beside)
        pack, size = self._pack.pack_into, self._pack.size
        for total in totals:
            number, count, rows = total.statement, total.count, total.rows
            if 0 <= number < known and count > values[number * columns]:
                try:
                    pack(
                        values,
                        number * size,
                        count,
                        total.errors,
                        total.execute_us,
                        total.fetch_us,
                        rows if rows > 0 else 0,
                    )
                except StructError:
                    self._put(number, statement_columns(total))
                if all_beside[number] != total.routes:
                    all_beside[number] = shared(total.routes)


@lru_cache(maxsize=16_384)
def shared(routes: Beside) -> Beside:
    """Return the same tuple for the same routes, since most statements of most workers are run by the same few."""
    return routes


def statuses_of(beside: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield (status, count) of what stands beside a route."""
    half = len(beside) // 2
    return zip(beside[:half], beside[half:], strict=True)
