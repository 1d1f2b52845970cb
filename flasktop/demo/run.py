"""``flasktop demo``: stock the shop, open it, look at it, and leave nothing behind."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from flasktop.commands.screen import ENDING, has_terminal
from flasktop.demo import lifeline
from flasktop.demo.master import WORKERS
from flasktop.demo.server import Shop
from flasktop.demo.shop import seed

if TYPE_CHECKING:
    from flasktop.tui.options import AttachOptions

BATCH_SECONDS = 6.0
"""How long the demo runs where there is no terminal to show it on: about one deck of visits."""

COLLECT_SECONDS = 1.0
"""How much of that is spent on reading."""

FIRST_VISITS_SECONDS = 10.0

_LONG_PATH = 50
"""A longer temporary folder leaves too little of the 103 bytes that a socket's path may have."""


class _Ended(BaseException):
    """A signal asks us to end; like KeyboardInterrupt, nothing but the end may catch it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number


def run_demo(*, seconds: float | None = None, options: AttachOptions | None = None) -> int:
    """Run the demo and return the exit code: 0, or 128 + the number of the signal that ended it.

    Args:
        seconds: run for so long without the screen and print what was seen; None: the screen where there is a
            terminal, else ``BATCH_SECONDS``.
        options: how the screen is to look.
    """
    screen = seconds is None and has_terminal()
    try:
        with _ending_in_order(), _directory() as directory:
            url = f"sqlite:///{directory / 'shop.db'}"
            _stock(url)
            with Shop(directory, url) as shop:
                _say(f"The shop is open at http://127.0.0.1:{shop.port} with {WORKERS} workers and its visitors.")
                if screen:
                    return asyncio.run(_watch(shop.sockets, options))
                return _report(shop.sockets, BATCH_SECONDS if seconds is None else seconds)
    except _Ended as ended:
        return ended.code


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _stock(url: str) -> None:
    _say(f"Stocking the shop: {seed.PRODUCTS:,} products, {seed.REVIEWS:,} reviews, {seed.ORDERS} orders …")
    start = time.monotonic()
    seed.stock(url)
    _say(f"Stocked in {time.monotonic() - start:.1f} s.")


async def _watch(sockets: Path, options: AttachOptions | None) -> int:
    """Show the screen until it is left. (Where it ends without ceremony, the children clear up behind us.)"""
    from flasktop.client.watch import Watcher
    from flasktop.commands.screen import show
    from flasktop.tui.app import FlasktopApp
    from flasktop.tui.options import AttachOptions

    return await show(FlasktopApp(Watcher("shop", directory=str(sockets)), options or AttachOptions()))


def _report(sockets: Path, seconds: float) -> int:
    """Let the shop run for ``seconds`` and print what flasktop saw in them."""
    from flasktop.commands.snapshot import snapshot

    _say(f"Watching it for {seconds:g} s …")
    time.sleep(max(0.0, seconds - COLLECT_SECONDS))
    deadline = time.monotonic() + FIRST_VISITS_SECONDS
    while len(list(sockets.glob("*.sock"))) < WORKERS and time.monotonic() < deadline:
        time.sleep(0.05)  # a worker can be watched from its first visit on
    snapshot("shop", directory=str(sockets), seconds=COLLECT_SECONDS)
    return 0


@contextmanager
def _directory() -> Iterator[Path]:
    """A folder of our own for database, sockets and log, which is gone afterwards."""
    place = tempfile.gettempdir()
    directory = Path(tempfile.mkdtemp(prefix="ftdemo-", dir=place if len(place) <= _LONG_PATH else "/tmp"))
    try:
        yield directory
    finally:
        lifeline.remove(directory)


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """Let the first signal unwind us, and let none disturb the clearing up."""
    before = {number: signal.getsignal(number) for number in ENDING}

    def end(number: int, _frame: FrameType | None) -> None:
        for each in ENDING:
            signal.signal(each, signal.SIG_IGN)
        raise _Ended(number)

    for number in ENDING:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
