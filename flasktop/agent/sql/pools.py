"""Connecting, waiting for a pool, and the state of the pools.

A checkout from the pool is one public call, ``Engine.raw_connection``. Where it makes a new connection, everything
from there on, the dialect's first statements included, is one CONNECT; what came before is the wait for the pool.
Only a wait of more than ``WAIT_NS``, or one that failed, is recorded: shorter ones are SQLAlchemy's own work.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextvars import ContextVar
from time import perf_counter_ns, thread_time_ns
from typing import Any, Final

import msgspec

from flasktop.agent.engine import Engine
from flasktop.agent.sql import held, recording
from flasktop.agent.sql.recording import connecting
from flasktop.agent.stores import quick_stores
from flasktop.agent.trace import current_trace, sink
from flasktop.protocol.records import CONNECT, POOL_WAIT

WAIT_NS: Final = 1_000_000
"""Waits for the pool up to this long are not recorded."""

MAX_POOLS: Final = 256
"""Pools whose state is told."""

UNKNOWN: Final = -1

_ADOPTED: Final = "_flasktop_adopted"
"""Attribute of a pool that is hooked."""


@quick_stores
class Checkout(msgspec.Struct, gc=False, eq=False):
    """One checkout from a pool while it runs. ``connect_ns`` is when a new connection was begun, 0 for none.

    ``start_ns`` 0: it has ended.
    """

    start_ns: int
    connect_ns: int = 0
    connect_cpu: int = -1
    failure: type[BaseException] | None = None

    def under_way(self) -> tuple[str, int] | None:
        """As ``trace.UnderWay``."""
        if not self.start_ns:
            return None
        return (CONNECT, self.connect_ns) if self.connect_ns else (POOL_WAIT, self.start_ns)


_current = current_trace.get
_checkout: ContextVar[Checkout | None] = ContextVar("flasktop_checkout", default=None)
_pools: dict[int, tuple[weakref.ref[Any], Engine]] = {}
_originals: dict[type, Callable[..., Any]] = {}


def is_connecting() -> bool:
    """Whether this thread, greenlet or coroutine is making a connection: what it runs now is part of CONNECT."""
    if not connecting:
        return False
    checkout = _checkout.get()
    return checkout is not None and checkout.connect_ns > 0


def install(engine_class: Any) -> None:
    """Wrap ``Engine.raw_connection`` on the class."""
    original = _originals[engine_class] = engine_class.raw_connection

    def raw_connection(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not (sink.active and recording.calls.on) or _checkout.get() is not None:
            return original(self, *args, **kwargs)
        info = self.dialect.__dict__.get("_flasktop_engine")
        if info is None or _ADOPTED not in self.pool.__dict__:
            info = _seen(self)
        if info is None:
            return original(self, *args, **kwargs)
        return _timed_checkout(info, original, self, args, kwargs)

    raw_connection.__doc__ = original.__doc__
    engine_class.raw_connection = raw_connection


def uninstall(engine_class: Any) -> None:
    """Put ``Engine.raw_connection`` back."""
    engine_class.raw_connection = _originals.pop(engine_class)


def _timed_checkout(info: Engine, original: Callable[..., Any], engine: Any, args: Any, kwargs: Any) -> Any:
    checkout = Checkout(perf_counter_ns())
    token = _checkout.set(checkout)
    trace = _current()
    if trace is not None:
        trace.database = checkout
    try:
        connection = original(engine, *args, **kwargs)
    except BaseException as error:
        _finish(info, checkout, token, type(error))
        raise
    _finish(info, checkout, token, None)
    if trace is None or trace.end_ns:
        return connection
    try:
        held.took(trace, info, connection)
    except Exception as fault:  # noqa: BLE001 - the edge of a hook: the app has its connection
        recording.calls.failed(fault)
    return connection


def _finish(info: Engine, checkout: Checkout, token: Any, failure: type[BaseException] | None) -> None:
    try:
        end = perf_counter_ns()
        start, checkout.start_ns = checkout.start_ns, 0
        if connecting:
            connecting.pop(id(checkout), None)
        _checkout.reset(token)
        begun = checkout.connect_ns
        waited = (begun or end) - start
        if waited > WAIT_NS or (failure is not None and not begun):
            recording.add_call(POOL_WAIT, info, start, waited, 0, None if begun else failure)
        if begun:
            cpu = checkout.connect_cpu
            used = max(0, thread_time_ns() - cpu) if cpu >= 0 else 0
            error = (checkout.failure or failure) if failure is not None else None
            recording.add_call(CONNECT, info, begun, end - begun, used, error)
    except Exception as fault:  # noqa: BLE001 - the edge of a hook: the app has its connection
        recording.calls.failed(fault)


def _seen(engine: Any) -> Engine | None:
    """The Engine of a SQLAlchemy engine, its dialect and its present pool hooked; None where a fault prevents it."""
    try:
        known = engine.dialect.__dict__.get("_flasktop_engine")
        if known is None:
            from flasktop.agent.sql import transactions

            known = transactions.adopt(engine)
        _adopt_pool(engine.pool, known)
        return known  # type: ignore[no-any-return]
    except Exception as fault:  # noqa: BLE001 - the edge of a hook: the checkout goes on as ever
        recording.calls.failed(fault)
        return None


def _adopt_pool(pool: Any, info: Engine) -> None:
    if pool.__dict__.setdefault(_ADOPTED, token := object()) is not token:
        return  # another thread is at it
    creator = getattr(pool, "_invoke_creator", None)
    if creator is not None:
        pool._invoke_creator = _noting_connect(creator, info)
    if len(_pools) >= MAX_POOLS:
        for key, (reference, _) in list(_pools.items()):
            if reference() is None:
                _pools.pop(key, None)
    if len(_pools) < MAX_POOLS:
        _pools[id(pool)] = (weakref.ref(pool), info)


def _noting_connect(creator: Callable[..., Any], info: Engine) -> Callable[..., Any]:
    """The pool's creator, which notes when it began; the checkout around it records it, where there is one."""
    alone = recording.timed(creator, CONNECT, info, is_connecting)

    def create(*args: Any, **kwargs: Any) -> Any:
        checkout = _checkout.get()
        if checkout is None:
            return alone(*args, **kwargs)
        if not checkout.connect_ns:
            checkout.connect_cpu = recording.cpu_start()
            checkout.connect_ns = perf_counter_ns()
            connecting[id(checkout)] = checkout
        try:
            return creator(*args, **kwargs)
        except BaseException as error:
            checkout.failure = type(error)
            raise

    return create


def states() -> list[tuple[str, int, int, int, int]]:
    """Engine name, size, checked out, overflow (beyond size, not below 0) and checked in of each live pool.

    -1 where the pool's class does not count. Takes no lock: a pool's own methods may wait for one that an app's
    thread or greenlet holds.
    """
    found = []
    for reference, info in list(_pools.values()):
        pool = reference()
        if pool is not None:
            found.append((info.name, *_state_of(pool)))
    return found


def _state_of(pool: Any) -> tuple[int, int, int, int]:
    queue = getattr(pool, "_pool", None)
    size = getattr(queue, "maxsize", None)
    overflow = getattr(pool, "_overflow", None)
    if not isinstance(size, int) or not isinstance(overflow, int):
        return (UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN)
    waiting: Any = getattr(queue, "queue", None)
    if waiting is None:
        waiting = getattr(getattr(queue, "_queue", None), "_queue", ())
    checked_in = len(waiting)
    return (size, max(0, size - checked_in + overflow), max(0, overflow) if size else 0, checked_in)
