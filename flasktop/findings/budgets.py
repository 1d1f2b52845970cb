"""Rules that a person states in numbers: how slow an endpoint may be, and how many statements it may run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flasktop.findings.facts import Facts
from flasktop.findings.model import Finding, Fix, Rule, Severity
from flasktop.findings.words import endpoint_name
from flasktop.stats.views import EndpointRow
from flasktop.units import ms_unit, percent

MAX_P95: Final = "max-p95"
MAX_QUERIES: Final = "max-queries"


def slower_than(limit_ms: float) -> Rule:
    """A rule that finds endpoints whose 95th percentile is above ``limit_ms``."""

    def check(facts: Facts) -> Iterator[Finding]:
        for row in facts.endpoints():
            if row.p95_ms is not None and row.p95_ms > limit_ms:
                yield _over(
                    MAX_P95,
                    row,
                    f"{endpoint_name(row.key)} has a p95 of {ms_unit(row.p95_ms)}, above {ms_unit(limit_ms)}",
                    f"{row.count:,} requests: p50 {ms_unit(row.p50_ms)}, p95 {ms_unit(row.p95_ms)}, "
                    f"largest {ms_unit(row.max_ms)}; {_where(row)}.",
                    "Look where its time goes: flasktop attach, then Enter on the endpoint.",
                )

    return Rule(MAX_P95, check, f"Endpoints with a p95 above {ms_unit(limit_ms)}.", "With few requests.")


def more_statements_than(limit: int) -> Rule:
    """A rule that finds endpoints of which a kept request ran more than ``limit`` statements."""

    def check(facts: Facts) -> Iterator[Finding]:
        for row in facts.endpoints():
            if not row.sql_per_request:
                continue
            most = max((trace.statements for trace in facts.traces(row.key)), default=0)
            if max(most, row.sql_per_request) > limit:
                yield _over(
                    MAX_QUERIES,
                    row,
                    f"{endpoint_name(row.key)} runs up to {most:,} statements in a request, more than {limit:,}",
                    f"{row.count:,} requests: {row.sql_per_request:,.1f} statements in the mean, {most:,} in the "
                    "largest that is kept.",
                    "Load together what is used together; fetch many rows with one statement.",
                )

    return Rule(MAX_QUERIES, check, f"Endpoints with more than {limit:,} statements in a request.", "Never: it counts.")


def _over(rule: str, row: EndpointRow, title: str, evidence: str, fix: str) -> Finding:
    return Finding(rule, Severity.WARNING, row.key, title, (evidence,), Fix(fix), endpoint=row.key, concerns=(row.key,))


def _where(row: EndpointRow) -> str:
    wall = row.mean_ms or 0.0
    return f"SQL takes {percent(row.sql_ms / wall if wall else 0.0)} % of it"
