"""Make the pictures in ``screenshots/`` from the demo: ``python -m tests.screenshots [WAY ...]``.

The real shop with its real visitors, the real reader and the real screens, drawn by Textual into SVG files. A *way* is
a question and the keys that answer it, from the first screen on. All of them take about ten minutes; the numbers in the
pictures are whatever this machine gave.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from textual.pilot import Pilot

from flasktop.client.watch import Watcher
from flasktop.demo.server import Shop
from flasktop.demo.shop import seed
from flasktop.tui.app import FlasktopApp
from flasktop.tui.options import AttachOptions

FOLDER: Final = Path(__file__).resolve().parent.parent / "screenshots"
WARM_UP_S: Final = 45.0
PATIENCE_S: Final = 120.0
SETTLE_S: Final = 1.2
INTERVAL_S: Final = 0.5
SMALL, USUAL, LARGE = (80, 24), (120, 40), (200, 60)
LEAK: Final = "flasktop.demo.shop.views.quotes.QUOTES"

Size = tuple[int, int]


@dataclass(frozen=True)
class Step:
    """``wait`` seconds pass, then the cursor goes down to the first row that names ``row`` (waiting for one), ``keys``
    are pressed, and ``until`` must stand on the screen. A picture is kept at the ``sizes`` named.
    ``fleeting``: what it shows lasts for a moment only."""

    name: str = ""
    keys: tuple[str, ...] = ()
    row: str = ""
    until: str = ""
    wait: float = 0.0
    fleeting: bool = False
    sizes: tuple[Size, ...] = (USUAL,)


WAYS: Final[dict[str, tuple[Step, ...]]] = {
    "wrong": (
        Step("findings", ("6",), until="POST /report waits", sizes=(SMALL, USUAL, LARGE)),
        Step("finding-index", ("enter",), row="rule='missing-index'", until="is missing", sizes=(USUAL, LARGE)),
        Step(keys=("escape",)),
        Step("finding", ("enter",), row="rule='n-plus-one'", until="one by one", sizes=(SMALL, USUAL)),
    ),
    "slow": (
        Step("endpoints", sizes=(SMALL, USUAL, LARGE)),
        Step("endpoint", ("enter",), row="method='GET', route='/orders'", sizes=(SMALL, USUAL)),
        Step("statement", ("enter",), sizes=(SMALL, USUAL)),
        Step("request", ("escape", "tab", "enter"), sizes=(USUAL, LARGE)),
        Step("queries", ("escape", "escape", "2")),
        Step("log", ("L",)),
        Step("help", ("question_mark",)),
    ),
    "blocking": (
        Step(keys=("3",)),
        Step("in-flight", row="'/report'", until="report", sizes=(SMALL, USUAL)),
        Step("stack-waiting", ("enter",), row="'/report'", until="time.sleep", fleeting=True, sizes=(USUAL, LARGE)),
        Step(keys=("escape", "1")),
        Step("profile-waiting", ("P",), row="method='POST', route='/report'", until="SELF %"),
    ),
    "cpu": (
        Step(keys=("3",)),
        Step("stack-cpu", ("enter",), row="'/thumbnail/<int:key>'", until="on CPU", fleeting=True),
        Step(keys=("escape", "1")),
        Step("profile-cpu", ("P",), row="method='GET', route='/thumbnail/<int:key>'", until="SELF %"),
    ),
    "unindexed": (
        Step("profile-sql", ("P",), row="method='GET', route='/search'", until="SELF %"),
        Step(keys=("escape", "2")),
        Step("plan", ("x",), row="lower(review.title) LIKE", until="Reads all", sizes=(SMALL, USUAL)),
    ),
    "leak": (
        Step("processes", ("4",), sizes=(SMALL, USUAL)),
        Step("heap-take", ("h",), until="objects", wait=0.0),
        Step("heap-mark", ("m",), until="marked"),
        Step(keys=("h",), wait=40.0, until="GROWN"),
        Step("heap-grown", row="quotes.Quote", until=LEAK, sizes=(SMALL, USUAL, LARGE)),
        Step("heap-referrers", ("enter",), until="by referrers"),
        Step("heap", ("escape", "escape", "5")),
        Step("objects", ("o",), until="by type"),
        Step("allocations-ask", ("escape", "t"), until="begins"),
        Step("allocations", ("enter",), until="1,000 requests"),
    ),
}


def shown(app: FlasktopApp) -> str:
    """The screen as text, on one line."""
    lines = [strip.text.strip() for strip in app.screen._compositor.render_strips()]
    return " ".join(" ".join(lines).split())


def under_the_cursor(app: FlasktopApp) -> str:
    """What the selected row is of, as the screen knows it."""
    active = getattr(app.screen, "active", None)
    selected = getattr(active, "selected", None)
    row = getattr(app.screen, "selected", None)
    return f"{selected!r} {row!r}"


async def select(pilot: Pilot[None], app: FlasktopApp, row: str) -> None:
    """Go to the first row that names ``row`` with the arrow keys, as a person would; wait for one."""
    for _ in range(600):
        await pilot.press("g")
        seen = ""
        while (here := under_the_cursor(app)) != seen:
            if row in here:
                return
            seen = here
            await pilot.press("j")
        await pilot.pause(0.2)
    raise SystemExit(f"no row names {row}: {shown(app)}")


async def until(pilot: Pilot[None], app: FlasktopApp, text: str) -> None:
    """Wait until ``text`` stands on the screen."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while text.replace(" ", "") not in shown(app).replace(" ", ""):
        if asyncio.get_running_loop().time() > deadline:
            raise SystemExit(f"{text!r} never came: {shown(app)}")
        await pilot.pause(0.1)


