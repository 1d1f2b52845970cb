"""What a second's traces add up to: reckoned by columns, a batch of traces and spans of the same kind at a time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import repeat
from operator import add, attrgetter
from typing import Final

from flasktop.protocol.records import RAISED, Folded, Span, Trace
from flasktop.stats.chunks import Chunk, PackedCells, PackedCounts
from flasktop.stats.columns import ENDPOINT_COLUMNS, ROW_BITS, ROW_MASK, STATEMENT_COLUMNS, STATUS_BITS, STATUS_MASK
from flasktop.stats.histogram import KEY_BITS, SMALL, bucket
from flasktop.stats.rings import Kept, Rings
from flasktop.stats.rows import OUTSIDE, Rows
from flasktop.stats.sums import Columns, is_error, trace_columns
from flasktop.stats.workers import Worker

_FEW: Final = 4
"""Fewer than so many are added up one by one: columns would cost more to set up."""

_TRACE: Final = attrgetter(
    "duration_us", "first_byte_us", "cpu_us", "sql_cpu_us", "wait_us", "execute_us", "fetch_us", "other_us",
    "statements", "rows", "bytes_sent", "commit_us", "status", "flags",
)  # fmt: skip
_SPAN: Final = attrgetter("execute_us", "fetch_us", "rows", "error")
_TRACE_OF: Final = attrgetter("trace")
_SMALL: Final = len(SMALL)


class Batch:
    """Collects cells, statuses and distributions of one second."""

    def __init__(self, rows: Rows, rings: Rings) -> None:
        self._rows = rows
        self._rings = rings
        self._keys: list[int] = []
        self._cells: list[Columns] = []
        self._use_keys: list[int] = []
        self._uses: list[Columns] = []
        self._statuses: Counter[int] = Counter()
        self._hist: Counter[int] = Counter()
        self._statement_hist: Counter[int] = Counter()
        self._apps: defaultdict[str, Counter[int]] = defaultdict(Counter)

    def pack(self) -> Chunk:
        """Return all that was taken."""
        return Chunk(
            PackedCells.of(self._keys, self._cells, ENDPOINT_COLUMNS),
            PackedCells.of(self._use_keys, self._uses, STATEMENT_COLUMNS),
            PackedCounts.of(self._statuses),
            PackedCounts.of(self._hist),
            PackedCounts.of(self._statement_hist),
            {app: PackedCounts.of(hist) for app, hist in self._apps.items()},
        )

    def traces(self, worker: Worker, key: int, kept: list[Kept]) -> None:
        """Take traces of one worker and endpoint."""
        row = key & ROW_MASK
        traces = list(map(_TRACE_OF, kept))
        sums, durations, statuses = _trace_sums(traces)
        self._keys.append(key)
        self._cells.append(sums)
        self._count_statuses(key << STATUS_BITS, statuses)
        buckets = _buckets(durations)
        _count(self._hist, row << KEY_BITS, buckets)
        _count(self._apps[self._rows.endpoints[row].key.app], 0, buckets)
        failed = [one for one in kept if is_error(one.trace)] if sums[1] else []
        self._rings.detail(row).extend(kept, durations, failed, self._rings.recent, self._rings.slow)
        self._spans(worker, row, traces)

    def outside(self, worker: Worker, spans: Iterable[Span]) -> None:
        """Take spans of one worker that ran outside requests."""
        found: defaultdict[int, list[Span]] = defaultdict(list)
        for span in spans:
            found[span.statement].append(span)
        self._statements(worker, OUTSIDE, found)

    def _count_statuses(self, base: int, statuses: Sequence[int]) -> None:
        for status, count in Counter(statuses).items() if len(statuses) > 1 else ((statuses[0], 1),):
            key = base | (status & STATUS_MASK)
            self._statuses[key] = self._statuses.get(key, 0) + count

    def _spans(self, worker: Worker, row: int, traces: list[Trace]) -> None:
        found: defaultdict[int, list[Span]] = defaultdict(list)
        folded: list[Folded] = []
        for trace in traces:
            for span in trace.spans:
                found[span.statement].append(span)
            if trace.folded:
                folded.extend(trace.folded)
        if found:
            self._statements(worker, row, found)
        for part in folded:
            pair, _ = self._use(worker, row, part.statement)
            self._use_keys.append((worker.number << ROW_BITS) + pair)
            self._uses.append((part.count, part.errors, part.execute_us, part.fetch_us, max(part.rows, 0)))

    def _statements(self, worker: Worker, row: int, found: dict[int, list[Span]]) -> None:
        base = worker.number << ROW_BITS
        keys, uses, hist = self._use_keys, self._uses, self._statement_hist
        known, statements = self._rows.uses_of(row), worker.statements
        for statement, spans in found.items():
            use = known.get(statements.get(statement, -1)) or self._use(worker, row, statement)
            keys.append(base + use[0])
            if len(spans) == 1:
                span = spans[0]
                execute, fetch, rows = span.execute_us, span.fetch_us, span.rows
                uses.append((1, 1 if span.error else 0, execute, fetch, rows if rows > 0 else 0))
                us = execute + fetch
                index = use[1] + (SMALL[us] if 0 <= us < _SMALL else bucket(us))
                hist[index] = hist.get(index, 0) + 1
            else:
                sums, times = _span_sums(spans)
                uses.append(sums)
                _count(hist, use[1], _buckets(times))

    def _use(self, worker: Worker, endpoint: int, statement: int) -> tuple[int, int]:
        return self._rows.use(endpoint, worker.statement_row(statement))


def _trace_sums(traces: list[Trace]) -> tuple[Columns, Sequence[int], Sequence[int]]:
    """Return what traces add to the columns of their endpoint, their durations and their statuses."""
    if len(traces) < _FEW:
        first, *others = map(trace_columns, traces)
        for columns in others:
            first = tuple(map(add, first, columns))
        return first, [trace.duration_us for trace in traces], [trace.status for trace in traces]
    (
        durations, first_bytes, cpus, sql_cpus, waits, executes, fetches, others_us,
        statements, rows, sent, commits, statuses, flags,
    ) = zip(*map(_TRACE, traces), strict=True)  # fmt: skip
    count, duration, first_byte = len(traces), sum(durations), sum(first_bytes)
    if min(cpus) >= 0 and min(sql_cpus) >= 0 and min(waits) >= 0:
        clocks: tuple[int, ...] | None = sum(cpus), sum(sql_cpus), sum(waits), count
    else:
        clocks = (0, 0, 0, 0) if max(cpus) < 0 else None
    if min(first_bytes) < 0 or clocks is None:
        return tuple(map(sum, zip(*map(trace_columns, traces), strict=True))), durations, statuses
    bodies = duration - first_byte
    if any(map(int.__gt__, first_bytes, durations)):
        bodies = sum(max(whole - part, 0) for whole, part in zip(durations, first_bytes, strict=True))
    errors = 0
    if max(statuses) >= 500 or max(flags) >= RAISED:
        errors = sum(map(is_error, traces))
    sums = (
        count, errors, duration, first_byte, count, *clocks,
        sum(executes), sum(fetches), sum(others_us), sum(statements), sum(rows), sum(sent), sum(commits), bodies,
    )  # fmt: skip
    return sums, durations, statuses


def _span_sums(spans: list[Span]) -> tuple[Columns, Sequence[int]]:
    """Return what spans add to the columns of their statement, and the time that each took."""
    executes, fetches, rows, errors = zip(*map(_SPAN, spans), strict=True)
    fetched = sum(rows) if min(rows) >= 0 else sum(each for each in rows if each > 0)
    failed = sum(map(bool, errors)) if any(errors) else 0
    return (len(spans), failed, sum(executes), sum(fetches), fetched), list(map(add, executes, fetches))


def _buckets(times: Sequence[int]) -> list[int]:
    if min(times) >= 0 and max(times) < _SMALL:
        return list(map(SMALL.__getitem__, times))
    return list(map(bucket, times))


def _count(hist: Counter[int], base: int, buckets: list[int]) -> None:
    if len(buckets) < _FEW:
        for index in buckets:
            hist[base + index] = hist.get(base + index, 0) + 1
    else:
        hist.update(map(add, repeat(base), buckets))
