"""2 Queries: which statements cost, and which line runs them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual.binding import BindingType
from textual.screen import Screen

from flasktop.protocol.records import STATEMENT
from flasktop.stats.statements import summary
from flasktop.stats.views import QueryRow, Window
from flasktop.steps import Steps
from flasktop.tui.columns import Column
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.source import place, read_source, source_lines
from flasktop.tui.draw.sql import highlight, pretty
from flasktop.tui.draw.text import cut, fit, fit_left, line
from flasktop.tui.draw.trend import trend
from flasktop.tui.feed import Feed
from flasktop.tui.keys import Scope, bindings
from flasktop.tui.panels.base import ListPanel
from flasktop.tui.panels.cells import NOTABLE_SHARE, cell, directory, error_share, latency, number, share
from flasktop.tui.thresholds import STATEMENT_MS
from flasktop.tui.widgets.preview import Drawing, beside
from flasktop.units import count, ms, percent, plural, rate


def _statement(row: QueryRow, width: int, palette: Palette) -> Text:
    """The statement on one line; what is not a statement (COMMIT, connect) has its own colour and a mark."""
    style = palette.strong if row.share >= NOTABLE_SHARE else palette.text
    if row.key.kind != STATEMENT:
        return line((f"◆ {fit(summary(row.key.text), width - 2)}", palette.of_kind(row.key.kind)))
    lazy = f"  lazy {row.key.relationship}" if row.key.relationship else ""
    room = width - len(lazy) if width - len(lazy) >= 24 else width
    text = line((fit(summary(row.key.text), room), style))
    return line(text, (lazy, palette.wait)) if room < width else text


def _source(row: QueryRow, width: int, palette: Palette) -> Text:
    file = row.key.file.rsplit("/", 2)
    shown = "/".join(file[-2:]) if len(file) > 2 else row.key.file
    return cell(fit_left(f"{shown}:{row.key.line}", width) if row.key.file else "–", palette.dim)


def _endpoints(row: QueryRow, width: int, palette: Palette) -> Text:
    if not row.endpoints:
        return cell("–", palette.dim)
    more = f" +{len(row.endpoints) - 1}" if len(row.endpoints) > 1 else ""
    return cell(fit(row.endpoints[0], width - len(more)) + more, palette.dim)


COLUMNS: tuple[Column[QueryRow], ...] = (
    Column(
        "statement", "STATEMENT", 30, 0, _statement,
        lambda row: row.key.text, "The statement, literals masked", right=False, descending=False, grow=3, widest=90,
        good=40,
    ),
    Column(
        "source", "SOURCE", 15, 2, _source,
        lambda row: row.source, "The line of your own code that ran it", right=False, descending=False, grow=1,
        widest=26, good=18,
    ),
    Column(
        "calls", "CALLS", 6, 1, lambda row, width, palette: number(count(row.count, quiet=True), palette),
        lambda row: row.count, "How often it ran",
    ),
    Column(
        "rate", "PER S", 6, 5, lambda row, width, palette: number(rate(row.rate, quiet=True), palette),
        lambda row: row.rate, "Calls a second",
    ),
    Column(
        "mean", "MEAN ms", 7, 1, lambda row, width, palette: latency(row.mean_ms, palette, STATEMENT_MS),
        lambda row: row.mean_ms, "Execute and fetch, a call", short="MEAN",
    ),
    Column(
        "p95", "p95 ms", 6, 4, lambda row, width, palette: latency(row.p95_ms, palette, STATEMENT_MS),
        lambda row: row.p95_ms, "95 of 100 calls were faster", short="p95",
    ),
    Column(
        "total", "TOTAL", 6, 0, lambda row, width, palette: number(ms(row.total_ms, quiet=True), palette),
        lambda row: row.total_ms, "Execute and fetch of all calls",
    ),
    Column(
        "share", "SHARE", 6, 5, lambda row, width, palette: share(row.share, palette),
        lambda row: row.share, "Its part of the time of all statements",
    ),
    Column(
        "rows", "ROWS", 6, 2, lambda row, width, palette: number(count(row.rows, quiet=True), palette),
        lambda row: row.rows, "Rows fetched by all calls",
    ),
    Column(
        "fetch", "FETCH %", 7, 6, lambda row, width, palette: number(percent(row.fetch_share, quiet=True), palette),
        lambda row: row.fetch_share, "Fetching rows, as a part of its time", short="FETCH",
    ),
    Column(
        "errors", "ERR %", 5, 3, lambda row, width, palette: error_share(row.errors, row.count, palette),
        lambda row: row.errors / row.count if row.count else 0.0, "Calls that failed", short="ERR",
    ),
    Column(
        "endpoints", "ENDPOINTS", 18, 6, _endpoints,
        lambda row: row.endpoints[0] if row.endpoints else None, "Who runs it, most often first", right=False,
        descending=False, grow=1, widest=32,
    ),
    Column(
        "trend", "TREND", 8, 7, lambda row, width, palette: trend(row.trend, width, palette.unknown),
        lambda row: row.trend[-1] if row.trend else None, "Calls a second over the window", right=False, widest=14,
        grow=1,
    ),
)  # fmt: skip


class QueriesPanel(ListPanel[QueryRow]):
    """Statements over all endpoints, and those outside any request."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("queries")

    panel: ClassVar[str] = "queries"
    digit: ClassVar[str] = "2"
    title: ClassVar[str] = "Queries"
    scope: ClassVar[Scope] = "queries"
    default_sort: ClassVar[str] = "total"
    columns: ClassVar[Sequence[Column[Any]]] = COLUMNS

    def reading(self, feed: Feed) -> Steps[None]:
        yield from feed.store.reading_queries(feed.now(), feed.window, app=feed.app, worker=feed.worker)
        yield from self.drawing(feed)

    def rows(self, feed: Feed) -> Sequence[QueryRow]:
        return feed.store.queries(feed.now(), feed.window, app=feed.app, worker=feed.worker)

    def count(self, feed: Feed) -> int:
        return feed.store.statement_count(feed.now(), feed.window, app=feed.app, worker=feed.worker)

    def key(self, row: QueryRow) -> Hashable:
        return row.key

    def text(self, row: QueryRow) -> str:
        return " ".join((row.key.text, row.source, row.key.relationship, row.key.engine, *row.endpoints))

    def copied(self, row: QueryRow) -> str:
        return row.key.text

    def opened(self, row: QueryRow) -> Screen[None]:
        from flasktop.tui.detail.statement import StatementScreen

        return StatementScreen(row.key)

    def action_plan(self) -> None:
        from flasktop.tui.detail.routing import show_plan

        row = self.selected
        show_plan(self.flasktop, row.key if row is not None else None, self.table.keys)

    def nothing(self, window: Window) -> str:
        if window is Window.ALL:
            return "No SQL statement yet."
        return f"No SQL statement in the last {window.label}.\nw shows a longer window"

    def preview(self, row: QueryRow, feed: Feed) -> Drawing | None:
        root = directory(feed)
        return lambda width, height, palette: _draw(row, root, width, height, palette)


