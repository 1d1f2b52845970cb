"""Every SQLAlchemy hook enters here.

The statement hooks are ``do_execute`` listeners on the ``Engine`` class: they see every engine, made before or after,
async ones too, and failures as exceptions. They run the statement themselves, exactly once, and step aside where
another listener wants to do so.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.engine import Engine as SqlEngine
from sqlalchemy.event import attr

from flasktop.agent.engine import Engine, LazyIdentity, SpanIdentity
from flasktop.agent.meter import MASK, executed
from flasktop.agent.sql import callsite, pools, relationship, transactions
from flasktop.agent.sql.callsite import found, look
from flasktop.agent.sql.fetch import DEFAULT_FETCH, Statement, watch_returning, watch_stream
from flasktop.agent.sql.known import NOWHERE, Known, keep
from flasktop.agent.sql.reckoning import ended as stop_cpu
from flasktop.agent.sql.reckoning import started as start_cpu
from flasktop.agent.sql.recording import CPU_SHORT_NS, PLACES, connecting, statements
from flasktop.agent.sql.transactions import BATCH
from flasktop.agent.trace import RECKONED, RequestTrace, current_trace, sink
from flasktop.protocol.records import STATEMENT, UNKNOWN

MAX_RAW: Final = 1 << 16
"""Characters kept of a raw statement: an app that writes 10 MB statements must not have them held."""

RAW_DEPTH: Final = 2
CORE_DEPTH: Final = 4
ORM_DEPTH: Final = 5
"""Frames, from ``_do_execute`` on, that are ours and SQLAlchemy's whatever was called (1.4 to 2.1, async too): the walk
to the user's line starts above them, since looking at a frame makes it an object."""

ALONE: Final[Any] = getattr(attr, "_EmptyListener", None)
"""SQLAlchemy's class of who listens to an engine's event, where that is nobody but those of all engines."""

EXECUTE: Final = "do_execute"
EXECUTE_MANY: Final = "do_executemany"
EXECUTE_BARE: Final = "do_execute_no_params"

_current = current_trace.get
_getframe = sys._getframe
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


def _do_execute(
    cursor: Any, statement: Any, parameters: Any, context: Any, event_name: str = EXECUTE, batch: int = 0
) -> Any:
    """Run a statement and record it; None where SQLAlchemy must do as ever.

    Much in one piece, since what a statement pays is mostly the way from one function, and one attribute, to the next.
    """
    try:
        if context is None or not (sink.active and statements.on):
            return None
        dialect = context.dialect
        size = batch
        try:
            known = context.compiled._flasktop_known
            # Unspecialised by Python, most attributes of SQLAlchemy's and of frames cost a search: as few as can be.
            line = _getframe(known.at + 1)
            same = (
                _getframe(known.at).f_code is known.inner
                and line.f_code is known.code
                and line.f_lasti == known.instruction
                and known.dialect is dialect
                and getattr(known.dispatch, event_name) is known.listeners
                and len(known.shared) == 1
                and statement is context.statement
                and known.roots is callsite.roots
                and not connecting
            )
        except (AttributeError, ValueError):  # it was not seen before, or from a stack as deep
            same = False
        if not same:
            told = _look(context, statement, event_name, batch)
            if told is None:
                return None
            known, size = told
        text, engine = known.text, known.engine
        if text not in engine.seen and len(engine.seen) < sink.seen_cap:
            _see(engine, text, statement, parameters if not batch else parameters[0])
        number, cpu, ended_cpu, read_ns = UNKNOWN, 0, -1, 0
        trace = _current()
        if trace is None or trace.end_ns:
            trace = None
        else:
            cpu, ended_cpu, read_ns = (
                (0, -1, 0)
                if trace.cpu_start_ns < 0
                # Where the statement is expected to be short and inside this process, the request's first reading
                # stands for the clock: no later than it, and asked for only if the statement turns out slow.
                else (RECKONED, trace.cpu_start_ns, 0)
                if engine.local and text not in engine.slow
                else start_cpu(trace)
            )
            number = UNKNOWN if trace.repeats is None or batch else trace.repeats.number(text, parameters)
        span = Statement(known.identity, 0, 0, size, 0, cpu, -1, None, None, number, ended_cpu, 0, 0, read_ns)
        if trace is not None:
            trace.database = span
        span.start_ns = perf_counter_ns()  # the clock comes last: what we do ourselves is not the database's
    except Exception as fault:  # noqa: BLE001 - the edge of a hook: SQLAlchemy runs the statement as ever
        statements.failed(fault)
        return None
    try:
        if event_name is EXECUTE:
            dialect.do_execute(cursor, statement, parameters, context)
        else:
            _OTHERS[event_name](dialect, cursor, statement, parameters, context)
    except BaseException as error:
        _ended(trace, span, context, type(error))
        raise
    _ended(trace, span, context, None)
    return True


