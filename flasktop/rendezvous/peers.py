"""Who is at the other end, and whether a worker's process still lives."""

from __future__ import annotations

import _socket
import os
import struct
import sys
import time
from pathlib import Path
from typing import Final

from flasktop.errors import RefusedError

REUSE_SLACK_S: Final = 2.0
"""A process that began later than this after the worker's agent has only taken over the worker's pid."""


def peer_uid(connection: _socket.socket) -> int:
    """The uid at the other end: who connected, or who called ``listen()``. Raises RefusedError if it cannot be told."""
    try:
        if sys.platform == "linux":
            raw = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, struct.calcsize("3i"))
            return int(struct.unpack("3i", raw)[1])
        else:
            # struct xucred {u_int version; uid_t uid; short ngroups; gid_t groups[16]}: LOCAL_PEERCRED at SOL_LOCAL.
            raw = connection.getsockopt(0, 1, 76)
            return int(struct.unpack_from("2I", raw)[1])
    except (OSError, struct.error) as error:
        raise RefusedError(f"The system does not tell who is at the other end of the socket ({error}).") from error


def peer_pid(connection: _socket.socket) -> int:
    """The pid of who connected; 0 where that cannot be told (another container's, another system than Linux)."""
    try:
        raw = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, struct.calcsize("3i"))
        return max(int(struct.unpack("3i", raw)[0]), 0)
    except (AttributeError, OSError, struct.error):
        return 0


def check_peer(uid: int, own: int, *, root: bool = False) -> None:
    """Raise RefusedError unless the peer ``uid`` is ``own``; ``root``: or is root (whom a server lets read)."""
    if uid != own and not (root and uid == 0):
        raise RefusedError(
            f"The other end of the socket is uid {uid}, not uid {own}.",
            "Run flasktop as the user that runs the app.",
        )


def process_alive(pid: int, started_ms: int) -> bool:
    """Whether the process whose agent began at ``started_ms`` still runs.

    A zombie does not, and neither does another process that has taken over the pid since.
    """
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # somebody else's: alive
    created = process_created(pid)
    return created is not None and created <= started_ms / 1000 + REUSE_SLACK_S


def process_stopped(pid: int) -> bool:
    """Whether the process is stopped (SIGSTOP, or a debugger); False where it cannot be told."""
    try:
        stat_line = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat_line[stat_line.rindex(b")") + 2 :][:1] in (b"T", b"t")


def process_created(pid: int) -> float | None:
    """When the process began, Unix seconds; None for a zombie, 0 where it cannot be told."""
    if sys.platform == "linux":
        return _created_on_linux(pid)
    else:
        return _created_elsewhere(pid)


def _created_on_linux(pid: int) -> float | None:
    try:
        stat_line = Path(f"/proc/{pid}/stat").read_bytes()
    except ProcessLookupError:
        return None
    except OSError:
        return 0.0  # /proc may hide other users' processes
    state, *fields = stat_line[stat_line.rindex(b")") + 2 :].split()
    if state in (b"Z", b"X"):
        return None
    ticks = int(fields[18])
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return boot + ticks / os.sysconf("SC_CLK_TCK")


def _created_elsewhere(pid: int) -> float | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None
    except psutil.Error:
        return 0.0
