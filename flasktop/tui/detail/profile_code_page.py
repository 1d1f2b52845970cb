"""The code of one function of a profile, with the time of each of its lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.text import Text

from flasktop.stats.calltree import Node, Parts, Profile
from flasktop.stats.split import TimeSplit
from flasktop.tui.detail.context import Context
from flasktop.tui.detail.page import Line
from flasktop.tui.draw.code import coloured
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.source import NEWER, Source, place, read_source
from flasktop.tui.draw.split import split_bar
from flasktop.tui.draw.text import cut, fit, line, right
from flasktop.units import percent

SECTION: Final = "lines"
AROUND: Final = 400
"""Lines of the file that are read on both sides of the dearest one."""
_AFTER: Final = 40
"""Lines shown at most after the last one that took time: to the function's end."""
_BAR: Final = 12
_SHARE: Final = 7


def split_of(parts: Parts) -> TimeSplit:
    """``parts`` as the split that bars are drawn from, in ms."""
    sql, cpu, wait, unknown = (us / 1000 for us in (parts.sql, parts.cpu, parts.wait, parts.unknown))
    return TimeSplit(execute=sql, fetch=0.0, commit=0.0, connect=0.0, cpu=cpu, wait=wait, unknown=unknown)


def code_head(profile: Profile, node: Node, context: Context) -> list[Text]:
    """Where the function is, and what it took."""
    palette, width = context.palette, context.width
    source = read_source(node.key.file, node.line, context.started_at, around=AROUND)
    share = f"{percent(profile.share(node.total))} % of all time"
    where = place(node.key.file, node.line, context.directory, max(20, width - len(share) - 2))
    head = [line((where, palette.strong), (f"  {share}", palette.text))]
    return [*head, line((fit(NEWER, width), palette.warn))] if source.newer else head


def code_titles(context: Context) -> Text:
    """The titles of the columns of ``code_lines``."""
    return line((f"{right('TOTAL %', _SHARE)} {'TIME SPLIT':<{_BAR}}", context.palette.dim))


def code_lines(profile: Profile, node: Node, context: Context) -> list[Line]:
    """The function's lines; where the file cannot be read, why, and the numbers of those that took time."""
    source = read_source(node.key.file, node.line, context.started_at, around=AROUND)
    if source.why:
        digits = len(str(max(node.lines, default=0)))
        why = line((fit(source.why, context.width), context.palette.dim))
        numbers = sorted(node.lines)
        return [Line(why), *(_line(profile, node, number, digits, Text(""), context) for number in numbers)]
    begin, shown = _function(source, node)
    indent = min((_indent(text) for text in shown if text.strip()), default=0)
    body = coloured("\n".join(text[indent:] for text in shown), source.language, context.palette)
    digits = len(str(begin + len(shown)))
    texts = body.split("\n", allow_blank=True)[: len(shown)]
    return [_line(profile, node, begin + at, digits, text, context) for at, text in enumerate(texts)]


def code_pane(profile: Profile, node: Node, context: Context, height: int) -> list[Text]:
    """The same in ``height`` lines, with the dearest line in the middle; nothing in it can be selected."""
    head = code_head(profile, node, context)
    lines = code_lines(profile, node, context)
    at = next((i for i, each in enumerate(lines) if each.key == (SECTION, node.line)), 0)
    room = max(0, height - len(head))
    start = max(0, min(at - room // 2, len(lines) - room))
    return [*head, *(each.text for each in lines[start : start + room])][: max(0, height)]


def _function(source: Source, node: Node) -> tuple[int, Sequence[str]]:
    """The number of the first line to show, and the lines: from where the function begins to its end."""
    last = max(node.lines)
    begin = max(source.first, min([*node.lines, max(1, node.key.first)]))
    lines = source.lines[begin - source.first :]
    outer = _indent(lines[0]) if lines else 0
    end = last - begin + 1
    for text in lines[end : end + _AFTER]:
        if text.strip() and _indent(text) <= outer:
            break
        end += 1
    shown = list(lines[:end])
    while len(shown) > last - begin + 1 and not shown[-1].strip():
        shown.pop()
    return begin, shown


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def _line(profile: Profile, node: Node, number: int, digits: int, code: Text, context: Context) -> Line:
    palette, parts = context.palette, node.lines.get(number)
    mark, style = ("▶", palette.warn) if number == node.line else (" ", palette.dim)
    margin = line((f" {mark}{number:>{digits}} ", style), ("│ ", palette.faint))
    made = cut(line(*_time(profile, parts, palette), margin, code), context.width)
    return Line(made, (SECTION, number), SECTION) if parts else Line(made)


def _time(profile: Profile, parts: Parts | None, palette: Palette) -> list[Text]:
    if parts is None:
        return [line(" " * (_SHARE + 1 + _BAR))]
    bar = split_bar(split_of(parts), _BAR, palette, scale_ms=profile.root.total.wall / 1000)
    return [line((right(percent(profile.share(parts)), _SHARE), palette.text), " "), bar]
