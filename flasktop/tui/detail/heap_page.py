"""A heap, or a set of objects in it, as lines: what is known of it, and its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from rich.style import Style
from rich.text import Text

from flasktop.protocol.commands.heap import By
from flasktop.stats.heaps import HeapLine, Take
from flasktop.tui.columns import Column, SortValue, ordered
from flasktop.tui.detail.grid import grid
from flasktop.tui.detail.page import Line
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.text import cut, fit, fit_left, joined, line, safe
from flasktop.units import QUIET, bytes_, clock, count, ms_unit, percent, signed, signed_bytes, whole

ROWS: Final = "rows"
"""The section of a heap's rows."""

LEAK: Final = 0.005
"""The part of the whole heap that a row must have grown by, while requests were served, to stand out."""

NOTABLE: Final = 0.0002
"""The part of the whole heap that a row must have grown by to be more than noise."""

NAMES: Final[dict[By, str]] = {
    "type": "TYPE",
    "module": "MODULE OF THE CLASS",
    "referrers": "REFERRED TO BY",
    "owner": "DICT OF",
    "size": "SIZE OF EACH",
    "object": "OBJECT",
}
"""What the first column is, for each way to divide."""


@dataclass(frozen=True, slots=True)
class Table:
    """What the rows of a screen are shown as: divided ``by``, ``compared`` with an earlier take ``requests`` requests
    before, sorted by the column ``sorted_by``."""

    by: By
    compared: bool
    requests: int
    sorted_by: str
    reverse: bool

    def columns(self) -> list[Column[HeapLine]]:
        """The columns, the one that is sorted by marked."""
        made = [*_columns(NAMES[self.by]), *(_compared(self.requests) if self.compared else ())]
        return [_marked(each, self.reverse) if each.name == self.sorted_by else each for each in made]

    @property
    def sortable(self) -> list[str]:
        """The columns that rows can be sorted by, as ``s`` goes through them."""
        return ["size", "objects", *(["grown_bytes", "grown"] if self.compared else []), "name"]


def key_of(lines: Sequence[HeapLine]) -> Callable[[HeapLine], Hashable]:
    """A key for each row that it keeps in the next take: its name, and which of that name it is."""
    seen: Counter[str] = Counter()
    keys: dict[int, Hashable] = {}
    for each in lines:
        keys[id(each)] = (each.name, seen[each.name])
        seen[each.name] += 1
    return lambda each: keys[id(each)]


def table_lines(lines: Sequence[HeapLine], table: Table, width: int, palette: Palette) -> list[Line]:
    """The titles of the columns, and below them the rows in their order."""
    columns = table.columns()
    column = next((each for each in columns if each.name == table.sorted_by), columns[0])
    rows = ordered(lines, column, table.reverse)
    return grid(
        rows, columns, width, palette, title="", note="", roomy=False, section=ROWS, key=key_of(lines)
    )  # fmt: skip


def more_line(shown: Sequence[HeapLine], total_rows: int, whole_bytes: int, palette: Palette) -> list[Line]:
    """That there are more rows than were sent, and what they hold together."""
    listed = sum(1 for each in shown if each.index is not None)
    if total_rows <= listed:
        return []
    rest = max(0, whole_bytes - sum(each.bytes for each in shown))
    return [Line(line((f"… {count(total_rows - listed)} more, {bytes_(rest)} together", palette.dim)))]


def taken_words(take: Take, palette: Palette) -> list[Text]:
    """What was taken, when, and at what cost: parts of one line, the first the last to go."""
    taken = take.taken
    return [
        line(
            (bytes_(taken.bytes), palette.strong), (" in ", palette.dim), (whole(taken.objects), palette.strong),
            (" objects", palette.dim),
        ),
        line((f"frozen {clock(taken.taken_at)}", palette.text)),
        line((f"app paused {ms_unit(taken.pause_us / 1000)}", palette.text)),
        line((f"took {ms_unit(taken.seconds * 1000)}", palette.dim)),
    ]  # fmt: skip


def compared_words(before: Take, requests: int, palette: Palette, *, short: bool = False) -> Text:
    """What it is compared with."""
    served = f" (+{whole(requests)} {'req' if short else 'requests'})" if requests else " (no request between)"
    return line((f"compared with {clock(before.taken.taken_at)}", palette.text), (served, palette.dim))


def by_line(here: By, offered: Sequence[By], palette: Palette) -> Text:
    """The ways to divide, the present one marked."""
    made = line(("b", palette.accent), (" by", palette.dim))
    chosen = palette.strong + Style(underline=True)
    return joined([made, *(line((each, chosen if each == here else palette.dim)) for each in offered)], line("  "))


