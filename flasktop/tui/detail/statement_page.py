"""One statement as lines: why it is run, the code that runs it, the statement, who else runs it."""

from __future__ import annotations

from rich.text import Text

from flasktop.protocol.records import STATEMENT
from flasktop.stats.views import QueryRow, StatementDetail
from flasktop.tui.detail.code_block import SIDE_BY_SIDE, beside, code_lines, sql_height, sql_lines
from flasktop.tui.detail.context import Context
from flasktop.tui.detail.lists import endpoints, more_key, plain, requests, sections
from flasktop.tui.detail.page import Line
from flasktop.tui.detail.words import count_of, flowed, kind_words, lazy_cure, lazy_sentence, repeated_words
from flasktop.tui.draw.distribution import distribution, peak
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.text import line, safe
from flasktop.tui.thresholds import ERRORS, STATEMENT_MS
from flasktop.units import count, mean_count, ms_unit, percent, plural, rate

SQL = "sql"
"""The section of the statement's text."""


def statement_lines(detail: StatementDetail, context: Context) -> list[Line]:
    """The whole page."""
    head = [*_why(detail, context), *flowed(_facts(detail.row, context.palette), context.width, context.palette)]
    room = max(14, context.height - len(head))
    own = max(3, min(10, room // 4))
    return sections(
        plain(head),
        _code_and_statement(detail, context, room),
        endpoints("endpoints", "Run by", detail.endpoints, context, own) if detail.endpoints else [],
        requests("slowest", "Slowest requests that ran it", "", detail.slowest, context, own) if detail.slowest else [],
        plain(_distribution(detail, context)),
    )


def _why(detail: StatementDetail, context: Context) -> list[Text]:
    """What kind of thing it is, in words, and what would do the same in one statement."""
    palette, key = context.palette, detail.row.key
    often = max(detail.endpoints, key=lambda use: use.per_request, default=None)
    repeated = repeated_words(often, palette) if often and often.endpoint_key else line()
    words = kind_words(key)
    kind = line((words, palette.text)) if words else line()
    said = [lazy_sentence(key, palette), kind, repeated, lazy_cure(key, palette)]
    return flowed(said, context.width, palette, "  ")


def _facts(row: QueryRow, palette: Palette) -> list[Text]:
    share = row.errors / row.count if row.count else 0.0
    facts = [
        count_of(row.count, "call", palette),
        line((rate(row.rate), palette.strong), ("/s", palette.dim)),
        *(
            line((f"{name} ", palette.dim), (ms_unit(value), palette.threshold(value, *STATEMENT_MS)))
            for name, value in (("mean", row.mean_ms), ("p95", row.p95_ms), ("max", row.max_ms))
        ),
        line(("total ", palette.dim), (ms_unit(row.total_ms), palette.text)),
        *(_fetched(row, palette) if row.key.kind == STATEMENT else ()),
        line((f"errors {count(row.errors)}", palette.threshold(share, *ERRORS) if row.errors else palette.dim)),
        line((safe(row.key.engine or row.dialect), palette.dim)),
    ]
    if row.dialect and not row.key.engine.startswith(row.dialect):
        facts.append(line((safe(row.dialect), palette.dim)))
    return facts


def _fetched(row: QueryRow, palette: Palette) -> list[Text]:
    rows = row.rows / row.count if row.count else None
    return [
        line((mean_count(rows), palette.text), (" row a call" if rows == 1 else " rows a call", palette.dim)),
        line(("fetch ", palette.dim), (f"{percent(row.fetch_share)} %", palette.fetch)),
    ]


def _code_and_statement(detail: StatementDetail, context: Context, room: int) -> list[Line]:
    """Code and statement side by side where there is room, else the code first."""
    row, width = detail.row, context.width
    if row.key.kind != STATEMENT:
        return plain(code_lines(row.key, row.function, context, width, max(6, min(18, room // 2))))
    opened = more_key(SQL) in context.opened
    wide = width >= SIDE_BY_SIDE
    at = width // 2
    sql_width = width - at if wide else width
    whole = sql_height(row.key, context, sql_width)
    code_height = max(6, min(18, room // 2)) if wide else max(6, min(16, room * 2 // 5))
    sql_room = whole if opened else max(code_height, 6) if wide else max(5, min(14, room // 3))
    sql = sql_lines(row.key, context, sql_width, sql_room, " ↵")
    code = code_lines(row.key, row.function, context, at - 2 if wide else width, code_height)
    lines = plain(beside(code, sql, width, at)) if wide else [*plain(code), *plain([line()]), *plain(sql)]
    if whole <= sql_room:
        return lines
    last = len(sql) - 1 if wide else len(lines) - 1
    lines[last] = Line(lines[last].text, more_key(SQL), SQL)
    return lines


def _distribution(detail: StatementDetail, context: Context) -> list[Text]:
    palette, row = context.palette, detail.row
    number = sum(bar.count for bar in detail.distribution)
    title = line(("Latency", palette.strong), (f"  {plural(number, 'call')}", palette.dim))
    if number:
        title.append(f", {peak(detail.distribution)}", palette.dim)
    height = max(4, min(8, context.height // 6))
    width = min(context.width, 120)
    return [title, *distribution(detail.distribution, width, height, palette, {"p95": row.p95_ms, "max": row.max_ms})]
