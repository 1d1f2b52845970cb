"""The hot loop: the traces of a frame are sorted into seconds, and what they add up to is reckoned by columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from flasktop.protocol.messages import Frame
from flasktop.protocol.records import UNKNOWN, Span, Trace
from flasktop.stats.batch import Batch
from flasktop.stats.cacheability import Caching
from flasktop.stats.chunks import Chunk
from flasktop.stats.encoded import encoded
from flasktop.stats.rings import Kept, Rings
from flasktop.stats.rows import Rows
from flasktop.stats.workers import Worker
from flasktop.steps import Steps

MAX_GATHERED: Final = 15_000
"""So many traces and spans are gathered before they are taken into windows unasked: it bounds the memory that they
hold, and for how long taking them in lasts. Whoever has other things to do asks for it earlier, in steps."""


class Ingest:
    """Takes frames in; ``gathered`` counts what waits to be taken into windows."""

    def __init__(self, rows: Rows, rings: Rings, caching: Caching) -> None:
        self._rows = rows
        self._rings = rings
        self._caching = caching
        self.gathered = 0

    def frame(self, worker: Worker, frame: Frame, open_seconds: dict[int, Batch], not_before: float) -> Sequence[bytes]:
        """Take the traces and outside spans of a frame; those that ended before ``not_before`` count in no window.
        ``open_seconds`` are the timeline's open seconds. Return the traces encoded."""
        follows = self._caching.follows(worker.number, frame.seq)
        data = [encoded(trace) for trace in frame.traces]
        if frame.traces:
            self._traces(worker, frame, data, open_seconds, not_before, follows)
        if frame.outside:
            self._outside(worker, frame, open_seconds, not_before)
        return data

    def packing(self, batch: Batch) -> Steps[Chunk]:
        """Return what a second's traces and spans add up to."""
        self.gathered -= batch.gathered
        chunk = yield from batch.packing()
        return chunk

    def _traces(
        self,
        worker: Worker,
        frame: Frame,
        data: Sequence[bytes],
        open_seconds: dict[int, Batch],
        not_before: float,
        follows: bool,
    ) -> None:
        end, at, number = frame.mono + worker.offset, frame.at, worker.number
        traces: Sequence[Trace] = frame.traces
        early_us = [trace.start_us - trace.duration_us for trace in traces]
        if min(early_us) < 0:
            early_us = [us if us > 0 else 0 for us in early_us]
        rows = worker.routes.of([trace.route for trace in traces])
        came: Sequence[Kept] = [
            Kept(end - us / 1e6, number, trace.number, at - us / 1e6, row, trace.duration_us, its)
            for us, row, trace, its in zip(early_us, rows, traces, data, strict=True)
        ]
        first, last = int(end - max(early_us) / 1e6), int(end - min(early_us) / 1e6)
        if first == last and first >= not_before:
            self.gathered += self._opened(open_seconds, first).traces(worker, came, traces)
        else:
            came, traces = _not_before(not_before, came, traces)
            for second, (kept, its) in _by_second(came, traces).items():
                self.gathered += self._opened(open_seconds, second).traces(worker, kept, its)
        if follows:
            for one, trace in zip(came, traces, strict=True):
                if trace.request_key != UNKNOWN:
                    self._caching.add(number, one.row, one.ended, trace)
        self._rings.log(came)

    def _outside(self, worker: Worker, frame: Frame, open_seconds: dict[int, Batch], not_before: float) -> None:
        frame_end = frame.mono + worker.offset
        found: dict[int, list[Span]] = {}
        for outside in frame.outside:
            span = outside.span
            early_us = outside.start_us - span.execute_us - span.fetch_us
            ended = frame_end - early_us / 1e6 if early_us > 0 else frame_end
            if ended >= not_before:
                found.setdefault(int(ended), []).append(span)
        for second, spans in found.items():
            self.gathered += self._opened(open_seconds, second).outside(worker, spans)

    def _opened(self, open_seconds: dict[int, Batch], second: int) -> Batch:
        batch = open_seconds.get(second)
        if batch is None:
            batch = open_seconds[second] = Batch(self._rows, self._rings)
        return batch


def _not_before(moment: float, came: Sequence[Kept], traces: Sequence[Trace]) -> tuple[Sequence[Kept], Sequence[Trace]]:
    """What of some traces ended at a moment or later."""
    both = [(kept, trace) for kept, trace in zip(came, traces, strict=True) if kept.ended >= moment]
    return [kept for kept, _ in both], [trace for _, trace in both]


def _by_second(came: Sequence[Kept], traces: Sequence[Trace]) -> dict[int, tuple[list[Kept], list[Trace]]]:
    found: dict[int, tuple[list[Kept], list[Trace]]] = {}
    for kept, trace in zip(came, traces, strict=True):
        of_second = found.setdefault(int(kept.ended), ([], []))
        of_second[0].append(kept)
        of_second[1].append(trace)
    return found
