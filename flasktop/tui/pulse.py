"""When the picture moves on: what came is reckoned, then shown, and then looked at for findings.

None of it may keep a key press waiting. So all of it has short turns of the event loop, which begin only while no key
press is being answered; while they last the source hands nothing on (``Source.turn``): each is of one moment.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Final

from textual.timer import Timer

from flasktop.tui.turns import in_turns

if TYPE_CHECKING:
    from flasktop.tui.app import FlasktopApp


RECKON_AT: Final = 6_000
"""So many traces and spans wait to be reckoned at least: fewer at a time cost more each."""

FEW: Final = 1_500
"""So many are reckoned at once without anybody feeling it."""


class Pulse:
    """The app's."""

    def __init__(self, app: FlasktopApp) -> None:
        self._app = app
        self._reckoning = False
        self._waiting: dict[Hashable, Callable[[], None]] = {}
        self._timer: Timer | None = None
        self._due = False

    def run(self, interval: float) -> None:
        """Refresh every ``interval`` seconds from now on."""
        if self._timer is not None:
            self._timer.stop()
        self._timer = self._app.set_interval(interval, self._refresh)

    async def _refresh(self) -> None:
        """``tick``, but with time for keys between reckoning what came and showing it."""
        if self._put_off():
            return
        app = self._app
        async with app.source.turn:
            await self._fold()
            ahead = app.feed.ahead()
            await in_turns(app.reading(ahead), app.way)
            await app.way.free()
            app.feed.become(ahead)
            self._show()

    def came(self) -> None:
        """Events came: reckon them before they are so many that it takes long, however far the next refresh is."""
        if self._app.store.gathered >= RECKON_AT:
            self._begin_to_reckon()

    def _begin_to_reckon(self) -> None:
        if not self._reckoning:
            self._reckoning = True
            self._app.run_worker(self._reckon(), group="reckon", exit_on_error=True)

    async def _reckon(self) -> None:
        async with self._app.source.turn:
            await self._fold()
        self._reckoning = False

    async def _fold(self) -> None:
        app = self._app
        await in_turns(app.store.folding(app.clock()), app.way)
        waiting, self._waiting = self._waiting, {}
        for show in waiting.values():
            show()

    def when_folded(self, what: Hashable, show: Callable[[], None]) -> None:
        """Show something as soon as it costs no more than itself: now, or when what came was reckoned, where that takes
        long; of several for the same ``what``, the last."""
        if self._app.store.is_folding or self._app.store.gathered > FEW:
            self._waiting[what] = show
            self._begin_to_reckon()
        else:
            show()

    def tick(self) -> None:
        """One refresh at once: move on to the present (unless frozen) and show it."""
        if not self._put_off():
            self._app.feed.refresh()
            self._show()

    def looked(self, different: bool) -> None:
        """Go on with the refresh that waited for the end of a look, and show what was found, where it is
        ``different``."""
        if self._due:
            self._due = False
            self._app.call_later(self.tick)
        elif different:
            self._app.call_later(self._app.show_now)

    def _put_off(self) -> bool:
        """Whether a look is under way: then the refresh comes after it."""
        self._due = self._app.findings.looking
        return self._due

    def _show(self) -> None:
        app = self._app
        app.show_now()
        if not app.feed.frozen and app.source.chosen is not None:
            app.call_after_refresh(self._look)

    def _look(self) -> None:
        if not self._app.feed.frozen:
            self._app.findings.look(self._app.feed.app)
