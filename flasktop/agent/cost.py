"""What our hooks cost the app's own threads, estimated: rehearsed once, scaled by what the app's requests meet.

The agent's thread can read its own clock; what a request or a statement pays for being watched is too little, and in
too many places, to be timed each time. So the same functions that most requests and statements go through are timed
here, on stand-ins that touch neither the journal nor the app: what they take when nothing disturbs them, and what those
parts take that ``meter`` times in the app now and then. How much longer these take in the app, all do.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from statistics import median
from time import thread_time_ns
from types import FunctionType, MethodType, SimpleNamespace
from typing import Any, Final, NamedTuple

from flasktop.agent import meter
from flasktop.agent.engine import Engine
from flasktop.agent.guard import guard
from flasktop.agent.rules import KnownRule
from flasktop.agent.trace import AppInfo, RequestTrace, current_trace
from flasktop.protocol.blackbox import SLOT

RUNS: Final = 15
"""Runs of which the median counts."""
TIMES: Final = 20
"""How often each run does what is timed: both measurements together take some 5 ms, once."""

MOST: Final = 10_000
"""Runs more, at most, until enough of the metered parts were timed."""

_PLACE: Final = "measuring our own cost"
_SQL: Final = "SELECT 1"


class Rehearsed(NamedTuple):
    """CPU ns in a tight loop: of all that is ours in one request or statement, and of the parts that are metered, where
    they are (the beginning of a request that is metered is longer than that of others)."""

    whole_ns: float
    metered_ns: float

    def in_app(self, typical_ns: float) -> float:
        """What it takes in the app, where the metered parts take ``typical_ns``; never less than in the tight loop."""
        return self.whole_ns * max(typical_ns / self.metered_ns, 1.0)


class HotCost:
    """What a request and a statement pay; None while not rehearsed."""

    def __init__(self) -> None:
        self.request: Rehearsed | None = None
        self.statement: Rehearsed | None = None

    def percent(self, requests: int, statements: int, seconds: float) -> float | None:
        """Of one core, for so many of each in ``seconds``; None where too few were timed. In the agent's thread."""
        if guard.off(_PLACE):
            return None
        try:
            return self._ns(requests, statements) / (seconds * 1e7)
        except _UnknownError:
            return None
        except Exception as error:  # noqa: BLE001 - the guard's: what cannot be estimated is not shown
            guard.report(_PLACE, error)
            return None

    def _ns(self, requests: int, statements: int) -> float:
        if self.request is None or (statements and self.statement is None):
            self.request = self.request or _request()
            self.statement = self.statement or (_statement() if statements else None)
            meter.forget()  # the rehearsal's own
            raise _UnknownError
        spent = requests * self.request.in_app(_known(meter.typical(meter.beginning, meter.ending)))
        if statements and self.statement is not None:
            spent += statements * self.statement.in_app(_known(meter.typical(meter.executed)))
        return spent


class _UnknownError(Exception):
    """Too few were timed in the app so far."""


def _known(typical_ns: float | None) -> float:
    if typical_ns is None:
        raise _UnknownError
    return typical_ns


def _typical(work: Callable[[], object]) -> float:
    """CPU ns of one call."""
    runs = []
    for _ in range(RUNS):
        before = thread_time_ns()
        for _ in range(TIMES):
            work()
        runs.append((thread_time_ns() - before) / TIMES)
    return median(runs)


class _Response:
    """What Werkzeug's response is to us."""

    def __init__(self) -> None:
        self.response = [b"answer"]
        self.status_code = self._status_code = 200
        self.headers, self.is_sequence, self.direct_passthrough, self._on_close = (), False, False, ()

    def close(self) -> None:
        """There is nothing to be closed."""


class _Journal:
    """What the journal is to a request: one slot."""

    def __init__(self) -> None:
        self.memory = bytearray(SLOT.size)
        self.slots_at, self.free_slots = [0], [0]

    def blank(self, slot: int) -> None:
        self.memory[slot] = 0


class _Closing(list[bytes]):
    """What Werkzeug's ``ClosingIterator`` is to us."""

    def __init__(self, response: _Response) -> None:
        super().__init__(response.response)
        self._callbacks: list[Callable[[], None]] = [response.close]

    def close(self) -> None:
        for callback in self._callbacks:
            callback()


