"""Lines of styled text, drawn as they are: the base of every widget that is not a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from flasktop.protocol.text import neutral
from flasktop.tui.draw.palette import Palette, palette_of
from flasktop.tui.draw.text import cut, line

MARGIN_FROM = 100
"""From this width on the margin is two cells instead of one."""


ORNAMENT = 5
"""Parts of this rank or a greater one go before any other is shortened."""


def margin(width: int) -> int:
    """The empty cells left and right of everything on a screen ``width`` cells wide."""
    return 1 if width < MARGIN_FROM else 2


class Part(NamedTuple):
    """A piece of a line that gives way in a narrow terminal: rank 0 stays always, the greatest goes first; before it
    goes, ``short`` (where given) is tried in its place. ``glued``: no gap before it."""

    text: Text
    rank: int
    short: Text | None = None
    glued: bool = False


def laid_out(start: Sequence[Part], end: Sequence[Part], width: int, gap: int = 2) -> Text:
    """``start`` on the left and ``end`` on the right of ``width`` cells, without what does not fit."""
    parts = [(0, part) for part in start if part.text] + [(1, part) for part in end if part.text]
    while _needed(parts, gap) > width and _give_way(parts):
        pass
    left = _joined([part for side, part in parts if side == 0], gap)
    right = _joined([part for side, part in parts if side == 1], gap)
    room = width - left.cell_len - right.cell_len
    if room < 0:
        return cut(left, width)
    return line(left, " " * room, right)


def _give_way(parts: list[tuple[int, Part]]) -> bool:
    """Make one part shorter or take it away: first the ornaments, then units and long words, then numbers."""
    worst = max(range(len(parts)), key=lambda i: (parts[i][1].rank, i), default=-1)
    if worst < 0 or parts[worst][1].rank == 0:
        return False
    if parts[worst][1].rank < ORNAMENT:
        worst = max(
            (i for i, (_, part) in enumerate(parts) if part.short), key=lambda i: parts[i][1].rank, default=worst
        )
    side, part = parts[worst]
    if part.short is not None:
        parts[worst] = (side, Part(part.short, part.rank, glued=part.glued))
    else:
        del parts[worst]
    return True


def _needed(parts: Sequence[tuple[int, Part]], gap: int) -> int:
    return sum(part.text.cell_len + (0 if part.glued else gap) for _, part in parts) - gap


def _joined(parts: Sequence[Part], gap: int) -> Text:
    made = line()
    for i, part in enumerate(parts):
        if i and not part.glued:
            made.append(" " * gap)
        made.append_text(part.text)
    return made


def clean(text: Text) -> Text:
    """``text`` without anything that a terminal would obey. The reader neutralises what it lets in; this is for what
    came another way."""
    if text.plain.isprintable():
        return text
    return Text(neutral(text.plain), text.style, spans=text.spans, no_wrap=True, end="")


def strip_of(text: Text, width: int, console: Console) -> Strip:
    """``text`` as a strip of exactly ``width`` cells."""
    text = clean(text)
    if text.cell_len > width:
        text = cut(text, width)
    return Strip(segments_of(text, console)).adjust_cell_length(width)


def segments_of(text: Text, console: Console) -> list[Segment]:
    """``text`` as segments. (``Text.render`` passes over its own style where it has no spans.)"""
    if text.spans:
        return [segment for segment in text.render(console) if segment.text]
    style = text.style if isinstance(text.style, Style) else console.get_style(text.style or "none")
    return [Segment(text.plain, style)] if text.plain else []


def pointed_at(strip: Strip, palette: Palette) -> Strip:
    """The selected line: on a ground of its own, or where there is no such colour, in ``palette.cursor`` and with a
    ``❯`` in its first cell."""
    if palette.cursor.bgcolor is not None:
        return strip.apply_style(palette.cursor)
    shown = Strip([Segment(s.text, (s.style or Style()) + palette.cursor) for s in strip], strip.cell_length)
    return Strip.join([Strip([Segment("❯", palette.accent)], 1), shown.crop(1)])


def with_bar(strip: Strip, at: int, top: int, page: int, rows: int, style: Style) -> Strip:
    """``strip``, the visible row ``at`` of a list, with a thin scroll bar in its last cell where not all rows fit."""
    if rows <= page:
        return strip
    size = max(1, page * page // rows)
    start = (page - size) * top // max(1, rows - page)
    if not start <= at < start + size:
        return strip
    return Strip.join([strip.crop(0, strip.cell_length - 1), Strip([Segment("▐", style)])])


class Lines(Widget):
    """Shows the lines that ``draw`` returns, each below the other, cut to the widget's width."""

    _drawn: list[Text] | None = None
    _ground = Style()

    def draw(self, width: int, height: int, palette: Palette) -> Sequence[Text]:
        """The lines for this size; called once until ``redraw``, a resize or a new theme."""
        return ()

    def redraw(self) -> None:
        """Draw anew."""
        self._drawn = None
        self.refresh()

    def on_resize(self) -> None:
        self.redraw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._drawn = None

    def render_lines(self, crop: Region) -> list[Strip]:
        self._ground = self.rich_style  # put together from all ancestors: once for all lines
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        width, height = self.size
        if self._drawn is None:
            self._drawn = list(self.draw(width, height, palette_of(self.app)))
        if y >= len(self._drawn):
            return Strip.blank(width, self._ground)
        return strip_of(self._drawn[y], width, self.app.console).apply_style(self._ground)
