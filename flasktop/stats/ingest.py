"""The hot loop: the traces of a frame are sorted into seconds, workers and endpoints, and nothing more.

What they add up to is reckoned a batch at a time (``flasktop.stats.batch``): columns of many traces are summed and
counted far cheaper than one trace after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from flasktop.protocol.messages import Frame
from flasktop.protocol.records import UNKNOWN, Span
from flasktop.stats.batch import Batch
from flasktop.stats.cacheability import Caching
from flasktop.stats.chunks import Chunk
from flasktop.stats.columns import ROW_BITS
from flasktop.stats.rings import LOG, Kept, Rings
from flasktop.stats.rows import Rows
from flasktop.stats.workers import Worker

MAX_GATHERED: Final = 2_500
"""So many traces (or spans outside of traces) are gathered before they are reckoned unasked: it bounds the memory that
they hold, and for how long the reckoning keeps a key press waiting."""


class Gathered:
    """What was received of one second since the last fold: traces by cell key (``worker << ROW_BITS | row``), and spans
    outside requests by worker."""

    __slots__ = ("outside", "traces")

    def __init__(self) -> None:
        self.traces: dict[int, list[Kept]] = {}
        self.outside: dict[int, list[Span]] = {}


class Ingest:
    """Takes frames in. ``workers`` is the store's list; ``gathered`` counts what waits to be reckoned."""

    def __init__(self, rows: Rows, rings: Rings, caching: Caching, workers: Sequence[Worker]) -> None:
        self._rows = rows
        self._rings = rings
        self._caching = caching
        self._workers = workers
        self.gathered = 0

    def frame(self, worker: Worker, frame: Frame, open_seconds: dict[int, Gathered], not_before: float) -> None:
        """Take the traces and outside spans of a frame; those that ended before ``not_before`` count in no window.
        ``open_seconds`` are the timeline's open seconds."""
        follows = self._caching.follows(worker.number, frame.seq)
        if frame.traces:
            self._traces(worker, frame, open_seconds, not_before, follows)
        if frame.outside:
            self._outside(worker, frame, open_seconds, not_before)

    def pack(self, gathered: Gathered) -> Chunk:
        """Return what a second's traces and spans add up to; the traces to keep are kept."""
        batch = Batch(self._rows, self._rings)
        for key, kept in gathered.traces.items():
            batch.traces(self._workers[key >> ROW_BITS], key, kept)
            self.gathered -= len(kept)
        for number, spans in gathered.outside.items():
            batch.outside(self._workers[number], spans)
            self.gathered -= len(spans)
        return batch.pack()

    def _traces(
        self, worker: Worker, frame: Frame, open_seconds: dict[int, Gathered], not_before: float, follows: bool
    ) -> None:
        frame_end, at, number = frame.mono + worker.offset, frame.at, worker.number
        base = number << ROW_BITS
        routes = worker.routes
        came: list[Kept] = []
        second, groups = None, {}
        for trace in frame.traces:
            row = routes.get(trace.route)
            if row is None:
                row = worker.endpoint_row(trace.route)
            early_us = trace.start_us - trace.duration_us
            early = early_us / 1e6 if early_us > 0 else 0.0
            ended = frame_end - early
            if ended < not_before:
                continue
            if second != int(ended):
                second = int(ended)
                groups = _opened(open_seconds, second).traces
            kept = Kept(ended, number, trace.number, at - early, row, trace)
            came.append(kept)
            group = groups.get(base + row)
            if group is None:
                groups[base + row] = [kept]
            else:
                group.append(kept)
        if follows:
            for kept in came:
                if kept.trace.request_key != UNKNOWN:
                    self._caching.add(number, kept.row, kept.ended, kept.trace)
        self._rings.log.extend(came, LOG)
        self.gathered += len(came)

    def _outside(self, worker: Worker, frame: Frame, open_seconds: dict[int, Gathered], not_before: float) -> None:
        frame_end = frame.mono + worker.offset
        for outside in frame.outside:
            span = outside.span
            early_us = outside.start_us - span.execute_us - span.fetch_us
            ended = frame_end - early_us / 1e6 if early_us > 0 else frame_end
            if ended >= not_before:
                _opened(open_seconds, int(ended)).outside.setdefault(worker.number, []).append(span)
                self.gathered += 1


def _opened(open_seconds: dict[int, Gathered], second: int) -> Gathered:
    gathered = open_seconds.get(second)
    if gathered is None:
        gathered = open_seconds[second] = Gathered()
    return gathered
