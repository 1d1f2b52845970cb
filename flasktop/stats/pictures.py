"""Rows as they are shown: sums in, frozen view models out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType

from flasktop.stats.columns import (
    BYTES,
    COUNT,
    CPU,
    CPU_KNOWN,
    DURATION,
    ERRORS,
    EXECUTE,
    FETCH,
    FIRST_BYTE,
    FIRST_BYTE_KNOWN,
    OTHER,
    ROWS,
    S_COUNT,
    S_ERRORS,
    S_EXECUTE,
    S_FETCH,
    S_ROWS,
    STATEMENTS,
    WAIT,
)
from flasktop.stats.histogram import Histogram, bounds
from flasktop.stats.latencies import Latencies
from flasktop.stats.rows import parts_of
from flasktop.stats.selection import Selection
from flasktop.stats.split import phases_of, split_of
from flasktop.stats.trends import TrendWindow
from flasktop.stats.views import Bar, EndpointRow, QueryRow, StatementKey, StatementUse
from flasktop.steps import Steps

_MAX_BARS = 24

AT_ONCE = 100
"""So many rows are made in a step: 2 ms."""


def endpoint_rows(selection: Selection) -> Steps[tuple[EndpointRow, ...]]:
    """Return the rows of endpoints, the most total time first; made in steps, of the moment of the first."""
    total = sum(sums[DURATION] for sums in selection.endpoints.values())
    ordered = sorted(selection.endpoints.items(), key=lambda item: (-item[1][DURATION], item[0]))
    trend_of = _trends(selection.endpoint_trend)
    latencies = {row: _latencies(selection, row) for row in selection.endpoints}  # distributions go on with time
    _ = selection.statuses  # read now, and kept
    rows: list[EndpointRow] = []
    for start in range(0, len(ordered), AT_ONCE):
        yield
        part = ordered[start : start + AT_ONCE]
        rows += [endpoint_row(selection, row, sums, total, latencies[row], trend_of(row)) for row, sums in part]
    return tuple(rows)


def endpoint_row(
    selection: Selection,
    row: int,
    sums: Sequence[int],
    total_us: int,
    latencies: Latencies | None = None,
    trend: tuple[float, ...] | None = None,
) -> EndpointRow:
    """Return one row; ``total_us`` is the time of all endpoints, ``latencies`` and ``trend`` its own where they are
    known already."""
    info = selection.rows.endpoints[row]
    count = sums[COUNT]
    return EndpointRow(
        key=info.key,
        endpoint=info.endpoint,
        count=count,
        errors=sums[ERRORS],
        rate=count / selection.seconds,
        mean_ms=_mean(sums[DURATION], count),
        latencies=_latencies(selection, row) if latencies is None else latencies,
        first_byte_ms=_mean(sums[FIRST_BYTE], sums[FIRST_BYTE_KNOWN]),
        sql_per_request=sums[STATEMENTS] / count,
        rows_per_request=sums[ROWS] / count,
        sql_ms=(sums[EXECUTE] + sums[FETCH] + sums[OTHER]) / count / 1_000,
        fetch_ms=sums[FETCH] / count / 1_000,
        cpu_ms=_mean(sums[CPU], sums[CPU_KNOWN]),
        wait_ms=_mean(sums[WAIT], sums[CPU_KNOWN]),
        bytes_per_request=sums[BYTES] / count,
        share=sums[DURATION] / total_us if total_us else 0.0,
        split=split_of(sums),
        phases=phases_of(sums),
        statuses=MappingProxyType(dict(sorted(selection.statuses.get(row, {}).items()))),
        trend=selection.endpoint_trend.of(row) if trend is None else trend,
    )


def _latencies(selection: Selection, row: int) -> Latencies:
    return Latencies(selection.hists.get(row), selection.maxima.get(row, 0))


Wanted = Callable[[StatementKey, Sequence[int]], bool]
"""Chooses statements by their key and their sums (``stats.columns``), before rows are made of them."""


def query_rows(selection: Selection, wanted: Wanted | None = None) -> Steps[tuple[QueryRow, ...]]:
    """Return the rows of queries (those that are ``wanted``), the most total time first; made in steps, of the moment
    of the first (trends and who ran them: of the next)."""
    total, infos = _statement_time(selection), selection.rows.statements
    chosen = [
        (row, sums) for row, sums in selection.statements.items() if wanted is None or wanted(infos[row].key, sums)
    ]
    chosen.sort(key=lambda item: (-_time(item[1]), item[0]))
    if wanted is not None:  # few, or none: then nobody need put the trends together
        return tuple([query_row(selection, row, sums, total) for row, sums in chosen])
    hists = selection.statement_hists
    latencies = [Latencies(hists.get(row)) for row, _ in chosen]  # distributions go on with time
    yield
    trend_of = _trends(selection.statement_trend)
    yield
    _ = selection.ran_by  # read now, and kept
    rows: list[QueryRow] = []
    for start in range(0, len(chosen), AT_ONCE):
        yield
        part = zip(chosen[start : start + AT_ONCE], latencies[start : start + AT_ONCE], strict=True)
        rows += [query_row(selection, row, sums, total, known, trend_of(row)) for (row, sums), known in part]
    return tuple(rows)


def _trends(window: TrendWindow) -> Callable[[int], tuple[float, ...]]:
    """The trend by row, for who asks for nearly all."""
    table, none = window.table(), window.none
    return lambda row: table[row] if row < len(table) else none


def query_row(
    selection: Selection,
    row: int,
    sums: Sequence[int],
    total_us: int,
    latencies: Latencies | None = None,
    trend: tuple[float, ...] | None = None,
) -> QueryRow:
    """Return one row; ``total_us`` is the time of all statements, ``latencies`` and ``trend`` its own where they are
    known already."""
    info = selection.rows.statements[row]
    count, time = sums[S_COUNT], _time(sums)
    return QueryRow(
        key=info.key,
        dialect=info.dialect,
        function=info.function,
        count=count,
        errors=sums[S_ERRORS],
        rate=count / selection.seconds,
        rows=sums[S_ROWS],
        mean_ms=_mean(time, count),
        latencies=Latencies(selection.statement_hists.get(row)) if latencies is None else latencies,
        total_ms=time / 1_000,
        fetch_ms=sums[S_FETCH] / count / 1_000,
        fetch_share=sums[S_FETCH] / time if time else 0.0,
        share=time / total_us if total_us else 0.0,
        endpoints=tuple(dict.fromkeys(selection.endpoint_label(e) for e in selection.ran_by.get(row, ()))),
        trend=selection.statement_trend.of(row) if trend is None else trend,
    )


Uses = Sequence[tuple[tuple[int, int], list[int]]]
"""Sums of pairs of an endpoint row and a statement row."""


def all_uses(selection: Selection) -> Uses:
    """Return the sums of every pair of a selection."""
    return [(parts_of(pair), use) for pair, use in selection.uses.items()]


def uses_of_endpoint(selection: Selection, row: int, sums: Sequence[int], uses: Uses) -> tuple[StatementUse, ...]:
    """Return the statements of an endpoint among ``uses``, the most total time first; shares are of its wall time."""
    found = [
        _use(selection, endpoint, statement, use, sums[COUNT], sums[DURATION])
        for (endpoint, statement), use in uses
        if endpoint == row
    ]
    return tuple(sorted(found, key=lambda use: -use.total_ms))


def uses_of_statement(selection: Selection, row: int, uses: Uses) -> tuple[StatementUse, ...]:
    """Return the endpoints among ``uses`` that run a statement, the most calls first; shares are of its time."""
    pairs = [(endpoint, use) for (endpoint, statement), use in uses if statement == row]
    total = sum(_time(use) for _, use in pairs)
    found = [
        _use(selection, endpoint, row, use, selection.endpoints.get(endpoint, (0,))[COUNT], total)
        for endpoint, use in pairs
    ]
    return tuple(sorted(found, key=lambda use: -use.count))


def bars(hist: Histogram | None) -> tuple[Bar, ...]:
    """Return a distribution as adjoining bars on a logarithmic axis, gaps included."""
    if hist is None or not hist.total:
        return ()
    items = list(hist.items())
    lowest, highest = items[0][0], items[-1][0]
    shift = 4
    while (highest >> shift) - (lowest >> shift) >= _MAX_BARS:
        shift += 1
    counts: dict[int, int] = {}
    for index, count in items:
        counts[index >> shift] = counts.get(index >> shift, 0) + count
    return tuple(
        Bar(bounds(bar << shift)[0] / 1_000, bounds((bar + 1) << shift)[0] / 1_000, counts.get(bar, 0))
        for bar in range(lowest >> shift, (highest >> shift) + 1)
    )


def _use(
    selection: Selection, endpoint: int, statement: int, sums: Sequence[int], requests: int, total_us: int
) -> StatementUse:
    info = selection.rows.statements[statement]
    count, time = sums[S_COUNT], _time(sums)
    return StatementUse(
        endpoint=selection.endpoint_label(endpoint),
        endpoint_key=selection.rows.endpoints[endpoint].key if endpoint >= 0 else None,
        statement=info.key,
        dialect=info.dialect,
        function=info.function,
        count=count,
        per_request=count / requests if requests else 0.0,
        mean_ms=time / count / 1_000 if count else 0.0,
        total_ms=time / 1_000,
        rows=sums[S_ROWS],
        share=time / total_us if total_us else 0.0,
    )


def _time(sums: Sequence[int]) -> int:
    return sums[S_EXECUTE] + sums[S_FETCH]


def _statement_time(selection: Selection) -> int:
    return sum(_time(sums) for sums in selection.statements.values())


def _mean(total_us: int, count: int) -> float | None:
    return total_us / count / 1_000 if count else None
