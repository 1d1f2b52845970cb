"""What our hooks cost the app's own threads, estimated: measured once on rehearsals, times what has run since.

The agent's thread can read its own clock; what a request or a statement pays for being watched is too little to be
timed each time. So the same functions that requests and statements go through are timed here, on stand-ins that touch
neither the journal nor the app, and the quickest of some runs counts: an estimate from below, and told as one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from time import thread_time_ns
from types import SimpleNamespace
from typing import Any, Final

from flasktop.agent.body import wrap
from flasktop.agent.guard import guard
from flasktop.agent.trace import AppInfo, Engine, RequestTrace, current_trace
from flasktop.protocol.blackbox import SLOT

RUNS: Final = 15
"""Runs of which the quickest counts."""
TIMES: Final = 20
"""How often each run does what is timed: both measurements together take some 5 ms, once."""

_PLACE: Final = "measuring our own cost"


class HotCost:
    """Nanoseconds of CPU that a request and a statement pay for; 0 while not measured."""

    def __init__(self) -> None:
        self.request_ns = 0
        self.statement_ns = 0

    def percent(self, requests: int, statements: int, seconds: float) -> float | None:
        """Of one core, for so many of each in ``seconds``; None where it could not be measured. In the agent's
        thread."""
        if guard.off(_PLACE):
            return None
        try:
            if not self.request_ns:
                self.request_ns = _request()
            if statements and not self.statement_ns:
                self.statement_ns = _statement()
        except Exception as error:  # noqa: BLE001 - the guard's: what cannot be estimated is not shown
            guard.report(_PLACE, error)
            return None
        return (requests * self.request_ns + statements * self.statement_ns) / (seconds * 1e7)


def _quickest(work: Callable[[], object]) -> int:
    """CPU ns of one call."""
    best = 0
    for _ in range(RUNS):
        before = thread_time_ns()
        for _ in range(TIMES):
            work()
        took = thread_time_ns() - before
        best = min(best or took, took)
    return best // TIMES


def _request() -> int:
    from flasktop.agent.middleware import Middleware
    from flasktop.agent.runtime import Agent

    agent = Agent(os.getpid())
    agent.running = [None]
    stand_in: Any = SimpleNamespace(memory=bytearray(SLOT.size), slots_at=0, free_slots=[0])
    agent.journal = stand_in
    middleware = Middleware.rehearsal(_answer)
    environ = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/", "QUERY_STRING": ""}

    def watched() -> None:
        trace = middleware._begin(agent, environ)
        result = _answer(environ, middleware._starter(trace, _start_response))
        trace.inside = False
        body = wrap(result, environ, trace, agent.finish)
        for _ in body:
            pass
        body.close()
        agent.pending.clear()

    def bare() -> None:
        for _ in _answer(environ, _start_response):
            pass

    return max(_quickest(watched) - _quickest(bare), 1)


def _start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], object]:
    return bytearray().extend


def _answer(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"answer"]


def _statement() -> int:
    """Execution and fetch of one statement, through the listener; without it they are next to nothing."""
    if "sqlalchemy" not in sys.modules:
        return 0
    from flasktop.agent.sql import hooks
    from flasktop.agent.sql.fetch import DEFAULT_FETCH

    dialect: Any = SimpleNamespace(
        dispatch=SimpleNamespace(do_execute=(None,)),
        do_execute=lambda *arguments: None,
        _flasktop_engine=Engine("rehearsal", "sqlite"),
    )
    compiled = SimpleNamespace(string="SELECT 1")
    context: Any = SimpleNamespace(
        dialect=dialect, compiled=compiled, statement="SELECT 1", isinsert=False, execution_options={},
        _is_server_side=False, cursor_fetch_strategy=DEFAULT_FETCH,
    )  # fmt: skip
    cursor = SimpleNamespace(fetchall=list)
    result = SimpleNamespace(_soft_close=lambda: None)
    trace = RequestTrace(AppInfo("rehearsal"), "GET", "/", "", 1)
    trace.cpu_start_ns = thread_time_ns()

    def deep(frames: int) -> None:
        """As deep in calls as SQLAlchemy's: the hook looks for the user's line above those."""
        if frames:
            deep(frames - 1)
            return
        context.cursor_fetch_strategy = DEFAULT_FETCH
        hooks._do_execute(cursor, "SELECT 1", (), context)
        context.cursor_fetch_strategy.fetchall(result, cursor)
        if trace.spans is not None:
            trace.spans.clear()

    def shallow(frames: int) -> None:
        if frames:
            shallow(frames - 1)
            return
        dialect.do_execute(cursor, "SELECT 1", (), context)
        result._soft_close(*cursor.fetchall())

    token = current_trace.set(trace)
    try:
        watched = _quickest(lambda: deep(hooks.ORM_DEPTH))
        return max(watched - _quickest(lambda: shallow(hooks.ORM_DEPTH)), 1)
    finally:
        current_trace.reset(token)
