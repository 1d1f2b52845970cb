"""A live stack as lines: what the request does in words, the code around the selected frame, and the frames."""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from rich.style import Style
from rich.text import Text

from flasktop.protocol.commands.stacks import RequestStack, StackFrame
from flasktop.protocol.records import SQL, UNKNOWN
from flasktop.stats.in_flight import InFlightRow
from flasktop.tui.detail.context import Context
from flasktop.tui.detail.page import BLANK, Line
from flasktop.tui.detail.words import flowed
from flasktop.tui.draw.doing import age_style, doing_style, over_p95, sentence, short_place
from flasktop.tui.draw.source import NEWER, place, read_source, source_lines
from flasktop.tui.draw.sql import highlight, pretty
from flasktop.tui.draw.text import cut, fit, line, safe
from flasktop.tui.looking import Look
from flasktop.units import ms_unit, plural

FRAMES: Final = "frames"
SQL_LINES: Final = 8
"""Lines that a statement takes at most."""
ROOMY: Final = 18
"""Lines from which on a statement is laid out."""
LONG_S: Final = 1.0
"""From so long on it is said that it has stood at one place."""


def state_of(gone: bool, over: bool, context: Context) -> list[Line]:
    """A word where the request is no longer there."""
    if not gone:
        return []
    said = "It has ended; its trace was not kept." if over else "It has ended; its trace comes in a moment."
    return [Line(line((f"{said} What was seen last:", context.palette.warn)))]


def stack_lines(row: InFlightRow | None, seen: Look | None, context: Context) -> list[Line]:
    """All lines of the screen."""
    palette = context.palette
    if seen is None:
        return [*_head(row, None, context), Line(line(("looking …", palette.dim)))]
    if seen.stack is None:
        problem = seen.problem
        words = [problem.message, problem.hint] if problem is not None else []
        return [
            *_head(row, None, context),
            *(Line(line((fit(safe(each), context.width), palette.warn))) for each in words),
        ]
    return [
        *(Line(text) for text in _words(seen, seen.stack, context)),
        *_head(row, seen.stack, context),
        *_statement(seen.stack, context),
        *_code(seen, context),
        BLANK,
        *_frames(seen, context),
    ]


def _words(seen: Look, stack: RequestStack, context: Context) -> list[Text]:
    palette = context.palette
    said = safe(sentence(stack, seen.frames, context.directory, with_statement=not _has_statement(stack, context)))
    style = doing_style(stack.doing, stack.kind, palette) + Style(bold=True)
    lines = _wrapped(said, style, context.width, 2)
    stood = seen.at - seen.since
    if stood >= LONG_S:
        lines.append(line((f"At this place at every look for {ms_unit(stood * 1e3)}.", palette.dim)))
    if stack.coroutine:
        lines.append(line(("An async view: these are the frames of its coroutine.", palette.dim)))
    return lines


def _wrapped(said: str, style: Style, width: int, most: int) -> list[Text]:
    """``said`` broken between words into at most ``most`` lines."""
    lines = [""]
    for word in said.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width and len(lines) < most:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".lstrip()
    return [line((fit(each, width), style)) for each in lines]


def _head(row: InFlightRow | None, stack: RequestStack | None, context: Context) -> list[Line]:
    palette = context.palette
    facts: list[Text] = []
    age_ms = max(row.age_ms if row is not None else 0.0, stack.age_us / 1e3 if stack is not None else 0.0)
    p95_ms = row.p95_ms if row is not None else None
    style = age_style(age_ms, p95_ms, palette)
    facts.append(line((f"running for {ms_unit(age_ms)}", style + Style(bold=True))))
    times = over_p95(age_ms, p95_ms)
    if times is not None:
        facts.append(line((f"{times:.1f}× the p95 of its endpoint, {ms_unit(p95_ms)}", style)))
    if stack is not None:
        facts.append(line((f"{plural(stack.statements, 'statement')} so far", palette.text)))
        if stack.cpu_us != UNKNOWN:
            facts.append(line((f"CPU {ms_unit(stack.cpu_us / 1e3)}", palette.text)))
        if stack.route:
            facts.append(line((safe(stack.route), palette.dim)))
        if stack.thread:
            known = f" ({stack.thread_id})" if stack.thread_id != UNKNOWN else ""
            facts.append(line((f"thread {safe(stack.thread)}{known}", palette.dim)))
    return [Line(text) for text in flowed(facts, context.width, palette)]


def _has_statement(stack: RequestStack, context: Context) -> bool:
    """Whether the statement that runs stands below, laid out."""
    return stack.doing == SQL and bool(stack.statement) and context.height >= ROOMY


