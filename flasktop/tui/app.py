"""The Textual app: it takes events into the store, keeps time, and lets screens show what the store says."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Final, cast

from textual.app import App
from textual.binding import BindingType
from textual.command import Provider
from textual.events import Event, InputEvent
from textual.screen import ModalScreen, Screen

from flasktop.client.apps import RunningApp
from flasktop.protocol.events import WorkerId
from flasktop.protocol.text import neutral
from flasktop.stats.store import Store
from flasktop.stats.views import Summary, Window
from flasktop.steps import Steps
from flasktop.tui import settings
from flasktop.tui.commands import PALETTE_CSS, Commands
from flasktop.tui.feed import Feed, LiveFeed
from flasktop.tui.findings import FindingsDesk
from flasktop.tui.heaps import HeapDesk
from flasktop.tui.intake import Intake
from flasktop.tui.keys import Scope, bindings
from flasktop.tui.memory import Memory
from flasktop.tui.options import AttachOptions
from flasktop.tui.pulse import Pulse
from flasktop.tui.screens.base import visible
from flasktop.tui.screens.main import MainScreen
from flasktop.tui.screens.start import StartScreen
from flasktop.tui.source import Source
from flasktop.tui.state import Status, connection_of
from flasktop.tui.themes import CYCLE, OWN
from flasktop.tui.turns import RightOfWay
from flasktop.tui.widgets.summary import SummaryBar

START_S: Final = 0.25
"""How long an app that runs may take to show itself before the start screen says that there is none. It is searched
for as often."""

INTERVALS: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""What ``+`` and ``-`` go through, in seconds."""


