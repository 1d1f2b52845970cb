"""The screen of one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from flasktop.stats.statements import summary
from flasktop.stats.views import StatementDetail, StatementKey
from flasktop.tui.detail.context import Context
from flasktop.tui.detail.page import Line
from flasktop.tui.detail.routing import show_plan
from flasktop.tui.detail.screen import DetailScreen
from flasktop.tui.detail.statement_page import statement_lines
from flasktop.tui.draw.text import fit
from flasktop.tui.keys import Scope, bindings

NAME = 60
"""Cells of a statement's name in the breadcrumbs."""


class StatementScreen(DetailScreen):
    """One statement: why it runs, the code behind it, the statement itself, who runs it."""

    scopes: ClassVar[tuple[Scope, ...]] = ("statement", "detail")
    BINDINGS = bindings("statement")

    key: StatementKey
    view: StatementDetail | None

    def __init__(self, key: StatementKey, siblings: Sequence[StatementKey] = ()) -> None:
        super().__init__(key, siblings)

    @property
    def crumb(self) -> str:
        return fit(summary(self.key.text), NAME)

    def read(self) -> StatementDetail | None:
        feed = self.feed
        return feed.store.statement(self.key, feed.now(), feed.window, worker=feed.worker)

    def draw_lines(self, context: Context) -> list[Line]:
        return statement_lines(self.view, context) if self.view else []

    def gone_words(self) -> str:
        return f"This statement did not run in this window ({self.feed.window.label})."

    def copied(self) -> str:
        return self.key.text

    def action_plan(self) -> None:
        show_plan(self.flasktop, self.key, self.others)