def _statement(stack: RequestStack, context: Context) -> list[Line]:
    if not _has_statement(stack, context):
        return []
    laid_out = highlight(pretty(stack.statement, max(20, context.width)), context.palette).split("\n", allow_blank=True)
    shown = [cut(each, context.width) for each in laid_out[:SQL_LINES]]
    if len(laid_out) > SQL_LINES:
        shown[-1] = line((f"… {len(laid_out) - SQL_LINES + 1} more lines", context.palette.dim))
    return [BLANK, *(Line(each) for each in shown)]


def _code(seen: Look, context: Context) -> list[Line]:
    """The code around the frame under the cursor; at first the innermost of the app's own."""
    palette, width = context.palette, context.width
    frame = _chosen(seen, context.selected) or seen.own or (seen.frames[0] if seen.frames else None)
    if frame is None or not frame.file:
        return []
    source = read_source(frame.file, frame.line, context.started_at)
    head = line(
        (place(frame.file, frame.line, context.directory, max(20, width - 30)), palette.strong),
        (f"  in {safe(frame.function)}", palette.dim),
    )
    if source.newer:
        head.append(f"  {NEWER}", palette.warn)
    height = max(3, min(13, context.height // 3))
    lines = source_lines(source, width, height, palette)
    if source.why and frame.source:
        lines = [line(("▶ ", palette.warn), (safe(frame.source), palette.strong))]
    return [BLANK, Line(cut(head, width)), *(Line(cut(each, width)) for each in lines)]


def _chosen(seen: Look, selected: Hashable | None) -> StackFrame | None:
    if isinstance(selected, _FrameKey):
        at = len(seen.frames) - 1 - selected.from_outermost
        if 0 <= at < len(seen.frames):
            return seen.frames[at]
    return None


@dataclass(frozen=True, slots=True)
class _FrameKey:
    """A frame by its place from the outermost: what is called changes, who called it stays."""

    from_outermost: int


def _frames(seen: Look, context: Context) -> list[Line]:
    palette, count = context.palette, len(seen.frames)
    if not count:
        return []
    lines = [Line(line(("Stack, innermost first", palette.dim)))]
    placed = list(enumerate(seen.frames))
    for own, group in groupby(placed, key=lambda each: each[1].own):
        members = list(group)
        keys = [(_FrameKey(count - 1 - at), frame) for at, frame in members]
        if own:
            lines += [_frame(key, frame, context, bright=True) for key, frame in keys]
        else:
            lines += _library(keys, context)
    return lines


def _library(keys: Sequence[tuple[_FrameKey, StackFrame]], context: Context) -> list[Line]:
    """Frames of libraries: one line for all of a stretch, and each of them below it where that was unfolded."""
    palette = context.palette
    # By the caller's end, which stays while what is called changes.
    fold = ("fold", keys[-1][0].from_outermost)
    opened = fold in context.opened
    names = list(dict.fromkeys(_library_of(frame.file) for _, frame in keys if frame.file))
    words = f"{plural(len(keys), 'library frame')}: {', '.join(names[:4])}{' …' if len(names) > 4 else ''}"
    inner = keys[0][1]
    ends = f" · innermost {safe(inner.function)}" if inner.file else ""
    head = line((f"{'▾' if opened else '▸'} ", palette.accent), (f"{safe(words)}{ends}", palette.dim))
    lines = [Line(cut(head, context.width), fold, FRAMES)]
    if opened:
        lines += [_frame(key, frame, context, bright=False) for key, frame in keys]
    return lines


def _frame(key: _FrameKey, frame: StackFrame, context: Context, *, bright: bool) -> Line:
    palette = context.palette
    if not frame.file:
        return Line(line((f"    … {safe(frame.function)}", palette.dim)))
    width = max(16, min(44, context.width // 3))
    where = short_place(frame, context.directory, width)
    style = palette.strong if bright else palette.dim
    text = line(
        ("● " if bright else "    ", palette.accent),
        (f"{where:<{width}}  ", style),
        (f"{safe(frame.function)}  ", palette.text if bright else palette.dim),
        (safe(frame.source), palette.text if bright else palette.dim),
    )
    return Line(cut(text, context.width), key, FRAMES)


def _library_of(file: str) -> str:
    """``sqlalchemy`` of a path in site-packages; else the module's name."""
    for part in ("/site-packages/", "/dist-packages/"):
        if part in file:
            return file.rpartition(part)[2].partition("/")[0].removesuffix(".py")
    name = os.path.basename(file).removesuffix(".py")
    return os.path.basename(os.path.dirname(file)) if name == "__init__" else name
