"""The screen of a statement's plan: asked of one worker that ran it, shown when it comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from flasktop.client.ask import CommandFailedError
from flasktop.errors import FlasktopError, NotRunningError
from flasktop.protocol.commands import GONE, Working
from flasktop.protocol.commands.explain import Explain, Planned
from flasktop.protocol.events import WorkerId
from flasktop.protocol.records import STATEMENT
from flasktop.stats.plans import parse
from flasktop.stats.plans.words import as_text, sentences
from flasktop.stats.statements import summary
from flasktop.stats.views import StatementKey
from flasktop.tui.deferred import deferred
from flasktop.tui.detail.context import Context
from flasktop.tui.detail.page import Line
from flasktop.tui.detail.plan_page import Made, failed_lines, plan_lines, waiting_lines
from flasktop.tui.detail.screen import DetailScreen
from flasktop.tui.draw.text import fit
from flasktop.tui.keys import Scope, bindings

ATTEMPTS: Final = 4
"""Workers that are asked in turn, where one no longer knows the statement."""
COUNT_S: Final = 0.25
NAME: Final = 40


@dataclass(frozen=True, slots=True)
class Asking:
    """Under way since ``since`` on the reader's clock."""

    since: float
    stage: str


class PlanScreen(DetailScreen):
    """What the database would do for a statement. Asked for when the screen opens; ``x`` asks anew."""

    scopes: ClassVar[tuple[Scope, ...]] = ("plan", "detail")
    BINDINGS = bindings("plan")

    key: StatementKey
    view: Made | Asking | FlasktopError | None

    def __init__(self, key: StatementKey, siblings: Sequence[StatementKey] = ()) -> None:
        super().__init__(key, siblings)

    @property
    def crumb(self) -> str:
        behind = self.app.screen_stack[-2:-1]
        named = any(getattr(screen, "key", None) == self.key for screen in behind)
        return "plan" if named else f"plan of {fit(summary(self.key.text), NAME)}"

    def on_mount(self) -> None:
        self.set_interval(COUNT_S, self._count_on)
        self.ask()

    def _count_on(self) -> None:
        """Let the seconds run while the database is asked."""
        if self.is_current and isinstance(self.view, Asking):
            self.redraw()

    # Asking

    def ask(self) -> None:
        """Ask for the plan; what is shown until it comes is that it is asked for."""
        if self.key.kind != STATEMENT:
            self.view = FlasktopError("Only statements have plans.", "This is a COMMIT, a connect, or the like.")
            self.redraw()
            return
        self.view = Asking(self.flasktop.clock(), "asking a worker")
        self.run_worker(deferred(self._ask, self.key), group="plan", exclusive=True)
        self.redraw()

    async def _ask(self, key: StatementKey) -> None:
        try:
            made: Made | FlasktopError = await self._made(key)
        except FlasktopError as error:
            made = error
        self.view = made
        self.redraw()

    async def _made(self, key: StatementKey) -> Made:
        """The plan from the first worker that can make it.

        Raises:
            FlasktopError: none can; says what the last one said.
        """
        failure: FlasktopError = NotRunningError(
            "No worker that ran this statement is alive.", "It can be planned when it has run again."
        )
        for worker, number in self._known(key)[:ATTEMPTS]:
            found = await self._planned(worker, number)
            if isinstance(found, Planned):
                return Made(found, parse(found.dialect, found.plan), worker)
            failure = found
        raise failure

    async def _planned(self, worker: WorkerId, number: int) -> Planned | FlasktopError:
        """What one worker says; an error is returned where another one may do better, and raised where not."""
        try:
            return await self.flasktop.source.ask(worker, Explain(number), Planned, self._told)
        except NotRunningError as error:
            return error
        except CommandFailedError as error:
            if error.reason != GONE:
                raise
            return error

    def _told(self, working: Working) -> None:
        if isinstance(self.view, Asking):
            self.view = Asking(self.view.since, working.stage)

    def _known(self, key: StatementKey) -> list[tuple[WorkerId, int]]:
        """The live workers that know the statement, with their ids: first the one in view, then who ran it last."""
        feed = self.feed
        found = [(worker, number) for worker, numbers in feed.store.local_ids(key) for number in reversed(numbers)]
        detail = feed.store.statement(key, feed.now(), feed.window, worker=feed.worker)
        ran = {trace.id.worker: trace.at for trace in (detail.slowest if detail else ())}
        return sorted(found, key=lambda each: (each[0] == feed.worker, ran.get(each[0], 0.0)), reverse=True)

    # What a drill-down screen says about itself

    def refresh_view(self) -> None:
        """A plan stands as it was made, and may be long: it is drawn when it comes, not at each refresh."""
        if not isinstance(self.view, Made):
            self.redraw()

    def read(self) -> object | None:
        return self.view

    def draw_lines(self, context: Context) -> list[Line]:
        view = self.view
        if isinstance(view, Asking):
            return waiting_lines(view.stage, max(0.0, self.flasktop.clock() - view.since), context)
        if isinstance(view, Made):
            return plan_lines(view, self.key, context)
        return failed_lines(view.message, view.hint, self.key, context) if view is not None else []

    def gone_words(self) -> str:
        return ""

    def copied(self) -> str:
        view = self.view
        if not isinstance(view, Made):
            return ""
        said = "\n".join(sentence.text for sentence in sentences(view.plan))
        tree = "" if view.plan.problem else f"{said}\n\n{as_text(view.plan)}\n\n"
        return f"{self.key.text}\n\n{tree}{view.planned.plan}"

    # Keys

    def action_plan(self) -> None:
        self.ask()

    def action_sibling(self, by: int) -> None:
        before = self.key
        super().action_sibling(by)
        if self.key != before:
            self.ask()
