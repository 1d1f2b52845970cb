"""Runs the screen in the terminal: signals, a terminal that is gone, one that tells no size."""

from __future__ import annotations

import asyncio
import gc
import os
import select
import signal
import sys
import threading
from types import FrameType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from textual.app import App

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOOK_SECONDS: Final = 2.0
"""How often the terminal is looked for."""
LEAVE_SECONDS: Final = 10.0
"""How long leaving the screen, and the clearing up after it, may take after a signal."""
ASSUMED_SIZE: Final = (80, 24)


def has_terminal() -> bool:
    """Whether a person can see and answer."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))


async def show(app: App[None]) -> int:
    """Run the screen until it is left; return the exit code.

    SIGINT and SIGTERM leave it in order, so that the terminal gets its old state back: 128 plus the signal's number.
    SIGHUP ends the process at once: the terminal is gone, and with it whoever would take what the screen still
    writes. Leaving in order could then wait for ever, and burn a core with reading nothing. A terminal that is not the
    session's own (after ``setsid``, in some containers) sends none when it goes: it is looked for.
    """
    _collect_seldom()
    signals: list[int] = []
    loop = asyncio.get_running_loop()

    def leave(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            os._exit(128 + number)
        signals.append(number)
        _end_at_the_latest(128 + number)
        loop.call_soon_threadsafe(app.exit)

    for number in ENDING:
        signal.signal(number, leave)  # not the loop's handler, which a blocked loop never calls
    looking = asyncio.create_task(_end_without_terminal())
    try:
        await app.run_async(size=_assumed_size())
    finally:
        looking.cancel()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # what comes now is the clearing up
    return 128 + signals[0] if signals else app.return_code or 0


async def _end_without_terminal() -> None:
    while not _has_hung_up(0):
        await asyncio.sleep(LOOK_SECONDS)
    os._exit(128 + signal.SIGHUP)


def _has_hung_up(descriptor: int) -> bool:
    """Whether a terminal's other end was closed."""
    poll = select.poll()
    poll.register(descriptor, 0)  # a hang-up is always told
    return any(events & (select.POLLHUP | select.POLLNVAL) for _, events in poll.poll(0))


def _collect_seldom() -> None:
    """Leave what was imported to itself, and look for cycles in what is young: a store is large and has none, and each
    full collection walks through all of it while the screen stands still. What is looked through more often is kept
    small for the same reason: forty thousand objects take some milliseconds."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 4, 1_000)


def _assumed_size() -> tuple[int, int] | None:
    """80x24 where the terminal tells no size (0x0, as a bare pseudo-terminal); None where it tells one."""
    try:
        known = all(os.get_terminal_size(sys.__stderr__.fileno() if sys.__stderr__ else 2))
    except OSError:
        known = False
    if known:
        return None
    for variable, cells in zip(("COLUMNS", "LINES"), ASSUMED_SIZE, strict=True):
        os.environ.setdefault(variable, str(cells))  # shutil asks here first; before Python 3.11 it answers 0x0 else
    return ASSUMED_SIZE


def _end_at_the_latest(code: int) -> None:
    """End without ceremony if the screen does not leave in good time."""
    timer = threading.Timer(LEAVE_SECONDS, os._exit, [code])
    timer.daemon = True
    timer.start()
