"""Before there is an app to watch, and when it goes away."""

from __future__ import annotations

from dataclasses import replace

from flasktop.errors import RendezvousError
from flasktop.tui.screens.start import StartScreen
from tests.tui.shop import SHOP, Feeding, Shop
from tests.tui.stage import Stage, check_snapshot, play

ADMIN = replace(SHOP, name="admin", names=("admin",), group=991, directory="/srv/admin", server="waitress")


def test_nothing_running_says_how_to_switch_it_on_and_where_it_looked() -> None:
    """The three lines, the directories, the problems."""
    source = Feeding(chosen=None, apps=())
    source.problems = (RendezvousError("/tmp/flasktop-1000 belongs to somebody else.", "Set FLASKTOP_DIR."),)

    async def act(stage: Stage) -> None:
        text = stage.text()
        for said in (
            "FlaskTop(app)",
            "/run/user/1000/flasktop",
            "belongs to somebody else",
            "Set FLASKTOP_DIR",
            "sudo",
        ):
            assert said in text

    play(act, size=(80, 30), source=source, history=0)


def test_an_app_that_answers_is_shown_by_itself() -> None:
    """Nobody has to press a key."""
    source = Feeding(chosen=None, apps=())
    shop = Shop()

    async def act(stage: Stage) -> None:
        assert isinstance(stage.app.screen, StartScreen)
        source.running, source._chosen = (SHOP,), SHOP
        source.give([*shop.opening(), *shop.seconds(-5, 0), *shop.caught_up()])
        stage.app._look_for_app()
        await stage.pilot.pause()

        assert stage.on_main
        assert "/orders" in stage.text()

    play(act, source=source, history=0)


def test_of_several_apps_one_is_picked() -> None:
    """With arrows and Enter."""
    source = Feeding(chosen=None, apps=(SHOP, ADMIN))

    async def act(stage: Stage) -> None:
        await stage.refresh()
        check_snapshot(stage, "picker-80x24")
        await stage.press("down", "enter")

        assert source.chosen == ADMIN
        assert stage.on_main

    play(act, size=(80, 24), source=source, history=0)


def test_what_killed_workers_left_can_be_looked_at() -> None:
    """The black box is a source too."""
    source = Feeding(chosen=None, apps=())
    source.dead = (replace(SHOP, alive=False),)

    async def act(stage: Stage) -> None:
        await stage.refresh()
        assert "Killed workers left this behind" in stage.text()
        await stage.press("enter")

        assert source.chosen == source.dead[0]

    play(act, size=(100, 40), source=source, history=0)


def test_reconnecting_is_visible_and_passes() -> None:
    """All workers go, another comes."""

    async def act(stage: Stage) -> None:
        stage.source.give([worker.state("gone") for worker in stage.shop.workers])
        await stage.refresh()
        assert "↻ reconnecting" in stage.lines()[0]
        again = Shop(pids=(5000,))
        stage.source.give([*again.opening(), *again.seconds(0, 1), *again.caught_up()])
        await stage.refresh(1.0)

        assert "● live" in stage.lines()[0]

    play(act)


def test_a_silent_worker_is_said_to_be_silent() -> None:
    """Alive and without an answer is not gone."""

    async def act(stage: Stage) -> None:
        stage.source.give([stage.shop.workers[0].state("silent")])
        await stage.refresh()
        assert "◌ 1 silent" in stage.lines()[0]
        await stage.press("4")

        assert "◌ silent" in stage.text()

    play(act)


def test_requests_that_died_are_shown_with_their_worker() -> None:
    """A badge everywhere, the requests in Processes."""

    async def act(stage: Stage) -> None:
        stage.source.give(stage.shop.death())
        await stage.refresh()
        assert "✗ 1 died" in stage.lines()[0]
        await stage.press("4")

        assert "✗ 1 request died with its worker" in stage.text()
        assert "31.2 s old  POST /report" in stage.text()

    play(act, size=(80, 24))
