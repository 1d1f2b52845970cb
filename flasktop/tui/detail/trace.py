"""The screen of one request."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.screen import Screen

from flasktop.protocol.events import WorkerId
from flasktop.stats.views import TraceId, TraceView
from flasktop.tui.detail.context import Context
from flasktop.tui.detail.folding import fold
from flasktop.tui.detail.page import Line, Page
from flasktop.tui.detail.routing import screen_for, show_plan
from flasktop.tui.detail.screen import Crumbs, DetailScreen
from flasktop.tui.detail.trace_page import LOW, trace_lines
from flasktop.tui.detail.trace_pane import pane_lines, statement_of
from flasktop.tui.draw.text import line
from flasktop.tui.keys import Scope, bindings
from flasktop.units import clock

PANE_FROM = 14
"""Lines of the body from which on the selected row's code is shown under the waterfall."""

PANE_LEAST = 9


class TraceScreen(DetailScreen):
    """One request: its waterfall, and the code behind the selected row."""

    scopes: ClassVar[tuple[Scope, ...]] = ("trace", "detail")
    BINDINGS = bindings("trace")

    key: TraceId
    view: TraceView | None

    DEFAULT_CSS = """
    TraceScreen #pane { height: 0; }
    """

    def __init__(self, key: TraceId, siblings: Sequence[TraceId] = ()) -> None:
        super().__init__(key, siblings)
        self._started = False

    @property
    def crumb(self) -> str:
        at = f" {clock(self.view.at, millis=True)}" if self.view else ""
        return f"request{at} worker {self.key.worker.pid}"

    def body(self) -> ComposeResult:
        yield from super().body()
        yield Page(id="pane")

    @property
    def pane(self) -> Page:
        return self.query_one("#pane", Page)

    def worker(self) -> WorkerId | None:
        return self.key.worker

    def read(self) -> TraceView | None:
        return self.feed.store.trace(self.key)

    def context(self, page: Page) -> Context:
        """The waterfall is drawn for the height of both: what it takes of it depends on what it draws."""
        made = super().context(page)
        return replace(made, height=self._whole()) if page is self.page else made

    def _whole(self) -> int:
        return max(0, self.query_one("#body").size.height - self.query_one(Crumbs).size.height)

    def draw_lines(self, context: Context) -> list[Line]:
        return trace_lines(self.view, context) if self.view else []

    def gone_words(self) -> str:
        return "This request is no longer in the history."

    def copied(self) -> str:
        statement = statement_of(self.page.selected)
        if statement is not None:
            return statement.text
        return f"{self.view.key.method} {self.view.path}" if self.view else ""

    def redraw(self) -> None:
        super().redraw()
        if not self.is_mounted or self.view is None:
            return
        if not self._started and self.page.lines:
            self._started = True
            self._select_dearest()
        self._share_height()
        self._show_pane()

    def _select_dearest(self) -> None:
        """Begin at what took most of the time."""
        groups = fold(self.view) if self.view else ()
        dearest = max(groups, key=lambda group: group.total_ms, default=None)
        if dearest is not None:
            self.page.select(dearest.statement)

    def _share_height(self) -> None:
        """The waterfall gets what it needs, the pane the rest, and at least enough for a line with some around it."""
        whole = self._whole()
        most = whole if whole < PANE_FROM else min(whole - PANE_LEAST, max(PANE_FROM, whole * 3 // 5))
        wanted = min(whole if whole < PANE_FROM else len(self.page.lines), most)
        self.page.styles.height = wanted
        self.pane.styles.height = whole - wanted

    def _show_pane(self) -> None:
        if self.view is None or not self.pane.size.width:
            return
        context = self.context(self.pane)
        drawn = pane_lines(
            self.view, self.page.selected, replace(context, height=context.height - 1), split=self._whole() < LOW
        )
        rule = line(("─" * context.width, context.palette.faint))
        self.pane.show([Line(text) for text in (rule, *drawn)])

    def on_page_moved(self, event: Page.Moved) -> None:
        if event.page is self.page:
            self._show_pane()

    def screen_of(self, section: str, key: Hashable) -> Screen[None] | None:
        return None

    def action_open(self) -> None:
        if not self.page.bring_into_view():
            return
        statement = statement_of(self.page.selected)
        if statement is None or self.view is None:
            return
        others = [group.statement for group in fold(self.view)]
        screen = screen_for(statement, others)
        if screen is not None:
            self.app.push_screen(screen)

    def action_plan(self) -> None:
        """The plan of the selected statement."""
        others = [group.statement for group in fold(self.view)] if self.view else []
        show_plan(self.flasktop, statement_of(self.page.selected), others)

    def action_section(self, by: int) -> None:
        """The other half: what does not fit under the waterfall can be scrolled there."""
        (self.page if self.active is self.pane or not self.pane.size.height else self.pane).focus()

    def action_sibling(self, by: int) -> None:
        self._started = False
        super().action_sibling(by)

    def action_unfold(self, opened: bool) -> None:
        """Show the calls of the selected statement one by one (or no longer)."""
        statement = statement_of(self.page.selected)
        if statement is None:
            return
        if opened:
            self.opened.add(statement)
        else:
            self.opened.discard(statement)
        self.redraw()
        if not opened:
            self.page.select(statement)
