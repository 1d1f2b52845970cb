"""How much CPU a statement takes, with as few readings of the thread's clock as can be.

A reading is a call of the system, and dear where threads contend. A short statement of a database inside this process
is CPU time and nothing else. One that is not short has the clock read before and after it; where that shows that it
took long and hardly any CPU (it was kept waiting: for the interpreter, which a database's driver lets go of at each
statement, or for a lock), the next runs are told the same, and then the clock is read again.
"""

from __future__ import annotations

from time import perf_counter_ns, thread_time_ns
from typing import Final

from flasktop.agent.engine import Engine, Kept
from flasktop.agent.sql.fetch import CPU_TRUST_NS, Statement
from flasktop.agent.sql.recording import CPU_SHORT_NS, FORGET_MASK
from flasktop.agent.trace import CPU_GAP_NS, RequestTrace

MAX_TEXTS: Final = 1_000
"""Texts of a local database that are known to be slow, and as many that are known to be kept waiting."""

SAME: Final = 15
"""So many runs of a statement that is kept waiting are told the CPU of the one that was read."""
LONGER: Final = 4
"""A statement that takes so many times as long as its CPU is kept waiting. What takes so many times as long as that run
is no run of the same kind, unless it is within ``TURN_NS``."""
TURN_NS: Final = 5_000_000
"""What the interpreter gives a thread at a time: so long, others are kept waiting."""


def started(trace: RequestTrace) -> tuple[int, int, int]:
    """A statement's CPU so far (0), the thread's CPU clock, and when that was read: reckoned where it was known just
    before, since the clock is dear, and only Python ran."""
    now = perf_counter_ns()
    spans = trace.spans
    if not spans:
        if now - trace.start_ns < CPU_GAP_NS:
            return 0, trace.cpu_start_ns + now - trace.start_ns, trace.start_ns
    elif type(last := spans[-1]) is Statement and last.ended_cpu >= 0:
        gap = now - last.ended_ns
        if gap < CPU_GAP_NS and now - last.read_ns < CPU_TRUST_NS:
            return 0, last.ended_cpu + gap, last.read_ns
    return 0, thread_time_ns(), now


def ended(span: Statement) -> None:
    """Note the CPU that the execution took; the first time that a local one is slow, at most the request's so far."""
    took, identity, read = span.execute_ns, span.identity, span.cpu_ns >= 0
    engine = identity.engine
    if engine.local:
        if took < CPU_SHORT_NS:
            span.cpu_ns = took
            span.ended_cpu += took
            if not took & FORGET_MASK:
                engine.slow.discard(identity.text)
            return
        if not read and _as_before(engine, span, took):
            return
    cpu = thread_time_ns()
    used = cpu - span.ended_cpu
    span.cpu_ns = used = 0 if used < 0 else used if used < took else took
    span.ended_cpu = cpu
    span.read_ns = span.start_ns + took
    if engine.local:
        waited = read and used * LONGER < took
        _remember(engine, identity.text, Kept(used, max(took * LONGER, TURN_NS), SAME) if waited else None)


def _as_before(engine: Engine, span: Statement, took: int) -> bool:
    """Tell the CPU of a run before, if this one was kept waiting as that was; False where the clock is to be read."""
    text = span.identity.text
    kept = engine.waiting.get(text)
    if kept is None or took > kept.longest_ns:
        return False
    kept.left -= 1
    if kept.left <= 0:
        engine.waiting.pop(text, None)
        engine.slow.add(text)  # the next run is read, before it and after it
    span.cpu_ns = kept.cpu_ns
    return True


def _remember(engine: Engine, text: str, kept: Kept | None) -> None:
    """A statement is slow; or it is ``kept`` waiting only."""
    if len(engine.slow) >= MAX_TEXTS or len(engine.waiting) >= MAX_TEXTS:
        engine.slow.clear()
        engine.waiting.clear()
    if kept is None:
        engine.waiting.pop(text, None)
        engine.slow.add(text)
    else:
        engine.waiting[text] = kept
        engine.slow.discard(text)
