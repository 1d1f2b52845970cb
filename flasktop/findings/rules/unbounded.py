"""A SELECT that returns as many rows as there are, and they are many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from flasktop.findings.evidence import Need, ShapeNeed
from flasktop.findings.facts import ENOUGH, Facts
from flasktop.findings.model import Finding, Fix, Rule, Threshold, severity_of
from flasktop.findings.sql.extent import Extent, extent
from flasktop.findings.sql.model import Shape
from flasktop.findings.sql.words import PAGE, by_key, in_pages
from flasktop.findings.words import endpoint_name, place_of, statement_words
from flasktop.protocol.records import STATEMENT
from flasktop.stats.columns import S_COUNT, S_ROWS
from flasktop.stats.views import QueryRow, StatementKey, StatementUse, TraceView
from flasktop.units import ms_unit

NAME: Final = "unbounded-result"

ROWS: Final = Threshold(f"{NAME}.rows", 1000, "Rows that a statement without a LIMIT fetches each time")

EARLY: Final = 0.5
"""Where the first byte comes in this part of the time, the rows are sent as they are fetched."""

MOST: Final = 20
"""Statements whose texts are looked at: those that take the most time."""


def check(facts: Facts) -> Iterator[Finding | Need]:
    """The statements that fetch many rows each time."""
    least = facts.limit(ROWS)

    def many(key: StatementKey, sums: Sequence[int]) -> bool:
        often = sums[S_COUNT] >= ENOUGH and sums[S_ROWS] >= least * sums[S_COUNT]
        return often and key.kind == STATEMENT and not key.relationship

    for row in facts.queries(many)[:MOST]:
        need = ShapeNeed(row.key.text, row.dialect)
        shape = facts.known(need, Shape)
        if shape is None:
            yield need
        elif isinstance(shape, Shape) and extent(shape) is Extent.NOTHING:
            yield from _finding(facts, row, shape)


def _finding(facts: Facts, row: QueryRow, shape: Shape) -> Iterator[Finding]:
    """One for the endpoint that runs it most; a task or a shell that reads everything has none."""
    detail = facts.statement(row.key)
    uses: tuple[StatementUse, ...] = detail.endpoints if detail is not None else ()
    use = next((use for use in uses if use.endpoint_key is not None), None)
    if use is None or use.endpoint_key is None or _streams(facts.traces(use.endpoint_key), row.key):
        return
    key, rows = row.key, row.rows / row.count
    # Where the rows are fetched is what the rule sees; making objects and text of them costs more still.
    saves = max(0.0, (row.mean_ms or 0.0) * (1 - PAGE / rows))
    share = saves / 1000 * row.rate
    where = f" at {place_of(key)}" if key.file else ""
    scope = shape.outermost
    paged = by_key(scope)
    yield Finding(
        rule=NAME,
        severity=severity_of(saves, share),
        subject=use.endpoint_key,
        title=f"{endpoint_name(use.endpoint_key)} fetches {rows:,.0f} rows with one statement that has no LIMIT",
        evidence=(
            f"{statement_words(key)}{where} returned {rows:,.0f} rows each time (mean of {row.count:,} runs).",
            f"Each took {ms_unit(row.mean_ms or 0.0)}, {ms_unit(row.fetch_ms)} of them fetching; what the app makes of "
            "the rows comes on top.",
        ),
        fix=Fix(
            f"Return a page at a time{f'; by the last key seen, late pages are as fast: {paged}' if paged else ''}. "
            "Where all rows are needed, stream them (yield_per).",
            in_pages(scope),
            file=key.file,
            line=key.line,
        ),
        endpoint=use.endpoint_key,
        saves_ms=saves,
        saves_share=share,
        concerns=(use.endpoint_key, key),
        about=key,
    )


def _streams(traces: tuple[TraceView, ...], key: StatementKey) -> bool:
    """Whether the rows leave as they come: most answers began in the first half of the time from the statement on."""
    early = [
        trace.first_byte_ms is not None
        and trace.first_byte_ms - span.start_ms < (trace.duration_ms - span.start_ms) * EARLY
        for trace in traces
        for span in trace.spans
        if span.statement == key
    ]
    return sum(early) * 2 > len(early)


RULE: Final = Rule(
    NAME,
    check,
    looks_for="A SELECT without LIMIT that fetches a thousand rows and more each time an endpoint runs it.",
    wrong_when=(
        "Where an endpoint is an export, and all rows are what is asked for. Silent on purpose: aggregates, look-ups "
        "by key or by a list of keys, lazy and batched loads, answers that are streamed while the rows come, and what "
        "no request runs."
    ),
    thresholds=(ROWS,),
)
