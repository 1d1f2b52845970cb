"""Single requests as they are shown, made only when asked for."""

from __future__ import annotations

from flasktop.protocol.records import CLOSED_EARLY, OFFLOADED, PRIVATE, UNKNOWN, Folded, Span, Trace
from flasktop.stats.rings import Kept
from flasktop.stats.rows import Rows, StatementInfo
from flasktop.stats.split import phases_of, split_of
from flasktop.stats.sums import is_error, trace_columns
from flasktop.stats.views import FoldedView, SpanView, TraceId, TraceView
from flasktop.stats.workers import Worker


def trace_view(rows: Rows, worker: Worker, kept: Kept) -> TraceView:
    """Return the view of a kept trace."""
    trace = kept.trace
    info = rows.endpoints[kept.row]
    columns = trace_columns(trace)
    return TraceView(
        id=TraceId(worker.identity, trace.number),
        key=info.key,
        endpoint=info.endpoint,
        at=kept.at,
        path=trace.path,
        status=trace.status,
        duration_ms=trace.duration_us / 1_000,
        first_byte_ms=_known_ms(trace.first_byte_us),
        cpu_ms=_known_ms(trace.cpu_us),
        wait_ms=_known_ms(trace.wait_us) if trace.cpu_us != UNKNOWN else None,
        sql_ms=(trace.execute_us + trace.fetch_us + trace.other_us) / 1_000,
        statements=trace.statements,
        rows=trace.rows,
        bytes_sent=trace.bytes_sent,
        error=trace.error,
        is_error=is_error(trace),
        closed_early=bool(trace.flags & CLOSED_EARLY),
        offloaded=bool(trace.flags & OFFLOADED),
        split=split_of(columns),
        phases=phases_of(columns),
        spans=tuple(_span_view(_statement(rows, worker, span.statement), span) for span in trace.spans),
        folded=tuple(_folded_view(_statement(rows, worker, folded.statement), folded) for folded in trace.folded),
        private=bool(trace.flags & PRIVATE),
    )


def runs(worker: Worker, trace: Trace, statement: int) -> bool:
    """Whether a trace ran the statement of a row."""
    local = worker.statements
    return any(local.get(span.statement) == statement for span in trace.spans) or any(
        local.get(folded.statement) == statement for folded in trace.folded
    )


def _statement(rows: Rows, worker: Worker, local: int) -> StatementInfo:
    return rows.statements[worker.statement_row(local)]


def _span_view(info: StatementInfo, span: Span) -> SpanView:
    return SpanView(
        statement=info.key,
        dialect=info.dialect,
        function=info.function,
        start_ms=span.start_us / 1_000,
        execute_ms=span.execute_us / 1_000,
        fetch_ms=span.fetch_us / 1_000,
        rows=None if span.rows == UNKNOWN else span.rows,
        batch=span.batch,
        error=span.error,
        parameters=None if span.parameters == UNKNOWN else span.parameters,
    )


def _folded_view(info: StatementInfo, folded: Folded) -> FoldedView:
    return FoldedView(
        statement=info.key,
        dialect=info.dialect,
        function=info.function,
        count=folded.count,
        errors=folded.errors,
        execute_ms=folded.execute_us / 1_000,
        fetch_ms=folded.fetch_us / 1_000,
        rows=folded.rows,
    )


def _known_ms(us: int) -> float | None:
    return None if us == UNKNOWN else us / 1_000
