"""What stands under a waterfall: why the selected row took its time, and the code behind it."""

from __future__ import annotations

from collections.abc import Hashable

from rich.text import Text

from flasktop.protocol.records import STATEMENT
from flasktop.stats.views import StatementKey, TraceView
from flasktop.tui.detail.code_block import EVERY_LINE, SIDE_BY_SIDE, beside, code_lines, sql_lines
from flasktop.tui.detail.context import Context
from flasktop.tui.detail.folding import Group, fold
from flasktop.tui.detail.trace_page import BODY, FIRST_BYTE
from flasktop.tui.detail.words import fitted, flowed, kind_words, lazy_cure, lazy_sentence
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.split import legend, ruler, split_bar
from flasktop.tui.draw.sql import one_line
from flasktop.tui.draw.text import line, safe
from flasktop.units import ms_unit, percent, plural


def pane_lines(trace: TraceView, choice: Hashable, context: Context, *, split: bool = True) -> list[Text]:
    """Lines about the row ``choice`` of a waterfall: what matters in the first ``context.height``, all of it below.

    ``split`` False: where the time went stands above already.
    """
    statement = statement_of(choice)
    group = next((group for group in fold(trace) if group.statement == statement), None)
    return _about_statement(group, trace, context) if group else _about_request(trace, choice, context, split)


def statement_of(choice: Hashable) -> StatementKey | None:
    """The statement behind a row, None for rows that are none. A row of one of its calls is ``(statement, …)``."""
    if isinstance(choice, StatementKey):
        return choice
    if isinstance(choice, tuple) and choice and isinstance(choice[0], StatementKey):
        return choice[0]
    return None


def _about_statement(group: Group, trace: TraceView, context: Context) -> list[Text]:
    palette, key, width = context.palette, group.statement, context.width
    lines = fitted(_cost(group, trace, palette), width, 1, palette)
    lines += flowed([lazy_sentence(key, palette), lazy_cure(key, palette)], width, palette, "  ")
    if words := kind_words(key):
        lines.append(line((words, palette.text)))
    room = context.height - len(lines)
    if key.kind != STATEMENT:
        return lines + code_lines(key, group.function, context, width, room)
    if width >= SIDE_BY_SIDE:
        at = width // 2
        code = code_lines(key, group.function, context, at - 2, room)
        return lines + beside(code, sql_lines(key, context, width - at, EVERY_LINE), width, at)
    sql = [line(), *sql_lines(key, context, width, EVERY_LINE)]
    if room < 14:
        sql = [one_line(key.text, width, palette), *sql]
    shown = 1 if room < 14 else min(len(sql), room // 3)
    return [*lines, *code_lines(key, group.function, context, width, max(0, room - shown)), *sql]


def _cost(group: Group, trace: TraceView, palette: Palette) -> list[Text]:
    share = group.total_ms / trace.duration_ms if trace.duration_ms > 0 else 0.0
    noun = "statement" if group.statement.kind == STATEMENT else "call"
    parts = [
        line((plural(group.count, noun), palette.strong)),
        line(
            (f"{ms_unit(group.total_ms)} of {ms_unit(trace.duration_ms)}", palette.text),
            (f" ({percent(share)} %)", palette.dim),
        ),
    ]
    if group.statement.kind == STATEMENT:
        parts.append(line(("fetch ", palette.dim), (ms_unit(group.fetch_ms), palette.fetch)))
    if group.rows is not None:
        parts.append(line((plural(group.rows, "row"), palette.text)))
    if group.batch:
        parts.append(line((f"executemany of {plural(group.batch, 'parameter set')}", palette.text)))
    if group.errors:
        parts.append(line((f"{plural(group.errors, 'error')} {safe(group.error)}".rstrip(), palette.bad)))
    if group.beyond is not None:
        parts.append(
            line((f"{plural(group.beyond.count, 'call')} past the cap: counted, places not kept", palette.warn))
        )
    parts.append(line((safe(group.statement.engine or group.dialect), palette.dim)))
    return parts


def _about_request(trace: TraceView, choice: Hashable, context: Context, split: bool) -> list[Text]:
    palette, width = context.palette, context.width
    if choice == BODY:
        return [line((_body_words(trace), palette.text))]
    if choice == FIRST_BYTE:
        return [line(("When the app handed its first bytes to the server.", palette.text))]
    lines = [line((_request_words(trace), palette.text))]
    if split:
        lines += [split_bar(trace.split, width, palette), ruler(trace.phases, width, palette)]
        lines += flowed(legend(palette, trace.split), width, palette, "  ")
    return lines


def _body_words(trace: TraceView) -> str:
    if trace.offloaded:
        return "The body was given to the server as a file: when it was sent cannot be seen from inside the app."
    if trace.closed_early:
        return "The body was closed before its end: the client went away, or the server stopped."
    return "From the first byte to the end of the body: what a streamed response spends while it is sent."


def _request_words(trace: TraceView) -> str:
    if not trace.spans and not trace.folded:
        return "No SQL ran in this request: its time is CPU and waiting in the app."
    share = f"{ms_unit(trace.sql_ms)} of {ms_unit(trace.duration_ms)}"
    return f"{share} in SQL; select a row to see the line of code behind it."
