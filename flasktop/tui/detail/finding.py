"""The screen of one finding."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

from textual.screen import Screen

from flasktop.findings.model import Finding, FindingKey, Rule
from flasktop.findings.registry import RULES
from flasktop.protocol.events import WorkerId
from flasktop.stats.views import StatementKey
from flasktop.tui.detail.context import Context
from flasktop.tui.detail.finding_page import as_text, finding_lines
from flasktop.tui.detail.page import Line
from flasktop.tui.detail.routing import show_plan
from flasktop.tui.detail.screen import DetailScreen
from flasktop.tui.keys import Scope, bindings


class FindingScreen(DetailScreen):
    """What is wrong, the proof, the fix, and the rows that show it."""

    scopes: ClassVar[tuple[Scope, ...]] = ("finding", "detail")
    BINDINGS = bindings("finding")

    key: FindingKey
    view: Finding | None

    @property
    def crumb(self) -> str:
        return self.key.rule

    def read(self) -> Finding | None:
        return self.flasktop.findings.find(self.key)

    def draw_lines(self, context: Context) -> list[Line]:
        return finding_lines(self.view, self._rule(), context) if self.view is not None else []

    def _rule(self) -> Rule | None:
        return next((rule for rule in RULES if rule.name == self.key.rule), None)

    def gone_words(self) -> str:
        return "This is no longer so: the rule does not find it in the last five minutes."

    def copied(self) -> str:
        return as_text(self.view) if self.view is not None else ""

    def screen_of(self, section: str, key: Hashable) -> Screen[None] | None:
        if isinstance(key, WorkerId):
            from flasktop.tui.detail.heap import HeapScreen

            return HeapScreen(key)
        return super().screen_of(section, key)

    def action_plan(self) -> None:
        """The plan of the statement that it is about."""
        choice = self.page.selected
        chosen = choice[1] if isinstance(choice, tuple) and len(choice) == 2 else None
        rows = (chosen, *(self.view.concerns if self.view is not None else ()))
        show_plan(self.flasktop, next((row for row in rows if isinstance(row, StatementKey)), None))
