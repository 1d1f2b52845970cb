"""One endpoint as lines: its numbers, where its time goes, its statements and requests."""

from __future__ import annotations

from rich.style import Style
from rich.text import Text

from flasktop.stats.views import EndpointDetail, EndpointRow
from flasktop.tui.detail.code_block import beside
from flasktop.tui.detail.context import Context
from flasktop.tui.detail.lists import ROOMY, plain, requests, sections, statements
from flasktop.tui.detail.page import Line
from flasktop.tui.detail.words import count_of, fitted, split_figures
from flasktop.tui.draw.distribution import distribution, peak
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.spark import spark
from flasktop.tui.draw.split import exact, phase_figures, ruler, split_bar
from flasktop.tui.draw.text import joined, line
from flasktop.tui.thresholds import ERRORS, LATENCY_MS
from flasktop.units import bytes_, count, mean_count, ms, ms_unit, percent, plural, rate

TALL = 34
"""Lines from which on the distribution stands above the lists, not below them."""

WIDE = 130
"""Cells from which on it stands beside the numbers."""


def endpoint_lines(detail: EndpointDetail, context: Context) -> list[Line]:
    """The whole page."""
    head, below = _head(detail, context)
    room = context.height - len(head)
    own = max(4, min(12, room // 2 - 3))
    failed = requests("failed", "Failed", _newest(detail.failed), detail.failed, context, max(3, own // 2))
    number = f"{len(detail.slowest)} of {count(detail.row.count)} requests"
    return sections(
        plain(head),
        statements("statements", "Statements", "", detail.statements, context, own) if detail.statements else [],
        requests("slowest", "Slowest", number, detail.slowest, context, own) if detail.slowest else [],
        failed if detail.failed else [],
        requests("recent", "Recent", _newest(detail.recent), detail.recent, context, own) if detail.recent else [],
        plain(below),
    )


def _newest(rows: object) -> str:
    return "newest first" if rows else ""


def _head(detail: EndpointDetail, context: Context) -> tuple[list[Text], list[Text]]:
    """What stands above the lists, and what below."""
    width, palette = context.width, context.palette
    if width >= WIDE:
        at = width * 55 // 100
        numbers = _numbers(detail.row, at - 4, True, palette)
        chart = _distribution(detail, width - at, max(len(numbers), min(10, context.height // 5)), palette)
        return beside(numbers, chart, width, at), []
    numbers = _numbers(detail.row, width, context.height >= ROOMY, palette)
    chart = _distribution(detail, width, 6, palette)
    return ([*numbers, line(), *chart], []) if context.height >= TALL else (numbers, chart)


def _numbers(row: EndpointRow, width: int, roomy: bool, palette: Palette) -> list[Text]:
    trend = line(" ", spark(row.trend, min(16, len(row.trend)), palette.sql)) if width >= 90 else line()
    failing = palette.threshold(_error_share(row), *ERRORS) if row.errors else palette.dim
    facts = [
        count_of(row.count, "request", palette),
        line((rate(row.rate), palette.strong), ("/s", palette.dim), trend),
        _percentiles(row, palette),
        line((f"errors {count(row.errors)}", failing), _share_of_errors(row, palette)),
        _statuses(row, palette),
    ]
    lines = fitted(facts, width, 2, palette)
    lines += [line()] if roomy else []
    if row.count:
        lines += [split_bar(row.split, width, palette), ruler(row.phases, width, palette)]
    lines += split_figures(row.split, width, palette, roomy=roomy)
    lines += fitted(_per_request(row, palette), width, 1, palette)
    return lines


def _percentiles(row: EndpointRow, palette: Palette) -> Text:
    known = (("p50", row.p50_ms), ("p95", row.p95_ms), ("p99", row.p99_ms), ("max", row.max_ms))
    parts = []
    for name, value in known:
        number, _, unit = (ms_unit if name == "max" else ms)(value).partition(" ")
        style = palette.threshold(value, *LATENCY_MS) + Style(bold=True)
        parts.append(line((f"{name} ", palette.dim), (number, style), (f" {unit}" if unit else "", palette.dim)))
    return joined(parts, Text("  "))


def _error_share(row: EndpointRow) -> float:
    return row.errors / row.count if row.count else 0.0


def _share_of_errors(row: EndpointRow, palette: Palette) -> Text:
    return line((f" ({percent(_error_share(row))} %)", palette.dim)) if row.errors else line()


def _statuses(row: EndpointRow, palette: Palette) -> Text:
    parts = [
        line((str(status) if status else "–", _status_style(status, palette)), (f"×{count(number)}", palette.dim))
        for status, number in sorted(row.statuses.items())
    ]
    return joined(parts, Text(" "))


def _status_style(status: int, palette: Palette) -> str:
    style = palette.bad if status >= 500 else palette.warn if status >= 400 else palette.text
    return str(style)


def _per_request(row: EndpointRow, palette: Palette) -> list[Text]:
    """The mean request: when its first byte left, and what it made."""
    mean = ms_unit(None) if row.mean_ms is None else exact([row.mean_ms])[1]
    facts = [line(("mean ", palette.dim), (mean, palette.text))]
    facts += phase_figures(row.phases, palette)
    for number, one, many in ((row.sql_per_request, " query", " queries"), (row.rows_per_request, " row", " rows")):
        facts.append(line((mean_count(number), palette.text), (one if number == 1 else many, palette.dim)))
    facts.append(line((bytes_(row.bytes_per_request), palette.text)))
    facts.append(line((f"{percent(row.share)} %", palette.text), (" of all time", palette.dim)))
    return facts


def _distribution(detail: EndpointDetail, width: int, height: int, palette: Palette) -> list[Text]:
    row = detail.row
    number = sum(bar.count for bar in detail.distribution)
    title = line(("Latency", palette.strong), (f"  {plural(number, 'request')}", palette.dim))
    if number:
        title.append(f", {peak(detail.distribution)}", palette.dim)
    marks = {"p50": row.p50_ms, "p95": row.p95_ms, "p99": row.p99_ms}
    return [title, *distribution(detail.distribution, width, height - 1, palette, marks)]
