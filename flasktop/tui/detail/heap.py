"""The screen of one worker's heap: the last take, or an earlier one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.text import Text

from flasktop.protocol.commands.heap import By, Step
from flasktop.protocol.events import WorkerId
from flasktop.stats.heaps import HeapLine, Take, compare, requests_between
from flasktop.tui.detail.context import Context
from flasktop.tui.detail.heap_head import trouble_lines
from flasktop.tui.detail.heap_page import compared_words, taken_words
from flasktop.tui.detail.heap_set import HeapSetScreen, first_by
from flasktop.tui.detail.heap_table import TALL, HeapTable
from flasktop.tui.detail.held_page import wrapped
from flasktop.tui.detail.page import Line
from flasktop.tui.detail.words import fitted
from flasktop.tui.draw.text import cut, line, safe
from flasktop.units import clock

SHORT_UNDER: Final = 100
"""Cells under which the line of ways says less of what is compared."""

WAYS: Final[tuple[By, ...]] = ("type", "module", "referrers", "owner", "size")


class HeapScreen(HeapTable):
    """One worker's heap. It shows the newest take, and goes on to the next one when that is there, unless the person
    went back to an earlier one."""

    def __init__(self, worker: WorkerId, siblings: Sequence[WorkerId] = ()) -> None:
        super().__init__(worker, (), "type", siblings)
        self._chosen: int | None = None

    @property
    def crumb(self) -> str:
        return f"worker {self.key.pid}"

    def read(self) -> Take | None:
        heaps = self.desk.heaps
        chosen = heaps.find(self.key, self._chosen) if self._chosen is not None else None
        return chosen or heaps.newest(self.key)

    @property
    def offered(self) -> tuple[By, ...]:
        return WAYS

    @property
    def before(self) -> Take | None:
        """The take that this one is compared with."""
        return self.desk.heaps.before(self.key, self.view) if self.view is not None else None

    def rows(self, take: Take) -> tuple[HeapLine, ...] | None:
        if self.by in take.divisions:
            return compare(self.before, take, self.by)
        return super().rows(take)

    def total_rows(self, take: Take) -> int:
        division = take.divisions.get(self.by)
        return division.total_rows if division is not None else super().total_rows(take)

    def whole_bytes(self, take: Take) -> int:
        return take.taken.bytes

    def compared(self, take: Take) -> tuple[bool, int]:
        before = self.before
        if before is None or self.by not in before.divisions or self.by not in take.divisions:
            return False, 0
        return True, requests_between(before, take)

    # Drawing

    def _lines(self, context: Context) -> list[Line]:
        return self.draw_lines(context) if self.view is not None else self.nothing(context)

    def head(self, context: Context) -> list[Text]:
        palette, take = context.palette, self.view
        lines: list[Text] = []
        if take is not None:
            parts = [*self._place(take, context), *taken_words(take, palette)]
            lines += fitted(parts, context.width, 1, palette, "   ")
            if context.height >= TALL:
                lines += self._unseen(take, context)
        return lines + self._news(context)

    def draw_lines(self, context: Context) -> list[Line]:
        lines, take = super().draw_lines(context), self.view
        if take is None or self.query_one("#body").size.height >= TALL:
            return lines
        unseen = self._unseen(take, context)
        return [*lines, *([Line(line()), *map(Line, unseen)] if unseen and self._titles else [])]

    def _unseen(self, take: Take, context: Context) -> list[Text]:
        """What this heap cannot show: above its rows where there is room, else after the last of them."""
        if not take.taken.unseen:
            return []
        unseen = "; ".join(safe(each) for each in take.taken.unseen)
        return wrapped(f"not in it: {unseen}", context.width, context.palette.dim)

    def ways(self, context: Context) -> Text:
        if self.before is None or self.view is None:
            return super().ways(context)
        requests, short = requests_between(self.before, self.view), context.width < SHORT_UNDER
        compared = compared_words(self.before, requests, context.palette, short=short)
        return cut(line(super().ways(context), "   ", compared), context.width)

    def _place(self, take: Take, context: Context) -> list[Text]:
        """Which take this is, where there are several, and whether it is the marked one."""
        takes = self.desk.heaps.takes(self.key)
        marked = self.desk.heaps.marked(self.key)
        made = []
        if len(takes) > 1 and take.number != takes[-1].number:
            at = next((i for i, each in enumerate(takes) if each.number == take.number), 0)
            made.append(line((f"earlier take, {at + 1} of {len(takes)}", context.palette.warn)))
        if marked is not None and marked.number == take.number:
            made.append(line(("✓ marked", context.palette.good)))
        return made

    def _news(self, context: Context) -> list[Text]:
        """A take under way, why there was none, or that the worker is gone."""
        palette = context.palette
        underway, trouble = self.desk.underway(self.key), self.desk.trouble(self.key)
        if underway is not None:
            words = f"◐ {underway.words(self.flasktop.clock())}"
            return [line((words, palette.accent), ("   the app goes on; h stops the take", palette.dim))]
        if trouble is not None:
            return trouble_lines(trouble, context.width, palette)
        row = self.worker_row
        if row is None or row.state in ("gone", "died"):
            when = f" at {clock(row.state_since)}" if row is not None else ""
            return [line((f"The worker ended{when}: nothing more can be asked of it.", palette.warn))]
        return []

    def nothing(self, context: Context) -> list[Line]:
        palette = context.palette
        if self.desk.underway(self.key) is not None or self.desk.trouble(self.key) is not None:
            return []
        return [
            Line(line()),
            Line(line(("No heap taken yet.", palette.strong))),
            Line(
                line(
                    ("h", palette.accent), (" takes one in a frozen copy of the worker: ", palette.text),
                    ("the app stands still for a few milliseconds, measured and shown.", palette.text),
                )
            ),
        ]  # fmt: skip

    # Keys

    def deeper(self, row: HeapLine, step: Step) -> None:
        if self.view is not None:
            steps = (step,)
            self.app.push_screen(HeapSetScreen(self.key, self.view, steps, row.name, first_by(row, steps)))

    def action_sibling(self, by: int) -> None:
        self._chosen = None
        super().action_sibling(by)

    def action_older(self, by: int) -> None:
        takes = self.desk.heaps.takes(self.key)
        if self.view is None or not takes:
            return
        here = next((i for i, each in enumerate(takes) if each.number == self.view.number), len(takes) - 1)
        at = here - by
        if not 0 <= at < len(takes):
            self.app.bell()
            return
        self._chosen = None if at == len(takes) - 1 else takes[at].number
        self.view = takes[at]
        self.dividing = None
        self.redraw()
        self.row_changed()
