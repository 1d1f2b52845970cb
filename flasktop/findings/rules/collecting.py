"""Workers that spend much of their CPU in Python's garbage collector."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean
from typing import Final, NamedTuple

from flasktop.findings.evidence import Need
from flasktop.findings.facts import Facts
from flasktop.findings.model import Finding, Fix, Rule, Severity, Threshold
from flasktop.protocol.records import UNKNOWN
from flasktop.stats.memory_views import MemoryRow
from flasktop.stats.views import WorkerRow
from flasktop.units import ms_unit, percent, plural

NAME: Final = "gc-time"

SHARE: Final = Threshold(f"{NAME}.share", 0.2, "Part of a worker's CPU time that garbage collection takes (0 to 1)")

LATELY: Final = 60.0
SECONDS: Final = 20.0
"""Looked at is the last minute, of which so many seconds must be known."""

BUSY: Final = 0.1
"""And of a worker that uses at least so much of a processor: of an idle one's CPU nobody waits for anything."""

HALF: Final = 0.5
"""From so great a part of a processor on, the whole worker is held up."""


class Collecting(NamedTuple):
    """How one worker collects: ``gc`` and ``cpu`` are CPU seconds a second, for collections and in all."""

    row: MemoryRow
    gc: float
    cpu: float
    seconds: float

    @property
    def share(self) -> float:
        return self.gc / self.cpu


def check(facts: Facts) -> Iterator[Finding | Need]:
    """All workers that collect too much in one finding: they run the same code."""
    rows = {row.worker: row for row in facts.memory()}
    known = (_collecting(rows[worker.worker], worker, facts) for worker in facts.lately() if worker.worker in rows)
    found = [each for each in known if each is not None and each.share >= facts.limit(SHARE)]
    if found:
        yield _finding(found, len(rows), facts)


def _collecting(row: MemoryRow, worker: WorkerRow, facts: Facts) -> Collecting | None:
    since = facts.now - LATELY
    moments = [moment for moment in row.moments if moment.at >= since and moment.gc_cpu_us != UNKNOWN]
    if not moments or moments[-1].at - moments[0].at < SECONDS or not worker.cpu_trend:
        return None
    seconds = moments[-1].at - moments[0].at
    gc = (moments[-1].gc_cpu_us - moments[0].gc_cpu_us) / 1e6 / seconds
    cpu = fmean(worker.cpu_trend) / 100
    return Collecting(row, gc, cpu, seconds) if cpu >= BUSY else None


def _finding(found: list[Collecting], workers: int, facts: Facts) -> Finding:
    worst = max(found, key=lambda each: each.share)
    several = workers > 1
    who = f"{len(found)} of {workers} workers spend" if several else "The worker spends"
    return Finding(
        rule=NAME,
        severity=_severity(worst),
        subject=facts.app or "garbage collection",
        title=f"{who} up to {percent(worst.share)} % of {'their' if several else 'its'} CPU collecting garbage",
        evidence=tuple(sentence for each in found for sentence in _evidence(each)),
        fix=Fix(
            "Take what lives for ever out of the collector's sight once the app has started (in gunicorn's "
            "when_ready or post_fork), and collect the young less often. Fewer objects at a time help most: rows as "
            "tuples instead of ORM objects, pages instead of whole tables.",
            "gc.collect()\ngc.freeze()\ngc.set_threshold(10_000, 20, 20)",
        ),
        saves_share=sum(each.gc for each in found),
        concerns=tuple(each.row.worker for each in found),
    )


def _severity(worst: Collecting) -> Severity:
    """Collections hold the interpreter: what they take, all threads wait for."""
    return Severity.WARNING if worst.gc >= HALF else Severity.NOTICE


def _evidence(each: Collecting) -> Iterator[str]:
    pid, seconds = each.row.worker.pid, each.seconds
    yield (
        f"Process {pid}: of {each.cpu * seconds:.1f} s of CPU in {seconds:.0f} s, {each.gc * seconds:.1f} s went into "
        f"garbage collection."
    )
    full = each.row.gc[-1:]
    for generation in full:
        if generation.count:
            yield (
                f"{plural(generation.count, 'full collection')} in the window, {ms_unit(generation.mean_ms)} each; the "
                f"longest since its start stopped all threads for {ms_unit(generation.longest_ms)}."
            )


RULE: Final = Rule(
    NAME,
    check,
    looks_for="A worker of whose CPU time a large part goes into garbage collection.",
    wrong_when=(
        "Where memory is so short that collecting often is the lesser evil. Silent on purpose: workers that are hardly "
        "busy, the first seconds, and pauses that are long only because the machine is busy (CPU time counts, not the "
        "clock on the wall)."
    ),
    thresholds=(SHARE,),
)
