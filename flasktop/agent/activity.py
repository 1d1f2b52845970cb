"""What each request in flight does at this moment: in the database, on the CPU, or waiting.

Nothing here costs the hot path anything: the database call under way is noted by the SQL hooks, and the CPU that a
thread has used so far is read from outside, by the system's clock of that thread.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from flasktop.agent import cpu
from flasktop.agent.trace import UNKNOWN_CPU, RequestTrace
from flasktop.protocol.records import ASYNC_VIEW, CPU, DOING_UNKNOWN, SQL, STATEMENT, UNKNOWN, WAIT

BUSY_SHARE: Final = 0.5
"""A thread that had the CPU for this share of the time is on CPU; where several contend, for its part of it."""
CONTENDER_SHARE: Final = 0.1
"""A thread that had less is taken to be waiting, and for no contender."""


class Activity(msgspec.Struct, frozen=True):
    """What one request does. ``cpu_ns`` is what it has used so far, UNKNOWN where that cannot be told; ``since_ns``
    since when it does this (``perf_counter_ns``), 0: not known; ``kind`` as in ``InFlight``."""

    doing: str
    since_ns: int
    kind: str
    cpu_ns: int
    thread_id: int
    thread: str


class _Mark(msgspec.Struct, frozen=True):
    """A reading of one request's CPU, and since when it has been doing what it did then."""

    at_ns: int
    cpu_ns: int
    doing: str
    since_ns: int


