"""An expensive answer that is made anew although the same path and query had the same answer a moment ago."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flasktop.findings.evidence import Need
from flasktop.findings.facts import ENOUGH, Facts
from flasktop.findings.hot import Hot, hot_words, hottest
from flasktop.findings.model import Finding, Fix, Rule, Threshold, severity_of
from flasktop.findings.rules import blocking, repeated
from flasktop.findings.sites import bare
from flasktop.findings.words import endpoint_name, place_of, statement_words
from flasktop.stats.cacheability import CACHE_HORIZON, Cacheability
from flasktop.stats.views import EndpointDetail, EndpointRow, TraceView
from flasktop.units import ms_unit, percent, plural

NAME: Final = "cacheable"

COST: Final = Threshold(f"{NAME}.cost", 50, "Milliseconds of CPU and SQL in even the cheapest of the newest answers")
REPEATS: Final = Threshold(f"{NAME}.repeats", 8, "Requests that asked for the same path and query again")
SAME: Final = Threshold(f"{NAME}.same", 0.9, "Share of these that got the same body as the time before")
HITS: Final = Threshold(f"{NAME}.hits", 0.5, "Share of all requests that a cache would have answered")


def check(facts: Facts) -> Iterator[Finding | Need]:
    """Every endpoint whose answers are expensive and repeat."""
    for row in facts.endpoints():
        said = look(facts, row)
        if said is not None:
            yield said


def look(facts: Facts, row: EndpointRow) -> Finding | Need | None:
    """What there is to say of one endpoint, or what has to be known first."""
    view = facts.cacheability(row.key) if row.key.method == "GET" else None
    if view is None or not _repeats(facts, view):
        return None
    detail = facts.endpoint(row.key)
    if detail is None:
        return None
    answers = [trace for trace in detail.recent if trace.status == 200]
    works = [known for trace in answers if (known := work(trace)) is not None]
    if len(works) < ENOUGH or min(works) < facts.limit(COST) or _loops(facts, detail):
        return None
    blocked = blocking.look(facts, row)
    if blocked is not None:
        return None if isinstance(blocked, Finding) else blocked
    hot = hottest(facts, row)
    if hot is not None and not isinstance(hot, Hot):
        return hot
    return _finding(row, detail, view, _cost_words(works, view), hot, len(facts.workers()))


def _repeats(facts: Facts, view: Cacheability) -> bool:
    return (
        not view.private
        and view.repeats >= facts.limit(REPEATS)
        and view.same >= facts.limit(SAME) * view.repeats
        and view.hit_ratio >= facts.limit(HITS)
    )


def _loops(facts: Facts, detail: EndpointDetail) -> bool:
    """Whether another rule names what makes it expensive: a cache would only hide that."""
    return any(use.per_request >= facts.limit(repeated.REPEATS) for use in detail.statements)


def work(trace: TraceView) -> float | None:
    """The milliseconds that an answer takes at least, whatever else the machine does: the thread's CPU, and the time of
    the database where that is another process (one in this process is CPU, too); None where neither is known."""
    elsewhere = [span.duration_ms for span in trace.spans if span.dialect != "sqlite"]
    if not elsewhere:
        return trace.cpu_ms
    return trace.split.cpu + sum(elsewhere)


def _cost_words(works: list[float], view: Cacheability) -> str:
    mean = ms_unit(view.repeat_ms / view.repeats)
    least = f"{ms_unit(min(works))} of CPU and SQL"
    return f"Even the cheapest of the last {len(works)} answers took {least}; the repeats took {mean} each, all told."


def _finding(
    row: EndpointRow, detail: EndpointDetail, view: Cacheability, cost: str, hot: Hot | None, workers: int
) -> Finding:
    saves = view.same_ms / view.keyed
    share = saves / 1000 * row.rate
    return Finding(
        rule=NAME,
        severity=severity_of(saves, share),
        subject=row.key,
        title=f"{endpoint_name(row.key)} makes the same answers anew, {ms_unit(view.repeat_ms / view.repeats)} each",
        evidence=(
            f"{view.same:,} of {plural(view.repeats, 'repeat')} of a path and query got the same body as the time "
            f"before, in the last {CACHE_HORIZON // 60} minutes.",
            cost,
            *_why(row, detail, hot),
            _ratio_words(view, workers),
        ),
        fix=_fix(row, detail, hot),
        endpoint=row.key,
        saves_ms=saves,
        saves_share=share,
        concerns=(row.key,),
    )


def _why(row: EndpointRow, detail: EndpointDetail, hot: Hot | None) -> Iterator[str]:
    """What makes it expensive."""
    if hot is not None:
        yield f"A request takes {ms_unit(hot.cpu_ms)} of CPU or more in the app's own code."
        yield from hot_words(hot)
    elif detail.statements and row.split.wall and detail.statements[0].share >= 0.5:
        key = detail.statements[0].statement
        where = f" at {place_of(key)}" if key.file else ""
        yield f"{percent(detail.statements[0].share)} % of the time is {statement_words(key)}{where}."


def _ratio_words(view: Cacheability, workers: int) -> str:
    most = "" if workers < 2 else "; one that the workers share (Redis, Memcached) answers more"
    return (
        f"A cache in each worker would have answered at least {percent(view.hit_ratio)} % of the {view.keyed:,} "
        f"requests that were looked at{most}."
    )


def _fix(row: EndpointRow, detail: EndpointDetail, hot: Hot | None) -> Fix:
    name = bare(row.endpoint)
    file, line = _view(name, detail, hot)
    arguments = "..." if "<" in row.key.route else ""
    return Fix(
        "Keep the answer for as long as an old one will do (Flask-Caching); the decorator stands below the route's.",
        f"@cache.cached(timeout={CACHE_HORIZON}, query_string=True)\ndef {name}({arguments}): ...",
        file=file,
        line=line,
    )


def _view(name: str, detail: EndpointDetail, hot: Hot | None) -> tuple[str, int]:
    """Where the view stands, or else what it runs; empty and 0 where neither is known."""
    for frame in hot.frames if hot is not None else ():
        if bare(frame.function) == name:
            return frame.file, frame.first
    key = next((use.statement for use in detail.statements if use.statement.file), None)
    return (key.file, key.line) if key is not None else ("", 0)


RULE: Final = Rule(
    NAME,
    check,
    looks_for="GET routes whose answer is expensive and the same again for the same path and query.",
    wrong_when=(
        "Where an answer must be fresh to the second, or depends on who asks without saying so (by a cookie that is no "
        "Flask session, by the address). Silent on purpose: answers that set or vary with a cookie, are private, "
        "no-store or authorized; streamed answers and those above 64 kB; routes that answer some requests cheaply, as "
        "behind a cache; those that would rarely hit; and routes that wait (“blocking”) or loop over statements "
        "(“n-plus-one”), which a cache would only hide. Waiting is no cost here: on a busy machine everything waits."
    ),
    thresholds=(COST, REPEATS, SAME, HITS),
)
