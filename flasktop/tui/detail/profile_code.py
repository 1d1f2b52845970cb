"""The screen of one function of a profile: its code, with the time of each line."""

from __future__ import annotations

from typing import ClassVar

from flasktop.stats.calltree import Node, Profile
from flasktop.tui.detail.context import Context
from flasktop.tui.detail.lists import plain
from flasktop.tui.detail.page import Line
from flasktop.tui.detail.profile_code_page import SECTION, code_head, code_lines, code_titles, split_of
from flasktop.tui.detail.screen import DetailScreen
from flasktop.tui.detail.words import flowed
from flasktop.tui.draw.split import legend, split_bar
from flasktop.tui.draw.text import safe
from flasktop.tui.keys import Scope


class ProfileCodeScreen(DetailScreen):
    """A function where it was called from: what each of its lines took, of all time of the endpoint."""

    scopes: ClassVar[tuple[Scope, ...]] = ("detail",)

    view: Node

    def __init__(self, profile: Profile, node: Node) -> None:
        super().__init__(node.key)
        self._profile, self._node = profile, node
        self._started = False

    @property
    def crumb(self) -> str:
        return safe(self._node.key.name)

    def read(self) -> Node:
        return self._node

    def gone_words(self) -> str:
        return ""

    def copied(self) -> str:
        chosen = self.page.selected
        number = chosen[1] if isinstance(chosen, tuple) else self._node.line
        return f"{self._node.key.file}:{number}"

    def redraw(self) -> None:
        super().redraw()
        if self.is_mounted and not self._started and self.page.lines:
            self._started = True
            self.page.select((SECTION, self._node.line))

    def action_open(self) -> None:
        """There is nothing deeper."""

    def draw_lines(self, context: Context) -> list[Line]:
        palette, width, split = context.palette, context.width, split_of(self._node.total)
        return [
            *plain(code_head(self._profile, self._node, context)),
            Line(split_bar(split, width, palette)),
            *plain(flowed(legend(palette, split, brief=True), width, palette, "  ")),
            Line(code_titles(context)),
            *code_lines(self._profile, self._node, context),
        ]
