"""Where an endpoint computes, in the app's own code, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from flasktop.findings import sites
from flasktop.findings.calls import DATABASES
from flasktop.findings.evidence import Need, StackNeed, Unavailable
from flasktop.findings.facts import Facts
from flasktop.findings.measures import lower_quartile, own_cpu
from flasktop.findings.model import Threshold
from flasktop.findings.sites import Site, bare
from flasktop.findings.words import place
from flasktop.protocol.commands import NOT_GRANTED
from flasktop.stats.calltree import Frame, Profile
from flasktop.stats.views import EndpointRow
from flasktop.units import percent, plural

CPU: Final = Threshold("cpu-bound.cpu", 150, "Milliseconds of CPU that a request takes in the app's own code")

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
    frames: tuple[Frame, ...] = ()
    """The functions of the app's on the way there, outermost first."""


def hottest(facts: Facts, row: EndpointRow) -> Hot | Need | None:
    """Where the endpoint computes; None: not long, or not in the app's own code."""
    least = facts.limit(CPU)
    if row.split.cpu < least or row.rows_per_request >= MANY_ROWS:
        return None
    detail = facts.endpoint(row.key)
    if detail is None:
        return None
    typical = lower_quartile(own_cpu(detail.recent))
    if typical < least:
        return None
    need = StackNeed(row.key)
    profile = facts.known(need, Profile)
    if profile is None:
        return need
    if isinstance(profile, Unavailable):
        # Where stacks may never be seen the CPU alone has to do; where there were only too few, there will be more.
        never = profile.reason == NOT_GRANTED and row.rows_per_request < SOME_ROWS
        return Hot(typical, None, 0.0, None, profile) if never else None
    return _from_profile(typical, profile, least)


def _from_profile(typical: float, profile: Profile, least: float) -> Hot | None:
    whole = profile.root.total.cpu
    own = [site for site in _own(profile) if site.parts.cpu]
    cpu = typical * sum(site.parts.cpu for site in own) / whole if whole else 0.0
    if cpu < least:
        return None
    function = sites.merged(iter(own), lambda site: (site.named.file, site.named.first), _cpu)[0]
    its = (site for site in own if (site.named.file, site.named.first) == (function.named.file, function.named.first))
    line = sites.merged(its, lambda site: site.named.line, _cpu)[0]
    function.named = line.named
    way = next(stack.frames for stack in profile.stacks if line.named in stack.frames)
    frames = tuple(frame for frame in way if frame.own)
    return Hot(cpu, function, function.parts.cpu / whole, profile, None, frames)


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
    own = hot.site.named
    yield (
        f"{percent(hot.share)} % of its CPU is {bare(own.function)}(), most of it at {place(own.file, own.line)} "
        f"({plural(hot.site.samples, 'sample')} of {hot.profile.samples:,})."
    )
