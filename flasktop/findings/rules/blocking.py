"""A request that waits long for something that is no database: another service, a process, a lock, or time itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from flasktop.findings import calls, sites
from flasktop.findings.calls import Kind
from flasktop.findings.evidence import Calls, CallsNeed, Need, StackNeed, Unavailable
from flasktop.findings.facts import Facts
from flasktop.findings.measures import lower_quartile, own_cpu, waits_before_answer
from flasktop.findings.model import Finding, Fix, Rule, Threshold, severity_of
from flasktop.findings.sites import Site, bare
from flasktop.findings.words import endpoint_name, place
from flasktop.protocol.commands import NOT_GRANTED
from flasktop.stats.calltree import Profile
from flasktop.stats.views import EndpointRow
from flasktop.units import ms_unit, percent, plural

NAME: Final = "blocking"

WAIT: Final = Threshold(f"{NAME}.wait", 300, "Milliseconds that a request waits outside the database before it answers")

WAITING_SHARE: Final = 0.8
"""Of the time outside the database at a place that waits, at least so much is waiting."""

LEAST_SHARE: Final = 0.1
"""Places where less of the waiting passes are not looked into."""

CALM_PERCENT: Final = 50.0
CALM_RATIO: Final = 20.0
"""Without samples: the workers' CPU is below so much of a core, and a request waits so many times as long as it
computes. Then waiting is neither for the interpreter nor for a core."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """A place that waits, for what (None: its source cannot be read), and the call's name."""

    site: Site
    kind: Kind | None
    call: str


def check(facts: Facts) -> Iterator[Finding | Need]:
    """Every endpoint whose requests wait long in a call that is known to block."""
    for row in sorted(facts.endpoints(), key=_likely, reverse=True):
        said = look(facts, row)
        if said is not None:
            yield said


def _likely(row: EndpointRow) -> float:
    """Samples take their time: who waits most beside its work is looked at first. On a busy machine all wait."""
    return row.split.wait / max(row.split.cpu + row.split.sql, 1.0)


def look(facts: Facts, row: EndpointRow) -> Finding | Need | None:
    """What there is to say of one endpoint, or what has to be known first."""
    if row.split.wait < facts.limit(WAIT) / 2:
        return None
    detail = facts.endpoint(row.key)
    if detail is None:
        return None
    typical = lower_quartile(waits_before_answer(detail.recent))
    if typical < facts.limit(WAIT):
        return None
    need = StackNeed(row.key)
    profile = facts.known(need, Profile)
    if profile is None:
        return need
    if isinstance(profile, Unavailable):
        # Where stacks may never be seen the waiting alone has to do; where there were only too few, there will be more.
        # GET: others may wait for their visitor's body.
        never = profile.reason == NOT_GRANTED and row.key.method == "GET" and _calm(facts, row)
        return _finding(row, typical, (), None, profile) if never else None
    return _from_profile(facts, row, typical, profile)


def _from_profile(facts: Facts, row: EndpointRow, typical: float, profile: Profile) -> Finding | Need | None:
    whole = profile.root.total.wait
    found: list[Blocked] = []
    for site in sites.merged(sites.sites(profile), _place, lambda site: site.parts.wait):
        if site.parts.wait < whole * LEAST_SHARE or not _waits(site):
            continue
        blocked = _blocked(facts, site)
        if isinstance(blocked, CallsNeed):
            return blocked
        if blocked is not None and (blocked.kind is not None or _calm(facts, row)):
            found.append(blocked)
    waited = typical * sum(each.site.parts.wait for each in found) / whole if whole else 0.0
    return _finding(row, waited, tuple(found), profile, None) if waited >= facts.limit(WAIT) else None


def _place(site: Site) -> object:
    return site.own.file, site.own.line, calls.of_frames(site.tail) or sites.packages(site.tail)


def _waits(site: Site) -> bool:
    parts = site.parts
    return parts.wait > 0 and parts.wait >= WAITING_SHARE * (parts.wall - parts.sql)


def _blocked(facts: Facts, site: Site) -> Blocked | CallsNeed | None:
    """What a place waits for; None: for nothing that is known to block. Pure Python code that is made to wait (for a
    core, for the interpreter) is such a place."""
    if site.tail:
        kind = calls.of_frames(site.tail)
        return Blocked(site, *kind) if kind is not None else None
    need = CallsNeed(site.own.file, site.own.line)
    known = facts.known(need, Calls)
    if known is None:
        return need
    if isinstance(known, Unavailable):
        return Blocked(site, None, "")
    kind = calls.of_names(known.names)
    return Blocked(site, *kind) if kind is not None else None


