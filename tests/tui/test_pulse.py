"""What waits for what, so that no key press does."""

from __future__ import annotations

import subprocess
import sys

import pytest
from textual.widgets import ContentSwitcher

from flasktop.tui.screens.main import MainScreen
from tests.tui.shop import Shop
from tests.tui.stage import Stage, play

AFTER_A_SLOW_LOOK = 60.0
"""Seconds after which the next look is due, however long the last one took on this machine."""

LATER = ("sqlglot", "pygments", "flasktop.findings.rules", "flasktop.client.inspection", "flasktop.tui.screens.help")
"""What is loaded after the first picture, if ever."""


def test_the_first_picture_waits_for_no_rule_no_help_and_no_drill_down() -> None:
    code = "import sys, flasktop.cli, flasktop.commands.attach, flasktop.tui.app; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert not {*LATER} & {*loaded}
    assert "flasktop.tui.detail.endpoint" not in loaded


def test_while_a_look_is_under_way_the_source_hands_nothing_on_and_the_refresh_comes_after_it() -> None:
    async def act(stage: Stage) -> None:
        app = stage.app
        await stage.source.turn.acquire()  # the look has to wait for it
        stage.clock.now += AFTER_A_SLOW_LOOK
        app.tick()
        await stage.until(lambda: app.findings.looking)
        seen, before = app.feed.now(), app.findings.report
        stage.clock.now += 1.0
        app.tick()
        assert app.feed.now() == seen
        stage.source.turn.release()
        await stage.until(lambda: app.feed.now() == stage.clock.now)

        assert app.findings.report is not before
        assert not app.findings.looking

    play(act)


def test_a_look_that_is_under_way_is_finished_before_the_picture_is_frozen() -> None:
    async def act(stage: Stage) -> None:
        app = stage.app
        await stage.source.turn.acquire()
        stage.clock.now += AFTER_A_SLOW_LOOK
        app.tick()
        await stage.until(lambda: app.findings.looking)
        await stage.press("space")

        assert app.feed.frozen
        assert not app.findings.looking
        stage.source.turn.release()

    play(act)


def test_a_screen_is_read_whole_and_one_that_is_still_being_made_not_at_all() -> None:
    async def act(stage: Stage) -> None:
        assert isinstance(stage.app.screen, MainScreen)
        assert len(list(stage.app.reading())) >= 2

        screen, switcher = stage.app.screen, stage.app.screen.query_one(ContentSwitcher)
        shown = switcher.current
        screen._is_mounted = False  # as it is for a moment, when its parts are there and none is chosen
        switcher._reactive_current = None
        assert len(list(stage.app.reading())) == 1
        screen._is_mounted, switcher._reactive_current = True, shown

    play(act)


def test_what_came_is_reckoned_behind_the_scenes_before_it_is_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flasktop.tui.pulse.RECKON_AT", 1)

    async def act(stage: Stage) -> None:
        stage.source.give(list(stage.shop.seconds(0, 2)))
        assert stage.app.store.gathered
        await stage.until(lambda: not stage.app.store.gathered)

    play(act)


def test_the_preview_of_another_row_waits_for_the_reckoning_that_is_under_way() -> None:
    """The cursor moves at once."""

    async def act(stage: Stage) -> None:
        app = stage.app
        stage.source.give(list(stage.shop.seconds(0, 2)))
        steps = app.store.folding(stage.clock.now + 2)
        next(steps)
        assert app.store.is_folding
        first = stage.panel.table.selected_key
        await stage.source.turn.acquire()
        await stage.press("down")
        assert stage.panel.table.selected_key != first
        assert app.store.is_folding
        stage.source.turn.release()
        await stage.until(lambda: not app.store.is_folding)
        await stage.pilot.pause()

        second = stage.panel.selected
        assert second is not None
        assert second.key.route in stage.text().split("slowest of")[0].splitlines()[-1]

    play(act, size=(120, 40), shop=Shop())
