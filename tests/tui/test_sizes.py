"""Every size of terminal: nothing is cut without sense, nothing crashes."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from textual.widgets import Input

from flasktop.tui.screens.base import SMALLEST
from tests.stats.builders import NOW, Source, make_span
from tests.tui.shop import Fault, Feeding, Shop
from tests.tui.stage import Stage, check_snapshot, play

HOSTILE = "/\x1b]0;owned\x07[/b][red]\u202e\u0000\ud800漢字\t\n" + "x" * 300


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 40), (200, 60)])
@pytest.mark.parametrize("panel", ["1", "2", "4", "5", "L"])
def test_the_panels_look_as_they_should(size: tuple[int, int], panel: str) -> None:
    """The whole screen, cell by cell."""

    async def act(stage: Stage) -> None:
        await stage.press(panel)
        await stage.refresh()

        check_snapshot(stage, f"{stage.panel.panel}-{size[0]}x{size[1]}")

    play(act, size=size, history=20)


@pytest.mark.parametrize("panel", ["1", "2", "4", "5", "L"])
def test_what_matters_is_there_at_80_columns(panel: str) -> None:
    """A number is whole or not there at all."""
    essential = {
        "1": {"method", "route", "rate", "p50", "p95", "errors", "sql", "share"},
        "2": {"statement", "source", "calls", "mean", "total", "rows"},
        "4": {"pid", "state", "rate", "flight", "cpu", "rss", "pool"},
        "5": {"pid", "rss", "slope", "bytes", "says"},
        "L": {"time", "method", "path", "status", "ms", "sql"},
    }

    async def act(stage: Stage) -> None:
        await stage.press(panel)

        assert essential[panel] <= set(stage.panel.table.shown_columns)
        assert all(cell_len(line) <= 80 for line in stage.lines())

    play(act, size=(80, 24))


@pytest.mark.parametrize("panel", ["1", "2", "4", "5", "L"])
def test_at_200_columns_nothing_is_left_out(panel: str) -> None:
    """Every column that there is."""

    async def act(stage: Stage) -> None:
        await stage.press(panel)

        assert list(stage.panel.table.shown_columns) == [column.name for column in stage.panel.visible_columns]
        assert {column.name for column in stage.panel.columns} - {*stage.panel.table.shown_columns} <= {"app"}

    play(act, size=(200, 60))


@pytest.mark.parametrize("width", range(60, 210, 10))
def test_the_summary_drops_what_does_not_fit_and_cuts_nothing(width: int) -> None:
    """No ellipsis, no half numbers; the app's name, the state and the rate are always there."""

    async def act(stage: Stage) -> None:
        first, second = stage.lines()[:2]

        assert "…" not in first + second
        assert "shop" in first
        assert "● live" in first
        assert "req/s" in second
        assert cell_len(first) <= width

    play(act, size=(width, 24))


def test_below_the_smallest_size_it_says_so_and_comes_back() -> None:
    """A terminal can be dragged through any size."""

    async def act(stage: Stage) -> None:
        for size in ((1, 1), (20, 3), (59, 40), (200, 11)):
            await stage.pilot.resize_terminal(*size)
            await stage.refresh()
            if size[0] >= 20:
                assert "too small" in stage.text()
        await stage.pilot.resize_terminal(SMALLEST.width, SMALLEST.height)
        await stage.refresh()

        assert "/orders" in stage.text()

    play(act)


@pytest.mark.parametrize("size", [(60, 12), (80, 24), (200, 60)])
def test_hostile_strings_are_only_text(size: tuple[int, int]) -> None:
    """No markup is read, no control reaches the terminal, nothing ends the program."""
    worker = Source(pid=66)
    route = worker.route("[/b]", HOSTILE)
    statement = worker.statement("SELECT '" + HOSTILE + "'", relationship="[/red]" + HOSTILE)

    async def act(stage: Stage) -> None:
        trace = worker.trace(route, ms=900, spans=[make_span(statement)], path=HOSTILE, error="[/x]\x1b[2J")
        stage.source.give([worker.joined(), worker.defined(), worker.state("live"), worker.frame([trace], mono=NOW)])
        await stage.refresh()
        for key in ("1", "2", "4", "5", "L"):
            await stage.press(key)
            await stage.press("y", "j", "slash")
            stage.main.query_one("#filter", Input).value = "[/b][red]"
            await stage.press("enter")
            assert stage.app.is_running
            assert not any(ord(letter) < 32 or ord(letter) == 0x202E for line in stage.lines() for letter in line)

    play(act, size=size, source=Feeding(), history=0)


def test_five_hundred_endpoints_are_all_reachable() -> None:
    """The table holds them all and draws only what is visible."""
    shop = Shop(extra=[Fault("GET", f"/generated/{i:03}", 2.0, 5.0, 2.0) for i in range(500)], load=0.6)

    async def act(stage: Stage) -> None:
        assert len(stage.order()) > 500
        await stage.press("G")

        assert stage.order()[-1].route in stage.text()

    play(act, size=(120, 40), shop=shop, history=4)
