"""Every SQLAlchemy hook enters here.

The statement hooks are ``do_execute`` listeners on the ``Engine`` class: they see every engine, made before or after,
async ones too, and failures as exceptions. They run the statement themselves, exactly once, and step aside where
another listener wants to do so.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns, thread_time_ns
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.engine import Engine as SqlEngine

from flasktop.agent.meter import MASK, executed
from flasktop.agent.sql import pools, relationship, transactions
from flasktop.agent.sql.callsite import found
from flasktop.agent.sql.fetch import (
    CPU_TRUST_NS,
    DEFAULT_FETCH,
    Statement,
    watch_returning,
    watch_stream,
)
from flasktop.agent.sql.recording import CPU_SHORT_NS, FORGET_MASK, PLACES, connecting, statements
from flasktop.agent.sql.transactions import BATCH
from flasktop.agent.trace import CPU_GAP_NS, RECKONED, Engine, RequestTrace, current_trace, sink
from flasktop.protocol.records import STATEMENT, UNKNOWN

MAX_RAW: Final = 1 << 16
"""Characters kept of a raw statement: an app that writes 10 MB statements must not have them held."""

RAW_DEPTH: Final = 3
CORE_DEPTH: Final = 5
ORM_DEPTH: Final = 6
"""Frames, from ``_begin`` on, that are ours and SQLAlchemy's whatever was called (1.4 to 2.1, async too): the walk to
the user's line starts above them, since looking at a frame makes it an object."""

MAX_SLOW: Final = 1_000
"""Texts of a local database that are known to be slow."""

_current = current_trace.get
_state = {"installed": False}


def install() -> None:
    """Hook the process. Idempotent."""
    if _state["installed"]:
        return
    _state["installed"] = True
    for place in PLACES:
        place.on = True
    for name, listener in _LISTENERS.items():
        event.listen(SqlEngine, name, listener)
    pools.install(SqlEngine)


def uninstall() -> None:
    """Unhook the process (for tests): what was set on live dialects and pools stays and only passes calls through."""
    if not _state["installed"]:
        return
    _state["installed"] = False
    for place in PLACES:
        place.on = False
    for name, listener in _LISTENERS.items():
        event.remove(SqlEngine, name, listener)
    pools.uninstall(SqlEngine)


def _do_execute(cursor: Any, statement: Any, parameters: Any, context: Any) -> Any:
    if context is None or not (sink.active and statements.on):
        return None
    dialect = context.dialect
    trace = _current()
    span = _begin(trace, context, dialect.dispatch.do_execute, statement, parameters, 0)
    if span is None:
        return None
    try:
        dialect.do_execute(cursor, statement, parameters, context)
    except BaseException as error:
        _end(trace, span, context, type(error))
        raise
    _end(trace, span, context, None)
    return True


def _do_executemany(cursor: Any, statement: Any, parameters: Any, context: Any) -> Any:
    if context is None or not (sink.active and statements.on):
        return None
    dialect = context.dialect
    trace = _current()
    span = _begin(trace, context, dialect.dispatch.do_executemany, statement, parameters, len(parameters))
    if span is None:
        return None
    try:
        dialect.do_executemany(cursor, statement, parameters, context)
    except BaseException as error:
        _end(trace, span, context, type(error))
        raise
    _end(trace, span, context, None)
    return True


def _do_execute_no_params(cursor: Any, statement: Any, context: Any) -> Any:
    if context is None or not (sink.active and statements.on):
        return None
    dialect = context.dialect
    trace = _current()
    span = _begin(trace, context, dialect.dispatch.do_execute_no_params, statement, None, 0)
    if span is None:
        return None
    try:
        dialect.do_execute_no_params(cursor, statement, context)
    except BaseException as error:
        _end(trace, span, context, type(error))
        raise
    _end(trace, span, context, None)
    return True


_LISTENERS: Final[dict[str, Callable[..., Any]]] = {
    "do_execute": _do_execute,
    "do_executemany": _do_executemany,
    "do_execute_no_params": _do_execute_no_params,
}