def _calm(facts: Facts, row: EndpointRow) -> bool:
    workers = facts.workers()
    idle = all(worker.cpu_percent is not None and worker.cpu_percent < CALM_PERCENT for worker in workers)
    detail = facts.endpoint(row.key)
    cpu = lower_quartile(own_cpu(detail.recent)) if detail is not None else row.split.cpu
    return bool(workers) and idle and row.split.wait >= CALM_RATIO * cpu


def _finding(
    row: EndpointRow, waited: float, found: tuple[Blocked, ...], profile: Profile | None, unseen: Unavailable | None
) -> Finding:
    first = found[0] if found else None
    where = f" {_in(first)}" if first is not None and first.call else ""
    share = waited / 1000 * row.rate
    return Finding(
        rule=NAME,
        severity=severity_of(waited, share),
        subject=row.key,
        title=f"{endpoint_name(row.key)} waits {ms_unit(waited)}{where} before it answers",
        evidence=tuple(_evidence(row, waited, found, profile, unseen)),
        fix=_fix(row, first),
        endpoint=row.key,
        saves_ms=waited,
        saves_share=share,
        concerns=(row.key,),
    )


def _in(blocked: Blocked) -> str:
    if not blocked.call:
        return "in a call that flasktop cannot name"
    return f"at “{blocked.call}”" if blocked.call.startswith("with ") else f"in {blocked.call}"


def _evidence(
    row: EndpointRow, waited: float, found: tuple[Blocked, ...], profile: Profile | None, unseen: Unavailable | None
) -> Iterator[str]:
    yield (
        f"Three of four requests waited {ms_unit(waited)} or longer before their first byte, neither in the database "
        f"nor on the CPU."
    )
    for blocked in found[:3]:
        assert profile is not None
        site = blocked.site
        yield (
            f"{site.samples:,} of {plural(profile.samples, 'sample')} ({percent(site.samples / profile.samples)} %) "
            f"stood at {place(site.own.file, site.own.line)}, in {bare(site.named.function)}(), {_in(blocked)}."
        )
        if blocked.kind is None:
            yield f"What that line calls is not known: {site.own.file} cannot be read here, or is newer than the app."
    if unseen is not None:
        yield f"There are no samples that show the line: {unseen.message}"
    if unseen is not None or any(blocked.kind is None for blocked in found):
        yield (
            "The workers are nearly idle, and a request waits many times as long as it computes: neither a core nor "
            "the interpreter makes it wait."
        )


def _fix(row: EndpointRow, first: Blocked | None) -> Fix:
    if first is None:
        return Fix(
            "Find the line with a profile of the endpoint; then hand what it waits for to a background task, or give "
            "it a time-out and keep its answer for a while."
        )
    own = first.site.own
    if first.kind == "lock":
        return Fix(
            "Do the slow part before or after the lock is held, or let several threads at it: one waits for the other.",
            file=own.file,
            line=own.line,
        )
    if first.kind == "http" and row.key.method == "GET":
        return Fix(
            "Give the call a time-out and keep its answer for a while: most visitors then wait for nobody.",
            f"@cache.memoize(timeout=60)\ndef fetch(...):\n    return {first.call}(..., timeout=3)",
            file=own.file,
            line=own.line,
        )
    return Fix(
        "Hand it to a background task (Celery, RQ, …) and answer at once: the thread is free for the next visitor.",
        _task(bare(row.endpoint), bare(first.site.named.function)),
        file=own.file,
        line=own.line,
    )


def _task(view: str, function: str) -> str:
    """The task, named after the function that waits, and how the view starts it."""
    name = function if function.isidentifier() else "work"
    task = f"{name}_task" if name == view else name
    return f'@shared_task\ndef {task}(...): ...\n\n# in {view}():\n{task}.delay(...)\nreturn {{"queued": True}}, 202'


RULE: Final = Rule(
    NAME,
    check,
    looks_for="Requests that wait long, before their first byte, in a call that is known to block: HTTP and mail, "
    "sleep, subprocesses, locks, results of other threads and tasks.",
    wrong_when=(
        "Where the visitor needs the answer and nothing can be done meanwhile. Silent on purpose: waiting for a core "
        "or for the interpreter (stacks in plain Python code), endpoints of which too few samples came so far, all "
        "that comes after the first byte (streams, slow visitors), the reading of an upload, databases that flasktop "
        "does not watch, waiting on events, conditions and queues (long polling), and gevent and async views, where "
        "waiting and computing cannot be told apart."
    ),
    thresholds=(WAIT,),
)