def _draw(row: QueryRow, root: str, width: int, height: int, palette: Palette) -> list[Text]:
    at = width // 2 if width >= 90 else width
    statement = _text(row, at - 3 if at < width else at, height, palette)
    if at == width:
        return statement
    return beside(statement, _code(row, root, width - at, height, palette), at)


def _text(row: QueryRow, width: int, height: int, palette: Palette) -> list[Text]:
    facts = [row.key.engine or row.dialect, plural(row.count, "call")]
    if row.rows:
        facts.append(f"{count(row.rows / row.count if row.count else 0)} rows a call")
    head = line((fit(" · ".join(facts), width), palette.dim))
    if row.key.relationship:
        head = line((f"lazy load of {row.key.relationship}  ", palette.wait), head)
    head = cut(head, width)
    body: list[Text] = list(highlight(pretty(row.key.text, max(20, width)), palette).split("\n", allow_blank=True))
    room = height - 1
    if len(body) > room:
        body = [*body[: room - 1], line((f"… {len(body) - room + 1} more lines, ↵ shows all", palette.dim))]
    return [head, *body]


def _code(row: QueryRow, root: str, width: int, height: int, palette: Palette) -> list[Text]:
    if not row.key.file:
        return [line(("no line of your own code ran this", palette.dim))]
    function = f"  in {row.function}" if row.function else ""
    where = place(row.key.file, row.key.line, root, max(10, width - len(function)))
    head = line((where, palette.strong), (fit(function, max(0, width - len(where))), palette.dim))
    return [head, *source_lines(read_source(row.key.file, row.key.line, around=height), width, height - 1, palette)]