def _request() -> Rehearsed:
    from flasktop.agent import flask_hooks, middleware
    from flasktop.agent.runtime import Agent

    agent = Agent(os.getpid())
    agent.running = [None]
    stand_in: Any = _Journal()
    agent.journal = stand_in
    agent.active, agent.special = True, False
    plain = _Response()
    ours = {"process": SimpleNamespace(agent=agent), "_unsaid": ()}  # nothing is logged in the agent's thread
    made: Any = middleware.Middleware.rehearsal(_answer, _Closing, _Response)
    made._prepared = MethodType(_copy(middleware.Middleware._prepared, ours), made)
    made._lost = _fail
    rule = SimpleNamespace(rule="/", endpoint="answer", methods={"GET"})
    rule._flasktop_known = KnownRule(rule, False, False)
    rule._flasktop_known.change(0, False)
    context = SimpleNamespace(request=SimpleNamespace(url_rule=rule))
    dispatch = _copy(flask_hooks.dispatching, ours)(lambda: plain, made, lambda: context)

    def app(environ: dict[str, Any], start_response: Any) -> _Closing:
        dispatch()
        return _answer(environ, start_response)

    made.wsgi_app = app
    serve = _copy(middleware.Middleware.__call__, ours)
    environ = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/", "QUERY_STRING": ""}

    def watched() -> None:
        result = serve(made, environ, _start_response)
        for _ in result:
            pass
        result.close()
        agent.pending.clear()

    def bare() -> None:
        result = _answer(environ, _start_response)
        for _ in result:
            pass
        result.close()

    token = current_trace.set(None)
    try:
        return _rehearsed(watched, bare, meter.beginning, meter.ending)
    finally:
        current_trace.reset(token)


def _copy(function: Callable[..., Any], ours: dict[str, Any]) -> Callable[..., Any]:
    """The same code, which finds ``ours`` among its module's names. In a code object of its own: what the interpreter
    learns of the app's requests stays with those."""
    copied: Any = function
    return FunctionType(copied.__code__.replace(), {**copied.__globals__, **ours})


def _fail(agent: object, trace: object, error: Exception) -> None:
    """A fault of the rehearsal is none of the app's requests'."""
    raise error


def _rehearsed(watched: Callable[[], object], bare: Callable[[], object], *parts: deque[int]) -> Rehearsed:
    """What ``watched`` takes beyond ``bare``, and its metered parts, between the same time stamps as in the app."""
    meter.forget()
    whole = _typical(watched) - _typical(bare)
    for _ in range(MOST):  # one in 16 is timed, by chance
        if (metered := meter.typical(*parts)) is not None:
            break
        watched()
    else:
        raise _UnknownError  # recording was switched off meanwhile
    return Rehearsed(max(whole, 1), max(metered, 1))


def _start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], object]:
    return bytearray().extend


def _answer(environ: dict[str, Any], start_response: Any) -> _Closing:
    start_response("200 OK", [])
    return _Closing(_Response())


def _statement() -> Rehearsed:
    """Execution and fetch of one statement, through the listener; without it they are next to nothing."""
    from flasktop.agent.sql import hooks
    from flasktop.agent.sql.fetch import DEFAULT_FETCH, Statement

    alone = hooks.ALONE.__new__(hooks.ALONE)
    alone.parent_listeners = (None,)
    dialect: Any = SimpleNamespace(
        dispatch=SimpleNamespace(do_execute=alone),
        do_execute=lambda *arguments: None,
        _flasktop_engine=Engine("rehearsal", "sqlite"),
    )
    context: Any = SimpleNamespace(
        dialect=dialect, compiled=SimpleNamespace(string=_SQL), statement=_SQL, isinsert=False, execution_options={},
        _is_server_side=False, cursor_fetch_strategy=DEFAULT_FETCH,
    )  # fmt: skip
    cursor = SimpleNamespace(fetchall=list)
    result = SimpleNamespace(_soft_close=lambda: None)
    trace = RequestTrace(AppInfo("rehearsal"), "GET", "/", "", 1)
    trace.cpu_start_ns = thread_time_ns()
    ended = _copy(hooks._ended, {})
    execute, fetch = _copy(hooks._do_execute, {"_ended": ended}), _copy(Statement.fetchall, {})

    def watched() -> None:
        context.cursor_fetch_strategy = DEFAULT_FETCH
        execute(cursor, _SQL, (), context, hooks.EXECUTE, 0)
        fetch(context.cursor_fetch_strategy, result, cursor)
        if trace.spans is not None:
            trace.spans.clear()

    def bare() -> None:
        dialect.do_execute(cursor, _SQL, (), context)
        result._soft_close(*cursor.fetchall())

    token = current_trace.set(trace)
    try:
        return _rehearsed(_called(watched), _called(bare), meter.executed)
    finally:
        current_trace.reset(token)


def _called(work: Callable[[], object]) -> Callable[[], object]:
    """The same, called by a line of the user's, as far below it as SQLAlchemy calls a hook."""
    from flasktop.agent.sql.hooks import ORM_DEPTH

    def deep(frames: int) -> None:
        if frames:
            deep(frames - 1)
        else:
            work()

    def line() -> None:
        deep(ORM_DEPTH)

    line.__code__ = line.__code__.replace(co_filename="<console>")  # which counts as the user's
    return line
