"""A page of lines, some of which can be selected: what every drill-down screen is made of.

One column, one focus: arrows go from list to list, and scroll where there is nothing left to select. The selection is a
key, never a position, so that it stays with its row when the lines are made anew.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from flasktop.tui.draw.palette import palette_of
from flasktop.tui.draw.text import pad

WHEEL = 3
"""Lines a turn of the mouse wheel moves."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line. It can be selected where it has a ``key``; ``section`` names the list it belongs to."""

    text: Text
    key: Hashable | None = None
    section: str = ""


BLANK = Line(Text("", end=""))


def margin(width: int) -> int:
    """Cells left free on both sides of a page of ``width`` cells."""
    return 1 if width < 100 else 2


class Page(Widget, can_focus=True):
    """Shows lines, a cursor on those with a key, and a scroll bar where there are more than fit."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"page--bar"}

    DEFAULT_CSS = """
    Page { height: 1fr; background: transparent; }
    Page > .page--bar { color: $panel-lighten-2; }
    """

    @dataclass
    class Moved(Message):
        """Another line is selected now."""

        page: Page

    @dataclass
    class Opened(Message):
        """The selected line was double-clicked."""

        page: Page

    @dataclass
    class Resized(Message):
        """There is another number of cells to fill now."""

        page: Page

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._lines: Sequence[Line] = ()
        self._cursor: int | None = None
        self._top = 0

    # What the owner says

    def show(self, lines: Sequence[Line]) -> None:
        """Show ``lines``. The cursor stays with its key; where that is gone, at the line that took its place."""
        kept, place = self.selected, self._ordinal()
        self._lines = lines
        choices = self._choices()
        found = next((i for i in choices if lines[i].key == kept), None) if kept is not None else None
        if found is None and choices:
            found = choices[min(place, len(choices) - 1)]
        if found is not None and self._cursor is not None and self._seen(self._cursor):
            self._top += found - self._cursor if self._top else 0
        self._cursor = found
        self._clamp()
        self.refresh()

    @property
    def selected(self) -> Hashable | None:
        """The key of the selected line, None where nothing can be selected."""
        if self._cursor is None or self._cursor >= len(self._lines):
            return None
        return self._lines[self._cursor].key

    @property
    def section(self) -> str:
        """The section of the selected line."""
        return self._lines[self._cursor].section if self.selected is not None and self._cursor is not None else ""

    @property
    def lines(self) -> Sequence[Line]:
        return self._lines

    def keys(self, section: str) -> list[Hashable]:
        """The keys of one section, from the top."""
        return [line.key for line in self._lines if line.section == section and line.key is not None]

    def select(self, key: Hashable) -> None:
        """Put the cursor on the line with ``key``, if there is one."""
        for i in self._choices():
            if self._lines[i].key == key:
                self._put(i)
                return

    def start(self) -> None:
        """Go back to the first line and the first choice, as when the page was new."""
        self._top, self._cursor = 0, next(iter(self._choices()), None)
        self.refresh()

    # Moving

    def move(self, by: int) -> None:
        """Move by ``by`` choices; where there are none left that way, or the cursor is out of sight, scroll instead."""
        step = 1 if by > 0 else -1
        for _ in range(abs(by)):
            self._step(step)

    def move_to_end(self, end: bool) -> None:
        """Go to the first or the last choice, and to the first or last line."""
        choices = self._choices()
        if choices:
            self._put(choices[-1 if end else 0])
        self._top = len(self._lines) if end else 0
        self._clamp()
        self.refresh()

    def turn(self, pages: int) -> None:
        """Move by whole pages; the cursor comes along."""
        self._top += pages * max(1, self.size.height - 1)
        self._clamp()
        seen = [i for i in self._choices() if self._seen(i)]
        if seen and (self._cursor is None or not self._seen(self._cursor)):
            self._put(seen[0] if pages > 0 else seen[-1])
        elif seen and self._at_end(pages):
            self._put(seen[-1] if pages > 0 else seen[0])
        self.refresh()

    def next_section(self, by: int) -> None:
        """Move to the first choice of the next (or previous) section, round and round."""
        firsts: dict[str, int] = {}
        for i in self._choices():
            firsts.setdefault(self._lines[i].section, i)
        names = list(firsts)
        if not names:
            self.turn(by)
            return
        here = names.index(self.section) if self.section in names else -1
        self._put(firsts[names[(here + by) % len(names)]], headed=True)

    def bring_into_view(self) -> bool:
        """Whether the cursor was in sight; where not, it is now."""
        if self._cursor is None or self._seen(self._cursor):
            return True
        self._put(self._cursor)
        return False

    def _step(self, step: int) -> None:
        if self._cursor is not None and not self._seen(self._cursor):
            ahead = self._cursor >= self._top + self.size.height
            if ahead == (step > 0):
                self._scroll(step)
                return
            seen = [i for i in self._choices() if self._seen(i)]
            if seen:
                self._put(seen[0] if step > 0 else seen[-1])
                return
            self._scroll(step)
            return
        following = [i for i in self._choices() if self._cursor is None or (i - self._cursor) * step > 0]
        target = (following[0] if step > 0 else following[-1]) if following else None
        height = max(1, self.size.height)
        if target is None or not self._top - height < target < self._top + 2 * height - 1:
            self._scroll(step)
        else:
            self._put(target)

    def _put(self, index: int, *, headed: bool = False) -> None:
        """Select a line and bring it into sight; the line above it too, which is its section's head."""
        changed = index != self._cursor
        self._cursor = index
        above = next((i for i in self._choices() if i < index), None)
        self._top = min(self._top, 0 if above is None and index < self.size.height else max(0, index - 1))
        self._top = max(self._top, index - self.size.height + 1)
        if headed and not self._seen(index + min(5, self.size.height // 2)):
            self._top = max(0, index - 2)
        self._clamp()
        self.refresh()
        if changed:
            self.post_message(self.Moved(self))

    def _scroll(self, by: int) -> None:
        self._top += by
        self._clamp()
        self.refresh()

    def _clamp(self) -> None:
        self._top = max(0, min(self._top, len(self._lines) - self.size.height))

    def _seen(self, index: int) -> bool:
        return self._top <= index < self._top + self.size.height

    def _at_end(self, pages: int) -> bool:
        return self._top == 0 if pages < 0 else self._top >= len(self._lines) - self.size.height

    def _choices(self) -> list[int]:
        return [i for i, line in enumerate(self._lines) if line.key is not None]

    def _ordinal(self) -> int:
        """How many choices stand before the cursor."""
        return sum(1 for i in self._choices() if self._cursor is not None and i < self._cursor)

    # Drawing

    def render_line(self, y: int) -> Strip:
        width, index = self.size.width, self._top + y
        if index >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        side = margin(width)
        text = pad(self._lines[index].text, max(1, width - 2 * side))
        text.end = ""
        strip = Strip(text.render(self.app.console)).adjust_cell_length(width - 2 * side)
        blank = Strip.blank(side)
        strip = Strip.join([blank, strip, blank])
        if index == self._cursor:
            strip = self._pointed_at(strip)
        return self._with_bar(strip.apply_style(self.rich_style), y, width)

    def _pointed_at(self, strip: Strip) -> Strip:
        """The selected line: on a ground of its own, or where there is no such colour, underlined and pointed at."""
        palette = palette_of(self.app)
        strip = _over(strip, palette.cursor)
        if palette.cursor.bgcolor is not None:
            return strip
        return Strip.join([Strip([Segment("❯", palette.accent)], 1), strip.crop(1)])

    def _with_bar(self, strip: Strip, y: int, width: int) -> Strip:
        lines, height = len(self._lines), self.size.height
        if lines <= height or height < 2:
            return strip
        size = max(1, height * height // lines)
        start = round((height - size) * self._top / (lines - height))
        if not start <= y < start + size:
            return strip
        bar = Strip(
            Text("▐", self.get_component_rich_style("page--bar", partial=True), end="").render(self.app.console)
        )
        return Strip.join([strip.crop(0, width - 1), bar.apply_style(self.rich_style)])

    # Events

    def on_resize(self) -> None:
        self._clamp()
        self.post_message(self.Resized(self))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._scroll(WHEEL)
        event.stop()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._scroll(-WHEEL)
        event.stop()

    def on_click(self, event: events.Click) -> None:
        index = self._top + event.y
        if index >= len(self._lines) or self._lines[index].key is None:
            return
        again = index == self._cursor
        self._put(index)
        if again and event.chain >= 2:
            self.post_message(self.Opened(self))


def _over(strip: Strip, style: Style) -> Strip:
    """``strip`` with ``style`` laid over all of it."""
    return Strip([Segment(text, (own or Style()) + style, control) for text, own, control in strip], strip.cell_length)
