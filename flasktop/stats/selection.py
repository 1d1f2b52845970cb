"""The sums behind one picture: one window, of all workers or one, of all apps or one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flasktop.protocol.records import OUTSIDE_ROUTE
from flasktop.stats.columns import COUNT, STATEMENT_COLUMNS
from flasktop.stats.histogram import Histogram
from flasktop.stats.rows import OUTSIDE, Rows
from flasktop.stats.sums import Sums
from flasktop.stats.views import Window
from flasktop.stats.windows import TREND_POINTS, TREND_STEP, Merged, Rolling, TrendWindow


@dataclass(frozen=True, slots=True)
class Selection:
    """What rows are made of. ``seconds`` is the time that the counts cover. ``maxima`` (us) are known for ALL only;
    elsewhere the largest value is taken from the distribution. Distributions are empty where they are not known (a
    single worker's)."""

    rows: Rows
    seconds: float
    endpoints: Mapping[int, list[int]]
    statuses: Mapping[int, Mapping[int, int]]
    maxima: Mapping[int, int]
    statements: Mapping[int, list[int]]
    ran_by: Mapping[int, list[int]]
    uses: Mapping[int, list[int]]
    hists: Mapping[int, Histogram]
    statement_hists: Mapping[int, Histogram]
    apps: Mapping[str, Histogram]
    endpoint_trend: TrendWindow
    statement_trend: TrendWindow

    def endpoint_label(self, row: int) -> str:
        """Return how an endpoint row is named where a statement's endpoints are listed."""
        return OUTSIDE_ROUTE if row == OUTSIDE else self.rows.endpoints[row].label


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: ``since`` is where the data begins on the reader's clock."""

    now: float
    window: Window
    app: str | None
    seconds: float
    since: float


def select(
    rows: Rows, asked: Asked, rolling: Rolling, merged: Merged, shared: Merged | None, exact: Sums | None
) -> Selection:
    """Put together a selection of the sums ``merged`` and the distributions of ``shared``, where they are those of the
    selection; ``exact`` are the exact sums that ALL shows."""
    shared = shared or Merged(rows)
    uses = _uses_of(rows, merged.uses, asked.app)
    ran_by = _ran_by(rows, uses)
    endpoints: Mapping[int, list[int]] = merged.endpoints
    statuses: Mapping[int, Mapping[int, int]] = merged.statuses
    maxima: dict[int, int] = {}
    statements = _statements(rows, uses)
    if exact is not None:
        endpoints = {row: total.columns for row, total in exact.endpoints.items() if total.columns[COUNT] > 0}
        statuses = {row: total.statuses for row, total in exact.endpoints.items()}
        maxima = {row: total.max_us for row, total in exact.endpoints.items()}
        statements = {}
        for row, statement in exact.statements.items():
            ran = [e for e in statement.endpoints if asked.app is None or _is_of(rows, e, asked.app)]
            if statement.columns[COUNT] > 0 and (ran or asked.app is None or not statement.endpoints):
                statements[row] = statement.columns
                known = ran_by.setdefault(row, [])
                known.extend(sorted(set(ran) - set(known)))
    if asked.app is not None:
        endpoints = {row: sums for row, sums in endpoints.items() if rows.endpoints[row].key.app == asked.app}
    step, points = TREND_STEP[asked.window], TREND_POINTS[asked.window]
    return Selection(
        rows, asked.seconds, endpoints, statuses, maxima, statements, ran_by, uses,
        shared.hists, shared.statement_hists, shared.apps,
        rolling.endpoint_trends[step].window(asked.now, points, asked.since),
        rolling.statement_trends[step].window(asked.now, points, asked.since),
    )  # fmt: skip


def _is_of(rows: Rows, endpoint: int, app: str) -> bool:
    return endpoint == OUTSIDE or rows.endpoints[endpoint].key.app == app


def _uses_of(rows: Rows, uses: Mapping[int, list[int]], app: str | None) -> Mapping[int, list[int]]:
    if app is None:
        return uses
    return {pair: sums for pair, sums in uses.items() if _is_of(rows, rows.pairs[pair][0], app)}


def _ran_by(rows: Rows, uses: Mapping[int, list[int]]) -> dict[int, list[int]]:
    counted: dict[int, list[tuple[int, int]]] = {}
    for pair, sums in uses.items():
        endpoint, statement = rows.pairs[pair]
        counted.setdefault(statement, []).append((-sums[COUNT], endpoint))
    return {statement: [endpoint for _, endpoint in sorted(found)] for statement, found in counted.items()}


def _statements(rows: Rows, uses: Mapping[int, list[int]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for pair, sums in uses.items():
        statement = rows.pairs[pair][1]
        known = found.get(statement)
        if known is None:
            found[statement] = list(sums)
        else:
            for column in range(STATEMENT_COLUMNS):
                known[column] += sums[column]
    return found
