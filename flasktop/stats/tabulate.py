"""What traces add to the columns of their endpoints (see ``flasktop.stats.columns``), a column at a time."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from operator import mul, sub

from flasktop.protocol.records import RAISED, Trace
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
    ROWS,
    SQL_CPU,
    STATEMENTS,
    WAIT,
)
from flasktop.stats.packed import Table, bounded
from flasktop.stats.sums import is_error


def tabulated(traces: Sequence[Trace], durations: array[int]) -> tuple[Table, bool]:
    """Return what each of some traces adds, and whether one of them failed."""
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
