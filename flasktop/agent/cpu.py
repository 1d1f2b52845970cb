"""The CPU time of other threads of this process, from outside and without a file.

Linux makes the clock of a thread from its number, and refuses (``EINVAL``) a number that is none of this process's
threads: unlike ``pthread_getcpuclockid``, which reads the memory of a thread that may have ended.
Source: Linux ``include/linux/posix-timers.h`` (``MAKE_THREAD_CPUCLOCK``).
"""

from __future__ import annotations

import os
import sys
import time
from functools import lru_cache
from typing import Any, Final

UNKNOWN: Final = -1
_PER_THREAD_SCHED: Final = 6


def thread_cpu_ns(ident: int, number: int = 0) -> int:
    """CPU time in ns of the thread that ``threading.get_ident`` calls ``ident``; -1 where it cannot be told.

    ``number`` is the system's own number of it, where that is known.
    """
    number = (number or _native_id(ident)) if supported() else 0
    if not number:
        return UNKNOWN
    try:
        return time.clock_gettime_ns(_clock(number))
    except OSError:
        return UNKNOWN


@lru_cache(maxsize=1)
def supported() -> bool:
    """Whether this system's clocks are what we take them for."""
    if sys.platform != "linux":
        return False
    import _thread

    try:
        before = time.thread_time_ns()
        told = time.clock_gettime_ns(_clock(_thread.get_native_id()))
        return before <= told <= time.thread_time_ns()
    except OSError:
        return False


def wants_cpu(number: int) -> bool:
    """Whether the system's thread ``number`` of this process runs, or would if there were a processor free."""
    try:
        with open(f"/proc/self/task/{number}/stat", "rb") as status:  # without our lock, so that who waits for it runs
            return status.read(400).rpartition(b") ")[2][:1] == b"R"
    except OSError:
        return False


def switches(number: int) -> int:
    """How often thread ``number`` gave up the processor by itself; 0 where that cannot be told."""
    try:
        with open(f"/proc/self/task/{number}/status", "rb") as status:
            found = status.read(4000).rpartition(b"\nvoluntary_ctxt_switches:")[2]
            return int(found.split(b"\n", 1)[0] or 0)
    except (OSError, ValueError):
        return 0


def may_wait_for_interpreter(number: int) -> bool:
    """Whether thread ``number`` runs or waits for a lock at this moment, and not for anything else."""
    try:
        with open(f"/proc/self/task/{number}/syscall", "rb") as call:
            return call.read(400).split()[:1] in ([b"running"], [_FUTEX.get(os.uname().machine, b"")])
    except OSError:
        return False


_FUTEX: Final = {"x86_64": b"202", "aarch64": b"98"}


def _clock(number: int) -> int:
    return (~number << 3) | _PER_THREAD_SCHED


def _native_id(ident: int) -> int:
    """The system's number of a thread, 0 where ``threading`` does not know it."""
    threads: Any = sys.modules["threading"]
    thread = threads._active.get(ident)
    if thread is threads._main_thread:
        return os.getpid()  # what the object holds is the parent's, where fork hooks did not run (uWSGI)
    return getattr(thread, "native_id", None) or 0
