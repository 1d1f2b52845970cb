"""``python -m tests.tui.fake``: the real app on the invented shop, to look at.

``--endpoints N`` adds N endpoints, ``--load X`` multiplies the traffic, ``--none`` shows the waiting screen,
``--several`` the picker, ``--died`` kills a worker.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import flasktop.demo
from flasktop.protocol.events import Event
from flasktop.tui.app import FlasktopApp
from flasktop.tui.options import AttachOptions
from tests.stats.builders import NOW
from tests.tui.shop import SHOP, Fault, Feeding, Shop


class Traffic(Feeding):
    """The shop, with two minutes of history and then a second a second."""

    def __init__(self, shop: Shop, died: bool) -> None:
        super().__init__()
        self._shop, self._died = shop, died

    async def run(self, on_events: Callable[[Sequence[Event]], None]) -> None:
        shop, started = self._shop, time.monotonic()
        on_events([*shop.opening(), *shop.seconds(-120, 0), *shop.caught_up()])
        if self._died:
            on_events(shop.death())
        second = 0
        while True:
            await asyncio.sleep(max(0.0, started + second + 1 - time.monotonic()))
            on_events(list(shop.seconds(second, second + 1)))
            second += 1


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoints", type=int, default=0)
    parser.add_argument("--load", type=float, default=1.0)
    parser.add_argument("--none", action="store_true")
    parser.add_argument("--several", action="store_true")
    parser.add_argument("--died", action="store_true")
    parser.add_argument("--theme")
    args = parser.parse_args()
    extra = [
        Fault("GET", f"/generated/{i}/<name>", 2.0, 5 + i % 50, 2, (("product", 2, 0.4, 0.1),))
        for i in range(args.endpoints)
    ]
    shop = Shop(
        directory=str(Path(flasktop.demo.__file__).parent / "shop"), load=args.load, extra=extra,
        offset=time.monotonic() - NOW,
    )  # fmt: skip
    source: Feeding = Traffic(shop, args.died)
    if args.none:
        source = Feeding(chosen=None, apps=())
    if args.several:
        other = replace(SHOP, name="admin", names=("admin",), group=991, directory="/srv/admin", server="waitress")
        source = Feeding(chosen=None, apps=(SHOP, other))
    state = Path(tempfile.mkdtemp()) / "state.json"
    FlasktopApp(source, AttachOptions(theme=args.theme), state=state).run()


if __name__ == "__main__":
    main()
