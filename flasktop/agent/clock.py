"""When a request's CPU time is worth a call of the system.

Reading a thread's CPU clock costs an app some 2 us, which is a lot for a request that takes 100. One that ends within
``CPU_GAP_NS`` and asked no database is reckoned as CPU time without it. So the requests of a URL rule have the clock
read only where others before them have earned that: one that asked a database for the next ``CREDIT``, a slow one for
some in proportion to the time that it took, so that the readings cost a small part of it. Of a slow one after more
quick ones than that it is said that its CPU time is not known.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import get_ident
from time import perf_counter_ns, thread_time_ns
from typing import Final

from flasktop.agent.rules import CREDIT, MOST_CREDIT, KnownRule
from flasktop.agent.trace import CPU_GAP_NS, UNKNOWN_CPU, UNREAD, RequestTrace
from flasktop.protocol.records import UNKNOWN

WORTH_NS: Final = 1_000_000
"""A request that took longer earns its rule credit, as does one that asked a database."""
EARNS_NS: Final = 40_000
"""For so much of the time of one that took long, one more has the clock read, twice: some 4 us, a tenth of that."""

LATE: Final = 2
"""One that is dispatched late counts as much as so many that are not."""
LATEST: Final = 8


def before(trace: RequestTrace) -> int:
    """How long ago a request began, in ns."""
    return perf_counter_ns() - trace.start_ns


def dispatched(trace: RequestTrace, rule: KnownRule, read_early: Callable[[bool], None]) -> None:
    """Read the clock for a request whose ``rule`` is known by now, and has credit.

    What went before was short, and Python alone: it is reckoned as CPU time. Where it was not short, it is too late,
    and the next requests of the app have the clock read as soon as they begin. On a busy machine that happens to any
    request that was kept waiting: unless it happens to more than a third of its rule's, that is done now and then.
    """
    went_ns = before(trace)
    if went_ns >= CPU_GAP_NS:
        rule.late = min(rule.late + LATE, LATEST)
        read_early(rule.late > LATE)
        return
    if rule.late:
        rule.late -= 1
    if trace.cpu_start_ns == UNREAD:
        trace.cpu_start_ns = max(thread_time_ns() - went_ns, 0)


def ended(trace: RequestTrace, took_ns: int) -> None:
    """A request has ended: read the clock for it where it was read before, and have it read for those of its rule."""
    asked = trace.spans is not None
    if trace.cpu_start_ns >= 0 and (asked or took_ns >= CPU_GAP_NS) and trace.thread == get_ident():
        trace.cpu_end_ns = thread_time_ns()
    rule = trace.rule
    if rule is None:
        return
    if asked:
        rule.asked()
    elif took_ns > WORTH_NS:
        rule.credit = min(rule.credit + took_ns // EARNS_NS, MOST_CREDIT)
    elif rule.credit and trace.cpu_start_ns >= 0:
        rule.credit -= 1


def quick(trace: RequestTrace, took_ns: int) -> int:
    """``ended``, and the CPU time in ns of the request, UNKNOWN where it cannot be told."""
    ended(trace, took_ns)
    return used_ns(trace)


def wanted(trace: RequestTrace) -> None:
    """Have the clock read for the next requests of this one's rule, since they are looked at while they run."""
    rule = trace.rule
    if rule is not None:
        rule.change(max(rule.credit, CREDIT), rule.sampled)


def used_us(trace: RequestTrace) -> int:
    """CPU time in us of a request that has ended, UNKNOWN where it cannot be told."""
    used = used_ns(trace)
    return used // 1000 if used > 0 else used


def used_ns(trace: RequestTrace) -> int:
    """The same in ns."""
    start_ns, end_ns = trace.cpu_start_ns, trace.cpu_end_ns
    took_ns = trace.end_ns - trace.start_ns
    if start_ns >= 0 and end_ns >= 0:
        return max(min(end_ns - start_ns, took_ns), 0)  # the clock is read a little later than the request ends
    if start_ns != UNKNOWN_CPU and took_ns < CPU_GAP_NS and trace.spans is None:
        return max(took_ns, 0)
    return UNKNOWN
