"""1 Endpoints: which are slow, and where their time goes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual.binding import BindingType
from textual.screen import Screen

from flasktop.protocol.records import STATEMENT
from flasktop.stats.statements import summary
from flasktop.stats.views import EndpointDetail, EndpointRow, StatementUse, TraceView, Window
from flasktop.steps import Steps
from flasktop.tui.columns import Column
from flasktop.tui.draw.distribution import distribution, peak
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.source import place
from flasktop.tui.draw.split import ALL_PARTS, names, split_bar
from flasktop.tui.draw.sql import one_line
from flasktop.tui.draw.text import fit, left, line, right
from flasktop.tui.draw.trend import trend
from flasktop.tui.feed import Feed
from flasktop.tui.keys import Scope, bindings
from flasktop.tui.panels.base import ListPanel
from flasktop.tui.panels.cells import NOTABLE_SHARE, cell, directory, error_share, latency, number, share
from flasktop.tui.thresholds import LATENCY_MS, STATEMENTS
from flasktop.tui.widgets.preview import Drawing, beside
from flasktop.units import clock, count, mean_count, ms, ms_unit, percent, rate

NOTABLE = 0.2
"""The share of a request's time from which on one statement stands out."""


def _route(row: EndpointRow, width: int, palette: Palette) -> Text:
    return cell(row.key.route, palette.strong if row.share >= NOTABLE_SHARE else palette.text)


def _statements(row: EndpointRow, width: int, palette: Palette) -> Text:
    text = mean_count(row.sql_per_request, quiet=True)
    many = row.sql_per_request >= STATEMENTS[0]
    return cell(text, palette.threshold(row.sql_per_request, *STATEMENTS)) if many else number(text, palette)


COLUMNS: tuple[Column[EndpointRow], ...] = (
    Column(
        "app", "APP", 8, 0, lambda row, width, palette: cell(row.key.app, palette.dim),
        lambda row: row.key.app, "The Flask app, where the workers hold several", right=False, descending=False,
        grow=1, widest=16,
    ),
    Column(
        "method", "METHOD", 6, 0, lambda row, width, palette: cell(row.key.method, palette.dim),
        lambda row: row.key.method, "HTTP method", right=False, descending=False, short="METH",
    ),
    Column(
        "route", "ROUTE", 18, 0, _route,
        lambda row: row.key.route, "URL rule", right=False, descending=False, grow=3, widest=44, good=26,
    ),
    Column(
        "rate", "REQ/S", 6, 1, lambda row, width, palette: number(rate(row.rate, quiet=True), palette),
        lambda row: row.rate, "Requests a second",
    ),
    Column(
        "p50", "p50 ms", 6, 2, lambda row, width, palette: latency(row.p50_ms, palette),
        lambda row: row.p50_ms, "Half of the requests were faster", short="p50",
    ),
    Column(
        "p95", "p95 ms", 6, 0, lambda row, width, palette: latency(row.p95_ms, palette),
        lambda row: row.p95_ms, "95 of 100 requests were faster", short="p95",
    ),
    Column(
        "p99", "p99 ms", 6, 3, lambda row, width, palette: latency(row.p99_ms, palette),
        lambda row: row.p99_ms, "99 of 100 requests were faster", short="p99",
    ),
    Column(
        "max", "max ms", 6, 4, lambda row, width, palette: latency(row.max_ms, palette),
        lambda row: row.max_ms, "The slowest request", short="max",
    ),
    Column(
        "errors", "ERR %", 5, 1, lambda row, width, palette: error_share(row.errors, row.count, palette),
        lambda row: row.errors / row.count if row.count else 0.0,
        "Status 500 or more, or an exception that left the app",
        short="ERR",
    ),
    Column(
        "sql", "SQL/req", 7, 2, _statements, lambda row: row.sql_per_request, "SQL statements a request", short="SQL/r",
    ),
    Column(
        "sql_ms", "SQL ms", 6, 6, lambda row, width, palette: number(ms(row.sql_ms, quiet=True), palette),
        lambda row: row.sql_ms, "Time in the database a request: execute, fetch, commit, connect", short="SQL",
    ),
    Column(
        "cpu", "CPU ms", 6, 7, lambda row, width, palette: number(ms(row.cpu_ms, quiet=True), palette),
        lambda row: row.cpu_ms, "CPU time of the thread a request; – where it cannot be known", short="CPU",
    ),
    Column(
        "wait", "WAIT ms", 7, 7, lambda row, width, palette: number(ms(row.wait_ms, quiet=True), palette),
        lambda row: row.wait_ms, "Neither in SQL nor on the CPU, a request", short="WAIT",
    ),
    Column(
        "split", "WHERE THE TIME GOES", 14, 5, lambda row, width, palette: split_bar(row.split, width, palette),
        lambda row: row.split.wall * row.count, ALL_PARTS, right=False, short="TIME SPLIT",
        grow=2, widest=30, good=14,
    ),
    Column(
        "share", "SHARE", 6, 1, lambda row, width, palette: share(row.share, palette),
        lambda row: row.share, "Its part of the time of all requests",
    ),
    Column(
        "trend", "TREND", 8, 6, lambda row, width, palette: trend(row.trend, width, palette.unknown),
        lambda row: row.trend[-1] if row.trend else None, "Requests a second over the window", right=False, grow=1,
        widest=20,
    ),
)  # fmt: skip