async def go(pilot: Pilot[None], app: FlasktopApp, step: Step) -> None:
    """Do one step."""
    if step.row:
        await select(pilot, app, step.row)
    for key in step.keys:
        await pilot.press(key)
        await pilot.pause(0.4)
    await until(pilot, app, step.until)


async def catch(pilot: Pilot[None], app: FlasktopApp, step: Step) -> None:
    """Do a step towards what may be over before it is looked at: again and again until it is met."""
    for _ in range(100):
        await select(pilot, app, step.row)
        await pilot.press(*step.keys)
        for _ in range(10):
            await pilot.pause(0.05)
            if step.until in shown(app):
                return
        await pilot.press("escape")
    raise SystemExit(f"{step.row} was never met with {step.until!r}")


async def take(way: str, sockets: Path, size: Size) -> None:
    """Go one way at one size, and keep its pictures."""
    app = FlasktopApp(Watcher("shop", directory=str(sockets)), AttachOptions(theme="flasktop", interval=INTERVAL_S))
    async with app.run_test(size=size) as pilot:
        while len(app.feed.store.endpoints(app.feed.now(), app.feed.window)) <= 10:
            await pilot.pause(0.1)
        for step in WAYS[way]:
            await pilot.pause(step.wait)
            await (catch if step.fleeting else go)(pilot, app, step)
            if step.name and size in step.sizes:
                await pilot.pause(0.0 if step.fleeting else SETTLE_S)
                target = FOLDER / f"{step.name}-{size[0]}x{size[1]}.svg"
                target.write_text(_self_contained(app.export_screenshot(title=f"flasktop, {step.name}")))
                print(target.name, flush=True)


def _self_contained(svg: str) -> str:
    """The picture without its references to fonts elsewhere: whoever opens it fetches nothing."""
    return re.sub(r"@font-face\s*\{.*?\}\s*", "", svg, flags=re.DOTALL).replace("Fira Code", "ui-monospace, Fira Code")


async def take_all(sockets: Path, ways: list[str]) -> None:
    """Every way at every size that one of its pictures is kept at."""
    await asyncio.sleep(WARM_UP_S)
    for way in ways:
        for size in sorted({size for step in WAYS[way] for size in step.sizes}):
            await take(way, sockets, size)


def main(arguments: list[str]) -> None:
    unknown = {*arguments} - {*WAYS}
    if unknown:
        raise SystemExit(f"no such way: {', '.join(sorted(unknown))}; there are {', '.join(WAYS)}")
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ftshots-") as folder:
        os.environ["XDG_STATE_HOME"] = os.environ["XDG_CONFIG_HOME"] = folder  # nobody's own choices in the pictures
        url = f"sqlite:///{folder}/shop.db"
        seed.stock(url)
        with Shop(Path(folder), url) as shop:
            asyncio.run(take_all(shop.sockets, arguments or list(WAYS)))


if __name__ == "__main__":
    main(sys.argv[1:])
