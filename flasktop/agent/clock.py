"""When a request's CPU time is worth a call of the system.

Reading a thread's CPU clock costs an app some 2 us, which is a lot for a request that takes 100. One that ends within
``CPU_GAP_NS`` and asked no database is reckoned as CPU time without it. So for the requests of a URL rule the clock is
read only while there were slow ones among the last ``CREDIT``: of a slow one after so many quick ones it is said that
its CPU time is not known.
"""

from __future__ import annotations

from threading import get_ident
from time import perf_counter_ns, thread_time_ns
from typing import Final

from flasktop.agent.rules import CREDIT
from flasktop.agent.trace import CPU_GAP_NS, UNKNOWN_CPU, RequestTrace
from flasktop.protocol.records import UNKNOWN

WORTH_NS: Final = 1_000_000
"""A request that took longer earns its rule credit, as does one that asked a database."""
MOST_CREDIT: Final = 8 * CREDIT


def start(trace: RequestTrace) -> bool:
    """Read the clock for a request whose rule is known by now; False where it began too long ago for that.

    What went before was short, and Python alone: it is reckoned as CPU time.
    """
    before = perf_counter_ns() - trace.start_ns
    if before >= CPU_GAP_NS:
        return False
    trace.cpu_start_ns = max(thread_time_ns() - before, 0)
    return True


def ended(trace: RequestTrace, took_ns: int) -> None:
    """A request has ended for which the clock was read, or which was slow, or asked a database."""
    if took_ns >= CPU_GAP_NS or trace.spans is not None:
        _stop(trace, took_ns)
    else:
        _spend(trace)


def _stop(trace: RequestTrace, took_ns: int) -> None:
    """Read it for a request that has ended and was slow, or asked a database; those after it have theirs read, too."""
    if trace.cpu_start_ns >= 0 and trace.thread == get_ident():
        trace.cpu_end_ns = thread_time_ns()
    rule = trace.rule
    if rule is not None and (trace.spans is not None or took_ns > WORTH_NS):
        rule.change(min(rule.credit + CREDIT, MOST_CREDIT), rule.sampled)


def wanted(trace: RequestTrace) -> None:
    """Have the clock read for the next requests of this one's rule, since they are looked at while they run."""
    rule = trace.rule
    if rule is not None:
        rule.change(max(rule.credit, CREDIT), rule.sampled)


def _spend(trace: RequestTrace) -> None:
    """A request that had the clock read was quick: one less of its rule has it read."""
    rule = trace.rule
    if rule is not None and rule.credit:
        rule.change(rule.credit - 1, rule.sampled)


def used_us(trace: RequestTrace) -> int:
    """CPU time in us of a request that has ended, UNKNOWN where it cannot be told."""
    start_ns, end_ns = trace.cpu_start_ns, trace.cpu_end_ns
    took_ns = trace.end_ns - trace.start_ns
    if start_ns >= 0 and end_ns >= 0:
        used_ns = min(end_ns - start_ns, took_ns)  # the clock is read a little later than the request ends
        return used_ns // 1000 if used_ns > 0 else 0
    if start_ns != UNKNOWN_CPU and took_ns < CPU_GAP_NS and trace.spans is None:
        return took_ns // 1000 if took_ns > 0 else 0
    return UNKNOWN
