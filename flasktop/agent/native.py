"""The operating system's own threads, locks and sockets, also where gevent or eventlet has patched them.

The agent's thread must run while the hub sleeps or computes, so nothing that it touches may be a greenlet's. See
the field failures behind this: OpenTelemetry's exporter hung on a patched Condition (opentelemetry-python#3886).
"""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
import weakref
from _socket import socket as socket
from collections.abc import Callable
from typing import Any, Final

__all__ = ["current_greenlet", "fork_mark", "greenlets", "hub", "let_go", "original", "poll", "socket", "start_thread"]


_WIPE_ON_FORK: Final = 18


def greenlets() -> str:
    """The name of the library that has replaced threads by greenlets, empty where threads are threads."""
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None and gevent.is_module_patched("threading"):
        return "gevent"
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None and eventlet.is_monkey_patched("thread"):
        return "eventlet"
    return ""


def original(module: str, name: str) -> Any:
    """Return ``module.name`` as it was before any monkey patching."""
    library = greenlets()
    if library == "gevent":
        return sys.modules["gevent.monkey"].get_original(module, name)
    if library == "eventlet":
        return getattr(sys.modules["eventlet.patcher"].original(module), name)
    __import__(module)
    return getattr(sys.modules[module], name)


def current_greenlet() -> Callable[[], weakref.ref[Any]]:
    """What returns a weak reference to the greenlet that runs; only where ``greenlets`` names a library."""
    getcurrent = sys.modules["greenlet"].getcurrent
    return lambda: weakref.ref(getcurrent())


class _Pid:
    """Tells a forked child by its number: a call of the system for each question."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    def __getitem__(self, place: int) -> int:
        return int(os.getpid() == self._pid)


def fork_mark() -> Any:
    """Something whose ``[0]`` is 1 in this process, and 0 in those that it forks, fork hooks or not (uWSGI).

    It is a page that Linux empties in a child (``MADV_WIPEONFORK``, 4.14), which a request asks at an eighth of the
    cost of its process's number.
    """
    if sys.platform != "linux":
        return _Pid()
    page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        page.madvise(_WIPE_ON_FORK)
    except OSError:
        return _Pid()
    page[0] = 1
    return page


def hub() -> Any:
    """gevent's hub of the calling thread, None where threads are threads."""
    return sys.modules["gevent"].get_hub() if greenlets() == "gevent" else None


def start_thread(run: Callable[[], None]) -> None:
    """Run ``run`` in a native thread that keeps no interpreter alive and no ``threading`` object."""
    original("_thread", "start_new_thread")(run, ())


def let_go(held: list[Any], hub: Any) -> None:
    """Empty ``held`` where destructors of the app's objects may run: here, or in the thread of gevent's ``hub``, whose
    sockets and locks are of no other thread."""
    if hub is None:
        held.clear()
        return
    with contextlib.suppress(ValueError):  # the loop has ended
        hub.loop.run_callback_threadsafe(held.clear)


def poll() -> Any:
    """A new native ``select.poll`` object."""
    return original("select", "poll")()
