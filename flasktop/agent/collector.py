"""The garbage collector of the app, off for a moment: several of our threads may want that, and none leaves it off."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

from flasktop.agent import native

_get_ident = native.original("_thread", "get_ident")


class _Pauses:
    """How many pauses there are, whether it was on before the first, and which thread is making a frozen copy."""

    lock = native.original("_thread", "allocate_lock")()
    count = 0
    was_on = False
    copying = 0
    hooked = False


@contextmanager
def paused() -> Iterator[None]:
    """No collection while the block runs; the collector is on again when the last block has ended that was entered
    while it was on."""
    if not _Pauses.hooked and hasattr(os, "register_at_fork"):
        _Pauses.hooked = True
        os.register_at_fork(after_in_child=_after_fork)
    with _Pauses.lock:
        if not _Pauses.count:
            _Pauses.was_on = gc.isenabled()
            gc.disable()
        _Pauses.count += 1
    try:
        yield
    finally:
        with _Pauses.lock:
            _Pauses.count -= 1
            if not _Pauses.count and _Pauses.was_on:
                gc.enable()


def copying() -> None:
    """This thread forks a copy of the process, in which the collector must stay off."""
    _Pauses.copying = _get_ident()


def _after_fork() -> None:
    """The app has forked while one of our threads, which is not in the child, had paused the collector."""
    _Pauses.lock = native.original("_thread", "allocate_lock")()
    if _Pauses.count and _Pauses.copying != _get_ident():
        _Pauses.count = 0
        if _Pauses.was_on:
            gc.enable()
