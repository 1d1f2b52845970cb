"""Drains what the hot path recorded into the journal; runs in the agent's thread."""

from __future__ import annotations

import time
from collections import deque
from heapq import nsmallest
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from flasktop.agent.activity import Observer
from flasktop.agent.config import Settings
from flasktop.agent.encode import TraceEncoder, TraceRow
from flasktop.agent.finished import Finished, QuickRequest
from flasktop.agent.guard import guard
from flasktop.agent.journal import Journal
from flasktop.agent.tables import Routes, Statements
from flasktop.agent.totals import ROUTE, STATEMENTS, TotalsTable
from flasktop.agent.trace import RequestTrace, sink
from flasktop.protocol.codec import MAX_TO_READER, encode
from flasktop.protocol.messages import Frame, Totals
from flasktop.protocol.records import UNKNOWN, InFlight, OutsideSpan, Sample

if TYPE_CHECKING:
    from flasktop.agent.sampler import Sampler

FRAME_TRACES: Final = 500
FRAME_SPANS: Final = 5000
"""A frame holds at most so many traces, and ends after the trace that brings it past so many spans."""
RUNNING_SHOWN: Final = 50
_DESCRIBING: Final = "describing a request"


class Source(Protocol):
    """What the recorder needs of the agent."""

    pending: deque[Finished]
    running: list[RequestTrace | None]
    dropped: int
    apps: list[str]
    hub_native: int
    capacity: int


