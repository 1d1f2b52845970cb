"""A statement's place in the app's code, and the statement itself, as blocks of lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import get_character_cell_size
from rich.text import Text

from flasktop.stats.views import StatementKey
from flasktop.tui.detail.context import Context
from flasktop.tui.draw.source import NEWER, place, read_source, source_lines
from flasktop.tui.draw.sql import highlight, pretty
from flasktop.tui.draw.text import cut, line, pad, safe

EVERY_LINE = 100_000
"""A height that no statement reaches."""

SIDE_BY_SIDE = 130
"""Cells from which on code and statement stand beside each other."""


def code_lines(key: StatementKey, function: str, context: Context, width: int, height: int) -> list[Text]:
    """Where the statement came from, and the code around that line, in at most ``height`` lines."""
    palette = context.palette
    source = read_source(key.file, key.line, context.started_at)
    head = line((place(key.file, key.line, context.directory, max(20, width - 30)), palette.strong))
    if key.file and function:
        head.append(f"  in {safe(function)}", palette.dim)
    lines = [head] if key.file else []
    if source.newer and head.cell_len + 2 + len(NEWER) <= width:
        head.append(f"  {NEWER}", palette.warn)
    elif source.newer:
        lines.append(line((NEWER, palette.warn)))
    lines = [cut(each, width) for each in lines]
    return (lines + source_lines(source, width, height - len(lines), palette))[: max(0, height)]


def sql_lines(key: StatementKey, context: Context, width: int, height: int, note: str = "") -> list[Text]:
    """The statement, pretty-printed, in at most ``height`` lines; the last one says how much more there is."""
    palette = context.palette
    laid_out = highlight(pretty(key.text, max(20, width)), palette).split("\n", allow_blank=True)
    lines = [cut(each, width) for each in _wrapped(laid_out, width)]
    if len(lines) > height > 0:
        rest = len(lines) - height + 1
        lines = [*lines[: height - 1], line((f"… {rest} more lines", palette.dim), (note, palette.accent))]
    return lines[: max(0, height)]


def sql_height(key: StatementKey, context: Context, width: int) -> int:
    """How many lines the whole statement takes."""
    return len(sql_lines(key, context, width, EVERY_LINE))


def beside(left: Sequence[Text], right: Sequence[Text], width: int, at: int) -> list[Text]:
    """``right`` beside ``left``, beginning at cell ``at`` of ``width``."""
    made = []
    for i in range(max(len(left), len(right))):
        row = pad(left[i], at - 2) if i < len(left) else line(" " * (at - 2))
        row.append("  ")
        if i < len(right):
            row.append_text(cut(right[i], width - at))
        made.append(row)
    return made


def _wrapped(lines: Iterable[Text], width: int) -> list[Text]:
    """``lines`` with those that are wider cut into pieces; a statement's end must be reachable however long it is."""
    return [piece for each in lines for piece in each.divide(_cuts(each.plain, max(4, width)))]


def _cuts(text: str, width: int) -> list[int]:
    """Where to cut ``text`` so that no piece is wider than ``width`` cells."""
    cuts, used = [], 0
    for at, letter in enumerate(text):
        size = get_character_cell_size(letter)
        if used + size > width:
            cuts.append(at)
            used = 0
        used += size
    return cuts
