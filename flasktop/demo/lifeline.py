"""Ties a child process of the demo to its parent: when the parent is gone, however it went, so is the child.

The parent holds the writing end of a pipe, each child its reading end as standard input. The pipe's end is the
one message that even ``kill -9`` of the parent delivers, on every Unix.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import threading
import time
from pathlib import Path

GRACE_SECONDS = 3.0
"""How long an orphan may take to end in good order."""

_REMOVE_TRIES = 40


def hold(directory: Path) -> None:
    """End this process when standard input ends, and then remove ``directory``: nobody else is left to do it.

    Call it first of all: exit handlers run in reverse, and what the agent leaves in ``directory`` must be gone or
    closed before. Every child does this; the last one to end finds nothing more to remove.
    """
    orphaned = threading.Event()

    def clear() -> None:
        if orphaned.is_set():
            remove(directory)

    def watch() -> None:
        while read():
            pass
        orphaned.set()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_SECONDS)
        remove(directory)
        os._exit(1)

    atexit.register(clear)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def remove(directory: Path) -> None:
    """Remove ``directory`` and all in it, also while a thread that is on its way out still writes there."""
    for _ in range(_REMOVE_TRIES):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return
        time.sleep(0.05)


def read() -> bytes:
    """Read from the lifeline; empty when it has ended."""
    try:
        return os.read(0, 1024)
    except OSError:
        return b""


def _leave(_signal: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not disturb the exit handlers
    raise SystemExit(0)
