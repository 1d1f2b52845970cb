"""One request as lines: what happened, and its waterfall with repeated statements folded."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from rich.style import Style
from rich.text import Text

from flasktop.stats.views import SpanView, TraceView
from flasktop.tui.detail.context import Context
from flasktop.tui.detail.folding import Group, fold, segments
from flasktop.tui.detail.lists import ROOMY, plain
from flasktop.tui.detail.page import BLANK, Line
from flasktop.tui.detail.words import REPEATED, endpoint_name, flowed, split_figures, trace_facts
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.source import place
from flasktop.tui.draw.split import ruler, split_bar
from flasktop.tui.draw.sql import one_line
from flasktop.tui.draw.text import cut, fit, left, line, right, safe
from flasktop.tui.draw.waterfall import Segment, axis, lane
from flasktop.tui.thresholds import LATENCY_MS
from flasktop.units import count, ms, ms_unit, plural

TALL = 34
"""Lines from which on the time split stands above the waterfall with room around it."""

LOW = 14
"""Lines below which it is left out."""

CHILDREN = 200
"""Spans of an unfolded statement that are listed."""

REQUEST = "request"
FIRST_BYTE = "first byte"
BODY = "body"
"""The keys of the rows that are no statement; a statement's is its ``StatementKey``."""

SECTION = "waterfall"


