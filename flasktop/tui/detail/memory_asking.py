"""What the screens of the live tier share: one question to one worker, its progress, its end in words."""

from __future__ import annotations

import textwrap
from collections.abc import Hashable
from typing import Any, ClassVar, Final, TypeVar

from flasktop.errors import FlasktopError
from flasktop.protocol.commands import Command, Working
from flasktop.protocol.events import WorkerId
from flasktop.protocol.records import Message
from flasktop.stats.views import WorkerRow
from flasktop.tui.deferred import deferred
from flasktop.tui.detail.heap_head import trouble_lines
from flasktop.tui.detail.page import Line
from flasktop.tui.detail.screen import DetailScreen
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.text import line, safe
from flasktop.tui.heaps import Trouble, Underway

A = TypeVar("A", bound=Message)

COUNT_S: Final = 0.25
"""How often the seconds of a question under way are counted on."""


class LiveScreen(DetailScreen):
    """A screen over one worker that asks it something; leaving it cancels the question."""

    key: WorkerId
    ended: ClassVar[str] = "The worker has ended: nothing more can be asked of it."

    def __init__(self, worker: WorkerId) -> None:
        super().__init__(worker)
        self.underway: Underway | None = None
        self.trouble: Trouble | None = None

    def answered(self, answer: Any) -> None:
        """Take what the worker answered."""
        raise NotImplementedError

    def read(self) -> object | None:
        return self

    def worker(self) -> WorkerId | None:
        return self.key

    def gone_words(self) -> str:
        return ""

    def on_mount(self) -> None:
        self.set_interval(COUNT_S, self._count_on)

    def _list_behind(self) -> tuple[Hashable, ...]:
        return (self.key,)

    @property
    def worker_row(self) -> WorkerRow | None:
        """What is known of the worker."""
        workers = self.feed.store.workers(self.feed.now(), self.feed.window)
        return next((row for row in workers if row.worker == self.key), None)

    def ask(self, command: Command, answer: type[Message], stage: str, expected_s: float | None = None) -> None:
        """Ask the worker, unless a question is under way."""
        if self.underway is not None:
            return
        row = self.worker_row
        if row is not None and row.state in ("gone", "died"):
            self.trouble = Trouble(self.ended, "")
            self.redraw()
            return
        self.trouble = None
        self.underway = Underway(self.flasktop.clock(), stage, expected_s)
        self.run_worker(deferred(self._ask, command, answer), group="ask", exclusive=True)
        self.redraw()

    async def _ask(self, command: Command, answer: type[Message]) -> None:
        try:
            found = await self.flasktop.source.ask(self.key, command, answer, self._told)
        except FlasktopError as error:
            self.underway, self.trouble = None, Trouble.of(error)
        else:
            self.underway = None
            self.answered(found)
        self.redraw()

    def _told(self, working: Working) -> None:
        if self.underway is not None:
            self.underway = self.underway.told(working)

    def _count_on(self) -> None:
        if self.underway is not None and self.is_current:
            self.redraw()

    def news(self, width: int, palette: Palette, while_asking: str) -> list[Line]:
        """What is under way, or what went wrong."""
        if self.underway is not None:
            words = safe(self.underway.words(self.flasktop.clock()))
            return [Line(line((f"◐ {words}", palette.accent), (f"   {while_asking}", palette.dim)))]
        if self.trouble is not None:
            return [Line(each) for each in trouble_lines(self.trouble, width, palette)]
        return []


def paragraph(words: str, width: int, palette: Palette) -> list[Line]:
    """``words`` broken into lines."""
    return [Line(line((each, palette.text))) for each in textwrap.wrap(safe(words), max(20, width))]
