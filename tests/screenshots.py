"""Make the pictures in ``screenshots/`` from the demo: ``python -m tests.screenshots``.

The real shop with its real visitors, the real reader and the real screens, drawn by Textual into SVG files. Takes about
two minutes; the numbers in the pictures are whatever this machine gave.
"""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from flasktop.client.watch import Watcher
from flasktop.demo.server import Shop
from flasktop.demo.shop import seed
from flasktop.stats.views import EndpointKey
from flasktop.tui.app import FlasktopApp
from flasktop.tui.options import AttachOptions
from flasktop.tui.panels.endpoints import EndpointsPanel

FOLDER: Final = Path(__file__).resolve().parent.parent / "screenshots"
WARM_UP_S: Final = 45.0
N_PLUS_ONE: Final = EndpointKey("shop", "GET", "/orders")

STEPS: Final[Sequence[tuple[str, Sequence[str]]]] = (
    ("endpoints", ()),
    ("endpoint", ("enter",)),
    ("statement", ("enter",)),
    ("request", ("escape", "tab", "enter")),
    ("queries", ("escape", "escape", "2")),
    ("processes", ("4",)),
    ("log", ("L",)),
    ("help", ("question_mark",)),
)
"""Each picture's name, and the keys that lead to it from the one before."""

KEPT: Final[dict[tuple[int, int], frozenset[str]]] = {
    (80, 24): frozenset({"endpoints", "endpoint", "statement", "processes"}),
    (120, 40): frozenset(name for name, _ in STEPS),
    (200, 60): frozenset({"endpoints", "request"}),
}
"""Which pictures are kept at which size."""


async def take(sockets: Path, width: int, height: int) -> None:
    """Take all pictures at one size."""
    app: FlasktopApp = FlasktopApp(Watcher("shop", directory=str(sockets)), AttachOptions(theme="flasktop"))
    async with app.run_test(size=(width, height)) as pilot:
        await _until_shown(app, pilot)
        await _select_n_plus_one(pilot, app)
        for name, keys in STEPS:
            for key in keys:
                await pilot.press(key)
                await pilot.pause(0.4)
            if name not in KEPT[width, height]:
                continue
            await pilot.pause(1.2)
            target = FOLDER / f"{name}-{width}x{height}.svg"
            target.write_text(_self_contained(app.export_screenshot(title=f"flasktop, {name}")))
            print(target.name, flush=True)


async def _until_shown(app: FlasktopApp, pilot: Any) -> None:
    for _ in range(200):
        await pilot.pause(0.1)
        if len(app.feed.store.endpoints(app.feed.now(), app.feed.window)) > 10:
            return
    raise SystemExit("the demo's endpoints did not show up")


async def _select_n_plus_one(pilot: Any, app: FlasktopApp) -> None:
    """Put the cursor on the N+1's row with the arrow key, as a person would."""
    await pilot.press("g")
    for _ in range(50):
        if app.query_one(EndpointsPanel).table.selected_key == N_PLUS_ONE:
            return
        await pilot.press("down")
    raise SystemExit("GET /orders is not among the demo's endpoints")


def _self_contained(svg: str) -> str:
    """The picture without its references to fonts elsewhere: whoever opens it fetches nothing."""
    return re.sub(r"@font-face\s*\{.*?\}\s*", "", svg, flags=re.DOTALL).replace("Fira Code", "ui-monospace, Fira Code")


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ftshots-") as folder:
        os.environ["XDG_STATE_HOME"] = os.environ["XDG_CONFIG_HOME"] = folder  # nobody's own choices in the pictures
        url = f"sqlite:///{folder}/shop.db"
        seed.stock(url)
        with Shop(Path(folder), url) as shop:
            asyncio.run(asyncio.sleep(WARM_UP_S))
            for width, height in KEPT:
                asyncio.run(take(shop.sockets, width, height))


if __name__ == "__main__":
    main()
