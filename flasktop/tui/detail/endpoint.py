"""The screen of one endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import BindingType

from flasktop.stats.views import EndpointDetail, EndpointKey, StatementKey
from flasktop.tui.detail.context import Context
from flasktop.tui.detail.endpoint_page import endpoint_lines
from flasktop.tui.detail.page import Line
from flasktop.tui.detail.routing import show_plan
from flasktop.tui.detail.screen import DetailScreen
from flasktop.tui.detail.words import endpoint_name
from flasktop.tui.keys import Scope, bindings


class EndpointScreen(DetailScreen):
    """One endpoint: its numbers, its statements, its slowest, failed and recent requests."""

    scopes: ClassVar[tuple[Scope, ...]] = ("endpoint", "detail")
    BINDINGS: ClassVar[list[BindingType]] = bindings("endpoint")

    key: EndpointKey
    view: EndpointDetail | None

    def __init__(self, key: EndpointKey, siblings: Sequence[EndpointKey] = ()) -> None:
        super().__init__(key, siblings)

    @property
    def crumb(self) -> str:
        return endpoint_name(self.key)

    def read(self) -> EndpointDetail | None:
        feed = self.feed
        return feed.store.endpoint(self.key, feed.now(), feed.window, worker=feed.worker)

    def draw_lines(self, context: Context) -> list[Line]:
        return endpoint_lines(self.view, context) if self.view else []

    def gone_words(self) -> str:
        return f"No requests of {endpoint_name(self.key)} in this window ({self.feed.window.label})."

    def copied(self) -> str:
        return f"{self.key.method} {self.key.route}"

    def action_plan(self) -> None:
        """The plan of the selected statement."""
        choice = self.page.selected
        key = choice[1] if isinstance(choice, tuple) and len(choice) == 2 else None
        others = [other[1] for other in self.page.keys(self.page.section) if isinstance(other, tuple)]
        show_plan(self.flasktop, key if isinstance(key, StatementKey) else None, others)

    def action_profile(self) -> None:
        """Sample its requests."""
        from flasktop.tui.detail.profile import ProfileScreen

        self.app.push_screen(ProfileScreen(self.key))
