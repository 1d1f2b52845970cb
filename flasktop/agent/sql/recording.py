"""What the hooks share: the switch, faults of our own, and spans that are one timed call."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns, thread_time_ns
from typing import Any, Final

from flasktop.agent.engine import Engine, SpanIdentity
from flasktop.agent.guard import guard
from flasktop.agent.sql import callsite
from flasktop.agent.trace import Call, RequestTrace, SpanRecord, UnderWay, current_trace, sink
from flasktop.protocol.records import COMMIT, CONNECT, POOL_WAIT, ROLLBACK

CPU_SHORT_NS: Final = 50_000
"""What took less in a database of this process is CPU time, without asking the clock: rows that were there already."""

FORGET_MASK: Final = 15
"""One in 16 short runs of a slow text has it taken for short again: any text is slow once on a busy machine."""


class Place:
    """One hook of ours: says whether it is on, and goes off after too many faults of its own."""

    __slots__ = ("name", "on")

    def __init__(self, name: str) -> None:
        self.name = name
        self.on = False

    def failed(self, error: Exception) -> None:
        guard.report(self.name, error)
        if guard.off(self.name):
            self.on = False


connecting: Final[dict[int, UnderWay]] = {}
"""Checkouts of the process that are making a connection: while there is none, nobody need look further."""

_current = current_trace.get

statements: Final = Place("recording SQL statements")
fetching: Final = Place("recording fetched rows")
calls: Final = Place("recording commits, connects and pool waits")
PLACES: Final = (statements, fetching, calls)


def cpu_start() -> int:
    """The thread's CPU clock in ns, or -1 where the current request cannot use it."""
    trace = current_trace.get()
    return thread_time_ns() if trace is not None and trace.cpu_start_ns >= 0 and not trace.end_ns else -1


def add_call(
    kind: str, engine: Engine, start_ns: int, duration_ns: int, cpu_ns: int, failure: type[BaseException] | None
) -> None:
    """Record a finished call that is no statement; its text is its kind's name."""
    code, instruction = callsite.found(id(engine) ^ id(kind), 1)
    identity = SpanIdentity(kind, _TEXTS[kind], engine, code, instruction)
    span = SpanRecord(identity, start_ns, duration_ns)
    span.cpu_ns = cpu_ns
    span.failure = failure
    sink.add(span)


_TEXTS: Final = {COMMIT: "COMMIT", ROLLBACK: "ROLLBACK", CONNECT: "CONNECT", POOL_WAIT: "POOL WAIT"}


def timed(original: Callable[..., Any], kind: str, engine: Engine, skip: Callable[[], bool]) -> Callable[..., Any]:
    """``original`` as before, each call recorded as a span, unless ``skip()`` says that another span counts it, which
    is asked only while there are ``connecting``."""

    text = _TEXTS[kind]

    def run(*args: Any, **kwargs: Any) -> Any:
        if not (sink.active and calls.on) or (connecting and skip()):
            return original(*args, **kwargs)
        trace = _current()
        cpu = -1
        call = Call(kind, engine, perf_counter_ns())
        if trace is not None:
            trace.database = call
            if trace.cpu_start_ns >= 0 and not trace.end_ns:
                # As with statements: the clock is dear, and read where a local database was slow with it before.
                cpu = trace.cpu_start_ns if engine.local and text not in engine.slow else thread_time_ns()
        try:
            result = original(*args, **kwargs)
        except BaseException as error:
            _finish(trace, call, cpu, type(error))
            raise
        _finish(trace, call, cpu, None)
        return result

    return run


def _finish(trace: RequestTrace | None, call: Call, cpu: int, failure: type[BaseException] | None) -> None:
    """``add_call`` for a call of ``timed``, written out: most requests make two, and pay for each call of ours."""
    try:
        start, call.start_ns = call.start_ns, 0
        duration = perf_counter_ns() - start
        kind, engine = call.kind, call.engine
        text = _TEXTS[kind]
        used = 0
        if cpu >= 0:
            if engine.local and duration < CPU_SHORT_NS:
                used = duration
                if not duration & FORGET_MASK:
                    engine.slow.discard(text)
            else:
                used = min(max(0, thread_time_ns() - cpu), duration)
                engine.slow.add(text)
        code, instruction = callsite.found(id(engine) ^ id(kind), 2)
        identity = SpanIdentity(kind, text, engine, code, instruction)
        span = SpanRecord(identity, start, duration, 0, 0, used, -1, failure)
        if trace is not None and (spans := trace.spans) and len(spans) < sink.span_cap and not trace.end_ns:
            spans.append(span)
        else:
            sink.add(span)
    except Exception as fault:  # noqa: BLE001 - the edge of a hook: the app never pays for our faults
        calls.failed(fault)