@dataclass(frozen=True, slots=True)
class Lanes:
    """How the width of a waterfall is shared out; what is 0 is not shown."""

    label: int
    lane: int
    times: int
    rows: int
    source: int

    @staticmethod
    def of(width: int) -> Lanes:
        times = 14
        source = 0 if width < 104 else min(30, width // 6)
        rows = 0 if width < 130 else 8
        label = max(18, min(66, width * 36 // 100))
        taken = _COUNT + 1 + label + 1 + 1 + times + (2 + rows if rows else 0) + (2 + source if source else 0)
        return Lanes(label, max(4, width - taken), times, rows, source)


_COUNT = 7


@dataclass(frozen=True, slots=True)
class _Row:
    """What stands in one row of the waterfall."""

    key: Hashable
    number: Text
    label: Text
    segments: Sequence[Segment]
    times: Text
    rows: str = ""
    source: str = ""


def trace_lines(trace: TraceView, context: Context) -> list[Line]:
    """The whole page."""
    palette, width = context.palette, context.width
    lanes = Lanes.of(width)
    head = flowed(trace_facts(trace, palette), width, palette)
    if context.height >= ROOMY and trace.path:
        head.append(line((fit(safe(trace.path), width), palette.dim)))
    head += _split(trace, context)
    rows = [_drawn(row, lanes, trace.duration_ms, palette) for row in _rows(trace, context, lanes)]
    gap = [BLANK] if context.height >= 22 else []
    return [*plain(head), *gap, Line(_titles(trace.duration_ms, lanes, palette)), *rows]


def _split(trace: TraceView, context: Context) -> list[Text]:
    """Where the time went: the bar and its figures; what was before and after the first byte where there is room."""
    palette, width = context.palette, context.width
    if context.height < LOW:
        return []
    bar = split_bar(trace.split, width, palette)
    figures = split_figures(trace.split, width, palette, roomy=context.height >= TALL)
    return [line(), bar, ruler(trace.phases, width, palette), *figures] if context.height >= TALL else [bar, *figures]


def _titles(total_ms: float, lanes: Lanes, palette: Palette) -> Text:
    made = line(" " * (_COUNT + 1 + lanes.label + 1))
    made.append_text(axis(total_ms, lanes.lane, palette))
    made.append(" " * (_COUNT + lanes.label + 2 + lanes.lane + 1 - made.cell_len))
    made.append(right("run + fetch", lanes.times), palette.dim)
    if lanes.rows:
        made.append("  " + right("rows", lanes.rows), palette.dim)
    if lanes.source:
        made.append("  source", palette.dim)
    return made


def _rows(trace: TraceView, context: Context, lanes: Lanes) -> list[_Row]:
    palette = context.palette
    rows = [_request_row(trace, palette)]
    for group in fold(trace):
        opened = group.statement in context.opened
        rows.append(_group_row(group, trace, opened, context, lanes))
        if opened:
            rows += _children(group, palette)
    return rows + _body_rows(trace, palette)


def _request_row(trace: TraceView, palette: Palette) -> _Row:
    end = trace.duration_ms if trace.first_byte_ms is None else trace.first_byte_ms
    name = f"{safe(trace.key.method)} {safe(trace.path)}" if trace.path else endpoint_name(trace.key)
    label = line((name, palette.text))
    if trace.endpoint:
        label.append(f"  {safe(trace.endpoint)}()", palette.dim)
    parts = [Segment("request", 0.0, end), Segment("body", end, trace.duration_ms - end)]
    return _Row(
        REQUEST, line(), label, parts[: 1 if end >= trace.duration_ms else 2], _time(trace.duration_ms, palette)
    )


def _body_rows(trace: TraceView, palette: Palette) -> list[_Row]:
    first = trace.first_byte_ms
    if first is None:
        return []
    length = max(0.0, trace.duration_ms - first)
    words = " closed before its end" if trace.closed_early else " given to the server" if trace.offloaded else ""
    body = line(("body", palette.text), (words, palette.warn if trace.closed_early else palette.dim))
    return [
        _Row(
            FIRST_BYTE, line(), line(("first byte", palette.text)), [Segment("body", first, 0.0)], _time(first, palette)
        ),
        _Row(BODY, line(), body, [Segment("body", first, length)], _time(length, palette)),
    ]


def _time(value: float, palette: Palette) -> Text:
    return line((ms_unit(value), palette.text))


def _group_row(group: Group, trace: TraceView, opened: bool, context: Context, lanes: Lanes) -> _Row:
    palette, key = context.palette, group.statement
    number = line()
    if group.count > 1:
        many = palette.warn + Style(bold=True) if group.count >= REPEATED else palette.text
        number = line(("▾" if opened else "▸", palette.accent), (f"{count(group.count)}×", many))
    label = line()
    if group.errors:
        label.append(f"{safe(group.error) or plural(group.errors, 'error')} ", palette.bad)
    if group.batch:
        label.append(f"{count(group.batch)} sets ", palette.warn)
    label.append(one_line(key.text, max(4, lanes.label - label.cell_len)).plain, palette.text)
    return _Row(
        key,
        number,
        label,
        segments(group.spans),
        _times(group.execute_ms, group.fetch_ms, group.total_ms, trace.duration_ms, palette),
        count(group.rows) if group.rows is not None else "",
        place(key.file, key.line, context.directory, lanes.source) if lanes.source else "",
    )


def _times(execute: float, fetch: float, total: float, whole: float, palette: Palette) -> Text:
    """``1.80s + 161``; in the colour of latency where it is much of the request."""
    style = palette.threshold(total, *LATENCY_MS) if total >= 0.2 * whole else palette.text
    text = line((ms(execute), style))
    if fetch > 0:
        text.append(f" + {ms(fetch)}", style)
    if not text.plain.endswith("s"):
        text.append(" ms", palette.dim)
    return text


def _children(group: Group, palette: Palette) -> list[_Row]:
    rows = [_child(group, i, span, palette) for i, span in enumerate(group.spans[:CHILDREN])]
    hidden = len(group.spans) - CHILDREN
    if hidden > 0:
        rest = group.spans[CHILDREN:]
        label = line((f"  and {plural(hidden, 'more call')}", palette.dim))
        rows.append(_Row((group.statement, "rest"), line(), label, segments(rest), line()))
    if group.beyond is not None:
        beyond = group.beyond
        label = line((f"  {plural(beyond.count, 'more call')}, places not kept", palette.dim))
        times = _times(beyond.execute_ms, beyond.fetch_ms, 0.0, 1.0, palette)
        rows.append(_Row((group.statement, "beyond"), line(), label, (), times, count(beyond.rows)))
    return rows


def _child(group: Group, index: int, span: SpanView, palette: Palette) -> _Row:
    label = line((f"  {index + 1:>3}  ", palette.dim), (f"at {ms_unit(span.start_ms)}", palette.dim))
    if span.error:
        label.append(f"  {safe(span.error)}", palette.bad)
    times = _times(span.execute_ms, span.fetch_ms, 0.0, 1.0, palette)
    rows = count(span.rows) if span.rows is not None else ""
    return _Row((group.statement, index), line(), label, segments((span,)), times, rows)


def _drawn(row: _Row, lanes: Lanes, total_ms: float, palette: Palette) -> Line:
    number = cut(row.number, _COUNT)
    made = line(" " * (_COUNT - number.cell_len), number, " ")
    label = cut(row.label, lanes.label)
    made.append_text(label)
    made.append(" " * (lanes.label - label.cell_len + 1))
    made.append_text(lane(row.segments, total_ms, lanes.lane, palette))
    times = cut(row.times, lanes.times)
    made.append(" " * (1 + lanes.times - times.cell_len))
    made.append_text(times)
    if lanes.rows:
        made.append("  " + right(row.rows, lanes.rows), palette.dim)
    if lanes.source:
        made.append("  " + left(row.source, lanes.source), palette.dim)
    return Line(made, row.key, SECTION)
