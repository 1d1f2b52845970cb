"""The screen of one request in flight: its live stack, looked at again and again while it is shown."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar, Final

from textual.worker import Worker

from flasktop.protocol.commands import GONE
from flasktop.protocol.events import WorkerId
from flasktop.stats.in_flight import InFlightId, InFlightRow
from flasktop.stats.views import TraceId
from flasktop.tui.detail.context import Context
from flasktop.tui.detail.page import Line
from flasktop.tui.detail.screen import DetailScreen
from flasktop.tui.detail.stack_page import stack_lines, state_of
from flasktop.tui.detail.trace import TraceScreen
from flasktop.tui.keys import Scope, bindings
from flasktop.tui.looking import Look, look

LOOK_S: Final = 0.5
"""Seconds between looks."""
PATIENCE_S: Final = 5.0
"""How long a trace is waited for after its request has ended."""


class EndedScreen(TraceScreen):
    """The trace of a request that was looked at while it ran."""

    @property
    def crumb(self) -> str:
        return f"{super().crumb} · it has ended"


class StackScreen(DetailScreen):
    """One request while it runs: what it does, the line of code, and its stack. When it ends, its trace comes."""

    scopes: ClassVar[tuple[Scope, ...]] = ("stack", "detail")
    BINDINGS = bindings("stack")

    key: InFlightId
    view: InFlightRow | None

    def __init__(self, key: InFlightId, siblings: Sequence[InFlightId] = ()) -> None:
        super().__init__(key, siblings)
        self.look: Look | None = None
        self._looking: Worker[None] | None = None
        self._gone_at: float | None = None

    @property
    def crumb(self) -> str:
        name = f"{self.view.method} {self.view.path}" if self.view is not None else "request"
        return f"{name} worker {self.key.worker.pid}"

    def worker(self) -> WorkerId | None:
        return self.key.worker

    def on_mount(self) -> None:
        super().on_mount()
        self.set_interval(LOOK_S, self._look_again)
        self._look_again()

    # What is read

    def read(self) -> InFlightRow | None:
        feed = self.feed
        rows = feed.store.in_flight(feed.now(), app=feed.app).rows
        return next((row for row in rows if row.id == self.key), None)

    def refresh_view(self) -> None:
        ended = self.feed.store.ended(self.key)
        if ended is not None and self.feed.store.trace(ended) is not None and self.app.screen is self:
            self._show_trace(ended)
            return
        super().refresh_view()

    def _show_trace(self, ended: TraceId) -> None:
        self.flasktop.say("The request has ended: this is its finished trace.")
        self.app.switch_screen(EndedScreen(ended))

    def _look_again(self) -> None:
        """Look, unless the picture is frozen, somebody else is on top, or it has ended."""
        busy = self._looking is not None and self._looking.is_running
        if busy or self.feed.frozen or self.app.screen is not self or self._over():
            return
        self._looking = self.run_worker(self._take_look, exclusive=True, exit_on_error=False)

    async def _take_look(self) -> None:
        clock = self.flasktop.clock
        seen = await look(self.flasktop.source, self.key, clock(), self.look)
        if self.feed.frozen or seen.request != self.key or not self.query("#main"):
            return
        if seen.stack is None and self.look is not None and self.look.stack is not None and is_gone(seen):
            self._gone_at = self._gone_at if self._gone_at is not None else clock()
        else:
            self.look = seen
        self.redraw()

    def _over(self) -> bool:
        """Whether it has ended so long ago that no trace of it will come."""
        return self._gone_at is not None and self.flasktop.clock() - self._gone_at > PATIENCE_S

    # What is shown

    def draw_lines(self, context: Context) -> list[Line]:
        return stack_lines(self.view, self.look, context)

    def _lines(self, context: Context) -> list[Line]:
        state = state_of(self.gone or self._gone_at is not None, self._over(), context)
        return [*state, *self.draw_lines(context)]

    def gone_words(self) -> str:
        return "The request has ended."

    def copied(self) -> str:
        seen = self.look
        if seen is None or seen.stack is None:
            return f"{self.view.method} {self.view.path}" if self.view is not None else ""
        return "\n".join(f"{frame.file}:{frame.line} {frame.function}  {frame.source}" for frame in seen.frames)

    # Keys

    def action_open(self) -> None:
        if self.page.bring_into_view():
            self._turn_fold(self.page.selected)

    def action_unfold(self, opened: bool) -> None:
        """Show the library frames of the selected line one by one (or no longer)."""
        choice = self.page.selected
        if isinstance(choice, tuple) and choice[0] == "fold" and (choice in self.opened) != opened:
            self._turn_fold(choice)

    def _turn_fold(self, choice: Hashable | None) -> None:
        if not isinstance(choice, tuple) or choice[0] != "fold":
            return
        self.opened ^= {choice}
        self.redraw()

    def action_sibling(self, by: int) -> None:
        self.look = self._gone_at = None
        super().action_sibling(by)
        self._looking = None
        self._look_again()


def is_gone(seen: Look) -> bool:
    """Whether a look failed because the request, or its worker, is there no more."""
    return getattr(seen.problem, "reason", GONE) == GONE
