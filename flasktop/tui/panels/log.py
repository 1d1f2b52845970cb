"""L Log: requests as they finish, newest first."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual.screen import Screen

from flasktop.stats.statements import summary
from flasktop.stats.views import StatementKey, TraceView, Window
from flasktop.tui.columns import Column
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.source import place
from flasktop.tui.draw.split import ALL_PARTS, legend, split_bar
from flasktop.tui.draw.sql import one_line
from flasktop.tui.draw.text import fit, fit_left, joined, left, line, right
from flasktop.tui.feed import Feed
from flasktop.tui.keys import Scope
from flasktop.tui.panels.base import ListPanel
from flasktop.tui.panels.cells import cell, directory, latency, number
from flasktop.tui.thresholds import STATEMENTS
from flasktop.tui.widgets.preview import Drawing
from flasktop.units import bytes_, clock, count, ms, ms_unit, plural

LIMIT = 500
"""How many requests the log holds."""


def status_style(trace: TraceView, palette: Palette) -> str:
    """The meaning of a status: an error is bad, a 4xx worth a look, the rest quiet."""
    if trace.is_error:
        return "bad"
    return "warn" if 400 <= trace.status < 500 else "dim"


def _status(row: TraceView, width: int, palette: Palette) -> Text:
    text = str(row.status) if row.status else "–"
    return cell(text, getattr(palette, status_style(row, palette)))


def _path(row: TraceView, width: int, palette: Palette) -> Text:
    return cell(fit(row.path or row.key.route, width), palette.text)


def _statements(row: TraceView, width: int, palette: Palette) -> Text:
    text = count(row.statements, quiet=True)
    return cell(text, palette.threshold(row.statements, *STATEMENTS)) if row.statements else number(text, palette)


def _error(row: TraceView, width: int, palette: Palette) -> Text:
    if row.error:
        return cell(row.error, palette.bad if row.is_error else palette.dim)
    return cell("cut off", palette.warn) if row.closed_early else cell("", palette.dim)


COLUMNS: tuple[Column[TraceView], ...] = (
    Column(
        "time", "TIME", 8, 0,
        lambda row, width, palette: cell(clock(row.at, millis=width >= 12), palette.dim),
        lambda row: row.at, "When it ended", right=False, grow=8, widest=12,
    ),
    Column(
        "method", "METHOD", 6, 0, lambda row, width, palette: cell(row.key.method, palette.dim),
        lambda row: row.key.method, "HTTP method", right=False, descending=False, short="METH",
    ),
    Column(
        "path", "PATH", 22, 0, _path,
        lambda row: row.path, "Path, the values of the query string masked", right=False, descending=False, grow=3,
        widest=60, good=26,
    ),
    Column(
        "route", "ROUTE", 18, 5, lambda row, width, palette: cell(row.key.route, palette.dim),
        lambda row: row.key.route, "URL rule", right=False, descending=False, grow=1, widest=34,
    ),
    Column(
        "status", "STATUS", 6, 0, _status, lambda row: row.status, "HTTP status", short="STAT",
    ),
    Column(
        "ms", "ms", 6, 0, lambda row, width, palette: latency(row.duration_ms, palette),
        lambda row: row.duration_ms, "To the end of the body",
    ),
    Column(
        "first", "FIRST ms", 8, 6, lambda row, width, palette: number(ms(row.first_byte_ms), palette),
        lambda row: row.first_byte_ms, "To the first byte", short="FIRST",
    ),
    Column(
        "sql", "SQL", 5, 1, _statements, lambda row: row.statements, "SQL statements",
    ),
    Column(
        "sql_ms", "SQL ms", 6, 4, lambda row, width, palette: number(ms(row.sql_ms, quiet=True), palette),
        lambda row: row.sql_ms, "Time in the database",
    ),
    Column(
        "bytes", "BYTES", 7, 3, lambda row, width, palette: number(bytes_(row.bytes_sent, quiet=True), palette),
        lambda row: row.bytes_sent, "Bytes of body sent",
    ),
    Column(
        "split", "WHERE THE TIME GOES", 14, 6, lambda row, width, palette: split_bar(row.split, width, palette),
        lambda row: row.split.wall, ALL_PARTS, right=False, short="TIME SPLIT", grow=1,
        widest=24,
    ),
    Column(
        "error", "ERROR", 12, 2, _error, lambda row: row.error or None, "Exception, or a body closed before its end",
        right=False, descending=False, grow=1, widest=26,
    ),
    Column(
        "worker", "WORKER", 7, 4, lambda row, width, palette: cell(str(row.id.worker.pid), palette.dim),
        lambda row: row.id.worker.pid, "Process id", descending=False,
    ),
)  # fmt: skip


class LogPanel(ListPanel[TraceView]):
    """Every request of the newest few hundred."""

    panel: ClassVar[str] = "log"
    digit: ClassVar[str] = "L"
    title: ClassVar[str] = "Log"
    scope: ClassVar[Scope] = "log"
    default_sort: ClassVar[str] = "time"
    sticky_top: ClassVar[bool] = True
    columns: ClassVar[Sequence[Column[Any]]] = COLUMNS

    def rows(self, feed: Feed) -> Sequence[TraceView]:
        return feed.store.log(app=feed.app, worker=feed.worker, limit=LIMIT)

    def key(self, row: TraceView) -> Hashable:
        return row.id

    def text(self, row: TraceView) -> str:
        return f"{row.key.method} {row.path} {row.key.route} {row.status} {row.error} {row.id.worker.pid}"

    def copied(self, row: TraceView) -> str:
        return f"{row.key.method} {row.path}"

    def opened(self, row: TraceView) -> Screen[None]:
        from flasktop.tui.detail.trace import TraceScreen

        return TraceScreen(row.id, siblings=[each.id for each in self.table.rows])

    def nothing(self, window: Window) -> str:
        return "No request yet."

    def preview(self, row: TraceView, feed: Feed) -> Drawing | None:
        root = directory(feed)
        return lambda width, height, palette: _draw(row, root, width, height, palette)


def _draw(row: TraceView, root: str, width: int, height: int, palette: Palette) -> list[Text]:
    facts = [ms_unit(row.duration_ms), plural(row.statements, "query", "queries"), bytes_(row.bytes_sent)]
    if row.first_byte_ms is not None:
        facts.append(f"first byte {ms_unit(row.first_byte_ms)}")
    facts.append(f"worker {row.id.worker.pid}")
    head = line(
        (fit(f"{row.key.method} {row.path or row.key.route}", max(12, width - 62)), palette.strong),
        "  ",
        (str(row.status or "–"), getattr(palette, status_style(row, palette))),
        (f" {row.error}" if row.error else "", palette.bad if row.is_error else palette.dim),
        ("  " + " · ".join(facts), palette.dim),
    )
    figures = joined(legend(palette, row.split, brief=True), Text("  "))
    bar = line(split_bar(row.split, max(8, min(60, width - figures.cell_len - 2)), palette), "  ", figures)
    return [head, bar, line(), *_by_statement(row, root, width, height - 3, palette)]


def _by_statement(row: TraceView, root: str, width: int, height: int, palette: Palette) -> list[Text]:
    """The statements of one request, each once, the dearest first."""
    sums: dict[StatementKey, tuple[int, float]] = {}
    for span in row.spans:
        calls, total = sums.get(span.statement, (0, 0.0))
        sums[span.statement] = (calls + 1, total + span.duration_ms)
    for folded in row.folded:
        calls, total = sums.get(folded.statement, (0, 0.0))
        sums[folded.statement] = (calls + folded.count, total + folded.execute_ms + folded.fetch_ms)
    if not sums:
        return [line(("no SQL", palette.dim))]
    dearest = sorted(sums.items(), key=lambda item: -item[1][1])
    return [_sum_line(key, calls, total, root, width, palette) for key, (calls, total) in dearest[: max(0, height)]]


def _sum_line(key: StatementKey, calls: int, total: float, root: str, width: int, palette: Palette) -> Text:
    where = min(28, max(12, width // 4))
    made = line(
        (right(f"{count(calls)}×", 6), palette.warn if calls >= STATEMENTS[0] else palette.text),
        (right(ms_unit(total), 10), palette.text),
        "  ",
        (left(fit_left(place(key.file, key.line, root), where) or "–", where), palette.dim),
        "  ",
        (f"lazy {key.relationship}  " if key.relationship else "", palette.wait),
    )
    if key.kind != "statement":
        made.append(summary(key.text), palette.of_kind(key.kind))
        return made
    made.append_text(one_line(key.text, max(0, width - made.cell_len)))
    return made
