"""What a request does in the database right now, told from any thread."""

from __future__ import annotations

from typing import NamedTuple

from flasktop.agent.trace import RequestTrace, SpanRecord
from flasktop.protocol.records import STATEMENT


class Running(NamedTuple):
    """A call that has not ended: of what kind, since when, and since when it is in no record yet (ns of
    ``perf_counter_ns``; they differ while rows are fetched). ``span`` names its statement, where it is one."""

    kind: str
    since_ns: int
    unrecorded_ns: int
    span: SpanRecord | None


def in_database(trace: RequestTrace) -> Running | None:
    """The database call of a request that is under way; None where there is none."""
    began = trace.database
    if began is None:
        return None
    if not isinstance(began, tuple):
        call = began.under_way()
        return None if call is None else Running(*call, call[1], None)
    known, start_ns = began
    last = last_span(trace)
    if last is None or last.start_ns < start_ns:  # it has no record: it is being executed
        return Running(STATEMENT, start_ns, start_ns, known.span())
    fetching_ns = last.fetching_since()
    return Running(last.kind, last.start_ns, fetching_ns, last) if fetching_ns else None


def last_span(trace: RequestTrace) -> SpanRecord | None:
    """The span that ended last."""
    try:
        return trace.overflow[-1] if trace.overflow else trace.spans[-1] if trace.spans else None
    except IndexError:  # the request ended meanwhile, and what was beyond the cap has been summed up
        return None
