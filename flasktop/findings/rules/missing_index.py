"""A slow statement that reads all of a table, and an index that was tried and would spare it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from flasktop.findings.evidence import Need, PlanNeed, ShapeNeed, TrialNeed, Unavailable
from flasktop.findings.facts import ENOUGH, Facts
from flasktop.findings.model import Block, Finding, Fix, Rule, Threshold, severity_of
from flasktop.findings.sql.candidates import candidates, hiding
from flasktop.findings.sql.model import Candidate, Shape, Use
from flasktop.findings.sql.verdict import Verdict
from flasktop.findings.sql.words import create_index, declared, hidden_words, instead
from flasktop.findings.words import place_of, statement_words, times
from flasktop.protocol.commands.index import COPY
from flasktop.protocol.records import STATEMENT
from flasktop.stats.columns import S_COUNT, S_EXECUTE, S_FETCH
from flasktop.stats.plans import Plan
from flasktop.stats.plans.words import as_text, sentences
from flasktop.stats.views import QueryRow, StatementKey
from flasktop.units import ms_unit

NAME: Final = "missing-index"

SLOW: Final = Threshold(f"{NAME}.ms", 5, "Mean milliseconds of a statement from which its plan is asked for")

MOST: Final = 10
"""Statements whose plans are asked for: those that take the most time."""

SPARED: Final = 0.9
"""What a look-up is taken to spare of the time, where the database estimates no costs."""

FEW: Final = 1000
"""Rows fetched a call: who fetches more reads much of the table anyway."""


def check(facts: Facts) -> Iterator[Finding | Need]:
    """The slowest statements: what they compare, how they are planned, and whether an index helps."""
    least = facts.limit(SLOW)

    def slow(key: StatementKey, sums: Sequence[int]) -> bool:
        us = sums[S_EXECUTE] + sums[S_FETCH]
        return key.kind == STATEMENT and sums[S_COUNT] >= ENOUGH and us / sums[S_COUNT] / 1_000 >= least

    for row in facts.queries(slow)[:MOST]:
        yield from _of(facts, row)


def _of(facts: Facts, row: QueryRow) -> Iterator[Finding | Need]:
    text = ShapeNeed(row.key.text, row.dialect)
    shape = facts.known(text, Shape)
    if not isinstance(shape, Shape):
        if shape is None:
            yield text
        return
    if not any(scope.terms or (scope.order and scope.limited) for scope in shape.scopes):
        return
    need = PlanNeed(row.key)
    plan = facts.known(need, Plan)
    if not isinstance(plan, Plan):
        if plan is None:
            yield need
        return
    for candidate in candidates(shape, plan, row.dialect):
        trial = TrialNeed(row.key, candidate)
        said = facts.known(trial, Verdict)
        if said is None:
            yield trial
            return
        if isinstance(said, Unavailable) or not said.helps or not _is_narrow(row, shape, candidate, said):
            continue
        yield _finding(facts, row, shape, candidate, said)
        return


def _is_narrow(row: QueryRow, shape: Shape, candidate: Candidate, verdict: Verdict) -> bool:
    """Whether few rows are looked up. A database that estimates costs has said so; SQLite takes it for granted."""
    if verdict.cost is not None or not candidate.why:
        return True
    if row.rows / row.count > FEW:
        return False
    ranges = all(term.use is Use.RANGE for term in candidate.why)
    return not (ranges and (shape.limited or shape.one_row))


def _finding(facts: Facts, row: QueryRow, shape: Shape, candidate: Candidate, verdict: Verdict) -> Finding:
    key = row.key
    detail = facts.statement(key)
    use = detail.endpoints[0] if detail is not None and detail.endpoints else None
    endpoint = use.endpoint_key if use is not None else None
    where = f" at {place_of(key)}" if key.file else ""
    saves = (row.mean_ms or 0.0) * (SPARED if verdict.cost is None else 1 - verdict.cost)
    share = saves / 1000 * row.rate
    columns = ", ".join(candidate.columns)
    what = f"{candidate.function}({columns})" if candidate.function else columns
    return Finding(
        rule=NAME,
        severity=severity_of(saves, share),
        subject=key,
        title=f"The statement{where} reads all of {candidate.table}: an index on {what} is missing",
        evidence=tuple(_evidence(row, shape, verdict)),
        fix=_fix(row, shape, candidate, verdict),
        endpoint=endpoint,
        saves_ms=saves,
        saves_share=share,
        concerns=(key, endpoint) if endpoint is not None else (key,),
        blocks=(
            Block("the index", create_index(candidate, row.dialect), "sql"),
            Block("the plan now", as_text(verdict.before)),
            Block(f"the plan with {verdict.tried.index}", as_text(verdict.after)),
        ),
        about=candidate.table,
    )


def _evidence(row: QueryRow, shape: Shape, verdict: Verdict) -> Iterator[str]:
    yield f"{statement_words(row.key)} ran {times(row.count)}, {ms_unit(row.mean_ms or 0.0)} each."
    yield from (sentence.text for sentence in sentences(verdict.before) if sentence.bad)
    for source, term in hiding(shape, verdict.before):
        yield hidden_words(source, term)
    by = f" ({verdict.looked_up})" if verdict.looked_up else ""
    if verdict.tried.how == COPY:
        yield f"Tried in a copy of the schema in the worker's memory: with the index rows are looked up by it{by}."
    else:
        yield f"Tried with HypoPG, which makes the planner believe in an index: it would be used{by}."
    if verdict.cost is not None:
        yield f"PostgreSQL estimates {verdict.cost:.1%} of the cost that it has now."
    yield from verdict.tried.notes


def _fix(row: QueryRow, shape: Shape, candidate: Candidate, verdict: Verdict) -> Fix:
    text = f"{create_index(candidate, row.dialect)}, or declare it in the model and migrate."
    other = [instead(term, row.dialect) for _, term in hiding(shape, verdict.before) if term in candidate.why]
    if other:
        text += f" Or: {other[0]}"
    return Fix(text, declared(candidate, row.dialect), file=row.key.file, line=row.key.line)


RULE: Final = Rule(
    NAME,
    check,
    looks_for="A slow statement whose plan reads all of a table, where an index that was tried would be used.",
    wrong_when=(
        "Where most rows have the same value in the column: SQLite without statistics (ANALYZE) takes any value for "
        "rare. Silent on purpose: small tables, statements that fetch more than 1,000 rows, limited or summed ranges, "
        "patterns that begin with a wildcard, what would need another statement, databases in memory, PostgreSQL "
        "without HypoPG and MySQL (nothing can be tried there)."
    ),
    thresholds=(SLOW,),
)
