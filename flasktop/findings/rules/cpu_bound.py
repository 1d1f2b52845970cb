"""A request that computes long in the app's own code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from flasktop.findings import sites
from flasktop.findings.calls import DATABASES
from flasktop.findings.evidence import Need, StackNeed, Unavailable
from flasktop.findings.facts import Facts
from flasktop.findings.measures import lower_quartile, own_cpu
from flasktop.findings.model import Finding, Fix, Rule, Threshold, severity_of
from flasktop.findings.sites import Site, bare
from flasktop.findings.words import endpoint_name, place
from flasktop.stats.calltree import Profile
from flasktop.stats.views import EndpointRow
from flasktop.units import ms_unit, percent, plural

NAME: Final = "cpu-bound"

CPU: Final = Threshold(f"{NAME}.cpu", 150, "Milliseconds of CPU that a request takes in the app's own code")

MANY_ROWS: Final = 1_000
"""Who fetches so many rows a request computes because of them."""

SOME_ROWS: Final = 50
"""Without samples: who fetches so many may compute in the ORM and in templates."""

FRAMEWORK: Final = DATABASES | {"flask", "werkzeug", "jinja2", "markupsafe"}
"""Packages whose CPU is not the app's own: the ORM's objects, templates, and the framework's JSON."""


@dataclass(frozen=True, slots=True)
class Hot:
    """Where an endpoint computes: ``cpu_ms`` a request in code of the app's own and in what it calls (at least so much
    in three of four requests), the function and line that take most of it, and their ``share`` of all its CPU; None
    where there are no samples."""

    cpu_ms: float
    site: Site | None
    share: float
    profile: Profile | None
    unseen: Unavailable | None


def check(facts: Facts) -> Iterator[Finding | Need]:
    """Every endpoint whose requests compute long."""
    for row in facts.endpoints():
        said = look(facts, row)
        if said is not None:
            yield said


def look(facts: Facts, row: EndpointRow) -> Finding | Need | None:
    """What there is to say of one endpoint, or what has to be known first."""
    hot = hottest(facts, row)
    return _finding(row, hot) if isinstance(hot, Hot) else hot


def hottest(facts: Facts, row: EndpointRow) -> Hot | Need | None:
    """Where the endpoint computes; None: not long, or not in the app's own code."""
    least = facts.limit(CPU)
    detail = facts.endpoint(row.key)
    if detail is None or row.split.cpu < least or row.rows_per_request >= MANY_ROWS:
        return None
    typical = lower_quartile(own_cpu(detail.recent))
    if typical < least:
        return None
    need = StackNeed(row.key)
    profile = facts.known(need, Profile)
    if profile is None:
        return need
    if isinstance(profile, Unavailable):
        return Hot(typical, None, 0.0, None, profile) if row.rows_per_request < SOME_ROWS else None
    return _from_profile(typical, profile, least)


def _from_profile(typical: float, profile: Profile, least: float) -> Hot | None:
    whole = profile.root.total.cpu
    own = [site for site in _own(profile) if site.parts.cpu]
    cpu = typical * sum(site.parts.cpu for site in own) / whole if whole else 0.0
    if cpu < least:
        return None
    function = sites.merged(iter(own), lambda site: (site.own.file, site.own.first), _cpu)[0]
    its = (site for site in own if (site.own.file, site.own.first) == (function.own.file, function.own.first))
    line = sites.merged(its, lambda site: site.own.line, _cpu)[0]
    function.own = line.own
    return Hot(cpu, function, function.parts.cpu / whole, profile, None)


def _own(profile: Profile) -> Iterator[Site]:
    """Places in the app's code outside templates, where what they call is not the framework's or the ORM's."""
    for site in sites.sites(profile, sites.renders):
        if FRAMEWORK.isdisjoint(sites.packages(site.tail)):
            yield site


def _cpu(site: Site) -> int:
    return site.parts.cpu


def hot_words(hot: Hot) -> Iterator[str]:
    """Where it computes, as evidence."""
    if hot.site is None or hot.profile is None:
        assert hot.unseen is not None
        yield f"There are no samples that show the function: {hot.unseen.message}"
        return
    own = hot.site.own
    yield (
        f"{percent(hot.share)} % of its CPU is {bare(own.function)}(), most of it at {place(own.file, own.line)} "
        f"({plural(hot.site.samples, 'sample')} of {hot.profile.samples:,})."
    )


def _finding(row: EndpointRow, hot: Hot) -> Finding:
    share = hot.cpu_ms / 1000 * row.rate
    where = f" in {bare(hot.site.own.function)}()" if hot.site is not None else ""
    return Finding(
        rule=NAME,
        severity=severity_of(hot.cpu_ms, share),
        subject=row.key,
        title=f"{endpoint_name(row.key)} computes {ms_unit(hot.cpu_ms)} a request{where}",
        evidence=(
            f"Three of four requests take {ms_unit(hot.cpu_ms)} of CPU or more outside the database.",
            *hot_words(hot),
            "Meanwhile the other threads of its worker wait for the interpreter.",
        ),
        fix=_fix(row, hot),
        endpoint=row.key,
        saves_ms=hot.cpu_ms,
        saves_share=share,
        concerns=(row.key,),
    )


def _fix(row: EndpointRow, hot: Hot) -> Fix:
    text = (
        "Compute it once, when its data change, and keep the result, or hand it to a background task in a process of "
        "its own. Threads do not help: they share one interpreter."
    )
    if hot.site is None:
        return Fix(text)
    own = hot.site.own
    name = bare(own.function) if bare(own.function).isidentifier() else "work"
    if row.key.method == "GET":
        return Fix(text, f"@cache.memoize(timeout=3600)\ndef {name}(...): ...", file=own.file, line=own.first)
    view = bare(row.endpoint)
    task = f"{name}_task" if name == view else name
    code = f'@shared_task\ndef {task}(...): ...\n\n# in {view}():\n{task}.delay(...)\nreturn {{"queued": True}}, 202'
    return Fix(text, code, file=own.file, line=own.line)


RULE: Final = Rule(
    NAME,
    check,
    looks_for="Requests that take long on the CPU, outside the database, in the app's own code.",
    wrong_when=(
        "Where each request has to compute something else and the visitor needs it at once. Silent on purpose: CPU of "
        "templates, of the ORM and of the database in the same process (SQLite), requests that fetch 1,000 rows and "
        "more, and gevent and async views, whose CPU nobody knows. Where its answers repeat, the rule “cacheable” says "
        "it instead."
    ),
    thresholds=(CPU,),
)
