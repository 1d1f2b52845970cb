"""The command palette: the key table's entries by their names, and what has no key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from flasktop.stats.views import Window
from flasktop.tui.keys import keys_of

if TYPE_CHECKING:
    from flasktop.tui.app import FlasktopApp

Command = tuple[str, str, Callable[[], object]]
"""Its name, what it does, and doing it."""


PALETTE_CSS: Final = """
Toast { background: $panel; }
CommandPalette > Vertical { width: 90; max-width: 100%; background: $panel; }
CommandPalette #--input { background: $panel; border: none; height: 3; }
CommandPalette SearchIcon { display: none; }
CommandPalette CommandInput { padding-left: 2; }
CommandPalette CommandList { border: none; background: $panel; scrollbar-size-vertical: 1; padding-bottom: 1; }
"""
"""How the palette, and the words in the corner that answer it, look."""


class Commands(Provider):
    """Every command that works on the screen the palette was opened from."""

    def _commands(self) -> Iterator[Command]:
        app = cast("FlasktopApp", self.app)
        for key in keys_of(*app.scopes_of(self.screen)):
            if key.palette:
                yield key.label.capitalize(), f"{key.help}  ·  key {key.shown}", partial(self._run, key.action)
        for window in Window:
            yield f"Window: {window.label}", "How much time the numbers cover", partial(app.set_window, window)
        for theme in sorted(app.available_themes):
            yield f"Theme: {theme}", "How it looks", partial(app.set_theme, theme)
        more = getattr(self.screen, "commands", None)
        if more is not None:
            yield from more()

    async def _run(self, action: str) -> None:
        """Do it where its key does it: on the screen, or in the panel that is shown."""
        if not await self.app.run_action(action, self.screen):
            await self.app.run_action(action, getattr(self.screen, "active", self.app))

    async def discover(self) -> Hits:
        for name, about, do in self._commands():
            yield DiscoveryHit(name, do, help=about)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for name, about, do in self._commands():
            score = matcher.match(name)
            if score > 0:
                yield Hit(score, matcher.highlight(name), do, help=about)
