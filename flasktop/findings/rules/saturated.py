"""Workers all of whose places are taken: who comes then waits before the app knows of it."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean
from typing import Final

from flasktop.findings.evidence import Need
from flasktop.findings.facts import Facts
from flasktop.findings.model import Finding, Fix, Rule, Severity, Threshold
from flasktop.findings.words import endpoint_name
from flasktop.stats.memory_views import Moment
from flasktop.stats.saturation import SECONDS
from flasktop.stats.views import EndpointRow, WorkerRow
from flasktop.units import percent, plural

NAME: Final = "saturation"

SHARE: Final = Threshold(f"{NAME}.share", 0.8, "Share of the last minute in which a worker's every place is taken")
SAMPLES: Final = Threshold(f"{NAME}.samples", 20, "Samples of the last minute before anything is said, one a second")

ALWAYS: Final = 0.95
"""From so great a share on there is never room."""


def check(facts: Facts) -> Iterator[Finding | Need]:
    """Said of all workers together: while one has room, the server can give requests to it."""
    told = {row.worker: _samples(row.moments, facts) for row in facts.memory()}
    workers = [worker for worker in facts.workers() if facts.app is None or _serves(worker, facts.app)]
    known = [worker for worker in workers if worker.capacity is not None and worker.saturated is not None]
    if not known or len(known) < len(workers):
        return
    if min(told.get(worker.worker, 0) for worker in known) < facts.limit(SAMPLES):
        return
    share = fmean(worker.saturated or 0.0 for worker in known)
    if share >= facts.limit(SHARE):
        yield _finding(known, share, facts)


def _serves(worker: WorkerRow, app: str) -> bool:
    return worker.hello is None or app in worker.hello.apps


def _samples(moments: tuple[Moment, ...], facts: Facts) -> int:
    return sum(1 for moment in moments if facts.now - moment.at <= SECONDS)


def _finding(workers: list[WorkerRow], share: float, facts: Facts) -> Finding:
    places = sum(worker.capacity or 0 for worker in workers)
    busiest = sorted(facts.endpoints(), key=lambda row: -(row.mean_ms or 0.0) * row.rate)[:3]
    return Finding(
        rule=NAME,
        severity=Severity.CRITICAL if share >= ALWAYS else Severity.WARNING,
        subject=facts.app or "workers",
        title=(
            f"All places are taken for {percent(share)} % of the last minute: "
            f"{plural(len(workers), 'worker')}, {plural(places, 'request')} at a time"
        ),
        evidence=tuple(_evidence(workers, busiest)),
        fix=Fix(
            "Give the server more workers or threads where the machine has room for them, or take the time out of the "
            "endpoints that fill the places.",
            "gunicorn --workers 4 --threads 8 app:app",
            "",
        ),
        concerns=(*(worker.worker for worker in workers), *(row.key for row in busiest)),
    )


def _evidence(workers: list[WorkerRow], busiest: list[EndpointRow]) -> Iterator[str]:
    for worker in workers:
        yield (
            f"Process {worker.worker.pid} runs up to {plural(worker.capacity or 0, 'request')} at once, and did so in "
            f"{percent(worker.saturated)} % of the last minute's samples."
        )
    if busiest:
        named = (f"{endpoint_name(row.key)} ({row.rate * (row.mean_ms or 0) / 1000:.1f})" for row in busiest)
        yield f"The places are filled by, on average: {', '.join(named)}."
    yield "Who comes when all are taken waits in the server's queue: no time that is shown here includes it."


RULE: Final = Rule(
    NAME,
    check,
    looks_for="Requests in flight at the number of threads in all workers, nearly all the time.",
    wrong_when=(
        "Where a load test sends as many requests as there are places, one after another: nobody waits then. Silent on "
        "purpose: servers whose number of places is not certain (gevent, the development server), one full worker "
        "among others that have room, and bursts of some seconds."
    ),
    thresholds=(SHARE, SAMPLES),
)
