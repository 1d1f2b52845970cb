"""The screens, driven as a person drives them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from flasktop.stats.views import EndpointKey, StatementKey, TraceId
from flasktop.tui.detail.endpoint import EndpointScreen
from flasktop.tui.detail.screen import Crumbs, DetailScreen
from flasktop.tui.detail.statement import StatementScreen
from flasktop.tui.detail.trace import TraceScreen
from tests.tui.detail.synthetic import (
    CART,
    ORDERS,
    SEARCH,
    WORKERS,
    DetailApp,
    find_key,
    lazy_key,
    shop,
    texts,
    write_code,
)

SIZES = ((80, 24), (120, 40), (200, 60))

Play = Callable[[DetailApp, Pilot[None]], Awaitable[None]]


@pytest.fixture
def code(tmp_path: Path) -> str:
    return write_code(tmp_path)


def play(app: DetailApp, story: Play, size: tuple[int, int] = (80, 24)) -> None:
    """Run ``story`` on ``app`` in a terminal of ``size``."""

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await story(app, pilot)

    asyncio.run(run())


def top(app: DetailApp) -> DetailScreen:
    assert isinstance(app.screen, DetailScreen)
    return app.screen


def kind(app: DetailApp) -> type[object]:
    return type(app.screen)


def visible(app: DetailApp) -> str:
    """What the terminal shows, as text."""
    return "\n".join("".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips())


def crumbs(app: DetailApp) -> str:
    return visible(app).split("\n")[3].strip()


@pytest.mark.parametrize("size", SIZES)
def test_from_the_endpoint_to_the_line_of_code_and_back_with_enter_and_esc(code: str, size: tuple[int, int]) -> None:
    """What a newcomer does: Enter, read, Esc, and is where he was."""

    async def story(app: DetailApp, pilot: Pilot[None]) -> None:
        selected = top(app).page.selected
        await pilot.press("enter")
        await pilot.pause()

        assert kind(app) is StatementScreen
        assert "total = sum(item.price for item in order.items)" in visible(app)
        assert "▶" in visible(app)

        await pilot.press("escape")
        assert kind(app) is EndpointScreen
        assert top(app).page.selected == selected

    play(DetailApp(shop(code), EndpointScreen(ORDERS)), story, size)


@pytest.mark.parametrize("size", SIZES)
def test_through_a_request_to_the_statement(code: str, size: tuple[int, int]) -> None:
    """Endpoint, slowest request, what took its time, its code: Enter and arrows there, Esc back."""

    async def story(app: DetailApp, pilot: Pilot[None]) -> None:
        await pilot.press("down", "down", "down")
        came_from = top(app).page.selected
        await pilot.press("enter")
        await pilot.pause()
        assert kind(app) is TraceScreen
        assert top(app).page.selected == lazy_key(code)
        assert "▶ 14" in visible(app)

        await pilot.press("enter")
        await pilot.pause()
        assert kind(app) is StatementScreen
        assert crumbs(app).startswith(("Endpoints › GET /orders › request", "… ›"))

        await pilot.press("escape", "escape")
        assert kind(app) is EndpointScreen
        assert top(app).page.selected == came_from

    play(DetailApp(shop(code), EndpointScreen(ORDERS)), story, size)


def test_everything_can_be_reached_with_the_down_arrow(code: str) -> None:
    """From the first list into the next one, down to the last line."""

    async def story(app: DetailApp, pilot: Pilot[None]) -> None:
        page = top(app).page
        seen = {page.section}
        while "▲p50" not in visible(app):
            await pilot.press("down")
            seen.add(page.section)

        assert seen == {"statements", "slowest", "failed", "recent"}

        await pilot.press("g")
        assert "744 requests" in visible(app)

    play(DetailApp(shop(code), EndpointScreen(ORDERS)), story)


def test_enter_on_more_unfolds_the_list(code: str) -> None:
    """And the cursor is where the rest begins."""

    async def story(app: DetailApp, pilot: Pilot[None]) -> None:
        page = top(app).page
        page.select(("more", "slowest"))
        before = len(page.keys("slowest"))
        await pilot.press("enter")

        assert len(page.keys("slowest")) > before
        assert page.selected == page.keys("slowest")[before - 1]

    play(DetailApp(shop(code), EndpointScreen(ORDERS)), story)


def test_the_selection_stays_with_its_row_when_rows_come_and_go(code: str) -> None:
    """New requests push it down; it is still the same request."""

    async def story(app: DetailApp, pilot: Pilot[None]) -> None:
        page = top(app).page
        detail = app.shop.endpoint_details[ORDERS]
        page.select(("slowest", detail.slowest[2].id))
        app.shop.endpoint_details[ORDERS] = replace(detail, slowest=detail.recent[:3] + detail.slowest[1:])
        app.tick()

        assert page.selected == ("slowest", detail.slowest[2].id)

        app.shop.endpoint_details[ORDERS] = replace(detail, slowest=detail.slowest[:2])
        app.tick()
        assert page.selected is not None

    play(DetailApp(shop(code), EndpointScreen(ORDERS)), story)


def test_an_endpoint_that_vanishes_says_so_and_stays(code: str) -> None:
    """The numbers seen last are still there, and it comes back by itself."""

    async def story(app: DetailApp, pilot: Pilot[None]) -> None:
        detail = app.shop.endpoint_details.pop(ORDERS)
        app.tick()
        await pilot.pause()

        assert kind(app) is EndpointScreen
        assert "No requests of GET /orders in this window (1m). What was seen last:" in visible(app)
        assert "744 requests" in visible(app)

        app.shop.endpoint_details[ORDERS] = detail
        app.tick()
        await pilot.pause()
        assert "No requests of" not in visible(app)

    play(DetailApp(shop(code), EndpointScreen(ORDERS)), story)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("screen", "words"),
    [
        (lambda: EndpointScreen(CART), "No requests of POST /cart in this window (1m)."),
        (lambda: TraceScreen(TraceId(WORKERS[0], 99_999)), "This request is no longer in the history."),
        (lambda: StatementScreen(lazy_key("/elsewhere.py")), "This statement did not run in this window (1m)."),
    ],
)
def test_what_is_not_there_is_said(
    code: str, screen: Callable[[], DetailScreen], words: str, size: tuple[int, int]
) -> None:
    """A row that was gone before it was opened; every key is harmless there."""

    async def story(app: DetailApp, pilot: Pilot[None]) -> None:
        await pilot.press("down", "up", "enter", "tab", "n", "p", "y", "g", "G", "pagedown", "right", "left")
        await pilot.pause()

        assert words in visible(app)

    play(DetailApp(shop(code), screen()), story, size)


def test_n_and_p_go_through_the_list_it_was_opened_from(code: str) -> None:
    """And stop at its ends."""

    async def story(app: DetailApp, pilot: Pilot[None]) -> None:
        await pilot.press("down", "down", "down", "enter")
        await pilot.pause()
        slowest = [trace.id for trace in app.shop.endpoint_details[ORDERS].slowest]
        assert top(app).key == slowest[0]

        await pilot.press("n", "n")
        await pilot.pause()
        assert top(app).key == slowest[2]
        assert "3 of" in crumbs(app)

        await pilot.press("p", "N", "p")
        assert top(app).key == slowest[0]

    play(DetailApp(shop(code), EndpointScreen(ORDERS)), story)


def test_the_footer_has_n_and_p_only_where_they_lead_somewhere(code: str) -> None:
    async def story(app: DetailApp, pilot: Pilot[None]) -> None:
        def footer() -> str:
            return visible(app).rstrip().split("\n")[-1]

        assert "n next" not in footer() and "p previous" not in footer(), "one endpoint, of no list"
        await pilot.press("down", "down", "down", "enter")
        await pilot.pause()
        assert "n next" in footer() and "p previous" not in footer(), "the first of several"

        await pilot.press("n")
        await pilot.pause()
        assert "n next" in footer() and "p previous" in footer()

    play(DetailApp(shop(code), EndpointScreen(ORDERS)), story, (160, 40))


def test_a_folded_statement_unfolds_to_the_right(code: str) -> None:
    """→ shows a hundred calls, ← folds them, the cursor on the statement."""

    async def story(app: DetailApp, pilot: Pilot[None]) -> None:
        page = top(app).page
        folded = len(page.lines)
        await pilot.press("right")
        assert len(page.lines) == folded + 100

        await pilot.press("down", "down", "left")
        assert len(page.lines) == folded
        assert page.selected == lazy_key(code)

    play(DetailApp(shop(code), TraceScreen(TraceId(WORKERS[0], 0))), story)


def test_a_call_of_a_statement_opens_the_statement(code: str) -> None:
    """Enter goes deeper from the unfolded rows too."""

    async def story(app: DetailApp, pilot: Pilot[None]) -> None:
        await pilot.press("right", "down", "down", "enter")
        await pilot.pause()

        assert kind(app) is StatementScreen
        assert top(app).key == lazy_key(code)

    play(DetailApp(shop(code), TraceScreen(TraceId(WORKERS[0], 0))), story)


def test_a_statement_opens_the_endpoint_that_runs_it(code: str) -> None:
    """Enter on the first of its endpoints."""

    async def story(app: DetailApp, pilot: Pilot[None]) -> None:
        await pilot.press("enter")
        if kind(app) is StatementScreen:
            await pilot.press("enter")
        await pilot.pause()

        assert top(app).key == ORDERS

    play(DetailApp(shop(code), StatementScreen(lazy_key(code))), story)


def test_y_copies_the_full_text(code: str) -> None:
    """The statement as it ran, however it is shown; the route; the request line."""
    copied: list[str] = []

    async def story(app: DetailApp, pilot: Pilot[None]) -> None:
        app.copy = copied.append  # type: ignore[method-assign,assignment]
        await pilot.press("y", "enter")
        await pilot.pause()
        await pilot.press("y", "escape", "down", "down", "down", "enter")
        await pilot.pause()
        await pilot.press("g", "y")

        assert copied == ["GET /orders", lazy_key(code).text, "GET /orders?page=•&sort=•"]

    play(DetailApp(shop(code), EndpointScreen(ORDERS)), story)


def test_while_frozen_nothing_moves(code: str) -> None:
    """The app does not ask frozen screens to refresh; what they hold can still be walked through."""

    async def story(app: DetailApp, pilot: Pilot[None]) -> None:
        app.feed.freeze()
        app.shop.endpoint_details.clear()
        app.tick()
        await pilot.press("down", "enter", "escape")

        assert "744 requests" in visible(app)

    play(DetailApp(shop(code), EndpointScreen(ORDERS)), story)


def test_any_size_and_any_change_of_size_is_survived(code: str) -> None:
    """Down to terminals in which nothing can be shown."""

    async def story(app: DetailApp, pilot: Pilot[None]) -> None:
        for width, height in ((200, 60), (61, 12), (120, 40)):
            await pilot.resize_terminal(width, height)
            await pilot.pause()
            await pilot.press("down", "pagedown", "G", "g", "tab")

        assert "GET /orders" in visible(app)

    for screen in (EndpointScreen(ORDERS), TraceScreen(TraceId(WORKERS[0], 0)), StatementScreen(lazy_key(code))):
        play(DetailApp(shop(code), screen), story, (20, 5))


def test_the_mouse_selects_and_opens(code: str) -> None:
    """One click selects, two open, the wheel scrolls."""

    async def story(app: DetailApp, pilot: Pilot[None]) -> None:
        page = top(app).page
        row = next(i for i, line in enumerate(page.lines) if line.key and line.section == "slowest")
        await pilot.click(page, offset=(10, row))
        assert page.section == "slowest"

        await pilot.click(page, offset=(10, row), times=2)
        await pilot.pause()
        assert kind(app) is TraceScreen

    play(DetailApp(shop(code), EndpointScreen(ORDERS)), story)


def test_a_change_of_theme_draws_anew(code: str) -> None:
    """Colours are the new theme's at once."""

    async def story(app: DetailApp, pilot: Pilot[None]) -> None:
        before = texts(top(app).page.lines), top(app).page.lines[0].text.spans
        app.theme = "textual-light"
        await pilot.pause()

        assert texts(top(app).page.lines) == before[0]
        assert top(app).page.lines[0].text.spans != before[1]

    play(DetailApp(shop(code), EndpointScreen(ORDERS)), story)


def test_breadcrumbs_fit_however_deep_one_goes(code: str) -> None:
    """The last name stays, what does not fit is …."""

    async def story(app: DetailApp, pilot: Pilot[None]) -> None:
        long = app.shop.statement_details[lazy_key(code)]
        for _ in range(6):
            await app.push_screen(StatementScreen(long.row.key))
        await pilot.pause()
        line = crumbs(app)

        assert line.startswith("… ›") and "item.order_id" in line
        assert app.screen.query_one(Crumbs).size.height == 1

    play(DetailApp(shop(code), EndpointScreen(ORDERS)), story)


@pytest.mark.parametrize("key", [ORDERS, lazy_key("x"), TraceId(WORKERS[0], 0)])
def test_screens_are_found_by_the_kind_of_key(key: EndpointKey | StatementKey | TraceId) -> None:
    """Named tuples that are equal in content are still of different kinds."""
    from flasktop.tui.detail.routing import screen_for

    screen = screen_for(key, [SEARCH, find_key("x"), key])

    assert isinstance(screen, DetailScreen)
    assert all(type(other) is type(key) for other in screen.others)
