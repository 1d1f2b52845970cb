"""The lists that the drill-down screens share: requests, statements, endpoints."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from rich.text import Text

from flasktop.stats.views import StatementUse, TraceView
from flasktop.tui.columns import Column
from flasktop.tui.detail.context import Context
from flasktop.tui.detail.grid import column, grid
from flasktop.tui.detail.page import BLANK, Line
from flasktop.tui.detail.words import relation, status_text
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.source import place
from flasktop.tui.draw.split import split_bar
from flasktop.tui.draw.sql import one_line
from flasktop.tui.draw.text import fit, line, safe
from flasktop.tui.thresholds import LATENCY_MS, STATEMENT_MS, STATEMENTS
from flasktop.units import clock, count, mean_count, ms, percent, plural

_Row = TypeVar("_Row")

ROOMY = 30
"""Lines from which on a list's title has a line of its own."""

MORE = "more"
"""The first part of the key of a line that unfolds the rest of its list."""


def requests(
    section: str, title: str, note: str, traces: Sequence[TraceView], context: Context, limit: int
) -> list[Line]:
    """A list of requests."""
    palette = context.palette
    longest = max((trace.duration_ms for trace in traces), default=0.0)
    shown = _limited(traces, section, _trace_key, context, limit)
    lines = grid(
        shown,
        _request_columns(longest),
        context.width,
        palette,
        title=title,
        note=note,
        roomy=context.height >= ROOMY,
        section=section,
        key=_trace_key,
    )
    return [*lines, *_rest(len(traces) - len(shown), "request", section, palette)]


def statements(
    section: str, title: str, note: str, uses: Sequence[StatementUse], context: Context, limit: int
) -> list[Line]:
    """The statements of an endpoint, the dearest first."""
    palette = context.palette
    shown = _limited(uses, section, _statement_key, context, limit)
    lines = grid(
        shown,
        _statement_columns(context),
        context.width,
        palette,
        title=title,
        note=note,
        roomy=context.height >= ROOMY,
        section=section,
        key=_statement_key,
    )
    return [*lines, *_rest(len(uses) - len(shown), "statement", section, palette)]


def endpoints(section: str, title: str, uses: Sequence[StatementUse], context: Context, limit: int) -> list[Line]:
    """The endpoints that run a statement."""
    palette = context.palette
    shown = _limited(uses, section, _endpoint_key, context, limit)
    lines = grid(
        shown,
        _ENDPOINT_COLUMNS,
        context.width,
        palette,
        title=title,
        note="",
        roomy=context.height >= ROOMY,
        section=section,
        key=_endpoint_key,
    )
    return [*lines, *_rest(len(uses) - len(shown), "endpoint", section, palette)]


def sections(*lists: Sequence[Line]) -> list[Line]:
    """``lists`` below each other with a blank line between; empty ones leave none."""
    made: list[Line] = []
    for each in lists:
        if not each:
            continue
        if made:
            made.append(BLANK)
        made += each
    return made


def plain(texts: Sequence[Text]) -> list[Line]:
    """Lines that cannot be selected."""
    return [Line(text) for text in texts]


def more_key(section: str) -> Hashable:
    """The key of the line that unfolds ``section``."""
    return (MORE, section)


def _trace_key(trace: TraceView) -> Hashable:
    return trace.id


def _statement_key(use: StatementUse) -> Hashable:
    return use.statement


def _endpoint_key(use: StatementUse) -> Hashable:
    return use.endpoint_key or use.endpoint


def _limited(
    rows: Sequence[_Row], section: str, key: Callable[[_Row], Hashable], context: Context, limit: int
) -> Sequence[_Row]:
    """The first ``limit`` rows, or as many as it takes to keep the selected one; one more is no reason to fold."""
    if more_key(section) in context.opened:
        return rows
    selected = next((i for i, row in enumerate(rows) if (section, key(row)) == context.selected), -1)
    limit = max(limit, selected + 1)
    return rows if len(rows) <= limit + 1 else rows[:limit]


