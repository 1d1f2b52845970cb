"""What a second's traces add up to: reckoned by columns, as soon as some have come.

A column of many traces is read, added and counted by a few calls; grouping the traces first would cost several calls
for each of the groups, and with many endpoints and workers hardly two traces of a second are of the same. They are
reckoned while what was decoded is still near the processor, and none of them is held for longer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import chain, repeat
from operator import attrgetter
from typing import Final

from flasktop.protocol.records import Span, Trace
from flasktop.stats.chunks import Chunk, PackedCounts, endpoint_cells
from flasktop.stats.columns import ROW_BITS, STATUS_BITS, STATUS_MASK
from flasktop.stats.histogram import KEY_BITS, buckets
from flasktop.stats.packed import bounded
from flasktop.stats.rings import Kept, Rings
from flasktop.stats.rows import OUTSIDE, Rows
from flasktop.stats.sums import is_error
from flasktop.stats.tabulate import tabulated
from flasktop.stats.uses import Uses, cell_of
from flasktop.stats.workers import Worker
from flasktop.steps import Steps

ENOUGH: Final = 128
"""So many traces are reckoned at once: more make it no cheaper, and no longer stay near the processor."""

_FOLDED: Final = attrgetter("folded")


class Batch:
    """Collects cells, statuses and distributions of one second. ``gathered`` is how many traces and spans it took."""

    def __init__(self, rows: Rows, rings: Rings) -> None:
        self._rows = rows
        self._rings = rings
        self._waiting = _Waiting()
        self._cells: dict[int, int] = {}
        self._statuses: Counter[int] = Counter()
        self._hist: Counter[int] = Counter()
        self._apps: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self._requests: Counter[int] = Counter()
        self._uses = Uses()
        self.gathered = 0

    def traces(self, worker: Worker, kept: Sequence[Kept], traces: Sequence[Trace]) -> int:
        """Take traces of one worker; return how many they are, with their spans."""
        waiting = self._waiting
        base = worker.number << ROW_BITS
        keys = [base | one.row for one in kept]
        waiting.keys += keys
        waiting.kept += kept
        waiting.traces += traces
        spans = [span.statement for trace in traces for span in trace.spans]
        waiting.statements += worker.statements.of(spans)
        if any(map(_FOLDED, traces)):
            for key, trace in zip(keys, traces, strict=True):
                self._uses.folded(cell_of(key), worker.statements, trace.folded)
        self._requests[worker.number] += len(kept)
        if len(waiting.traces) >= ENOUGH:
            self._reckon()
        self.gathered += len(kept) + len(spans)
        return len(kept) + len(spans)

    def outside(self, worker: Worker, spans: Sequence[Span]) -> int:
        """Take spans of one worker that ran outside requests, at least one; return how many they are."""
        cell = cell_of((worker.number << ROW_BITS) + OUTSIDE)
        statements = worker.statements.of([span.statement for span in spans])
        self._uses.spans(repeat(cell, len(spans)), statements, spans)
        self.gathered += len(spans)
        return len(spans)

    def packing(self) -> Steps[Chunk]:
        """Return all that was taken."""
        if self._waiting.traces:
            self._reckon()
            yield
        uses, statement_hist = self._uses.pack()
        yield
        return Chunk(
            endpoint_cells(self._cells),
            uses,
            PackedCounts.of(self._statuses),
            PackedCounts.of(self._hist),
            statement_hist,
            {app: PackedCounts.of(hist) for app, hist in self._apps.items()},
            self._uses.ran,
            self._requests,
        )

    def _reckon(self) -> None:
        """Take in what waits."""
        waiting, self._waiting = self._waiting, _Waiting()
        keys, kept, traces = waiting.keys, waiting.kept, waiting.traces
        rows = [one.row for one in kept]
        durations = bounded([trace.duration_us for trace in traces])
        table, failed = tabulated(traces, durations)
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
        lists = [trace.spans for trace in traces]
        if spans := list(chain.from_iterable(lists)):
            cells_of_traces = [cell_of(key) for key in keys]
            self._uses.spans(
                chain.from_iterable(map(repeat, cells_of_traces, map(len, lists))), waiting.statements, spans
            )

    def _count_apps(self, rows: Sequence[int], found: Sequence[int]) -> None:
        apps = [self._rows.apps[row] for row in rows]
        if apps.count(apps[0]) == len(apps):
            self._apps[apps[0]].update(found)
            return
        for app, index in zip(apps, found, strict=True):
            self._apps[app][index] += 1


class _Waiting:
    """Traces that are not reckoned yet, the keys of their cells, and the rows of the statements of their spans."""

    __slots__ = ("kept", "keys", "statements", "traces")

    def __init__(self) -> None:
        self.keys: list[int] = []
        self.kept: list[Kept] = []
        self.traces: list[Trace] = []
        self.statements: list[int] = []


def _failed(kept: Sequence[Kept], traces: Sequence[Trace]) -> list[Kept]:
    return [one for one, trace in zip(kept, traces, strict=True) if is_error(trace)]
