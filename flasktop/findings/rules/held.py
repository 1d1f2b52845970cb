"""Connections that are still checked out of their pool although the request that took them has ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from flasktop.findings.evidence import Need
from flasktop.findings.facts import Facts
from flasktop.findings.model import Finding, Fix, Rule, Severity, Threshold
from flasktop.findings.words import endpoint_name, place
from flasktop.protocol.events import WorkerId
from flasktop.stats.held import HeldRow
from flasktop.stats.views import EndpointKey, WorkerRow
from flasktop.units import ms_unit, plural

NAME: Final = "held-connection"

SECONDS: Final = Threshold(f"{NAME}.seconds", 5, "Seconds after its request's end that a connection may be out")
ALONE: Final = Threshold(f"{NAME}.alone", 30, "The same where it is the only one: work in a thread may use it still")


class Place(NamedTuple):
    """Where connections were taken and not given back."""

    engine: str
    key: EndpointKey
    file: str
    line: int
    by_session: bool | None


@dataclass(frozen=True, slots=True)
class Kept:
    """One connection, and the worker that has it."""

    row: HeldRow
    worker: WorkerRow


def check(facts: Facts) -> Iterator[Finding | Need]:
    """Every line whose connections stay out."""
    kept: defaultdict[Place, list[Kept]] = defaultdict(list)
    for worker in facts.workers():
        for row in worker.held:
            wanted = row.key is not None and (facts.app is None or row.key.app == facts.app)
            if row.key is not None and wanted and row.age_ms >= facts.limit(SECONDS) * 1000:
                kept[Place(row.engine, row.key, row.file, row.line, row.by_session)].append(Kept(row, worker))
    for where, found in _known(kept).items():
        if len(found) > 1 or found[0].row.age_ms >= facts.limit(ALONE) * 1000:
            yield _finding(where, found)


def _known(kept: dict[Place, list[Kept]]) -> dict[Place, list[Kept]]:
    """Those whose line is not known beside those of the same endpoint whose line is: the line came later."""
    lines: dict[tuple[str, EndpointKey], Place] = {}
    for where in kept:
        if where.file:
            lines.setdefault((where.engine, where.key), where)
    known: defaultdict[Place, list[Kept]] = defaultdict(list)
    for where, found in kept.items():
        known[where if where.file else lines.get((where.engine, where.key), where)] += found
    return known


def _finding(where: Place, found: list[Kept]) -> Finding:
    workers = {each.worker.worker: each.worker for each in found}
    what = plural(len(found), "connection")
    if where.by_session:
        title = f"{endpoint_name(where.key)} does not close its session: {what} still out after the request"
    else:
        title = f"{endpoint_name(where.key)} does not give back its connection: {what} still out after the request"
    concerns: tuple[Hashable, ...] = (where.key, *workers)
    return Finding(
        rule=NAME,
        severity=_severity(where.engine, workers),
        subject=where.key,
        title=title,
        evidence=tuple(_evidence(where, found, workers)),
        fix=_fix(where),
        endpoint=where.key,
        concerns=concerns,
        about=(where.engine, where.file, where.line),
    )


def _severity(engine: str, workers: dict[WorkerId, WorkerRow]) -> Severity:
    """It costs no time until the pool is empty, and then everything: so by how much of a pool is gone."""
    for worker in workers.values():
        gone = sum(1 for row in worker.held if row.engine == engine) + worker.held_beyond
        if any(0 < pool.size <= gone for pool in worker.pools if pool.engine == engine):
            return Severity.CRITICAL
    return Severity.WARNING


def _evidence(where: Place, found: list[Kept], workers: dict[WorkerId, WorkerRow]) -> Iterator[str]:
    longest = max(each.row.age_ms for each in found)
    if where.file:
        name = next((each.row.function for each in found if each.row.function), "")
        function = f" ({name})" if name else ""
        by = " by the session that was used" if where.by_session else ""
        yield f"Taken{by} at {place(where.file, where.line)}{function}."
    else:
        yield "Which line took it is not known: it is looked for once an engine has been seen to leak."
    ended = f"the longest for {ms_unit(longest)}" if len(found) > 1 else f"for {ms_unit(longest)}"
    yield f"Out since the end of {'their requests' if len(found) > 1 else 'its request'}, {ended}, of {where.engine}."
    for worker in workers.values():
        for pool in worker.pools:
            if pool.engine == where.engine and pool.size > 0:
                pid, out = worker.worker.pid, pool.checked_out
                yield f"In process {pid} {out} connections are out; its pool keeps {pool.size} and makes few more."


def _fix(where: Place) -> Fix:
    if where.by_session:
        return Fix(
            "Close the session when the request ends, once for the whole app.",
            "@app.teardown_appcontext\ndef remove(exc):\n    Session.remove()",
            file=where.file,
            line=where.line,
        )
    return Fix(
        "Let a with statement give the connection back, also where the view fails.",
        "with engine.connect() as connection:\n    ...",
        file=where.file,
        line=where.line,
    )


RULE: Final = Rule(
    NAME,
    check,
    looks_for="A connection that a request took from its pool and that is out although the request has ended.",
    wrong_when=(
        "Where a thread that the request started uses the connection on purpose for long. Silent on purpose: for some "
        "seconds after the request, longer where it is a single connection; connections taken outside requests; and "
        "streamed answers, whose request ends with their last byte."
    ),
    thresholds=(SECONDS, ALONE),
)
