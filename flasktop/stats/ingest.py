"""The hot loop: one frame into open cells, distributions and rings. O(spans); only new cells are allocated."""

from __future__ import annotations

from operator import add
from typing import Final

from flasktop.protocol.messages import Frame
from flasktop.protocol.records import UNKNOWN, OutsideSpan, Trace
from flasktop.stats.cacheability import Caching
from flasktop.stats.chunks import Delta, combine
from flasktop.stats.columns import ROW_BITS, STATUS_BITS, STATUS_MASK
from flasktop.stats.histogram import KEY_BITS, SMALL, bucket
from flasktop.stats.rings import LOG, Kept, Rings
from flasktop.stats.rows import OUTSIDE, Rows
from flasktop.stats.sums import is_error, span_columns, trace_columns
from flasktop.stats.workers import Worker

_SMALL: Final = len(SMALL)


class Ingest:
    """Takes frames in."""

    def __init__(self, rows: Rows, rings: Rings, caching: Caching) -> None:
        self._rows = rows
        self._rings = rings
        self._caching = caching

    def frame(self, worker: Worker, frame: Frame, open_seconds: dict[int, Delta], not_before: float) -> None:
        """Take the traces and outside spans of a frame; those that ended before ``not_before`` count in no window.
        ``open_seconds`` are the timeline's open cells."""
        frame_end = frame.mono + worker.offset
        base = worker.number << ROW_BITS
        rings = self._rings
        routes, log = worker.routes, rings.log
        follows = self._caching.follows(worker.number, frame.seq)
        for trace in frame.traces:
            row = routes.get(trace.route)
            if row is None:
                row = worker.endpoint_row(trace.route)
            late = trace.duration_us - trace.start_us
            ended = frame_end + late / 1e6 if late < 0 else frame_end
            if ended < not_before:
                continue
            second = int(ended)
            delta = open_seconds.get(second)
            if delta is None:
                delta = open_seconds[second] = Delta()
            self._count(delta, base + row, row, trace)
            if trace.spans or trace.folded:
                self._count_spans(delta, worker, base, row, trace)
            kept = Kept(ended, worker.number, trace.number, frame.at - (frame_end - ended), row, trace)
            log.add(kept, LOG)
            rings.detail(row).add(kept, is_error(trace), rings.recent, rings.slow)
            if trace.request_key != UNKNOWN and follows:
                self._caching.add(worker.number, row, ended, trace)
        if frame.outside:
            self._outside(worker, frame, open_seconds, not_before)

    @staticmethod
    def _count(delta: Delta, key: int, row: int, trace: Trace) -> None:
        cell = delta.cells.get(key)
        columns = trace_columns(trace)
        if cell is None:
            delta.cells[key] = list(columns)
        else:
            cell[:] = map(add, cell, columns)
        status_key = (key << STATUS_BITS) | (trace.status & STATUS_MASK)
        delta.statuses[status_key] = delta.statuses.get(status_key, 0) + 1
        us = trace.duration_us
        hist_key = (row << KEY_BITS) + (SMALL[us] if 0 <= us < _SMALL else bucket(us))
        delta.hist[hist_key] = delta.hist.get(hist_key, 0) + 1

    def _count_spans(self, delta: Delta, worker: Worker, base: int, row: int, trace: Trace) -> None:
        known = worker.uses.get(row)
        if known is None:
            known = worker.uses[row] = {}
        uses, hist, small, size = delta.uses, delta.statement_hist, SMALL, _SMALL
        for span in trace.spans:
            statement = span.statement
            use = known.get(statement)
            if use is None:
                use = self._new_use(worker, row, statement)
            pair, hist_key = use
            key = base + pair
            execute, fetch, rows = span.execute_us, span.fetch_us, span.rows
            cell = uses.get(key)
            if cell is None:
                uses[key] = [1, 1 if span.error else 0, execute, fetch, rows if rows > 0 else 0]
            else:
                cell[0] += 1
                cell[2] += execute
                cell[3] += fetch
                if rows > 0:
                    cell[4] += rows
                if span.error:
                    cell[1] += 1
            us = execute + fetch
            hist_key += small[us] if 0 <= us < size else bucket(us)
            hist[hist_key] = hist.get(hist_key, 0) + 1
        for folded in trace.folded:
            use = known.get(folded.statement) or self._new_use(worker, row, folded.statement)
            sums = [folded.count, folded.errors, folded.execute_us, folded.fetch_us, max(folded.rows, 0)]
            combine(uses, base + use[0], sums, add)

    def _outside(self, worker: Worker, frame: Frame, open_seconds: dict[int, Delta], not_before: float) -> None:
        frame_end = frame.mono + worker.offset
        for outside in frame.outside:
            late = _span_us(outside) - outside.start_us
            ended = frame_end + late / 1e6 if late < 0 else frame_end
            if ended < not_before:
                continue
            delta = open_seconds.setdefault(int(ended), Delta())
            span = outside.span
            known = worker.uses.setdefault(OUTSIDE, {})
            pair, hist_key = known.get(span.statement) or self._new_use(worker, OUTSIDE, span.statement)
            combine(delta.uses, (worker.number << ROW_BITS) + pair, list(span_columns(span)), add)
            hist_key += bucket(_span_us(outside))
            delta.statement_hist[hist_key] = delta.statement_hist.get(hist_key, 0) + 1

    def _new_use(self, worker: Worker, endpoint: int, statement: int) -> tuple[int, int]:
        use = worker.uses[endpoint][statement] = self._rows.use(endpoint, worker.statement_row(statement))
        return use


def _span_us(outside: OutsideSpan) -> int:
    return outside.span.execute_us + outside.span.fetch_us