def _ended(trace: RequestTrace | None, span: Statement, context: Any, failure: type[BaseException] | None) -> None:
    """The statement has run: note its times, and make the record count the rows of its result."""
    try:
        took = span.execute_ns = perf_counter_ns() - span.start_ns
        if span.ended_cpu >= 0 and (took >= CPU_SHORT_NS or span.cpu_ns >= 0):  # else it is reckoned already
            stop_cpu(span)
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


def _do_executemany(cursor: Any, statement: Any, parameters: Any, context: Any) -> Any:
    return _do_execute(cursor, statement, parameters, context, EXECUTE_MANY, len(parameters))


def _do_execute_no_params(cursor: Any, statement: Any, context: Any) -> Any:
    return _do_execute(cursor, statement, None, context, EXECUTE_BARE)


_LISTENERS: Final[dict[str, Callable[..., Any]]] = {
    EXECUTE: _do_execute,
    EXECUTE_MANY: _do_executemany,
    EXECUTE_BARE: _do_execute_no_params,
}

_OTHERS: Final[dict[str, Callable[..., None]]] = {
    EXECUTE_MANY: lambda dialect, *arguments: dialect.do_executemany(*arguments),
    EXECUTE_BARE: lambda dialect, cursor, statement, _, context: dialect.do_execute_no_params(
        cursor, statement, context
    ),
}


def _look(context: Any, statement: Any, event_name: str, batch: int) -> tuple[Known, int] | None:
    """What is to be told of a statement that is about to run, and its batch; None where somebody else must run it."""
    dialect = context.dialect
    dispatch = dialect.dispatch
    listeners = getattr(dispatch, event_name)
    if len(listeners) != 1 or (connecting and pools.is_connecting()):
        return None
    try:
        engine = dialect._flasktop_engine
    except AttributeError:
        engine = transactions.adopt(context.root_connection.engine)
    compiled = context.compiled
    if compiled is None or statement is not context.statement or context.isinsert:
        text, size = _other_text(context, compiled, statement, batch)
        code, instruction = found(id(compiled), RAW_DEPTH + 1)
        identity = SpanIdentity(STATEMENT, text, engine, code, instruction)
        return Known(identity, text, engine, code, instruction), size
    relation: object = None
    depth = CORE_DEPTH
    options = context.execution_options
    if options and (options := options.get("_sa_orm_load_options")) is not None:
        depth = ORM_DEPTH
        if options._lazy_loaded_from is not None:
            relation = relationship.of(context)
    roots = callsite.roots
    code, instruction, steps, inner = look(_getframe(depth + 1))
    shared = listeners.parent_listeners if type(listeners) is ALONE else ()
    at = depth + steps - 1 if inner is not None else NOWHERE
    text = compiled.string
    identity_class = SpanIdentity if relation is None else LazyIdentity
    identity = identity_class(STATEMENT, text, engine, code, instruction, relation)
    known = Known(identity, text, engine, code, instruction, at, inner, dialect, dispatch, listeners, shared, roots)
    keep(compiled, known)
    return known, batch


def _see(engine: Engine, text: str, statement: Any, parameters: Any) -> None:
    """Keep what the cursor gets the first time that a text runs since the agent's thread looked last."""
    if statement is text or (type(statement) is str and len(statement) <= MAX_RAW):
        engine.seen[text] = (statement, parameters)


def _other_text(context: Any, compiled: Any, statement: Any, batch: int) -> tuple[str, int]:
    """Text and batch of an insert, or of what is not its context's own: a batch, a sequence, raw SQL, edited text."""
    delivered = context.__dict__.get(BATCH, 0)
    if compiled is not None and (delivered or statement is context.statement):
        return compiled.string, batch or delivered
    text = statement if isinstance(statement, str) else str(statement)
    return (text if len(text) <= MAX_RAW else text[:MAX_RAW]), batch
