"""Whether this platform and this installation can weigh a heap at all."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
import sysconfig
from typing import Final

from flasktop.agent.commands.job import CommandError

CLOSE_RANGE: Final = 436
"""The number of the system call, the same on every architecture that Linux and CPython share."""
CLOSE_RANGE_UNSHARE: Final = 2
LAST: Final = 0xFFFFFFFF
_OFF: Final = ("", "0", "false", "no", "off")

_libc: ctypes.CDLL | None = None


def libc() -> ctypes.CDLL:
    """The C library, keeping ``errno`` for us."""
    global _libc
    if _libc is None:
        _libc = ctypes.CDLL(None, use_errno=True)
    return _libc


def close_range(first: int, last: int, flags: int = 0) -> None:
    """Close the descriptors ``first`` to ``last``; by number, since C libraries before 2.34 have no name for it.

    Raises:
        OSError: the kernel does not have it (before 5.9), or a sandbox forbids it.
    """
    number = ctypes.c_long(CLOSE_RANGE)
    if libc().syscall(number, ctypes.c_uint(first), ctypes.c_uint(last), ctypes.c_uint(flags)):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def check_weighing() -> None:
    """Make sure that guppy3 is there and loaded, with all that it will need.

    Raises:
        CommandError: it is not, and why.
    """
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise CommandError(
            "This worker runs a free-threaded Python, which guppy3 cannot look into.",
            "Run the app with the usual build of Python to look at its heap.",
        )
    try:
        __import__("flasktop.agent.heap.weigh")
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] != "guppy":
            raise
        raise CommandError(
            "guppy3 is not installed where the app runs.", "Install it there (pip install guppy3) and restart the app."
        ) from None
    except (ImportError, OSError) as error:
        version = ".".join(map(str, sys.version_info[:3]))
        raise CommandError(
            f"guppy3 cannot be loaded on Python {version}: {error}.",
            "Update it where the app runs: pip install -U guppy3.",
        ) from None


def _restarter() -> str:
    """A library of the app's that starts threads when its process forks; empty where none is known."""
    if "ddtrace.internal.threads" in sys.modules:
        return "ddtrace"
    if "grpc._cython.cygrpc" in sys.modules and os.environ.get("GRPC_ENABLE_FORK_SUPPORT", "0").lower() not in _OFF:
        return "gRPC (GRPC_ENABLE_FORK_SUPPORT)"
    return ""


def check_forking() -> None:
    """Make sure that a copy of this process can be made safely.

    Raises:
        CommandError: it cannot, and why.
    """
    if not sys.platform.startswith("linux") or not hasattr(os, "fork"):
        raise CommandError(f"A running process cannot be copied safely on {sys.platform}.")
    restarter = _restarter()
    if restarter:
        # They would live with the forking thread's descriptors: what they open has numbers of the app's own files.
        raise CommandError(f"This worker cannot be copied safely: {restarter} starts threads when it is forked.")
    try:
        close_range(LAST, LAST)
    except OSError as error:
        if error.errno == errno.ENOSYS:
            raise CommandError(
                "A running process cannot be copied safely here: this kernel has no close_range (Linux before 5.9)."
            ) from None
        raise CommandError(
            f"A running process cannot be copied safely here: close_range is refused ({error.strerror})."
        ) from None
