"""Allocation sites: what tracing them costs, the tracing, and which source lines' allocations stayed."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, Final

from textual.screen import Screen

from flasktop.protocol.commands.memory import AllocationSite, AllocationSites, TraceAllocations
from flasktop.protocol.events import WorkerId
from flasktop.tui.detail.allocations_page import Site, cost_lines, head_lines, site_lines
from flasktop.tui.detail.context import Context, directory_of
from flasktop.tui.detail.memory_asking import LiveScreen
from flasktop.tui.detail.page import BLANK, Line
from flasktop.tui.detail.screen import DetailScreen
from flasktop.tui.draw.source import place, read_source, source_lines
from flasktop.tui.draw.text import line
from flasktop.tui.keys import Scope, bindings

SECONDS: Final = (5.0, 10.0, 30.0, 60.0)
"""How long allocations can be traced."""


class AllocationsScreen(LiveScreen):
    """First what it costs; Enter begins. Then the lines that grew; Enter shows the code around one."""

    scopes: ClassVar[tuple[Scope, ...]] = ("allocations", "detail")
    BINDINGS = bindings("allocations")

    def __init__(self, worker: WorkerId) -> None:
        super().__init__(worker)
        self.seconds = SECONDS[1]
        self.sites: AllocationSites | None = None
        self.choosing = True

    @property
    def crumb(self) -> str:
        return f"worker {self.key.pid} › allocation sites"

    def answered(self, answer: Any) -> None:
        self.sites = answer

    def draw_lines(self, context: Context) -> list[Line]:
        palette, width = context.palette, context.width
        if self.choosing:
            return cost_lines(self.key.pid, self.seconds, width, palette)
        lines = self.news(width, palette, "the app goes on, slower; esc stops the tracing")
        if self.underway is not None:
            return lines
        if self.sites is None:
            again = line(("t", palette.accent), (" asks once more", palette.dim))
            return [*lines, BLANK, Line(again)]
        return [*lines, *head_lines(self.sites, context), *site_lines(self.sites, context)]

    def copied(self) -> str:
        if self.sites is None:
            return ""
        return "\n".join(f"{site.bytes}\t{site.blocks}\t{site.file}:{site.line}" for site in self.sites.sites)

    def screen_of(self, section: str, key: Hashable) -> Screen[None] | None:
        if self.sites is None or not isinstance(key, Site):
            return None
        others = [Site(site.file, site.line) for site in self.sites.sites]
        return SiteScreen(key, others, {Site(site.file, site.line): site for site in self.sites.sites}, self.key)

    # Keys

    def action_open(self) -> None:
        if self.choosing:
            self.choosing = False
            self.sites = None
            self.ask(TraceAllocations(self.seconds), AllocationSites, "tracing allocations", self.seconds)
        else:
            super().action_open()

    def action_again(self) -> None:
        if self.underway is None:
            self.choosing = True
            self.redraw()

    def action_time(self, by: int) -> None:
        if self.choosing:
            at = SECONDS.index(self.seconds) + by
            self.seconds = SECONDS[max(0, min(at, len(SECONDS) - 1))]
            self.redraw()


class SiteScreen(DetailScreen):
    """One source line that allocates what stays, with the code around it."""

    key: Site

    def __init__(
        self, key: Site, siblings: Sequence[Site], sites: dict[Site, AllocationSite], worker: WorkerId
    ) -> None:
        super().__init__(key, siblings)
        self._sites, self._worker = sites, worker

    @property
    def crumb(self) -> str:
        workers = self.feed.store.workers(self.feed.now(), self.feed.window)
        return place(self.key.file, self.key.line, directory_of(workers, self._worker))

    def worker(self) -> WorkerId | None:
        return self._worker

    def read(self) -> AllocationSite | None:
        return self._sites.get(self.key)

    def gone_words(self) -> str:
        return ""

    def copied(self) -> str:
        return f"{self.key.file}:{self.key.line}"

    def draw_lines(self, context: Context) -> list[Line]:
        palette, site = context.palette, self._sites[self.key]
        source = read_source(self.key.file, self.key.line, context.started_at)
        head = [Site.head(site, context, source)]
        code = source_lines(source, context.width, max(3, context.height - len(head) - 1), palette)
        return [*(Line(each) for each in head), BLANK, *(Line(each) for each in code)]