class FlasktopApp(App[None]):
    """``flasktop attach``.

    Args:
        source: where events come from.
        options: what was asked for on the command line.
        clock: the reader's monotonic clock, in seconds.
        state: the file that remembers choices; None: the usual one.

    Raises:
        FlasktopError: ``options`` names a theme, sort or column that there is none of.
    """

    TITLE = "flasktop"
    ENABLE_COMMAND_PALETTE = True
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {Commands}
    BINDINGS: ClassVar[list[BindingType]] = bindings("everywhere")

    CSS = PALETTE_CSS

    def __init__(
        self,
        source: Source,
        options: AttachOptions,
        *,
        clock: Callable[[], float] = time.monotonic,
        state: Path | None = None,
    ) -> None:
        super().__init__()
        self.source = source
        self.store = Store()
        self.clock = clock
        for theme in OWN:
            self.register_theme(theme)
        self.memory = Memory(state or settings.path(), options, self.available_themes)
        self.theme = self.memory.choices.theme
        self.interval = self.memory.choices.interval
        self.feed = LiveFeed(self.store, clock, self.memory.choices.window)
        self.heaps = HeapDesk(self, source, clock, self.show_now)
        self.way = RightOfWay(source.way)
        self.findings = FindingsDesk(
            self,
            self.store,
            source,
            self.way,
            clock,
            self.tick,
            lambda different: self.pulse.looked(different),
            options.limits,
            self.heaps.heaps,
            evidence=options.evidence,
        )
        self.pulse = Pulse(self)
        self._frozen_at: float | None = None

    def get_default_screen(self) -> Screen[None]:
        return MainScreen()

    async def on_event(self, event: Event) -> None:
        if isinstance(event, InputEvent):
            self.way.pressed()
        await super().on_event(event)

    def on_mount(self) -> None:
        if self.memory.trouble:
            self.say(self.memory.trouble, warn=True)
        intake = Intake(self.store, self.pulse.came, self.news)
        self.run_worker(self.source.run(intake.take), name="source", exit_on_error=True)
        self.set_interval(START_S, self._look_for_app)
        self.pulse.run(self.interval)
        self.screen_change_signal.subscribe(self, self._screen_changed)

    def _screen_changed(self, screen: Screen[Any]) -> None:
        """A screen that comes up shows its summary at once, not at the next refresh."""
        self.call_later(self._show_summary, screen)

    # Events in

    def news(self) -> None:
        """The first picture waits for no timer."""
        self.call_later(self._look_for_app)
        self.call_later(self.tick)

    def _look_for_app(self) -> None:
        """Show the start screen until there is an app to watch, and the main one as soon as there is."""
        if not self.screen_stack:  # leaving: timers may ring once more
            return
        waiting = isinstance(self.screen, StartScreen)
        chosen = self.source.chosen
        if chosen is None and not any(isinstance(screen, StartScreen) for screen in self.screen_stack):
            self.push_screen(StartScreen())
        elif chosen is not None and waiting:
            self.pop_screen()
            self.tick()

    def choose(self, app: RunningApp) -> None:
        """Watch ``app`` from now on."""
        self.source.choose(app)
        self._look_for_app()

    # Time

    def tick(self) -> None:
        """One refresh, now: move on to the present (unless frozen) and show it; at the end of a look under way."""
        self.pulse.tick()

    def reading(self, feed: Feed) -> Steps[None]:
        """Read what ``show_now`` is about to ask for, in steps: ``feed`` keeps it."""
        _summary(feed)
        yield
        for screen in visible(self.screen_stack):
            reading = getattr(screen, "reading", None)
            if reading is not None and screen.is_mounted and self.is_running:
                yield from reading(feed)

    def show_now(self) -> None:
        """Let everything visible show what the feed says; nothing any more while the app is being left."""
        if not self.is_running or not self.screen_stack:
            return
        if isinstance(self.screen, StartScreen):
            if self.screen.is_mounted:
                self.screen.refresh_view()
            return
        for screen in visible(self.screen_stack):
            self._show_summary(screen)
            refresh_view = getattr(screen, "refresh_view", None)
            if refresh_view is not None and screen.is_mounted:
                refresh_view()

    def _show_summary(self, screen: Screen[Any]) -> None:
        feed, summary = self.feed, self.summary()
        workers = self.store.workers(self.clock(), feed.window)
        status = Status(connection_of(workers), self.interval, len(feed.store.died()), self._frozen_at)
        for bar in screen.query(SummaryBar):
            bar.show(summary, feed.window, status)

    def summary(self) -> Summary:
        return _summary(self.feed)

    # What a person does, everywhere

    def scopes_of(self, screen: Screen[Any]) -> tuple[Scope, ...]:
        """The scopes of keys that work on ``screen``, nearest first."""
        footer = getattr(screen, "footer_scopes", None)
        scopes = footer() if footer is not None else (*getattr(screen, "scopes", ()), "everywhere")
        return cast("tuple[Scope, ...]", scopes)

    def action_help(self) -> None:
        from flasktop.tui.screens.help import HelpScreen

        if not isinstance(self.screen, ModalScreen):
            self.push_screen(HelpScreen(self.scopes_of(self.screen)))

    def action_freeze(self) -> None:
        if self.feed.frozen:
            self._frozen_at = None
            self.feed.thaw()
        else:
            self.findings.finish()
            self.feed.freeze()
            self._frozen_at = time.time()
        self.show_now()

    def action_window(self) -> None:
        windows = list(Window)
        self.set_window(windows[(windows.index(self.feed.window) + 1) % len(windows)])

    def set_window(self, window: Window) -> None:
        """Let the numbers cover another stretch of time."""
        self.feed.catch_up()
        self.feed.window = window
        self.memory.note(window=window)
        self.show_now()

    def action_slower(self) -> None:
        self._set_interval(next((each for each in INTERVALS if each > self.interval), self.interval))

    def action_faster(self) -> None:
        self._set_interval(next((each for each in reversed(INTERVALS) if each < self.interval), self.interval))

    def _set_interval(self, seconds: float) -> None:
        self.interval = seconds
        self.memory.note(interval=seconds)
        self.pulse.run(self.interval)
        self.show_now()
        self.say(f"Refresh every {seconds:g} s")

    def action_worker(self) -> None:
        workers = [row.worker for row in self.store.workers(self.clock(), self.feed.window) if row.state == "live"]
        here = workers.index(self.feed.worker) + 1 if self.feed.worker in workers else 0
        self.watch_worker(workers[here] if here < len(workers) else None)

    def watch_worker(self, worker: WorkerId | None) -> None:
        """Show one worker alone, or all of them."""
        self.feed.catch_up()
        self.feed.worker = worker
        self.show_now()

    def watch_all(self) -> None:
        """Show all workers and all their apps."""
        self.feed.app = None
        self.watch_worker(None)

    def action_next_app(self) -> None:
        apps = self.summary().apps
        here = apps.index(self.feed.app) + 1 if self.feed.app in apps else 0
        self.feed.catch_up()
        self.feed.app = apps[here] if len(apps) > 1 and here < len(apps) else None
        self.show_now()

    def action_interrupt(self) -> None:
        self.exit(return_code=130)

    def action_theme(self) -> None:
        cycle = [theme for theme in CYCLE if theme in self.available_themes]
        here = cycle.index(self.theme) + 1 if self.theme in cycle else 0
        self.set_theme(cycle[here % len(cycle)])
        self.say(f"Theme {self.theme}")

    def set_theme(self, theme: str) -> None:
        """Look like ``theme``."""
        self.theme = theme
        self.memory.note(theme=theme)

    def watch_theme(self) -> None:
        self.call_after_refresh(self.show_now)

    def action_reset(self) -> None:
        self.findings.finish()
        self.store.reset(self.clock())
        if self.feed.frozen:
            self.action_freeze()
        self.tick()
        self.say("Counting anew from here.")

    def copy(self, text: str) -> None:
        """Put ``text`` on the terminal's clipboard."""
        text = text.encode("utf-8", "replace").decode("utf-8")
        self.copy_to_clipboard(text)
        first = text.split("\n", 1)[0]
        self.say(f"Copied {first[:48]}…" if len(text) > 48 else f"Copied {text}")

    def say(self, message: str, *, warn: bool = False) -> None:
        """A short word in the corner; never markup."""
        self.notify(
            neutral(message), severity="warning" if warn else "information", timeout=6 if warn else 2, markup=False
        )


def _summary(feed: Feed) -> Summary:
    return feed.store.summary(feed.now(), feed.window, app=feed.app, worker=feed.worker)