class Observer:
    """Watches requests over time: what a request does is told from the CPU it used since it was last looked at.

    Not for several threads at once: whoever observes has an observer of their own.

    Args:
        hub_native: ``Agent.hub_native``.
        clock: CPU nanoseconds used so far by a thread of the system, UNKNOWN where that cannot be told.
    """

    def __init__(self, hub_native: int, clock: Callable[[int], int] | None = None) -> None:
        self._hub_native = hub_native
        self._clock = clock or _cpu_of
        self._marks: dict[RequestTrace, _Mark] = {}
        self._hub = (0, 0)
        self._hub_share = 0.0

    def observe(self, traces: Iterable[RequestTrace]) -> dict[RequestTrace, Activity]:
        """Look at requests; those not given are forgotten."""
        readings = {trace: self._read(trace) for trace in traces}
        self._read_hub(any(trace.greenlet is not None for trace in readings))
        shares = {trace: share for trace, reading in readings.items() if (share := self._share(trace, reading)) >= 0}
        contenders = max(sum(share > CONTENDER_SHARE for share in shares.values()), 1)
        found, marks = {}, {}
        for trace, (now_ns, cpu_ns, native, name) in readings.items():
            doing = self._doing(trace, shares.get(trace), contenders)
            since_ns = self._since(trace, doing, now_ns, shares.get(trace))
            if doing != DOING_UNKNOWN or cpu_ns != UNKNOWN:
                marks[trace] = _Mark(now_ns, cpu_ns, doing, since_ns)
            used = cpu_ns - trace.cpu_start_ns if cpu_ns != UNKNOWN and trace.cpu_start_ns >= 0 else UNKNOWN
            under_way = _under_way(trace)
            if under_way is not None:
                found[trace] = Activity(SQL, under_way[1], under_way[0], used, native, name)
            else:
                found[trace] = Activity(doing, since_ns, "", used, native, name)
        self._marks = marks
        return found

    def _read(self, trace: RequestTrace) -> tuple[int, int, int, str]:
        """The time, the CPU clock of the request's thread, its id and its name; the clock UNKNOWN where it says
        nothing of the request."""
        native, name = UNKNOWN, ""
        cpu_ns = UNKNOWN
        if trace.greenlet is not None:
            name = "greenlet"
        elif trace.thread:
            native, name = thread_of(trace.thread)
            if native != UNKNOWN and trace.cpu_start_ns != UNKNOWN_CPU:
                cpu_ns = self._clock(native)
                if cpu_ns < trace.cpu_start_ns:
                    cpu_ns = UNKNOWN  # not to be told; or the id is another thread's by now
        return time.perf_counter_ns(), cpu_ns, native, name

    def _share(self, trace: RequestTrace, reading: tuple[int, int, int, str]) -> float:
        """Which part of the time since the last look its thread had the CPU; below 0 where that is not known."""
        now_ns, cpu_ns, _, _ = reading
        if cpu_ns == UNKNOWN:
            return -1.0
        mark = self._marks.get(trace)
        then_ns, before_ns = (mark.at_ns, mark.cpu_ns) if mark is not None else (trace.start_ns, trace.cpu_start_ns)
        if before_ns < 0:
            return -1.0  # the clock was not read for it: from the second look on
        return max(cpu_ns - before_ns, 0) / max(now_ns - then_ns, 1)

    def _doing(self, trace: RequestTrace, share: float | None, contenders: int) -> str:
        if trace.greenlet is not None:
            return self._greenlet(trace)
        if share is None or trace.flags & ASYNC_VIEW:
            return DOING_UNKNOWN
        if share < CONTENDER_SHARE or share >= BUSY_SHARE / contenders:
            return CPU if share >= CONTENDER_SHARE else WAIT
        # In between: it waits often, or the machine is so busy that it does not get its part.
        return CPU if cpu.wants_cpu(thread_of(trace.thread)[0]) else WAIT

    def _greenlet(self, trace: RequestTrace) -> str:
        greenlet = trace.greenlet() if trace.greenlet is not None else None
        if greenlet is None:
            return DOING_UNKNOWN
        if greenlet.gr_frame is not None or greenlet.dead:
            return WAIT
        # It is the one that runs; but where the hub's thread hardly does, it blocks it: a call that is not patched.
        return CPU if self._hub_share >= CONTENDER_SHARE else WAIT

    def _read_hub(self, needed: bool) -> None:
        if not needed:
            return
        cpu_ns = self._clock(self._hub_native)
        now_ns = time.perf_counter_ns()
        then_ns, before_ns = self._hub
        if cpu_ns != UNKNOWN:
            self._hub_share = (cpu_ns - before_ns) / max(now_ns - then_ns, 1) if then_ns else 1.0
            self._hub = now_ns, cpu_ns
        else:
            self._hub_share = 1.0

    def _since(self, trace: RequestTrace, doing: str, now_ns: int, share: float | None) -> int:
        """Since when it does this: since the look at which it began to, less its part of the time before that look."""
        if doing == DOING_UNKNOWN:
            return 0
        mark = self._marks.get(trace)
        if mark is not None and mark.doing == doing:
            return max(mark.since_ns, _last_span_end(trace))
        then_ns = mark.at_ns if mark is not None else trace.start_ns
        if share is None:
            return now_ns
        part = min(share, 1.0) if doing == CPU else 1.0 - min(share, 1.0)
        return max(now_ns - int((now_ns - then_ns) * part), _last_span_end(trace))


def statements_of(trace: RequestTrace) -> int:
    """How many statements a request has run so far."""
    whole = sum([span.kind == STATEMENT for span in tuple(trace.spans or ())])
    folded = sum([total.count for total in tuple((trace.folded or {}).values()) if total.sample.kind == STATEMENT])
    return whole + len(trace.overflow or ()) + folded


def thread_of(ident: int) -> tuple[int, str]:
    """The system's id and the name of the thread that Python calls ``ident``; UNKNOWN and empty where it has none."""
    thread = threading._active.get(ident)  # type: ignore[attr-defined]  # a dict; enumerate() would take a lock
    if thread is None:
        return UNKNOWN, ""
    known = thread.__dict__  # not through properties, which the app's subclasses may have made their own
    # A forked worker's main thread keeps its parent's id; in any process the main thread's is the process's.
    native = os.getpid() if thread is threading.main_thread() else known.get("_native_id")
    return native or UNKNOWN, str(known.get("_name", ""))


def _cpu_of(native: int) -> int:
    return cpu.thread_cpu_ns(0, native)


def _under_way(trace: RequestTrace) -> tuple[str, int] | None:
    database = trace.database
    return None if database is None else database.under_way()


def _last_span_end(trace: RequestTrace) -> int:
    spans = trace.spans
    if not spans:
        return 0
    last = spans[-1]
    return last.start_ns + last.execute_ns + last.fetch_ns
