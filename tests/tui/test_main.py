"""The main screen: sort, follow, hold, filter, hide, freeze, copy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from textual.widgets import Input

from flasktop.stats.views import EndpointKey, Window
from flasktop.tui.panels.base import HOLD_S
from flasktop.tui.widgets.table import Table
from tests.stats.builders import NOW, Source
from tests.tui.shop import Fault, Feeding, Shop
from tests.tui.stage import Stage, play

ORDERS = EndpointKey("shop", "GET", "/orders")
STATS = EndpointKey("shop", "GET", "/stats")


def header(stage: Stage) -> str:
    """The line of column titles."""
    return next(line for line in stage.lines() if "METHOD" in line or "STATEMENT" in line or "PID" in line)


def test_the_sorted_column_is_marked() -> None:
    """The natural order of numbers is downwards, and says so."""

    async def act(stage: Stage) -> None:
        assert "SHARE▼" in header(stage)
        await stage.press("r")

        assert "SHARE▲" in header(stage)

    play(act)


def test_s_sorts_by_the_next_column_that_is_shown() -> None:
    """The keys walk over what is visible, from right round to the left."""

    async def act(stage: Stage) -> None:
        shown = stage.panel.table.shown_columns
        await stage.press("S")

        assert stage.panel.sorted_by == shown[shown.index("share") - 1]
        await stage.press("s", "s")

        assert stage.panel.sorted_by == shown[0] == "finding"
        await stage.press("s")

        assert stage.panel.sorted_by == shown[1] == "method"
        assert stage.order() == sorted(stage.order(), key=lambda key: key.method)

    play(act)


def test_a_click_on_a_header_sorts_and_a_second_one_reverses() -> None:
    """The mouse does what the keys do."""

    async def act(stage: Stage) -> None:
        x = header(stage).index("p95")
        table = stage.panel.query_one(Table)
        await stage.pilot.click(table, offset=(x, 0))
        await stage.pilot.pause()

        assert "p95▼" in header(stage)
        await stage.pilot.click(table, offset=(x, 0))
        await stage.pilot.pause()

        assert "p95▲" in header(stage)

    play(act)


def test_rows_without_a_value_come_last_whichever_way_round() -> None:
    """What is not known is never on top."""

    async def act(stage: Stage) -> None:
        worker = stage.shop.workers[0]
        route = worker.route("GET", "/async")
        stage.source.give([worker.defined(), worker.frame([worker.trace(route, ms=5, cpu_ms=None)], mono=NOW)])
        await stage.refresh()
        stage.panel.sort_by("cpu")
        assert stage.order()[-1].route == "/async"
        stage.panel.turn()

        assert stage.order()[-1].route == "/async"

    play(act, size=(200, 60))


def many(endpoints: int) -> Shop:
    """A shop with so many endpoints more."""
    return Shop(extra=[Fault("GET", f"/generated/{i:03}", 2.0, 5.0 + i, 2.0) for i in range(endpoints)])


async def slow_stats(stage: Stage) -> None:
    """Make /stats the most expensive endpoint from now on."""
    worker = stage.shop.workers[0]
    route = stage.shop.routes["GET/stats"]
    stage.source.give([worker.frame([worker.trace(route, ms=9_000) for _ in range(60)], mono=stage.clock.now)])
    await stage.refresh()


def test_the_cursor_stays_on_top_until_it_is_moved() -> None:
    """A newcomer sees the preview of the worst endpoint, whichever that is."""

    async def act(stage: Stage) -> None:
        assert stage.panel.table.selected_key == ORDERS
        await slow_stats(stage)

        assert stage.panel.table.selected_key == STATS

    play(act)


def test_the_cursor_follows_its_row_when_rows_are_sorted_anew() -> None:
    """The selection is a key, not a position."""

    async def act(stage: Stage) -> None:
        await stage.press("j")
        chosen = stage.panel.table.selected_key
        stage.clock.now += HOLD_S + 1
        await slow_stats(stage)

        assert stage.order()[0] == STATS
        assert stage.panel.table.selected_key == chosen
        assert stage.order().index(chosen) == 2

    play(act)


def test_the_order_is_held_while_the_cursor_moves_and_says_so() -> None:
    """Values go on, rows stay; a moment later they are sorted again."""

    async def act(stage: Stage) -> None:
        before = stage.order()
        await stage.press("j")
        await slow_stats(stage)
        assert stage.order() == before
        assert "sort held" in stage.text()
        await stage.refresh(HOLD_S + 0.1)

        assert stage.order()[0] == STATS
        assert "sort held" not in stage.text()

    play(act)


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("cart", {"/cart"}),
        ("PRODUCTS", {"/products", "/products/all"}),
        ("/ GET /s/", {"/search", "/stats", "/static/<path:filename>"}),
        ("re:csv |post", {"/export.csv", "/report", "/cart"}),
        ("!/product|static|s/", {"/report", "/cart", "/", "<unmatched>", "/search", "/export.csv"}),
    ],
)
def test_a_filter_shows_what_passes(typed: str, shown: set[str]) -> None:
    """Text, regular expression, and the opposite of either."""

    async def act(stage: Stage) -> None:
        await stage.press("slash")
        stage.main.query_one("#filter", Input).value = typed
        await stage.pilot.pause()
        await stage.press("enter")
        if typed.startswith("!"):
            assert not any(word in key.route for key in stage.order() for word in ("static", "stats"))
        else:
            assert {key.route for key in stage.order()} == shown
        assert f"/ {typed}" in stage.text()

    play(act)


def test_escape_clears_the_filter() -> None:
    """One key, also from within the line."""

    async def act(stage: Stage) -> None:
        every = stage.order()
        await stage.press("slash", "c", "a", "r", "t", "escape")
        assert stage.order() == every
        await stage.press("slash", "c", "a", "r", "t", "enter")
        assert len(stage.order()) == 1
        await stage.press("escape")

        assert stage.order() == every

    play(act)


def test_a_filter_that_cannot_be_read_says_why_and_hides_nothing() -> None:
    """A half typed expression empties no screen."""

    async def act(stage: Stage) -> None:
        every = stage.order()
        await stage.press("slash", *"re:(", "enter")

        assert stage.order() == every
        assert "unterminated" in stage.text()

    play(act, size=(160, 40))


def test_q_in_the_filter_is_a_letter() -> None:
    """Typing does not leave the program, freeze it or change the panel."""

    async def act(stage: Stage) -> None:
        await stage.press("slash", "q", "2", "w", "space")

        assert stage.app.is_running
        assert stage.panel.filter.text == "q2w "
        assert stage.panel.panel == "endpoints"
        assert not stage.app.feed.frozen

    play(act)


def test_a_hidden_row_stays_hidden_and_is_counted() -> None:
    """Until they are all shown again."""

    async def act(stage: Stage) -> None:
        await stage.press("H")
        await stage.refresh()
        assert ORDERS not in stage.order()
        assert "1 hidden" in stage.text()
        stage.main.action_show_hidden()

        assert ORDERS in stage.order()

    play(act)


def test_h_shows_all_again_where_none_is_left() -> None:
    """No dead end, and the screen says what to press."""

    async def act(stage: Stage) -> None:
        rows = len(stage.order())
        await stage.press(*["H"] * rows)
        assert stage.order() == []
        assert "H shows them again" in stage.text()
        await stage.press("H")

        assert len(stage.order()) == rows

    play(act)


def test_freezing_stops_the_picture_and_not_the_collection() -> None:
    """What arrives meanwhile is there after thawing."""

    async def act(stage: Stage) -> None:
        await stage.press("space")
        before = stage.lines()
        await slow_stats(stage)
        await stage.refresh(2.0)
        assert stage.lines() == before
        assert "‖ frozen" in before[0]
        await stage.press("2")
        await stage.press("1")
        assert stage.order()[0] == ORDERS
        await stage.press("space")

        assert stage.order()[0] == STATS
        assert "● live" in stage.lines()[0]

    play(act)


def test_the_window_goes_round_and_is_shown() -> None:
    """10s, 1m, 5m, all."""

    async def act(stage: Stage) -> None:
        seen = []
        for _ in Window:
            await stage.press("w")
            seen.append(stage.app.feed.window.label)
            assert f"window {seen[-1]}" in stage.lines()[0]

        assert seen == ["5m", "all", "10s", "1m"]

    play(act)


def test_the_interval_is_shown_and_changes() -> None:
    """+ is slower, - is faster."""

    async def act(stage: Stage) -> None:
        await stage.press("plus")
        assert "every 2 s" in stage.lines()[0]
        await stage.press("minus", "minus")

        assert "every 0.5 s" in stage.lines()[0]

    play(act)


def test_reset_counts_anew() -> None:
    """What was counted before is gone from every panel."""

    async def act(stage: Stage) -> None:
        await stage.press("R")
        await stage.refresh()

        assert stage.order() == []
        assert "No request in the last 1m." in stage.text()

    play(act)


def test_y_copies_the_whole_statement() -> None:
    """However little of it fits on the screen."""

    async def act(stage: Stage) -> None:
        await stage.press("2", "y")

        assert stage.panel.selected is not None
        assert stage.app.clipboard == stage.panel.selected.key.text
        assert "WHERE item.order_id = ?" in stage.app.clipboard

    play(act, size=(80, 24))


def test_one_worker_is_chosen_in_processes_and_left_with_escape() -> None:
    """Enter on a worker shows all panels for it alone, and says so."""

    async def act(stage: Stage) -> None:
        await stage.press("4", "j", "enter")
        pid = stage.shop.pids[1]
        assert stage.panel.panel == "endpoints"
        assert f"only worker {pid}" in stage.text()
        await stage.press("L")
        assert {row.id.worker.pid for row in stage.panel.table.rows} == {pid}
        await stage.press("escape")

        assert stage.app.feed.worker is None
        assert len({row.id.worker.pid for row in stage.panel.table.rows}) == 3

    play(act)


def test_big_w_goes_through_the_workers() -> None:
    """Each alone, then all again."""

    async def act(stage: Stage) -> None:
        seen = []
        for _ in range(4):
            await stage.press("W")
            seen.append(stage.app.feed.worker.pid if stage.app.feed.worker else None)

        assert seen == [*stage.shop.pids, None]

    play(act)


def test_digits_and_tab_change_the_panel_and_nothing_stands_for_what_is_not_built() -> None:
    """No dead tabs."""

    async def act(stage: Stage) -> None:
        for key, panel in (
            ("2", "queries"),
            ("3", "in_flight"),
            ("4", "processes"),
            ("5", "heap"),
            ("6", "findings"),
            ("L", "log"),
            ("1", "endpoints"),
            ("tab", "queries"),
        ):
            await stage.press(key)
            assert stage.panel.panel == panel
        tabs = next(line for line in stage.lines() if "Endpoints" in line)

        assert tabs.split() == [
            "1",
            "Endpoints",
            "12",
            "2",
            "Queries",
            "10",
            "3",
            "In",
            "flight",
            "0",
            "4",
            "Processes",
            "3",
            "5",
            "Heap",
            "3",
            "6",
            "Findings",
            "1",
            "L",
            "Log",
        ]

    play(act)


def test_a_tab_can_be_clicked() -> None:
    """The mouse reaches every panel."""

    async def act(stage: Stage) -> None:
        line = next(y for y, text in enumerate(stage.lines()) if "Processes" in text)
        await stage.pilot.click(offset=(stage.lines()[line].index("Processes"), line))
        await stage.pilot.pause()

        assert stage.panel.panel == "processes"

    play(act)


def test_enter_opens_the_row_and_escape_comes_back_to_it() -> None:
    """The way down and up again."""

    async def act(stage: Stage) -> None:
        await stage.press("j", "j")
        chosen = stage.panel.table.selected_key
        await stage.press("enter")
        assert "Endpoints › GET /search" in stage.text()
        await stage.press("escape")

        assert stage.on_main
        assert stage.panel.table.selected_key == chosen

    play(act)


def test_a_row_that_is_gone_leaves_the_cursor_in_its_place() -> None:
    """The next row takes it; nothing jumps to the top."""

    async def act(stage: Stage) -> None:
        await stage.press("j", "j", "H")

        assert stage.panel.table.selected_key == stage.order()[2]

    play(act)


def test_the_end_and_the_top_are_one_key_away() -> None:
    """Also with more rows than fit."""

    async def act(stage: Stage) -> None:
        await stage.press("G")
        assert stage.panel.table.selected_key == stage.order()[-1]
        assert stage.order()[-1].route in stage.text()
        await stage.press("g")

        assert stage.panel.table.selected_key == stage.order()[0]

    play(act, size=(80, 24), shop=many(60))


def test_the_log_stays_at_its_newest_until_a_row_is_chosen() -> None:
    """Newest first; from then on the cursor follows its request, and going to the top lets it go."""

    async def act(stage: Stage) -> None:
        await stage.press("L")
        assert stage.panel.table.selected_key == stage.order()[0]
        stage.source.give(list(stage.shop.seconds(0, 1)))
        await stage.refresh(1.0)
        assert stage.panel.table.selected_key == stage.order()[0]
        await stage.press("j")
        chosen = stage.panel.table.selected_key
        stage.source.give(list(stage.shop.seconds(1, 2)))
        await stage.refresh(HOLD_S + 1)
        assert stage.order().index(chosen) > 1
        assert stage.panel.table.selected_key == chosen
        await stage.press("g")
        stage.source.give(list(stage.shop.seconds(2, 3)))
        await stage.refresh(HOLD_S + 1)

        assert stage.panel.table.selected_key == stage.order()[0]

    play(act)


def test_no_data_says_so() -> None:
    """An app that has served nothing is not an error."""

    async def act(stage: Stage) -> None:
        worker = Source(pid=7)
        stage.source.give([worker.joined(), worker.state("live"), worker.caught_up()])
        await stage.refresh()
        assert "No request" in stage.text()
        await stage.press("2")
        assert "No SQL statement" in stage.text()
        await stage.press("L")

        assert "No request yet." in stage.text()

    play(act, source=Feeding(), history=0)


def test_two_apps_of_one_worker_are_told_apart() -> None:
    """A column says whose route it is, and A shows each alone."""
    worker = Source(pid=7, apps=("admin", "shop"))
    routes = [worker.route("GET", "/", app=app) for app in worker.apps]

    async def act(stage: Stage) -> None:
        traces = [worker.trace(route, ms=5) for route in routes]
        stage.source.give([worker.joined(), worker.defined(), worker.state("live"), worker.frame(traces)])
        await stage.refresh()
        assert stage.panel.table.shown_columns[0] == "app"
        assert len(stage.order()) == 2
        await stage.press("A")
        assert [key.app for key in stage.order()] == ["admin"]
        assert "only app admin" in stage.text()
        assert "app" not in stage.panel.table.shown_columns
        await stage.press("escape")

        assert len(stage.order()) == 2

    play(act, source=Feeding(), history=0)


def test_a_frozen_detail_stays_too() -> None:
    """What was looked at once while frozen does not change under the eyes."""

    async def act(stage: Stage) -> None:
        await stage.press("space", "enter")
        before = stage.lines()
        await slow_stats(stage)
        stage.source.give(list(stage.shop.seconds(0, 3)))
        await stage.refresh(3.0)

        assert stage.lines() == before

    play(act)


def test_q_leaves_with_0_and_ctrl_c_with_130() -> None:
    """As the exit codes of the command line promise."""
    codes = {}

    def leaving(key: str) -> Callable[[Stage], Awaitable[None]]:
        async def act(stage: Stage) -> None:
            await stage.pilot.press(key)
            codes[key] = stage.app.return_code

        return act

    play(leaving("q"))
    play(leaving("ctrl+c"))

    assert codes == {"q": 0, "ctrl+c": 130}
