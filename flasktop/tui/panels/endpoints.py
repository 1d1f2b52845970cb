"""1 Endpoints: which are slow, and where their time goes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual.screen import Screen

from flasktop.stats.views import EndpointDetail, EndpointRow, StatementUse, TraceView, Window
from flasktop.tui.columns import Column
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.source import place
from flasktop.tui.draw.split import legend, split_bar
from flasktop.tui.draw.sql import one_line, summary
from flasktop.tui.draw.text import fit, left, line, right
from flasktop.tui.draw.units import clock, count, mean_count, ms, ms_unit, rate
from flasktop.tui.feed import Feed
from flasktop.tui.keys import Scope
from flasktop.tui.panels.base import ListPanel
from flasktop.tui.panels.cells import NOTABLE_SHARE, cell, directory, error_share, latency, number, share, trend
from flasktop.tui.thresholds import STATEMENTS
from flasktop.tui.widgets.preview import Drawing, beside


def _route(row: EndpointRow, width: int, palette: Palette) -> Text:
    return cell(row.key.route, palette.strong if row.share >= NOTABLE_SHARE else palette.text)


def _statements(row: EndpointRow, width: int, palette: Palette) -> Text:
    text = mean_count(row.sql_per_request, quiet=True)
    many = row.sql_per_request >= STATEMENTS[0]
    return cell(text, palette.threshold(row.sql_per_request, *STATEMENTS)) if many else number(text, palette)


COLUMNS: tuple[Column[EndpointRow], ...] = (
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
        lambda row: row.split.wall * row.count, "SQL, fetch, commit, CPU, waiting", right=False, short="TIME GOES",
        grow=2, widest=30, good=19,
    ),
    Column(
        "share", "SHARE", 6, 1, lambda row, width, palette: share(row.share, palette),
        lambda row: row.share, "Its part of the time of all requests",
    ),
    Column(
        "trend", "TREND", 8, 6, lambda row, width, palette: trend(row.trend, width, palette.sql),
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

    def rows(self, feed: Feed) -> Sequence[EndpointRow]:
        return feed.store.endpoints(feed.now(), feed.window, app=feed.app, worker=feed.worker)

    def key(self, row: EndpointRow) -> Hashable:
        return row.key

    def text(self, row: EndpointRow) -> str:
        return f"{row.key.method} {row.key.route} {row.endpoint}"

    def copied(self, row: EndpointRow) -> str:
        return f"{row.key.method} {row.key.route}"

    def opened(self, row: EndpointRow) -> Screen[None]:
        from flasktop.tui.detail import EndpointScreen

        return EndpointScreen(row.key)

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
    if width < 106:
        slow = max(2, height - min(len(detail.statements), height // 2) - 3)
        lines = _slowest(detail, width, slow, palette)
        return [*lines, line(), *_used(detail.statements, root, width, height - len(lines) - 1, palette)]
    at = min(84, width * 45 // 100)
    used = _used(detail.statements, root, width - at - 4, height, palette)
    return beside(_slowest(detail, at, height, palette), used, at + 4)


def _slowest(detail: EndpointDetail, width: int, height: int, palette: Palette) -> list[Text]:
    traces = detail.slowest[: max(0, height - 1)]
    key = detail.row.key
    told = f"{len(traces)} slowest of {count(detail.row.count)}" if traces else "no request in detail"
    name = fit(f"{key.method} {key.route}", width - len(told) - 2)
    head = line((name, palette.strong), "  ", (told, palette.dim))
    names = legend(palette, None)
    if head.cell_len + 3 + names.cell_len <= width:
        head.append(" " * (width - head.cell_len - names.cell_len))
        head.append_text(names)
    scale = max((trace.duration_ms for trace in traces), default=0.0)
    return [head, *(_slow_line(trace, scale, width, palette) for trace in traces)]


def _slow_line(trace: TraceView, scale: float, width: int, palette: Palette) -> Text:
    bar = max(8, width - 33)
    status = palette.bad if trace.is_error else palette.dim
    return line(
        (clock(trace.at), palette.dim),
        (right(ms_unit(trace.duration_ms), 9), palette.threshold(trace.duration_ms, 100, 500)),
        (right(str(trace.status or "–"), 5), status),
        (right(mean_count(trace.statements, quiet=True), 6), palette.text),
        (" SQL  ", palette.dim),
        split_bar(trace.split, bar, palette, scale_ms=scale),
    )


def _used(uses: Sequence[StatementUse], root: str, width: int, height: int, palette: Palette) -> list[Text]:
    if height < 2:
        return []
    if not uses:
        return [line(("no SQL in this window", palette.dim))]
    head = line(("its statements", palette.strong), ("  a request, mean, share of its time", palette.dim))
    return [head, *(_use_line(use, root, width, palette) for use in uses[: height - 1])]


def _use_line(use: StatementUse, root: str, width: int, palette: Palette) -> Text:
    """``100.0×  4.1 ms  86 %  shop/views.py:88  SELECT …``: what is long comes last."""
    key = use.statement
    where = place(key.file, key.line, root, 26)
    lazy = f"lazy {key.relationship}  " if key.relationship else ""
    many = use.per_request >= STATEMENTS[0]
    made = line(
        (right(f"{mean_count(use.per_request)}×", 7), palette.warn if many else palette.text),
        (right(ms(use.mean_ms), 7), palette.text),
        (right(f"{use.share * 100:.0f} %", 7), palette.strong if use.share >= 0.2 else palette.dim),
        "  ",
        (left(where or "–", min(26, max(12, width // 4))), palette.dim),
        "  ",
        (lazy, palette.wait),
    )
    if key.kind != "statement":
        made.append(summary(key.text), palette.other)
        return made
    made.append_text(one_line(key.text, max(0, width - made.cell_len)))
    return made