class EndpointsPanel(ListPanel[EndpointRow]):
    """The first screen."""

    panel: ClassVar[str] = "endpoints"
    digit: ClassVar[str] = "1"
    title: ClassVar[str] = "Endpoints"
    scope: ClassVar[Scope] = "endpoints"
    default_sort: ClassVar[str] = "share"
    columns: ClassVar[Sequence[Column[Any]]] = COLUMNS
    BINDINGS: ClassVar[list[BindingType]] = bindings("endpoints")

    _several = False

    def reading(self, feed: Feed) -> Steps[None]:
        yield from feed.store.reading_endpoints(feed.now(), feed.window, app=feed.app, worker=feed.worker)
        yield from self.drawing(feed)

    def rows(self, feed: Feed) -> Sequence[EndpointRow]:
        rows = feed.store.endpoints(feed.now(), feed.window, app=feed.app, worker=feed.worker)
        self._several = len({row.key.app for row in rows}) > 1
        return rows

    @property
    def offered_columns(self) -> Sequence[Column[EndpointRow]]:
        """All; the app only where there are several."""
        return [column for column in self.columns if self._several or column.name != "app"]

    def key(self, row: EndpointRow) -> Hashable:
        return row.key

    def text(self, row: EndpointRow) -> str:
        return f"{row.key.app} {row.key.method} {row.key.route} {row.endpoint}"

    def copied(self, row: EndpointRow) -> str:
        return f"{row.key.method} {row.key.route}"

    def opened(self, row: EndpointRow) -> Screen[None]:
        from flasktop.tui.detail.endpoint import EndpointScreen

        return EndpointScreen(row.key)

    def action_profile(self) -> None:
        """Sample the requests of the selected endpoint."""
        from flasktop.tui.detail.profile import ProfileScreen

        row = self.selected
        if row is not None:
            self.table.select(self.table.selected_key)
            self.app.push_screen(ProfileScreen(row.key))

    def nothing(self, window: Window) -> str:
        if window is Window.ALL:
            return "No request yet."
        return f"No request in the last {window.label}.\nw shows a longer window"

    def preview(self, row: EndpointRow, feed: Feed) -> Drawing | None:
        detail = feed.store.endpoint(row.key, feed.now(), feed.window, worker=feed.worker)
        if detail is None:
            return None
        root = directory(feed)
        return lambda width, height, palette: _draw(detail, root, width, height, palette)


