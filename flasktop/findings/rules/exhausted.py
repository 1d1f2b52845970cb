"""Requests that wait for a connection, since the pool has none left."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from flasktop.findings.evidence import Need
from flasktop.findings.facts import Facts
from flasktop.findings.model import Finding, Fix, Rule, Severity, Threshold, severity_of
from flasktop.findings.words import endpoint_name
from flasktop.protocol.records import POOL_WAIT
from flasktop.stats.held import HeldRow
from flasktop.stats.views import QueryRow, StatementUse
from flasktop.units import ms_unit, percent, plural

NAME: Final = "pool-exhausted"

WAIT: Final = Threshold(f"{NAME}.wait", 20, "Milliseconds that a wait for the pool takes, on average")
SHARE: Final = Threshold(f"{NAME}.share", 0.2, "Part of an endpoint's time that its waits for the pool take (0 to 1)")

WAITS: Final = 5
"""Waits before anything is said of them; ones that ended in an error say enough."""


def check(facts: Facts) -> Iterator[Finding | Need]:
    """Every engine for whose pool requests wait."""
    engines: defaultdict[str, list[QueryRow]] = defaultdict(list)
    for row in facts.queries(lambda key, sums: key.kind == POOL_WAIT):
        engines[row.key.engine].append(row)
    for engine, rows in engines.items():
        uses = [use for row in rows if (detail := facts.statement(row.key)) is not None for use in detail.endpoints]
        if _is_wrong(rows, uses, facts):
            yield _finding(engine, rows, uses, facts)


def _is_wrong(rows: list[QueryRow], uses: list[StatementUse], facts: Facts) -> bool:
    """Waits that are a small part of the time come of a busy machine: a thread is interrupted while it takes one."""
    count = sum(row.count for row in rows)
    mean = sum(row.total_ms for row in rows) / max(count, 1)
    if any(row.errors for row in rows) and mean >= facts.limit(WAIT):
        return True
    times = {row.key: row.count * (row.mean_ms or 0.0) for row in facts.endpoints()}
    known = ((use, times.get(use.endpoint_key)) for use in uses if use.endpoint_key is not None)
    much = any(time and use.total_ms >= facts.limit(SHARE) * time for use, time in known)
    return count >= WAITS and mean >= facts.limit(WAIT) and much


def _finding(engine: str, rows: list[QueryRow], uses: list[StatementUse], facts: Facts) -> Finding:
    count, errors = sum(row.count for row in rows), sum(row.errors for row in rows)
    total = sum(row.total_ms for row in rows)
    share = sum(row.rate * (row.mean_ms or 0.0) for row in rows) / 1000
    worst = max(uses, key=lambda use: use.total_ms, default=None)
    saves = worst.per_request * worst.mean_ms if worst is not None else total / max(count, 1)
    workers = [worker for worker in facts.workers() if any(pool.engine == engine for pool in worker.pools)]
    held = [row for worker in workers for row in worker.held if row.engine == engine]
    failed = f", {errors:,} of them in vain" if errors else ""
    concerns = {use.endpoint_key: None for use in sorted(uses, key=lambda use: -use.total_ms) if use.endpoint_key}
    return Finding(
        rule=NAME,
        severity=Severity.CRITICAL if errors else severity_of(saves, share),
        subject=engine,
        title=f"Requests wait for a connection{failed}: {count:,} times, {ms_unit(total / count)} each ({engine})",
        evidence=(*_evidence(uses, facts, engine), *_holders(held, facts)),
        fix=_fix(bool(held)),
        endpoint=worst.endpoint_key if worst is not None else None,
        saves_ms=saves,
        saves_share=share,
        concerns=(*concerns, *(worker.worker for worker in workers)),
    )


def _evidence(uses: list[StatementUse], facts: Facts, engine: str) -> Iterator[str]:
    for use in sorted(uses, key=lambda use: -use.total_ms)[:3]:
        if use.endpoint_key is not None:
            name, share = endpoint_name(use.endpoint_key), percent(min(use.per_request, 1))
            yield f"{name} waited {use.count:,} times, in {share} % of its requests, {ms_unit(use.mean_ms)} each."
    for worker in facts.workers():
        for pool in worker.pools:
            if pool.engine == engine and pool.size > 0:
                yield (
                    f"Process {worker.worker.pid} has {pool.checked_out} connections out now; its pool keeps "
                    f"{pool.size}, {pool.overflow} are beyond."
                )


def _holders(held: list[HeldRow], facts: Facts) -> Iterator[str]:
    if held:
        yield f"{plural(len(held), 'connection')} of them are held by requests that have ended: see held-connection."
    users = [row for row in facts.endpoints() if row.sql_per_request and row.mean_ms]
    users.sort(key=lambda row: -(row.mean_ms or 0.0) * row.rate)
    if users:
        shares = (
            f"{endpoint_name(row.key)} ({row.rate * (row.mean_ms or 0) / 1000:.1f} at a time)" for row in users[:3]
        )
        named = ", ".join(shares)
        yield f"Of the endpoints that use the database, these take the most time, waiting included: {named}."


def _fix(held: bool) -> Fix:
    if held:
        return Fix("Give back the connections that ended requests hold; the pool is large enough then, perhaps.")
    return Fix(
        "Give connections back as soon as the data is there (before templates, calls to other services, streaming); "
        "where the database can take more, let the pool have as many as there are threads.",
        "create_engine(url, pool_size=10, max_overflow=20)",
    )


RULE: Final = Rule(
    NAME,
    check,
    looks_for="Requests that wait for a connection, or get none, since all of the pool are out.",
    wrong_when=(
        "Where few connections are wanted, to spare the database, and waiting is meant. Silent on purpose: a full pool "
        "for which nobody waits, single waits, and short ones, which a busy machine makes, too."
    ),
    thresholds=(WAIT, SHARE),
)
