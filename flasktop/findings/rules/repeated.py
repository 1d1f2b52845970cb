"""The same statement again and again in one request: N+1 lazy loads, and loops of single look-ups or writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Final

from flasktop.findings.evidence import Need
from flasktop.findings.facts import ENOUGH, Facts
from flasktop.findings.model import Finding, Fix, Rule, Threshold, severity_of
from flasktop.findings.words import endpoint_name, place_of, statement_words, times
from flasktop.protocol.records import STATEMENT
from flasktop.stats.views import EndpointRow, SpanView, StatementKey, StatementUse, TraceView
from flasktop.units import ms_unit, percent

NAME: Final = "n-plus-one"

REPEATS: Final = Threshold(f"{NAME}.repeats", 10, "Times that a statement runs in one request")

OFTEN: Final = 0.25
"""In so great a part of an endpoint's requests it must be so: then it runs on average at least so often as well, which
spares a look into the requests of all others."""

BATCH_ROWS: Final = 50
"""A statement that fetches so many rows each time reads in batches; that is no loop over single things."""

EXPANDING: Final = "IN (…)"
"""How the agent writes an IN list of any length: a batched load (selectin) carries many keys at once."""

WRITES: Final = ("INSERT", "UPDATE", "DELETE")


@dataclass(frozen=True, slots=True)
class Repeat:
    """What one statement did in one request that repeated it. ``stretch_ms`` runs from the start of the first run to
    the end of the last (None: not all of its runs were kept one by one); ``same`` is how many of the runs had the
    parameters of an earlier one (None: not sampled)."""

    count: int
    sql_ms: float
    stretch_ms: float | None
    parent: SpanView | None
    same: int | None
    trace: TraceView


def check(facts: Facts) -> Iterator[Finding | Need]:
    """Every statement that most requests of an endpoint repeat."""
    least = facts.limit(REPEATS)
    for row in facts.endpoints():
        if row.sql_per_request < least * OFTEN:
            continue
        for use in facts.uses(row.key):
            if use.statement.kind != STATEMENT or use.per_request < least * OFTEN:
                continue
            traces = facts.traces(row.key)
            repeats = _repeats(traces, use.statement, least)
            if len(repeats) < ENOUGH or len(repeats) < OFTEN * len(traces) or _in_batches(use, repeats):
                continue
            yield _finding(row, use, repeats)


def _repeats(traces: tuple[TraceView, ...], key: StatementKey, least: float) -> list[Repeat]:
    found = (_repeat(trace, key) for trace in traces)
    return [repeat for repeat in found if repeat is not None and repeat.count >= least]


def _repeat(trace: TraceView, key: StatementKey) -> Repeat | None:
    spans = [span for span in trace.spans if span.statement == key]
    folded = [each for each in trace.folded if each.statement == key]
    if not spans:
        return None
    count = len(spans) + sum(each.count for each in folded)
    sql_ms = sum(span.duration_ms for span in spans) + sum(each.execute_ms + each.fetch_ms for each in folded)
    end = max(span.start_ms + span.duration_ms for span in spans)
    stretch = None if folded else end - spans[0].start_ms
    numbers = [span.parameters for span in spans if span.parameters is not None]
    same = len(numbers) - len(set(numbers)) if len(numbers) == len(spans) else None
    return Repeat(count, sql_ms, stretch, _parent(trace, key, count), same, trace)


def _parent(trace: TraceView, key: StatementKey, count: int) -> SpanView | None:
    """The statement whose rows the loop goes over: the last one before it that fetched about as many."""
    before: SpanView | None = None
    for span in trace.spans:
        if span.statement == key:
            break
        if span.statement.kind == STATEMENT and span.rows is not None and span.rows >= max(count // 2, 2):
            before = span
    return before


def _in_batches(use: StatementUse, repeats: list[Repeat]) -> bool:
    if use.statement.relationship or _identical(repeats):
        return False
    return EXPANDING in use.statement.text or use.rows / use.count >= BATCH_ROWS


def _identical(repeats: list[Repeat]) -> bool:
    """Whether the repeated runs ask for the same thing: nine of ten of those that were sampled."""
    sampled = [repeat for repeat in repeats if repeat.same is not None]
    again = sum(repeat.same or 0 for repeat in sampled)
    return bool(sampled) and again >= 0.9 * sum(repeat.count - 1 for repeat in sampled)


def _finding(row: EndpointRow, use: StatementUse, repeats: list[Repeat]) -> Finding:
    key, name = use.statement, endpoint_name(row.key)
    count = median(repeat.count for repeat in repeats)
    saves = use.total_ms / row.count * (1 - 1 / count)
    parent = next((repeat.parent for repeat in repeats if repeat.parent is not None), None)
    identical = _identical(repeats)
    if key.relationship:
        title = f"{name} loads {key.relationship} one by one: {count:,.0f} statements in a request"
    elif identical:
        title = f"{name} asks the database {count:,.0f} times for the same thing in a request"
    else:
        title = f"{name} runs the same statement {count:,.0f} times in a request"
    return Finding(
        rule=NAME,
        severity=severity_of(saves, saves / 1000 * row.rate),
        subject=row.key,
        title=title,
        evidence=tuple(_evidence(use, repeats, count, parent, identical)),
        fix=_fix(key, parent, identical),
        endpoint=row.key,
        saves_ms=saves,
        saves_share=saves / 1000 * row.rate,
        concerns=(row.key, key, max(repeats, key=lambda repeat: repeat.count).trace.id),
        about=key,
    )


def _evidence(
    use: StatementUse, repeats: list[Repeat], count: float, parent: SpanView | None, identical: bool
) -> Iterator[str]:
    key = use.statement
    where = f" at {place_of(key)}" if key.file else ""
    yield f"{statement_words(key)} ran {times(count)} in a request{where} (median of {len(repeats)} requests)."
    if parent is not None and not identical:
        origin = place_of(parent.statement)
        rows = "row" if parent.rows == 1 else "rows"
        yield f"Once for each of the {parent.rows:,} {rows} that {origin or 'the statement before it'} fetched."
    sampled = [repeat for repeat in repeats if repeat.same is not None]
    if sampled:
        again = sum(repeat.same or 0 for repeat in sampled)
        runs = sum(repeat.count for repeat in sampled)
        yield f"{again:,} of {runs:,} sampled runs had the same parameters as an earlier one of their request."
    stretches = [repeat for repeat in repeats if repeat.stretch_ms is not None]
    if stretches:
        spent = median(repeat.stretch_ms or 0.0 for repeat in stretches)
        share = median((repeat.stretch_ms or 0.0) / max(repeat.trace.duration_ms, 0.001) for repeat in stretches)
        sql = median(repeat.sql_ms for repeat in stretches)
        yield (
            f"From the first to the last {ms_unit(spent)} pass, {percent(share)} % of the request; "
            f"{ms_unit(sql)} of them in the database."
        )


def _fix(key: StatementKey, parent: SpanView | None, identical: bool) -> Fix:
    file, line = (parent.statement.file, parent.statement.line) if parent is not None else (key.file, key.line)
    owner, _, attribute = key.relationship.partition(".")
    if attribute:
        return Fix(
            f"Load {key.relationship} with the {owner} objects, in one statement more however many there are.",
            f"select({owner}).options(selectinload({key.relationship}))",
            file=file,
            line=line,
        )
    if identical:
        return Fix(
            "Ask once before the loop and use the answer again; what several functions of a request need can stand in "
            "flask.g.",
            file=key.file,
            line=key.line,
        )
    if key.text.lstrip().upper().startswith(WRITES):
        return Fix(
            "Write all rows with one call: the driver then sends them together.",
            "session.execute(insert(Model), [{...}, {...}])",
            file=key.file,
            line=key.line,
        )
    return Fix(
        "Fetch what the loop needs in one statement before it: a join, or all keys in one IN list.",
        "select(Model).where(Model.id.in_(ids))",
        file=key.file,
        line=key.line,
    )


RULE: Final = Rule(
    NAME,
    check,
    looks_for="One statement, from one line of code, that runs again and again in each request.",
    wrong_when=(
        "Where the loop is bound to be short, or where each run depends on the result of the one before. Silent on "
        "purpose: batched loads (selectin), reading in batches of 50 rows and more, rows of a server-side cursor, and "
        "loops of different statements."
    ),
    thresholds=(REPEATS,),
)