def _draw(detail: EndpointDetail, root: str, width: int, height: int, palette: Palette) -> list[Text]:
    """The slowest requests beside (or above) its statements and, where there is room, its latencies."""
    if width < 106:
        below = min(len(detail.statements), height // 2 - 1) + 1
        lines = _slowest(detail, width, max(2, height - below - 1), palette)
        return [*lines, line(), *_used(detail.statements, root, width, height - len(lines) - 1, palette)]
    at = min(92, width * 45 // 100)
    right_width = width - at - 4
    used = _used(detail.statements, root, right_width, height if height < 14 else height - 8, palette)
    if height >= 14:
        used += [line()] * (height - 7 - len(used)) + _latencies(detail, right_width, 7, palette)
    return beside(_slowest(detail, at, height, palette), used, at + 4)


def _latencies(detail: EndpointDetail, width: int, height: int, palette: Palette) -> list[Text]:
    row = detail.row
    marks = {"p50": row.p50_ms, "p95": row.p95_ms, "p99": row.p99_ms}
    head = line(("latency", palette.strong), (f"  {peak(detail.distribution)}", palette.dim))
    return [head, *distribution(detail.distribution, min(width, 100), height - 1, palette, marks)]


def _slowest(detail: EndpointDetail, width: int, height: int, palette: Palette) -> list[Text]:
    traces = detail.slowest[: max(0, height - 1)]
    key = detail.row.key
    told = f"{len(traces)} slowest of {count(detail.row.count)}" if traces else "no request in detail"
    name = fit(f"{key.method} {key.route}", width - len(told) - 2)
    head = line((name, palette.strong), "  ", (told, palette.dim))
    parts = names(palette, (trace.split for trace in traces))
    if head.cell_len + 3 + parts.cell_len <= width:
        head.append(" " * (width - head.cell_len - parts.cell_len))
        head.append_text(parts)
    scale = max((trace.duration_ms for trace in traces), default=0.0)
    return [head, *(_slow_line(trace, scale, width, palette) for trace in traces)]


def _slow_line(trace: TraceView, scale: float, width: int, palette: Palette) -> Text:
    bar = max(8, width - 34)
    return line(
        (clock(trace.at), palette.dim),
        (right(ms_unit(trace.duration_ms), 9), palette.threshold(trace.duration_ms, *LATENCY_MS)),
        (right(str(trace.status or "–"), 5), palette.bad if trace.is_error else palette.dim),
        (right(mean_count(trace.statements, quiet=True), 6), palette.text),
        (" SQL  ", palette.dim),
        split_bar(trace.split, bar, palette, scale_ms=scale),
    )


def _used(uses: Sequence[StatementUse], root: str, width: int, height: int, palette: Palette) -> list[Text]:
    if height < 2:
        return []
    if not uses:
        return [line(("no SQL in this window", palette.dim))]
    head = line(("its statements", palette.strong), ("  times a request, mean, share of its time", palette.dim))
    if width >= 96:
        where = max(len(_place(use, root, 30)) for use in uses)
        return [head, *(_use_line(use, root, where, width, palette) for use in uses[: height - 1])]
    pairs = [_use_pair(use, root, width, palette) for use in uses[: (height - 1) // 2]]
    return [head, *(each for pair in pairs for each in pair)]


def _use_line(use: StatementUse, root: str, where: int, width: int, palette: Palette) -> Text:
    """``101×  2.0 ms  62 %  lazy Order.items  shop/views.py:88  SELECT …``: what is long comes last."""
    made = line(_figures(use, palette), (left(_place(use, root, where), where), palette.dim), "  ", _lazy(use, palette))
    return line(made, _short(use, width - made.cell_len, palette))


def _use_pair(use: StatementUse, root: str, width: int, palette: Palette) -> tuple[Text, Text]:
    """The same in two lines: figures and place, and below them the statement."""
    first = line(_figures(use, palette), _lazy(use, palette))
    first.append(_place(use, root, max(12, width - first.cell_len)), palette.dim)
    return first, line(" " * 9, _short(use, width - 9, palette))


def _figures(use: StatementUse, palette: Palette) -> Text:
    many = use.per_request >= STATEMENTS[0]
    return line(
        (right(f"{mean_count(use.per_request)}×", 7), palette.warn if many else palette.text),
        (right(ms_unit(use.mean_ms), 9), palette.text),
        (right(f"{percent(use.share)} %", 8), palette.strong if use.share >= NOTABLE else palette.dim),
        "  ",
    )


def _place(use: StatementUse, root: str, width: int) -> str:
    return place(use.statement.file, use.statement.line, root, width) or "–"


def _lazy(use: StatementUse, palette: Palette) -> Text:
    relationship = use.statement.relationship
    return line((f"lazy {relationship}  ", palette.wait)) if relationship else line()


def _short(use: StatementUse, width: int, palette: Palette) -> Text:
    if use.statement.kind != STATEMENT:
        return line((f"◆ {fit(summary(use.statement.text), width - 2)}", palette.of_kind(use.statement.kind)))
    return one_line(use.statement.text, max(0, width))
