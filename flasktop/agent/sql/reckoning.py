"""How much CPU a statement takes, with as few readings of the thread's clock as can be.

A reading is a call of the system, and dear where threads contend. A short statement of a database inside this process
is CPU time and nothing else. Any other has the clock read when it ends, and when it begins unless that can be reckoned.
"""

from __future__ import annotations

from time import perf_counter_ns, thread_time_ns
from typing import Final

from flasktop.agent.sql.fetch import CPU_TRUST_NS, Statement
from flasktop.agent.sql.recording import CPU_SHORT_NS, FORGET_MASK
from flasktop.agent.trace import CPU_GAP_NS, RequestTrace

MAX_SLOW: Final = 1_000
"""Texts of a local database that are known to be slow."""


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
    took, identity = span.execute_ns, span.identity
    engine = identity.engine
    if engine.local:
        if took < CPU_SHORT_NS:
            span.cpu_ns = took
            span.ended_cpu += took
            if not took & FORGET_MASK:
                engine.slow.discard(identity.text)
            return
        if len(engine.slow) >= MAX_SLOW:
            engine.slow.clear()
        engine.slow.add(identity.text)
    cpu = thread_time_ns()
    used = cpu - span.ended_cpu
    span.cpu_ns = 0 if used < 0 else used if used < took else took
    span.ended_cpu = cpu
    span.read_ns = span.start_ns + took
