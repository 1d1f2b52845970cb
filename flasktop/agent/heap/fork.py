"""Makes the frozen copy: a fork that reaches nothing of the app's.

``os.fork`` in a process with other threads frees their thread-locals in the child before the first line of ours, and
the destructor of a thread-local database connection there would say good-bye to the database over the app's socket.
So the fork is made by a thread that first takes a descriptor table of its own and closes everything in it: the app's
descriptors stay open in the other threads, and the child is born without them.

That thread must end before the collector may run again: what it freed would be closed in its own table only, and stay
open in the app's. For the same reason it must not outlive the fork, so the child cannot use ``PR_SET_PDEATHSIG``,
which tells of the end of the *thread* that forked: see ``child`` for what it does instead.
"""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from flasktop.agent import collector, native
from flasktop.agent.commands.job import CommandError
from flasktop.agent.heap import frames
from flasktop.agent.heap.support import CLOSE_RANGE_UNSHARE, LAST, close_range

HIGH: Final = 1000
"""The child's descriptors have numbers from about here: what the app's objects close by an old number is not ours."""
BELOW_LIMIT: Final = 8
UNSHARED_FROM: Final = 1 << 20
LEAVING_S: Final = 0.001
LEAVING_TRIES: Final = 2000

HUB: Final[list[Any]] = []
"""gevent's hub, where there is one (``Agent.hub``)."""

Child = Callable[[int, int], None]
"""What the child does, with its descriptors: the socket to the worker, and the lifeline."""


class _Fork:
    """One fork, as both threads see it."""

    def __init__(self, child: Child, channel: int, lifeline: int) -> None:
        self._child = child
        self._descriptors = (channel, lifeline)
        self._fork = native.original("os", "fork")
        self.done = native.original("_thread", "allocate_lock")()
        self.thread = 0
        self.pid = 0
        self.pause_us = 0
        self.error: OSError | None = None
        self.done.acquire()

    def run(self) -> None:
        """The forking thread. Everything here runs with the collector off, and frees nothing of the app's."""
        self.thread = native.original("_thread", "get_native_id")()
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
            channel, lifeline = _bare(self._descriptors)
            _tie(lifeline)
            collector.copying()
            began = time.thread_time_ns()  # other threads may have their turn in between
            frames.hold()
            holding = time.thread_time_ns() - began
            started = time.perf_counter_ns()
            self.pid = self._fork()
            if self.pid == 0:
                _live(self._child, channel, lifeline)
            self.pause_us = (holding + time.perf_counter_ns() - started) // 1000
            with suppress(OSError):  # it has ended already
                fcntl.fcntl(lifeline, fcntl.F_SETOWN, self.pid)
        except OSError as error:
            self.error = error
        finally:
            self.done.release()


def _live(child: Child, channel: int, lifeline: int) -> None:
    """The child's life: whatever happens, it ends here, and none of the app's exit handlers run."""
    code = 1
    try:
        child(channel, lifeline)
        code = 0
    finally:
        os._exit(code)


def _tie(lifeline: int) -> None:
    """Let the end of ``lifeline``'s other end kill whoever is named its owner. That is named from here, too: the child
    may hang in a destructor before it says so itself, and would outlive a worker that is killed meanwhile."""
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)


def _bare(keep: tuple[int, ...]) -> list[int]:
    """Give this thread a descriptor table of its own, with ``keep`` under high numbers and nothing else in it."""
    close_range(UNSHARED_FROM, LAST, CLOSE_RANGE_UNSHARE)
    base = _high()
    high = sorted(fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, base) for one in keep)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard, inheritable=False)
    first = 3
    for one in high:
        if one > first:
            close_range(first, one - 1)
        first = one + 1
    close_range(first, LAST)
    return high


def _high() -> int:
    """Above all that is open, and below the limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    top = max((int(name) for name in os.listdir("/proc/thread-self/fd")), default=0)
    limit = soft if soft != resource.RLIM_INFINITY else UNSHARED_FROM
    return max(min(max(HIGH, top + 100), limit - BELOW_LIMIT), 3)


def fork(child: Child, channel: int, lifeline: int) -> tuple[int, int]:
    """Fork in a thread of its own; return the child's pid and the microseconds for which all threads stood still.

    ``child`` is called in the new process with its ends of ``channel`` and ``lifeline``, which stay open here.

    Raises:
        CommandError: the system does not let us.
    """
    _quiet()
    one = _Fork(child, channel, lifeline)
    try:
        with collector.paused():
            native.start_thread(one.run)
            one.done.acquire()
            _await_end(one.thread)
    finally:
        _let_go()
    if one.error is not None or one.pid <= 0:
        reason = one.error.strerror if one.error is not None else "it is not known why"
        raise CommandError(
            f"The system did not let this worker be copied: {reason}.",
            "Look at its limits of memory (overcommit), of processes and of open files.",
        )
    return one.pid, one.pause_us


def _let_go() -> None:
    """What a call that has ended meanwhile held alone ends with its frame."""
    held: list[Any] = frames.FRAMES[:]
    frames.FRAMES.clear()
    native.let_go(held, HUB[0] if HUB else None)


def _await_end(thread: int) -> None:
    """Wait until the forking thread is gone, and with it all that it could free."""
    sleep = native.original("time", "sleep")
    task = Path(f"/proc/self/task/{thread}")
    for _ in range(LEAVING_TRIES):
        if not task.exists():
            return
        sleep(LEAVING_S)


def _quiet() -> None:
    """Python 3.12 and later warn of forks beside threads. One lasting filter for this module alone: ``catch_warnings``
    would change the filters of the whole process while other threads warn."""
    module = __name__.replace(".", r"\.") + r"\Z"
    ours: Any = (DeprecationWarning, module)
    if not any((entry[2], getattr(entry[3], "pattern", None)) == ours for entry in warnings.filters):
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=module)
