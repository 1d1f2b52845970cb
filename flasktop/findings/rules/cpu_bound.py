"""A request that computes long in the app's own code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flasktop.findings.evidence import Need
from flasktop.findings.facts import Facts
from flasktop.findings.hot import CPU, Hot, hot_words, hottest
from flasktop.findings.model import Finding, Fix, Rule, severity_of
from flasktop.findings.rules import cacheable
from flasktop.findings.sites import bare
from flasktop.findings.words import endpoint_name
from flasktop.stats.views import EndpointRow
from flasktop.units import ms_unit

NAME: Final = "cpu-bound"


def check(facts: Facts) -> Iterator[Finding | Need]:
    """Every endpoint whose requests compute long."""
    for row in facts.endpoints():
        said = look(facts, row)
        if said is not None:
            yield said


def look(facts: Facts, row: EndpointRow) -> Finding | Need | None:
    """What there is to say of one endpoint, or what has to be known first."""
    hot = hottest(facts, row)
    if not isinstance(hot, Hot):
        return hot
    return None if isinstance(cacheable.look(facts, row), Finding) else _finding(row, hot)


def _finding(row: EndpointRow, hot: Hot) -> Finding:
    share = hot.cpu_ms / 1000 * row.rate
    where = f" in {bare(hot.site.named.function)}()" if hot.site is not None else ""
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
    own = hot.site.named
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
