"""What waits for what, so that no key press does."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from textual.widgets import ContentSwitcher

from flasktop.findings.model import Severity
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
        assert len(list(stage.app.reading(stage.app.feed))) >= 2

        screen, switcher = stage.app.screen, stage.app.screen.query_one(ContentSwitcher)
        shown = switcher.current
        screen._is_mounted = False  # as it is for a moment, when its parts are there and none is chosen
        switcher._reactive_current = None
        assert len(list(stage.app.reading(stage.app.feed))) == 1
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


async def alone(stage: Stage) -> None:
    """Have no other refresh come in between."""
    stage.app.pulse.run(3_600.0)
    await stage.until(lambda: not stage.source.turn.locked())


def test_while_the_next_picture_is_read_a_person_is_answered_from_the_last() -> None:
    async def act(stage: Stage) -> None:
        await alone(stage)
        app = stage.app
        feed = app.feed
        shown, seen = stage.panel.rows(feed), feed.now()
        stage.clock.now += 1.0
        ahead = feed.ahead()
        steps = app.reading(ahead)
        next(steps)
        next(steps)
        assert stage.panel.rows(feed) is shown
        assert feed.now() == seen

        for _ in steps:
            pass
        feed.become(ahead)
        assert feed.now() == stage.clock.now
        assert stage.panel.rows(feed) is not shown
        assert stage.panel.rows(feed) is ahead.store.endpoints(ahead.now(), ahead.window)

    play(act)


def test_a_picture_that_was_read_ahead_comes_neither_after_a_later_one_nor_while_frozen() -> None:
    async def act(stage: Stage) -> None:
        await alone(stage)
        feed = stage.app.feed
        ahead = feed.ahead()
        stage.clock.now += 1.0
        feed.refresh()
        feed.become(ahead)
        assert feed.now() == stage.clock.now

        ahead = feed.ahead()
        await stage.press("space")
        frozen = feed.store
        feed.become(ahead)
        assert feed.store is frozen
        assert feed.ahead() is feed

    play(act)


def test_what_the_preview_shows_is_read_ahead_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(stage: Stage) -> None:
        await alone(stage)
        app, asked = stage.app, list[object]()
        endpoint = app.store.endpoint

        def noting(key: Any, *args: Any, **kwargs: Any) -> Any:
            asked.append(key)
            return endpoint(key, *args, **kwargs)

        monkeypatch.setattr(app.store, "endpoint", noting)
        ahead = app.feed.ahead()
        for _ in app.reading(ahead):
            pass
        assert asked == [stage.panel.table.selected_key]

        app.feed.become(ahead)
        app.show_now()
        assert len(asked) == 1

    play(act, size=(120, 40))


def test_what_was_not_read_of_the_last_picture_is_asked_of_the_next_and_once() -> None:
    """The sums are of that moment by now."""

    async def act(stage: Stage) -> None:
        await alone(stage)
        app, feed = stage.app, stage.app.feed
        stage.clock.now += 1.0
        ahead = feed.ahead()
        steps = app.reading(ahead)
        next(steps)
        await stage.press("2")
        assert feed.now() == ahead.now() == stage.clock.now

        read = feed.store.queries(feed.now(), feed.window)
        for _ in steps:
            pass
        feed.become(ahead)
        assert feed.store.queries(feed.now(), feed.window) is read

    play(act)


def test_a_picture_that_is_frozen_while_the_next_is_read_stays() -> None:
    async def act(stage: Stage) -> None:
        await alone(stage)
        await stage.press("5")
        app, panel = stage.app, stage.panel
        stage.source.give(list(stage.shop.seconds(0, 1)))
        stage.clock.now += 1.0
        steps = app.reading(app.feed.ahead())
        next(steps)
        await stage.press("space")
        frozen = panel.rows(app.feed)
        for _ in steps:
            pass

        assert panel.rows(app.feed) is frozen

    play(act)


def test_rows_that_are_ordered_ahead_are_ordered_by_their_own_marks() -> None:
    """The row of a finding comes back, where the list is sorted by findings."""

    async def act(stage: Stage) -> None:
        await alone(stage)
        app, panel = stage.app, stage.panel
        every = panel.rows(app.feed)
        last = panel.key(every[-1])
        app.findings.marks = {last: Severity.CRITICAL}
        panel.sorted_by = "finding"
        panel._every = every[:-1]

        assert panel.key(panel._order(every)[0]) == last

    play(act)


@pytest.mark.parametrize("digit", ["1", "2"])
def test_the_rows_that_will_be_visible_are_drawn_ahead(monkeypatch: pytest.MonkeyPatch, digit: str) -> None:
    async def act(stage: Stage) -> None:
        await alone(stage)
        await stage.press(digit)
        app, table, drawn = stage.app, stage.panel.table, list[object]()
        columns = table._placed
        stage.source.give(list(stage.shop.seconds(0, 1)))
        stage.clock.now += 1.0
        ahead = app.feed.ahead()
        for _ in app.reading(ahead):
            pass
        line = table._line

        def noting(cells: Any) -> Any:
            drawn.append(cells)
            return line(cells)

        monkeypatch.setattr(table, "_line", noting)
        app.feed.become(ahead)
        app.show_now()
        await stage.pilot.pause()

        assert table._placed is columns
        assert len(table.rows) > 3
        assert len(drawn) == 1  # the header

    play(act, size=(120, 40))


def test_what_was_ordered_ahead_gives_way_to_what_a_person_does_meanwhile() -> None:
    async def act(stage: Stage) -> None:
        await alone(stage)
        app, panel = stage.app, stage.panel
        stage.clock.now += 1.0
        ahead = app.feed.ahead()
        for _ in app.reading(ahead):
            pass
        before, seen = stage.order(), {id(row) for row in panel.rows(app.feed)}
        await stage.press("r")
        assert {id(row) for row in panel.table.rows} == seen
        app.feed.become(ahead)
        app.show_now()

        assert stage.order() == before[::-1] != before
        assert [panel.key(row) for row in panel.table.rows] == stage.order()

    play(act)
