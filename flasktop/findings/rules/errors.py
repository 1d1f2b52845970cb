"""Endpoints that fail: often, or more often than before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from flasktop.findings.chance import Interval, rise_of, share_of
from flasktop.findings.evidence import Need
from flasktop.findings.facts import Facts
from flasktop.findings.model import Finding, Fix, Rule, Severity, Threshold
from flasktop.findings.words import endpoint_name, place_of, statement_words
from flasktop.stats.views import EndpointRow, SpanView, TraceView, Window
from flasktop.units import clock, percent, plural

NAME: Final = "error-rate"

SHARE: Final = Threshold(f"{NAME}.share", 0.01, "Share of an endpoint's requests that fail (0 to 1)")
ERRORS: Final = Threshold(f"{NAME}.errors", 3, "Failed requests before anything is said")

OFTEN: Final = 0.05
MOSTLY: Final = 0.5
"""From so great a share, for certain, an endpoint fails often; from so great a one it hardly works at all."""

BEFORE: Final = 20
"""Requests that must have come before the last minute to speak of a jump."""

TWICE: Final = 2.0
"""A jump is at least to so many times the share."""

REFUSED: Final = "IntegrityError"
"""What a database raises where a constraint refuses the data, in every driver."""


@dataclass(frozen=True, slots=True)
class Counts:
    """``errors`` of ``count`` requests (more than none)."""

    count: int
    errors: int

    @property
    def share(self) -> Interval:
        return share_of(self.errors, self.count)

    @property
    def words(self) -> str:
        return f"{self.errors:,} of {self.count:,} ({percent(self.errors / self.count)} %)"


@dataclass(frozen=True, slots=True)
class Failing:
    """What an endpoint failed in the window, ``before`` the last minute and in it (``last``), where both are known."""

    row: EndpointRow
    whole: Counts
    before: Counts | None
    last: Counts | None

    @property
    def jumped(self) -> bool:
        """Whether it fails for certain more often in the last minute, at least twice as often, than before."""
        if self.before is None or self.last is None or self.before.count < BEFORE:
            return False
        before, now = self.before.share, self.last.share
        return rise_of(before, now).low > 0 and now.middle >= TWICE * before.middle


def check(facts: Facts) -> Iterator[Finding | Need]:
    """Every endpoint that fails too often now: what is longer ago than five minutes is past."""
    window = Window.FIVE_MINUTES if facts.window is Window.ALL else facts.window
    lately = {row.key: row for row in facts.endpoints_in(Window.MINUTE)}
    for row in facts.endpoints_in(window):
        failing = _failing(row, lately.get(row.key) if window is Window.FIVE_MINUTES else None)
        if _is_wrong(failing.whole, facts) or (failing.jumped and failing.last and _is_wrong(failing.last, facts)):
            detail = facts.endpoint(row.key)
            yield _finding(failing, detail.failed if detail is not None else ())


def _failing(row: EndpointRow, minute: EndpointRow | None) -> Failing:
    whole = Counts(row.count, row.errors)
    if minute is None or minute.count >= row.count:
        return Failing(row, whole, None, None)
    before = Counts(row.count - minute.count, max(row.errors - minute.errors, 0))
    return Failing(row, whole, before, Counts(minute.count, minute.errors))


def _is_wrong(counts: Counts, facts: Facts) -> bool:
    return counts.errors >= facts.limit(ERRORS) and counts.share.low >= facts.limit(SHARE)


def _finding(failing: Failing, kept: tuple[TraceView, ...]) -> Finding:
    key, whole = failing.row.key, failing.whole
    what, cause = _commonest(kept)
    how = f" with {what}" if what else ""
    if failing.jumped and failing.before and failing.last:
        title = f"{endpoint_name(key)} fails{how} since a moment: {failing.last.words} in the last minute"
    else:
        title = f"{endpoint_name(key)} fails{how}: {whole.words} requests"
    concerns = (key, *((cause.statement,) if cause else ()), *(trace.id for trace in kept[:1]))
    return Finding(
        rule=NAME,
        severity=_severity(failing),
        subject=key,
        title=title,
        evidence=tuple(_evidence(failing, kept, cause)),
        fix=_fix(what, cause),
        endpoint=key,
        concerns=concerns,
    )


def _severity(failing: Failing) -> Severity:
    """No time is lost, an answer is: by how many people do not get theirs, at the least. A jump is news: a deploy, a
    service that is gone."""
    least = (failing.last if failing.jumped and failing.last else failing.whole).share.low
    if least >= MOSTLY:
        return Severity.CRITICAL
    return Severity.WARNING if least >= OFTEN or failing.jumped else Severity.NOTICE


def _commonest(kept: tuple[TraceView, ...]) -> tuple[str, SpanView | None]:
    """The exception that most kept failures ended with (a status where none did), and a statement that raised it."""
    if not kept:
        return "", None
    what, _ = Counter(map(_what, kept)).most_common(1)[0]
    spans = (span for trace in kept if _what(trace) == what for span in trace.spans)
    return what, next((span for span in spans if span.error == what), None)


def _what(trace: TraceView) -> str:
    return trace.error or (f"status {trace.status}" if trace.status else "")


def _evidence(failing: Failing, kept: tuple[TraceView, ...], cause: SpanView | None) -> Iterator[str]:
    share = failing.whole.share
    yield (
        f"{failing.whole.words} requests failed: answered with a status of 500 or more, or left by an exception. "
        f"The true share lies between {percent(share.low)} and {percent(share.high)} % with 99 % confidence."
    )
    if failing.before and failing.last and failing.jumped:
        yield f"Before the last minute {failing.before.words} failed, in it {failing.last.words}."
    elif failing.before and failing.last and failing.before.errors:
        yield f"Not since a moment only: before the last minute {failing.before.words} failed, too."
    if cause is not None:
        where = f" at {place_of(cause.statement)}" if cause.statement.file else ""
        yield f"{statement_words(cause.statement)}{where} failed with {cause.error}."
    if kept:
        ended = Counter(map(_what, kept)).most_common(3)
        named = ", ".join(f"{name or 'nothing known'} ({number})" for name, number in ended)
        last = kept[0]
        failures = plural(len(kept), "failure")
        yield f"The last {failures} ended with {named}; the newest at {clock(last.at)}: {last.path}."


def _fix(what: str, cause: SpanView | None) -> Fix:
    file, line = (cause.statement.file, cause.statement.line) if cause is not None else ("", 0)
    if what == REFUSED:
        return Fix(
            "Check the data before it is written; where the database refuses it nevertheless, say so to the visitor "
            "instead of failing.",
            "try:\n    session.commit()\nexcept IntegrityError:\n    session.rollback()\n    abort(409)",
            file=file,
            line=line,
        )
    if what and not what.startswith("status "):
        return Fix(
            f"The traceback is in the app's log. Mend what raises {what}, or answer it where it cannot be helped.",
            f'@app.errorhandler({what})\ndef failed(error):\n    return {{"error": "..."}}, 503',
            file=file,
            line=line,
        )
    return Fix("No exception was seen: the view itself answers so. Look where it does, and what it tells by that.")


RULE: Final = Rule(
    NAME,
    check,
    looks_for="An endpoint of whose requests some fail (status 500 or more, or an exception that left the app).",
    wrong_when=(
        "Where failing is the endpoint's way of speaking: a health check that answers 503 while something is down. "
        "Silent on purpose: statuses below 500 (a 404 or 409 is an answer), one or two failures, shares that may be "
        "chance (below 1 % at 99 % confidence), and failures of more than five minutes ago."
    ),
    thresholds=(SHARE, ERRORS),
)
