"""What a second's traces add up to: reckoned by columns, all traces and spans of a frame at a time.

A column of many traces is read, added and counted by a few calls; grouping the traces first would cost several calls
for each of the groups, and with many endpoints and workers hardly two traces of a frame are of the same. A frame is
reckoned as soon as it comes, while what was decoded is still near the processor, and nothing of it is held for later.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from operator import add, attrgetter, mul, sub
from typing import Final

from flasktop.protocol.records import RAISED, Folded, Span, Trace
from flasktop.stats.chunks import Chunk, PackedCells, PackedCounts, endpoint_cells, use_cells
from flasktop.stats.columns import (
    BODY,
    BYTES,
    COMMIT,
    COUNT,
    CPU,
    CPU_KNOWN,
    DURATION,
    ERRORS,
    EXECUTE,
    FETCH,
    FIRST_BYTE,
    FIRST_BYTE_KNOWN,
    OTHER,
    PAIR_BITS,
    ROW_BITS,
    ROWS,
    SQL_CPU,
    STATEMENT_COLUMNS,
    STATEMENTS,
    STATUS_BITS,
    STATUS_MASK,
    WAIT,
)
from flasktop.stats.histogram import KEY_BITS, buckets
from flasktop.stats.packed import WORD, Table, bounded, narrow
from flasktop.stats.rings import Kept, Rings
from flasktop.stats.rows import OUTSIDE, Rows, pair_of
from flasktop.stats.sums import is_error
from flasktop.stats.workers import Worker

_FOLDED: Final = attrgetter("folded")
_ONE: Final = array("Q", [1]).tobytes()


class Batch:
    """Collects cells, statuses and distributions of one second."""

    def __init__(self, rows: Rows, rings: Rings) -> None:
        self._rows = rows
        self._rings = rings
        self._cells: dict[int, int] = {}
        self._statuses: Counter[int] = Counter()
        self._hist: Counter[int] = Counter()
        self._apps: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self._requests: Counter[int] = Counter()
        self._use_keys = array("Q")
        self._uses = tuple(array("Q") for _ in range(STATEMENT_COLUMNS))
        self._time_keys = array("Q")
        self._ran: set[int] = set()

    def traces(self, worker: Worker, kept: Sequence[Kept], traces: Sequence[Trace]) -> None:
        """Take traces of one worker, at least one."""
        rows = [one.row for one in kept]
        durations = bounded([trace.duration_us for trace in traces])
        table, failed = _table(traces, durations)
        base = worker.number << ROW_BITS
        keys = [base | row for row in rows]
        self._requests[worker.number] += len(kept)
        cells, get = self._cells, self._cells.get
        for key, sums in zip(keys, table.packed(), strict=True):
            cells[key] = get(key, 0) + sums
        self._statuses.update(
            [key << STATUS_BITS | trace.status & STATUS_MASK for key, trace in zip(keys, traces, strict=True)]
        )
        found = buckets(durations)
        self._hist.update([(row << KEY_BITS) + index for row, index in zip(rows, found, strict=True)])
        self._count_apps(rows, found)
        self._rings.extend(kept, durations, _failed(kept, traces) if failed else [])
        self._spans_of(worker, rows, traces)

    def outside(self, worker: Worker, spans: Sequence[Span]) -> None:
        """Take spans of one worker that ran outside requests, at least one."""
        self._spans(worker, repeat(pair_of(OUTSIDE, 0), len(spans)), spans)

    def pack(self) -> Chunk:
        """Return all that was taken."""
        times = self._time_keys
        if _alike(self._use_keys):
            uses = use_cells(zip(self._use_keys, *self._uses, strict=True))
            statement_hist = PackedCounts.of(Counter(times))
        else:
            columns = [narrow(column.tobytes()) for column in self._uses]
            uses = PackedCells(narrow(self._use_keys.tobytes()), columns)
            statement_hist = PackedCounts(narrow(times.tobytes()))
        return Chunk(
            endpoint_cells(self._cells),
            uses,
            PackedCounts.of(self._statuses),
            PackedCounts.of(self._hist),
            statement_hist,
            {app: PackedCounts.of(hist) for app, hist in self._apps.items()},
            self._ran,
            self._requests,
        )

    def _count_apps(self, rows: Sequence[int], found: Sequence[int]) -> None:
        apps = [self._rows.apps[row] for row in rows]
        if apps.count(apps[0]) == len(apps):
            self._apps[apps[0]].update(found)
            return
        for app, index in zip(apps, found, strict=True):
            self._apps[app][index] += 1

    def _spans_of(self, worker: Worker, rows: Sequence[int], traces: Sequence[Trace]) -> None:
        lists = [trace.spans for trace in traces]
        spans = list(chain.from_iterable(lists))
        if spans:
            endpoints = [pair_of(row, 0) for row in rows]
            self._spans(worker, chain.from_iterable(map(repeat, endpoints, map(len, lists))), spans)
        if any(map(_FOLDED, traces)):
            for row, trace in zip(rows, traces, strict=True):
                self._folded(worker, row, trace.folded)

    def _spans(self, worker: Worker, endpoints: Iterable[int], spans: Sequence[Span]) -> None:
        """Take spans of one worker; ``endpoints`` are the pairs of what ran them with statement 0."""
        base = worker.number << PAIR_BITS
        statements = worker.statements.of([span.statement for span in spans])
        self._use_keys.extend(map(add, map(base.__or__, endpoints), statements))
        counts, errors, executes, fetches, rows = self._uses
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
        self._ran.update(statements)

    def _folded(self, worker: Worker, row: int, folded: Iterable[Folded]) -> None:
        for part in folded:
            if part.count <= 0:
                continue
            statement = worker.statement_row(part.statement)
            self._use_keys.append(worker.number << PAIR_BITS | pair_of(row, statement))
            sums = bounded((part.count, part.errors, part.execute_us, part.fetch_us, part.rows))
            for column, value in zip(self._uses, sums, strict=True):
                column.append(value)
            self._ran.add(statement)


def _failed(kept: Sequence[Kept], traces: Sequence[Trace]) -> list[Kept]:
    return [one for one, trace in zip(kept, traces, strict=True) if is_error(trace)]


def _alike(keys: Sequence[int]) -> bool:
    """Whether so many of ``keys`` occur more than once that summing them up pays: what is not summed up is at most
    twice as long."""
    return len(set(keys)) * 2 < len(keys)


def _table(traces: Sequence[Trace], durations: array[int]) -> tuple[Table, bool]:
    """Return what traces add to the columns of their endpoints, and whether one of them failed."""
    table = Table(len(traces))
    ones = array("Q", [1]) * len(traces)
    table.put(COUNT, ones)
    table.put(DURATION, durations)
    failed = max([trace.status for trace in traces]) >= 500 or max([trace.flags for trace in traces]) >= RAISED
    if failed:
        table.put(ERRORS, array("Q", map(is_error, traces)))
    first_bytes = [trace.first_byte_us for trace in traces]
    known = _known(first_bytes, ones)
    table.put(FIRST_BYTE_KNOWN, known)
    table.put(FIRST_BYTE, bounded(first_bytes))
    bodies = list(map(sub, durations, first_bytes))
    table.put(BODY, bounded(bodies if known is ones else list(map(mul, bodies, known))))
    _put_clocks(table, traces, ones)
    table.put(EXECUTE, bounded([trace.execute_us for trace in traces]))
    table.put(FETCH, bounded([trace.fetch_us for trace in traces]))
    table.put(OTHER, bounded([trace.other_us for trace in traces]))
    table.put(STATEMENTS, bounded([trace.statements for trace in traces]))
    table.put(ROWS, bounded([trace.rows for trace in traces]))
    table.put(BYTES, bounded([trace.bytes_sent for trace in traces]))
    table.put(COMMIT, bounded([trace.commit_us for trace in traces]))
    return table, failed


def _put_clocks(table: Table, traces: Sequence[Trace], ones: array[int]) -> None:
    """Fill in CPU, CPU in SQL and waiting: nothing where the CPU is not known."""
    cpus = [trace.cpu_us for trace in traces]
    sql_cpus = [trace.sql_cpu_us for trace in traces]
    waits = [trace.wait_us for trace in traces]
    known = _known(cpus, ones)
    if known is not ones:
        sql_cpus, waits = list(map(mul, sql_cpus, known)), list(map(mul, waits, known))
    table.put(CPU, bounded(cpus))
    table.put(SQL_CPU, bounded(sql_cpus))
    table.put(WAIT, bounded(waits))
    table.put(CPU_KNOWN, known)


def _known(values: Sequence[int], ones: array[int]) -> array[int]:
    """Return 1 where a value is known and 0 elsewhere; ``ones`` itself where all are."""
    return ones if min(values) >= 0 else array("Q", [value >= 0 for value in values])
