"""The real app on the invented shop, with a clock that stands still until it is told to move."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from flasktop.tui.app import FlasktopApp
from flasktop.tui.options import AttachOptions
from flasktop.tui.panels.base import ListPanel
from flasktop.tui.screens.main import MainScreen
from flasktop.tui.source import Source
from tests.stats.builders import NOW
from tests.tui.shop import Feeding, Shop

SNAPSHOTS = Path(__file__).parent / "snapshots"


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Stage:
    """A running app and what a test does with it."""

    app: FlasktopApp
    pilot: Pilot[None]
    clock: Clock
    source: Feeding
    shop: Shop

    @property
    def main(self) -> MainScreen:
        screen = self.app.screen_stack[0]
        assert isinstance(screen, MainScreen)
        return screen

    @property
    def on_main(self) -> bool:
        """Whether the main screen is what the person sees."""
        return self.app.screen is self.main

    @property
    def panel(self) -> ListPanel[Any]:
        return self.main.active

    def order(self) -> list[Any]:
        """The keys of the rows of the active panel, in the order shown."""
        return list(self.panel.table.keys)

    def lines(self) -> list[str]:
        """The screen as plain text."""
        return [strip.text.rstrip() for strip in self.app.screen._compositor.render_strips()]

    def text(self) -> str:
        return "\n".join(self.lines())

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def refresh(self, seconds: float = 0.0) -> None:
        """Let time pass, and the app refresh."""
        self.clock.now += seconds
        self.app.tick()
        await self.pilot.pause()
        await self.until(lambda: not self.app.findings.looking)
        await self.pilot.pause()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what happens by itself."""
        for _ in range(500):
            if condition():
                return
            await self.pilot.pause(0.01)
        raise AssertionError("it never happened")


def play(
    act: Callable[[Stage], Awaitable[None]],
    *,
    size: tuple[int, int] = (120, 40),
    options: AttachOptions | None = None,
    source: Feeding | None = None,
    shop: Shop | None = None,
    history: int = 8,
) -> None:
    """Run the app in a terminal of ``size`` with ``history`` seconds of the shop behind it, and let ``act`` play. Rules
    ask for no evidence unless ``options`` say so: what is asked is then what the person asked."""
    asyncio.run(
        _play(act, size, options or AttachOptions(evidence=False), source or Feeding(), shop or Shop(), history)
    )


async def _play(
    act: Callable[[Stage], Awaitable[None]],
    size: tuple[int, int],
    options: AttachOptions,
    source: Feeding,
    shop: Shop,
    history: int,
) -> None:
    clock = Clock()
    real: Source = source
    app = FlasktopApp(real, options, clock=clock)
    if history:
        source.give([*shop.opening(), *shop.seconds(-history, 0), *shop.caught_up()])
    async with app.run_test(size=size) as pilot:
        stage = Stage(app, pilot, clock, source, shop)
        await pilot.pause()
        if source.chosen is None:
            await stage.until(lambda: not stage.on_main)
        await stage.refresh()
        await act(stage)


def check_snapshot(stage: Stage, name: str) -> None:
    """Compare the screen with the file of that name; ``FLASKTOP_UPDATE_SNAPSHOTS=1`` writes the file anew."""
    file, text = SNAPSHOTS / f"{name}.txt", stage.text() + "\n"
    if os.environ.get("FLASKTOP_UPDATE_SNAPSHOTS") == "1":
        SNAPSHOTS.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert file.exists(), f"{file} is missing: run with FLASKTOP_UPDATE_SNAPSHOTS=1 and look at it"

    assert text == file.read_text(encoding="utf-8")
