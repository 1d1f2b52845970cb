"""The demo's growing global, found from the keyboard alone: real workers, the real reader, the real screens."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from flasktop.client.watch import Watcher
from flasktop.demo.server import Shop
from flasktop.demo.shop import seed
from flasktop.protocol.events import WorkerId
from flasktop.tui.app import FlasktopApp
from flasktop.tui.detail.heap_table import HeapTable
from flasktop.tui.options import AttachOptions
from flasktop.tui.screens.main import MainScreen

PATIENCE = 120.0

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(5 * PATIENCE)]

QUOTES = 300
GLOBAL = "flasktop.demo.shop.views.quotes.QUOTES"


@pytest.fixture
def shop(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    folder: Path = tmp_path_factory.mktemp("leak")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    url = f"sqlite:///{folder / 'shop.db'}"
    seed.stock(url)
    with Shop(folder, url) as shop:
        yield shop


def order(port: int, times: int) -> None:
    """Ask for quotes, each of which stays in the global of whichever worker answers."""
    for _ in range(times):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/quotes", "category=1&buyer=me", form)
        connection.getresponse().read()
        connection.close()


def test_from_processes_to_the_name_of_the_global(shop: Shop) -> None:
    """Take, mark, wait while it grows, take again: what grew is on top, and who holds it is said."""

    async def run() -> None:
        app = FlasktopApp(Watcher("shop", directory=str(shop.sockets)), AttachOptions())
        async with app.run_test(size=(120, 40)) as pilot:
            await find_it(app, pilot, shop.port)

    asyncio.run(asyncio.wait_for(run(), 4 * PATIENCE))


async def find_it(app: FlasktopApp, pilot: Pilot[None], port: int) -> None:
    """The way, with nothing but keys."""
    main = app.screen_stack[0]
    assert isinstance(main, MainScreen)
    heaps = app.heaps.heaps

    await until(pilot, lambda: app.screen is main and bool(app.feed.store.workers(app.feed.now(), app.feed.window)))
    await pilot.press("4", "h")
    await until(pilot, lambda: isinstance(app.screen, HeapTable))
    screen = app.screen
    assert isinstance(screen, HeapTable)
    worker = screen.key
    await until(pilot, lambda: len(heaps.takes(worker)) == 1, lambda: trouble(app, worker))
    await pilot.press("m")
    await asyncio.to_thread(order, port, QUOTES)
    await pilot.press("h")
    await until(pilot, lambda: len(heaps.takes(worker)) == 2, lambda: trouble(app, worker))
    await until(pilot, lambda: screen.view is not None and screen.view.number == heaps.takes(worker)[1].number)
    assert "/1,000 REQ" in shown(app)

    for _ in range(10):
        if screen.selected is not None and "quotes.Quote" in screen.selected.name:
            break
        await pilot.press("j")
    row = screen.selected
    assert row is not None and "quotes.Quote" in row.name, shown(app)
    assert row.grown is not None and row.grown.count > QUOTES / 10
    await until(pilot, lambda: screen.held(row) is not None)
    await until(pilot, lambda: f"reachable only through {GLOBAL}" in " ".join(shown(app).split()), lambda: shown(app))


async def until(
    pilot: Pilot[None], condition: Callable[[], bool], told: Callable[[], str] = lambda: "it never happened"
) -> None:
    """Wait for what happens by itself."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, told()
        await pilot.pause(0.05)


def trouble(app: FlasktopApp, worker: WorkerId) -> str:
    return f"{app.heaps.trouble(worker)} {app.heaps.underway(worker)}"


def shown(app: FlasktopApp) -> str:
    """The screen as text."""
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())