def _begin(
    trace: RequestTrace | None, context: Any, listeners: Any, statement: Any, parameters: Any, batch: int
) -> Statement | None:
    """The record of a statement that is about to run; None where somebody else must run it, or a fault of ours."""
    try:
        if len(listeners) != 1 or (connecting and pools.is_connecting()):
            return None
        relation: object = None
        size = batch
        compiled = context.compiled
        depth = RAW_DEPTH
        if compiled is not None and statement is context.statement and not context.isinsert:
            text = compiled.string
            depth = CORE_DEPTH
            options = context.execution_options
            if options and (options := options.get("_sa_orm_load_options")) is not None:
                depth = ORM_DEPTH
                if options._lazy_loaded_from is not None:
                    relation = relationship.of(context)
        else:
            text, size = _other_text(context, compiled, statement, batch)
        try:
            engine = context.dialect._flasktop_engine
        except AttributeError:
            engine = transactions.adopt(context.root_connection.engine)
        if text not in engine.seen and len(engine.seen) < sink.seen_cap:
            _see(engine, text, statement, parameters if not batch else parameters[0])
        code, instruction = found(id(compiled), depth)
        request = trace if trace is not None and not trace.end_ns else None
        cpu, ended_cpu, read_ns = 0, -1, 0
        if request is not None and request.cpu_start_ns >= 0:
            # Where the statement is expected to be short and inside this process, the request's first reading
            # stands for the clock: no later than it, and asked for only if the statement turns out slow.
            if engine.local and text not in engine.slow:
                cpu, ended_cpu = RECKONED, request.cpu_start_ns
            else:
                ended_cpu, read_ns = _start_cpu(request)
        # An attribute that is set costs more than one that is given when it is made.
        span = Statement(
            STATEMENT, text, engine, code, instruction, relation, 0, 0, size, 0, cpu, -1, None, None, UNKNOWN,
            ended_cpu, 0, 0, read_ns,
        )  # fmt: skip
        if request is not None:
            request.database = span
            if request.repeats is not None and not batch:
                request.repeats.note(span, parameters)
        span.start_ns = perf_counter_ns()  # the clock comes last: what we do ourselves is not the database's
        return span
    except Exception as fault:  # noqa: BLE001 - the edge of a hook: SQLAlchemy runs the statement as ever
        statements.failed(fault)
        return None


def _see(engine: Engine, text: str, statement: Any, parameters: Any) -> None:
    """Keep what the cursor gets the first time that a text runs since the agent's thread looked last."""
    if statement is text or (type(statement) is str and len(statement) <= MAX_RAW):
        engine.seen[text] = (statement, parameters)


def _start_cpu(trace: RequestTrace) -> tuple[int, int]:
    """The thread's CPU clock, and when it was read: reckoned where it was known just before, since the clock is dear,
    and only Python ran."""
    now = perf_counter_ns()
    spans = trace.spans
    if not spans:
        if now - trace.start_ns < CPU_GAP_NS:
            return trace.cpu_start_ns + now - trace.start_ns, trace.start_ns
    elif type(last := spans[-1]) is Statement and last.ended_cpu >= 0:
        gap = now - last.ended_ns
        if gap < CPU_GAP_NS and now - last.read_ns < CPU_TRUST_NS:
            return last.ended_cpu + gap, last.read_ns
    return thread_time_ns(), now


def _stop_cpu(span: Statement) -> None:
    """Note the CPU that the execution took; the first time that a local one is slow, at most the request's so far."""
    took = span.execute_ns
    if span.engine.local:
        if took < CPU_SHORT_NS:
            span.cpu_ns = took
            span.ended_cpu += took
            if not took & FORGET_MASK:
                span.engine.slow.discard(span.text)
            return
        slow = span.engine.slow
        if len(slow) >= MAX_SLOW:
            slow.clear()
        slow.add(span.text)
    cpu = thread_time_ns()
    used = cpu - span.ended_cpu
    span.cpu_ns = 0 if used < 0 else used if used < took else took
    span.ended_cpu = cpu
    span.read_ns = span.start_ns + took


def _other_text(context: Any, compiled: Any, statement: Any, batch: int) -> tuple[str, int]:
    """Text and batch of an insert, or of what is not its context's own: a batch, a sequence, raw SQL, edited text."""
    delivered = context.__dict__.get(BATCH, 0)
    if compiled is not None and (delivered or statement is context.statement):
        return compiled.string, batch or delivered
    text = statement if isinstance(statement, str) else str(statement)
    return (text if len(text) <= MAX_RAW else text[:MAX_RAW]), batch


def _end(trace: RequestTrace | None, span: Statement, context: Any, failure: type[BaseException] | None) -> None:
    """The statement has run: note its times, and make the record count the rows of its result."""
    try:
        took = span.execute_ns = perf_counter_ns() - span.start_ns
        if span.ended_cpu >= 0 and (took >= CPU_SHORT_NS or span.cpu_ns >= 0):  # else it is reckoned already
            _stop_cpu(span)
        if trace is not None and (spans := trace.spans) and len(spans) < sink.span_cap and not trace.end_ns:
            spans.append(span)  # as the sink does, without a call
        else:
            sink.add(span)
        if failure is not None:
            span.failure = failure
            return
        strategy = context.cursor_fetch_strategy
        if strategy is DEFAULT_FETCH or type(strategy) is Statement:
            options = context.execution_options
            if context._is_server_side or (options and ("stream_results" in options or "yield_per" in options)):
                watch_stream(context, span)
            else:
                context.cursor_fetch_strategy = span
                if span.batch and BATCH in context.__dict__:
                    watch_returning(context, span)
        if not took & MASK:
            executed.append(perf_counter_ns() - span.start_ns - took)
    except Exception as fault:  # noqa: BLE001 - the edge of a hook: the statement has run
        statements.failed(fault)