def _rest(number: int, noun: str, section: str, palette: Palette) -> list[Line]:
    if number <= 0:
        return []
    text = line((f"… {plural(number, f'more {noun}')}", palette.dim), (" ↵", palette.accent))
    return [Line(text, more_key(section), section)]


def _request_columns(longest: float) -> list[Column[TraceView]]:
    def bar(trace: TraceView, width: int, palette: Palette) -> Text:
        return split_bar(trace.split, width, palette, scale_ms=longest)

    return [
        column("time", 8, 0, lambda t, w, p: line((clock(t.at), p.text)), right=False),
        column("ms", 6, 0, lambda t, w, p: line((ms(t.duration_ms), p.threshold(t.duration_ms, *LATENCY_MS)))),
        column("status", 6, 0, lambda t, w, p: status_text(t, p)),
        column("SQL", 5, 0, lambda t, w, p: _number(t.statements, STATEMENTS, p)),
        column("where the time went", 14, 0, bar, right=False, grow=1, widest=60),
        column("worker", 7, 4, lambda t, w, p: line((str(t.id.worker.pid), p.dim))),
        column("path", 16, 2, _path, right=False, grow=2, widest=300),
    ]


def _path(trace: TraceView, width: int, palette: Palette) -> Text:
    made = line()
    if trace.error:
        made.append(f"{safe(trace.error)} ", palette.bad if trace.is_error else palette.warn)
    if trace.closed_early:
        made.append("closed early ", palette.warn)
    made.append(fit(safe(trace.path), max(0, width - made.cell_len)), palette.dim)
    return made


def _statement_columns(context: Context) -> list[Column[StatementUse]]:
    def source(use: StatementUse, width: int, palette: Palette) -> Text:
        key = use.statement
        return line((place(key.file, key.line, context.directory, width), palette.dim))

    return [
        column("×/req", 6, 0, lambda u, w, p: line((_times(u.per_request), p.threshold(u.per_request, *STATEMENTS)))),
        column("mean", 5, 1, lambda u, w, p: line((ms(u.mean_ms), p.threshold(u.mean_ms, *STATEMENT_MS)))),
        column("total", 6, 0, lambda u, w, p: line((ms(u.total_ms), p.text))),
        column("share", 5, 4, lambda u, w, p: line((f"{percent(u.share)}%", p.dim))),
        column("rows", 5, 3, lambda u, w, p: line((count(u.rows, quiet=True), p.dim))),
        column(
            "statement",
            34,
            0,
            lambda u, w, p: line((one_line(u.statement.text, w).plain, p.text)),
            right=False,
            grow=3,
            widest=110,
        ),
        column("source", 16, 1, source, right=False, grow=1, widest=40),
        column("relationship", 16, 2, lambda u, w, p: relation(u.statement, p), right=False, grow=1, widest=30),
    ]


_ENDPOINT_COLUMNS: list[Column[StatementUse]] = [
    column("calls", 6, 0, lambda u, w, p: line((count(u.count), p.text))),
    column("×/req", 6, 0, lambda u, w, p: _per_request(u, p)),
    column("mean", 5, 1, lambda u, w, p: line((ms(u.mean_ms), p.threshold(u.mean_ms, *STATEMENT_MS)))),
    column("total", 6, 0, lambda u, w, p: line((ms(u.total_ms), p.text))),
    column("share", 5, 2, lambda u, w, p: line((f"{percent(u.share)}%", p.dim))),
    column("endpoint", 20, 0, lambda u, w, p: _endpoint(u, w, p), right=False, grow=1, widest=200),
]


def _endpoint(use: StatementUse, width: int, palette: Palette) -> Text:
    return line((fit(safe(use.endpoint), width), palette.strong if use.endpoint_key else palette.dim))


def _per_request(use: StatementUse, palette: Palette) -> Text:
    if use.endpoint_key is None:
        return line(("–", palette.dim))
    return line((_times(use.per_request), palette.threshold(use.per_request, *STATEMENTS)))


def _times(per_request: float) -> str:
    return f"{mean_count(per_request)}×"


def _number(value: int, limits: tuple[float, float], palette: Palette) -> Text:
    return line((count(value, quiet=True), palette.threshold(value, *limits) if value else palette.dim))