class Recorder:
    """Makes frames: traces and spans that finished, losses, samples, and the totals that changed."""

    def __init__(self, journal: Journal, settings: Settings, source: Source) -> None:
        self._journal = journal
        self._source = source
        self._settings = settings
        self.routes = Routes(journal.define, settings.max_routes)
        statements = Statements(journal.define, settings)
        self.executed = statements.executed
        self._encoder = TraceEncoder(self.routes, statements)
        self.totals = TotalsTable()
        self._observer = Observer(source.hub_native)
        from flasktop.agent.sql.held import Held  # what tells the user's files loads sysconfig: not at switching on

        self._held = Held()
        self._statements = 0
        self.next_number = 0
        self.found_nothing = False
        """Whether no request and no statement had come when it was drained last."""
        self._dropped_seen = 0
        self._outside_dropped_seen = 0

    @property
    def held_bytes(self) -> int:
        """Bytes that the tables hold, estimated: what was defined is held about twice, as text and as key."""
        return 2 * self._journal.definitions_length + self.executed.held_bytes

    def drain(self, sampler: Sampler | None = None, due: bool = False) -> None:
        """Write frames until nothing is left; when ``due`` also a process sample and the changed totals."""
        self._journal.alive(time.time(), time.perf_counter())
        self._take_executed()
        pending = self._source.pending
        self.found_nothing = not pending and not sink.outside
        while True:
            now_ns = time.perf_counter_ns()
            first = self.next_number
            traces = self._take(pending, now_ns)
            outside = self._take_outside(now_ns)
            more = bool(pending)
            if more or not due:
                self._write(now_ns, first, traces, outside, None, None)
            else:
                changed = self.totals.changed()
                sample = self._sample(sampler, now_ns) if sampler is not None else None
                self._write(now_ns, first, traces, outside, sample, changed[0] if changed else None)
                for part in changed[1:]:
                    self._write(now_ns, self.next_number, [], (), None, part)
                if changed:
                    self._journal.write_totals(self.totals.complete())
            if not more:
                return

    def _take(self, pending: deque[Finished], now_ns: int) -> list[TraceRow]:
        traces: list[TraceRow] = []
        spans = 0
        describe, describe_quick, off = self._encoder.trace, self._encoder.quick, guard.off(_DESCRIBING)
        while pending and len(traces) < FRAME_TRACES and spans < FRAME_SPANS:
            record = pending.popleft()
            try:
                if off:
                    self.next_number += isinstance(record, QuickRequest) or not record.ignored
                elif isinstance(record, QuickRequest):
                    number = self.next_number
                    self.next_number += 1
                    traces.append(describe_quick(record, number, now_ns))
                elif not record.ignored:
                    number = self.next_number
                    self.next_number += 1
                    trace = describe(record, number, now_ns)
                    traces.append(trace)
                    if record.spans is not None:
                        spans += len(record.spans)
                        self._statements += trace[STATEMENTS]
                    if record.taken is not None:
                        self._held.ended(record, trace[ROUTE])
            except Exception as error:  # noqa: BLE001 - the guard's: one odd request must not lose the others
                guard.report(_DESCRIBING, error)
                off = guard.off(_DESCRIBING)
        try:
            self.totals.add(traces)
        except Exception as error:  # noqa: BLE001 - the guard's: sums that are wrong are still better than no detail
            guard.report("counting requests", error)
        self.next_number += self._newly_dropped()
        self.totals.traces = self.next_number
        return traces

    def _newly_dropped(self) -> int:
        dropped = self._source.dropped
        new, self._dropped_seen = dropped - self._dropped_seen, dropped
        return new

    def _take_executed(self) -> None:
        """What ran is known before its statement has an id that a reader may name."""
        if guard.off("keeping parameters"):
            sink.seen_cap = 0
            return
        try:
            self.executed.take()
        except Exception as error:  # noqa: BLE001 - the guard's: without parameters there are fewer plans, no less else
            guard.report("keeping parameters", error)

    def _take_outside(self, now_ns: int) -> tuple[OutsideSpan, ...]:
        spans: list[OutsideSpan] = []
        while sink.outside and len(spans) < FRAME_SPANS:
            record = sink.outside.popleft()
            try:
                span = self._encoder.outside(record, now_ns)
                self.totals.add_span(span.span, UNKNOWN)
                spans.append(span)
            except Exception as error:  # noqa: BLE001 - the guard's: one odd span must not lose the others
                guard.report("describing a span", error)
                sink.outside_dropped += 1
        return tuple(spans)

    def _sample(self, sampler: Sampler, now_ns: int) -> Sample | None:
        if guard.off("sampling the process"):
            return None
        running = [record for record in self._source.running if record is not None]
        try:
            return sampler.sample(
                requests=self.next_number,
                in_flight=len(running),
                running=self._running(running, now_ns),
                apps=tuple(self._source.apps),
                faults=guard.errors,
                held=self._held.tell(now_ns),
                capacity=self._source.capacity,
                statements=self._statements,
            )
        except Exception as error:  # noqa: BLE001 - the guard's: what cannot be sampled is not shown
            guard.report("sampling the process", error)
            return None

    def _running(self, records: list[RequestTrace], now_ns: int) -> tuple[InFlight, ...]:
        oldest = nsmallest(RUNNING_SHOWN, records, key=lambda record: record.start_ns)
        return tuple(
            self._encoder.running(record, activity, now_ns)
            for record, activity in self._observer.observe(oldest).items()
            if not record.end_ns
        )

    def _write(
        self,
        now_ns: int,
        first: int,
        traces: list[TraceRow],
        outside: tuple[OutsideSpan, ...],
        sample: Sample | None,
        totals: Totals | None,
    ) -> None:
        finished = self.next_number - first
        outside_dropped = sink.outside_dropped - self._outside_dropped_seen
        if not (finished or outside or outside_dropped or sample is not None or totals is not None):
            return
        self._outside_dropped_seen += outside_dropped
        seq, wall, mono = self._journal.next_seq, time.time(), now_ns / 1e9
        frame = Frame(seq, wall, mono, first, finished, cast(Any, traces), outside, outside_dropped, sample, totals)
        try:
            data = encode(frame)
        except Exception as error:  # noqa: BLE001 - the guard's: what cannot be said is missing, and counted as such
            guard.report("encoding a frame", error)
            data = encode(Frame(seq, wall, mono, first, finished, (), (), outside_dropped, None, None))
        if len(data) > min(self._journal.layout.ring, MAX_TO_READER) // 2:
            # Detail too large to keep: the totals have it, and the numbers say that it is missing.
            data = encode(Frame(seq, wall, mono, first, finished, (), (), outside_dropped, sample, totals))
        self._journal.append(data, mono, wall)