def _columns(name: str) -> list[Column[HeapLine]]:
    return [
        Column(
            "name", name, 20, 0, _name, lambda row: row.name, "", right=False, descending=False, grow=3, widest=90,
            good=34,
        ),
        _number("objects", "OBJECTS", 10, 0, lambda row, p: (whole(row.count), p.text), lambda row: row.count),
        _number("size", "SIZE", 8, 0, lambda row, p: (bytes_(row.bytes), p.text), lambda row: row.bytes),
        Column("bar", "% OF HEAP", 10, 5, _bar, lambda row: row.share, "", right=False, grow=1, widest=36),
        _number("share", "%", 6, 2, lambda row, p: (f"{percent(row.share)} %", p.text), lambda row: row.share),
        _number("cumulative", "CUMULATIVE", 10, 6, _cumulative, lambda row: row.cumulative),
    ]  # fmt: skip


def _compared(requests: int) -> list[Column[HeapLine]]:
    made = [
        _number("grown", "GROWN", 10, 1, _grown, lambda row: row.grown.count if row.grown else None),
        _number("grown_bytes", "GROWN BY", 10, 0, _grown_bytes, lambda row: row.grown.bytes if row.grown else None),
    ]
    if requests:
        made.append(
            _number("per_1000", "/1,000 REQ", 10, 0, _per_1000, lambda row: row.grown.per_1000 if row.grown else None)
        )
    return made


def _number(
    name: str,
    title: str,
    width: int,
    rank: int,
    tell: Callable[[HeapLine, Palette], tuple[str, Style]],
    sort: Callable[[HeapLine], SortValue],
) -> Column[HeapLine]:
    def render(row: HeapLine, width: int, palette: Palette) -> Text:
        text, style = tell(row, palette)
        if row.index is None and not name.startswith("grown"):
            text, style = QUIET, palette.faint
        return line((text, style))

    return Column(name, title, width, rank, render, sort, "")


def _marked(column: Column[HeapLine], reverse: bool) -> Column[HeapLine]:
    return replace(column, title=column.title + ("▲" if column.descending == reverse else "▼"))


def _name(row: HeapLine, width: int, palette: Palette) -> Text:
    if row.index is None:
        return line((fit(f"{safe(row.name)}  (gone)", width), palette.dim))
    made = line((short_name(safe(row.name), width), palette.strong if is_leak(row) else palette.text))
    if row.detail:
        made.append(f"  {safe(row.detail)}", palette.dim)
    return cut(made, width)


def short_name(name: str, width: int) -> str:
    """``name`` in ``width`` cells. Of a class its end is kept, which tells it from the others of its package.

    >>> short_name("dict of shop.views.quotes.QuoteLine", 25)
    'dict of …quotes.QuoteLine'
    >>> short_name("function, tuple, types.CodeType", 16)
    'function, tuple…'
    """
    if "," in name or "." not in name:
        return fit(name, width)
    start, of, rest = name.rpartition(" of ")
    return f"{start}{of}{fit_left(rest, width - len(start) - len(of))}" if of else fit_left(name, width)


def _bar(row: HeapLine, width: int, palette: Palette) -> Text:
    cells = min(width, max(1 if row.bytes else 0, round(row.share * width)))
    style = palette.wait if is_leak(row) else palette.sql
    return line(
        ("━" * cells, style), ("─" * (width - cells) if palette.color else " " * (width - cells), palette.faint)
    )


def _cumulative(row: HeapLine, palette: Palette) -> tuple[str, Style]:
    return f"{percent(row.cumulative)} %", palette.dim


def _grown(row: HeapLine, palette: Palette) -> tuple[str, Style]:
    if row.grown is None or (row.grown.at_least and row.grown.count <= 0):
        return "–", palette.dim
    return _least(row, signed(row.grown.count)), _growth_style(row, palette)


def _grown_bytes(row: HeapLine, palette: Palette) -> tuple[str, Style]:
    if row.grown is None:
        return "–", palette.dim
    if not row.grown.bytes:
        return QUIET, palette.faint
    return _least(row, signed_bytes(row.grown.bytes)), _growth_style(row, palette)


def _per_1000(row: HeapLine, palette: Palette) -> tuple[str, Style]:
    rate = row.grown.per_1000 if row.grown else None
    if rate is None or (row.grown is not None and row.grown.at_least and rate <= 0):
        return "–", palette.dim
    if abs(rate) < 0.5:
        return QUIET, palette.faint
    return _least(row, signed(round(rate))), _growth_style(row, palette)


def _least(row: HeapLine, text: str) -> str:
    """``≥+12`` where it may be more."""
    return f"≥{text}" if row.grown is not None and row.grown.at_least and text != QUIET else text


def _growth_style(row: HeapLine, palette: Palette) -> Style:
    if row.grown is None or not row.grown.bytes:
        return palette.faint
    if is_leak(row):
        return palette.bad
    return palette.text if abs(_grown_share(row)) >= NOTABLE else palette.dim


def is_leak(row: HeapLine) -> bool:
    """Whether a row grew as something does that nobody lets go of."""
    return row.grown is not None and row.grown.bytes_per_1000 is not None and _grown_share(row) >= LEAK


def _grown_share(row: HeapLine) -> float:
    """What a row grew by as a part of the whole heap."""
    return row.grown.bytes * row.share / row.bytes if row.grown is not None and row.bytes else 0.0
