"""Connections that are still out of their pool after the request that took them has ended.

At a checkout the request notes the connection, weakly, so that it is given back when the app drops it as it ever was.
When the request has ended the agent's thread looks whether it is out, and from then on once a second. The user's line
that took it is looked for only while its engine leaks: a healthy engine pays for one weak reference a checkout.
"""

from __future__ import annotations

import sys
import time
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple
from weakref import proxy

from flasktop.agent.engine import Engine
from flasktop.agent.sql import callsite
from flasktop.agent.trace import RequestTrace
from flasktop.protocol.records import HeldConnection

AFTER_NS: Final = 1_000_000_000
"""A connection that goes back within this time of its request's end was not held."""
TAKEN: Final = 64
"""Connections that one request has out at once and that are followed."""
FOLLOWED: Final = 1_000
"""Connections of ended requests that are followed."""
TOLD: Final = 20
"""Connections told of in one sample, the longest held."""
ARMED_NS: Final = 600_000_000_000
"""For so long after an engine was last seen to leak, the lines that take its connections are looked for."""

SESSION_MODULE: Final = "sqlalchemy.orm.session"


Line = tuple[CodeType | None, int, bool]
"""Code and instruction that took a connection, and whether an ORM session did so for it."""

Taken = tuple[Any, Engine, Line]
"""A connection that was taken, as a weak proxy of what the pool gave out; plain, since one is made a checkout."""

_NOT_LOOKED_FOR: Final[Line] = (None, 0, False)


class _Followed(NamedTuple):
    """One of a request that has ended, at ``end_ns``."""

    taken: Taken
    route: int
    end_ns: int


armed: Final[dict[str, int]] = {}
"""The engines (by name) that leak, and when they were last seen to (``perf_counter_ns``)."""


def took(trace: RequestTrace, engine: Engine, connection: Any) -> None:
    """Note that the current request has a connection from its pool; in the thread that took it."""
    taken = trace.taken
    if taken is None:
        taken = trace.taken = {}
    # By the pool's record, which has one holder at a time: whoever is replaced here has given it back.
    record = id(connection._connection_record)
    taken[record] = (proxy(connection), engine, _line() if armed and engine.name in armed else _NOT_LOOKED_FOR)
    if len(taken) > TAKEN:
        for key in [key for key, known in taken.items() if not is_out(known[0])] or [record]:
            del taken[key]


def _line() -> Line:
    """The user's line that takes a connection, and whether an ORM session stands between it and the pool."""
    session = getattr(sys.modules.get(SESSION_MODULE), "__file__", None)
    by_session = False
    frame: FrameType | None = sys._getframe(2)
    for _ in range(callsite.MAX_DEPTH):
        if frame is None:
            break
        if callsite.is_own(frame):
            return frame.f_code, frame.f_lasti, by_session
        by_session = by_session or frame.f_code.co_filename == session
        frame = frame.f_back
    if "greenlet" in sys.modules:
        return *callsite.find_in_parents(), by_session
    return None, 0, by_session


def is_out(connection: Any) -> bool:
    """Whether the connection behind a weak proxy is out of its pool: not given back, closed, detached or dropped.

    One attribute, read in one step through the proxy: a reference of ours, however short, could become the last one
    and have the connection given back in our thread.
    """
    try:
        return connection._connection_record is not None
    except (ReferenceError, AttributeError):
        return False


class Held:
    """Follows the connections of requests that have ended; in the agent's thread."""

    def __init__(self) -> None:
        self._followed: list[_Followed] = []

    def ended(self, trace: RequestTrace, route: int) -> None:
        """Take what a request of ``route`` has left out."""
        for taken in (trace.taken or {}).values():
            if is_out(taken[0]) and len(self._followed) < FOLLOWED:
                self._followed.append(_Followed(taken, route, trace.end_ns))

    def tell(self, now_ns: int | None = None) -> tuple[tuple[HeldConnection, ...], int]:
        """What is held, the longest first, and how many more are."""
        now_ns = time.perf_counter_ns() if now_ns is None else now_ns
        for name, seen_ns in list(armed.items()):
            if now_ns - seen_ns > ARMED_NS:
                armed.pop(name, None)
        if not self._followed:
            return (), 0
        self._followed = [one for one in self._followed if is_out(one.taken[0])]
        records: set[int] = set()
        held = []
        for one in sorted(self._followed, key=lambda one: one.end_ns):
            record = _record_of(one.taken[0])
            if now_ns - one.end_ns >= AFTER_NS and record not in records:
                records.add(record)  # some pools give the same connection to one thread again and again
                armed[one.taken[1].name] = now_ns
                held.append(one)
        return tuple(_told(one, now_ns) for one in held[:TOLD]), max(len(held) - TOLD, 0)


def _record_of(connection: Any) -> int:
    try:
        return id(connection._connection_record)
    except ReferenceError:
        return 0


def _told(one: _Followed, now_ns: int) -> HeldConnection:
    _, engine, (code, instruction, by_session) = one.taken
    file, line, function = callsite.locate(code, instruction) if code is not None else ("", 0, "")
    age_us = (now_ns - one.end_ns) // 1000
    return HeldConnection(engine.name, one.route, age_us, file, line, function, by_session)
