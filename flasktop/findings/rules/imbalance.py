"""One worker that is much slower, or much busier, than its siblings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import exp, log
from statistics import fmean, median
from typing import Final, NamedTuple

from flasktop.findings.evidence import Need
from flasktop.findings.facts import Facts
from flasktop.findings.model import Finding, Fix, Rule, Severity, Threshold
from flasktop.findings.words import endpoint_name
from flasktop.stats.served import Served
from flasktop.stats.views import EndpointKey, WorkerRow
from flasktop.units import ms_unit, percent, rate

NAME: Final = "imbalance"

SLOWER: Final = Threshold(f"{NAME}.slower", 2, "Times that a worker is slower than its siblings, on the same endpoints")
BUSY: Final = Threshold(f"{NAME}.busy", 0.8, "Part of a processor (0 to 1) that the busy worker uses")

REQUESTS: Final = 30
"""Of an endpoint, in each of both, before its times are compared."""

ENDPOINTS: Final = 3
"""So many endpoints must tell the same; a single one may lie in what it was asked for."""

SHARP: Final = 1.5
"""Each of them is slower by so many times at least."""

IDLE: Final = 0.5
"""The siblings of a busy worker use at most this part of what it does, each."""

SAMPLES: Final = 15
"""Values of CPU, one each two seconds, before workers are compared by it."""


class Slower(NamedTuple):
    """How much slower a worker answers one endpoint than its siblings, on average."""

    key: EndpointKey
    own_ms: float
    theirs_ms: float

    @property
    def times(self) -> float:
        return self.own_ms / self.theirs_ms


def check(facts: Facts) -> Iterator[Finding | Need]:
    """The slow worker and the busy one, where there are several."""
    workers = [worker for worker in facts.workers() if worker.state == "live"]
    if len(workers) < 2:
        return
    yield from _slow(workers, facts)
    yield from _busy([worker for worker in facts.lately() if worker.state == "live"], facts)


def _slow(workers: list[WorkerRow], facts: Facts) -> Iterator[Finding]:
    every = facts.served()
    for worker in workers:
        others = [every.get(other.worker, {}) for other in workers if other is not worker]
        compared = list(_compared(every.get(worker.worker, {}), others, facts.app))
        if len(compared) < ENDPOINTS or sum(each.times >= SHARP for each in compared) < 0.8 * len(compared):
            continue
        times = exp(median(log(each.times) for each in compared))
        if times >= facts.limit(SLOWER):
            yield _slow_finding(worker, compared, times)


def _compared(
    own: Mapping[EndpointKey, Served], others: list[Mapping[EndpointKey, Served]], app: str | None
) -> Iterator[Slower]:
    for key, mine in own.items():
        if mine.requests < REQUESTS or not mine.mean_ms or app not in (None, key.app):
            continue
        theirs = [other[key].mean_ms for other in others if key in other and other[key].requests >= REQUESTS]
        mean = median(theirs) if theirs else 0.0
        if mean > 0:
            yield Slower(key, mine.mean_ms, mean)


def _slow_finding(worker: WorkerRow, compared: list[Slower], times: float) -> Finding:
    worst = sorted(compared, key=lambda each: -each.times)[:3]
    named = ", ".join(
        f"{endpoint_name(each.key)} {ms_unit(each.own_ms)} against {ms_unit(each.theirs_ms)}" for each in worst
    )
    return Finding(
        rule=NAME,
        severity=Severity.WARNING,
        subject=worker.worker,
        title=f"Process {worker.worker.pid} is {times:.1f} times slower than its siblings",
        evidence=(f"On {len(compared)} endpoints that both serve, on average since they started, such as {named}.",),
        fix=Fix(
            "See what it does beside requests (Processes, then its stacks): a thread of its own, a cache that it alone "
            "has not, memory that is swapped out. If it is only this one, restart it.",
            language="",
        ),
        concerns=(worker.worker, *(each.key for each in worst)),
        about="slower",
    )


def _busy(workers: list[WorkerRow], facts: Facts) -> Iterator[Finding]:
    if len(workers) < 2 or any(len(worker.cpu_trend) < SAMPLES for worker in workers):
        return
    used = {worker.worker: fmean(worker.cpu_trend) / 100 for worker in workers}
    worker = max(workers, key=lambda each: used[each.worker])
    own, others = used[worker.worker], [used[each.worker] for each in workers if each is not worker]
    if own < facts.limit(BUSY) or max(others) > IDLE * own:
        return
    rates = ", ".join(f"{rate(each.rate)} requests/s in {each.worker.pid}" for each in workers[:6])
    yield Finding(
        rule=NAME,
        severity=Severity.WARNING,
        subject=worker.worker,
        title=(
            f"Process {worker.worker.pid} is at {percent(own)} % of a processor, its siblings at "
            f"{percent(max(others))} % at most"
        ),
        evidence=(f"It has work to spare, and they have room: {rates}.",),
        fix=Fix(
            "Where it gets most of the requests, let connections be shared out evenly: gunicorn's --reuse-port, a "
            "shorter keep-alive behind a proxy. Where it does not, it does something beside them: look at its stacks.",
            "gunicorn --reuse-port app:app",
            "",
        ),
        concerns=(worker.worker,),
        about="busier",
    )


RULE: Final = Rule(
    NAME,
    check,
    looks_for="One worker that is much slower than its siblings on the same endpoints, or busy while they idle.",
    wrong_when=(
        "Where workers are meant to differ: one that also runs a scheduler. Silent on purpose: fewer than three "
        "endpoints with 30 requests in each of both workers, requests that are shared out unevenly while nobody is "
        "busy (the system gives them to whoever wakes first), and small differences. Slowness is that "
        "since the workers' start: what began a moment ago shows late."
    ),
    thresholds=(SLOWER, BUSY),
)
