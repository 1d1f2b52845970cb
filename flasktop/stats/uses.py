"""What a second's spans add up to: reckoned by columns, as their traces are."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from operator import add
from typing import Final

from flasktop.protocol.records import Folded, Span
from flasktop.stats.chunks import PackedCells, PackedCounts, alike, use_cells
from flasktop.stats.columns import STATEMENT_BITS, STATEMENT_COLUMNS
from flasktop.stats.histogram import KEY_BITS, buckets
from flasktop.stats.packed import WORD, bounded, narrow
from flasktop.stats.rows import Ids

_ONE: Final = array("Q", [1]).tobytes()


class Uses:
    """Collects the sums of statements by worker and pair, and how their times are distributed. ``ran`` are the rows of
    the statements."""

    def __init__(self) -> None:
        self.ran: set[int] = set()
        self._keys = array("Q")
        self._columns = tuple(array("Q") for _ in range(STATEMENT_COLUMNS))
        self._time_keys = array("Q")

    def spans(self, cells: Iterable[int], statements: Sequence[int], spans: Sequence[Span]) -> None:
        """Take spans, at least one, with the row of the statement of each. ``cells`` are the keys of what ran them, as
        ``cell_of`` returns them."""
        counts, errors, executes, fetches, rows = self._columns
        self._keys.extend(map(add, cells, statements))
        execute = bounded([span.execute_us for span in spans])
        fetch = bounded([span.fetch_us for span in spans])
        failed = [span.error for span in spans]
        counts.frombytes(_ONE * len(spans))
        if any(failed):
            errors.extend(map(bool, failed))
        else:
            errors.frombytes(bytes(WORD * len(spans)))
        executes.extend(execute)
        fetches.extend(fetch)
        rows.extend(bounded([span.rows for span in spans]))
        found = buckets(list(map(add, execute, fetch)))
        self._time_keys.extend(
            [(statement << KEY_BITS) + index for statement, index in zip(statements, found, strict=True)]
        )
        self.ran.update(statements)

    def folded(self, cell: int, ids: Ids, parts: Iterable[Folded]) -> None:
        """Take what is left of the spans of one trace beyond its cap; ``ids`` are its worker's statements."""
        for part in parts:
            if part.count > 0:
                statement = ids[part.statement]
                self._keys.append(cell + statement)
                sums = bounded((part.count, part.errors, part.execute_us, part.fetch_us, part.rows))
                for column, value in zip(self._columns, sums, strict=True):
                    column.append(value)
                self.ran.add(statement)

    def pack(self) -> tuple[PackedCells, PackedCounts]:
        """Return the cells and the distributions of all that was taken, summed up only where that pays."""
        if alike(self._keys):
            cells = use_cells(zip(self._keys, *self._columns, strict=True))
            return cells, PackedCounts.of(Counter(self._time_keys))
        columns = [narrow(column.tobytes()) for column in self._columns]
        return PackedCells(narrow(self._keys.tobytes()), columns), PackedCounts(narrow(self._time_keys.tobytes()))


def cell_of(key: int) -> int:
    """Return the key of the uses, with statement 0, of a cell's endpoint (``worker << ROW_BITS | row``; -1 in place of
    the row: outside any request)."""
    return (key + 1) << STATEMENT_BITS
