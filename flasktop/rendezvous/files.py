"""A worker's files: their names, its socket, and what is removed when."""

from __future__ import annotations

import _socket
import errno
import os
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from flasktop.errors import RendezvousError
from flasktop.rendezvous.peers import process_alive

DIRECTORY_VARIABLE: Final = "FLASKTOP_DIR"
"""The environment variable that names the one directory to use, for servers and readers."""

PATH_LIMIT: Final = 103 if sys.platform == "darwin" else 107
"""The longest path of a Unix socket, in bytes, without its closing NUL."""

BACKLOG: Final = 16
KEEP_SECONDS: Final = 3600.0
"""For how long the journal of a dead worker stays a black box."""
KEEP_FILES: Final = 8
"""How many journals of dead workers stay in one directory, newest first."""

_HEXADECIMAL: Final = frozenset("0123456789abcdef")
_PID_DIGITS: Final = 10
_START_DIGITS: Final = 16

AnySocket = TypeVar("AnySocket", bound=_socket.socket)


class WorkerFiles(msgspec.Struct, frozen=True):
    """The two files of one worker. ``started_ms`` is when its agent began, Unix milliseconds."""

    directory: Path
    pid: int
    started_ms: int

    @property
    def socket(self) -> Path:
        return self.directory / f"{self.pid}-{self.started_ms:x}.sock"

    @property
    def journal(self) -> Path:
        return self.directory / f"{self.pid}-{self.started_ms:x}.journal"

    @classmethod
    def parse(cls, path: Path) -> WorkerFiles | None:
        """The files of the worker to which ``path`` (socket or journal) belongs; None for any other name."""
        name, _, kind = path.name.rpartition(".")
        pid, _, start = name.partition("-")
        if kind not in ("sock", "journal") or not (len(pid) <= _PID_DIGITS and pid.isascii() and pid.isdecimal()):
            return None
        if pid[0] == "0" or not (0 < len(start) <= _START_DIGITS and _HEXADECIMAL.issuperset(start)):
            return None
        return cls(path.parent, int(pid), int(start, 16))


class Claim(msgspec.Struct, frozen=True):
    """A file that this process made, so that it removes only its own: see ``claim`` and ``remove``."""

    path: Path
    device: int
    inode: int
    pid: int


def check_length(path: Path) -> None:
    """Raise RendezvousError when ``path`` is too long for a Unix socket."""
    length = len(os.fsencode(path))
    if length > PATH_LIMIT:
        raise RendezvousError(
            f"{path} is too long for a Unix socket: {length} bytes, and the system takes {PATH_LIMIT}.",
            f"Set {DIRECTORY_VARIABLE} to a shorter directory, such as /tmp/flasktop-{os.geteuid()}.",
        )


def bind(path: Path, make: Callable[[int, int], AnySocket]) -> AnySocket:
    """Return a listening, non-blocking socket of the caller's class at ``path``, mode 0600 from its first moment.

    ``make(family, type)`` is the class: the unpatched ``_socket.socket`` under gevent. A file that is already
    there is never removed.

    Raises:
        RendezvousError: the path is too long, taken, or cannot be written.
    """
    check_length(path)
    listener = make(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        # Before bind: between bind and a chmod the socket would be as open as the umask says.
        if sys.platform == "linux":
            os.fchmod(listener.fileno(), 0o600)
        listener.bind(os.fspath(path))
        if stat.S_IMODE(os.lstat(path).st_mode) != 0o600:
            os.chmod(path, 0o600)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise RendezvousError(
            f"The socket {path} cannot be made ({error.strerror}), so no reader can find this worker.",
            f"Make its directory writable, or set {DIRECTORY_VARIABLE} to another one.",
        ) from error
    return listener


def claim(path: Path) -> Claim:
    """Remember ``path``, just made by this process, for ``remove`` and ``holds``."""
    state = os.lstat(path)
    return Claim(path, state.st_dev, state.st_ino, os.getpid())


def holds(claimed: Claim) -> bool:
    """Whether the path still is the file that was claimed (temporary folders are swept by others, too)."""
    try:
        state = os.lstat(claimed.path)
    except OSError:
        return False
    return (state.st_dev, state.st_ino) == (claimed.device, claimed.inode)


def remove(claimed: Claim) -> bool:
    """Unlink a claimed file; only in the process that made it (not in its forks), and only if it still is that file."""
    if claimed.pid != os.getpid() or not holds(claimed):
        return False
    return _unlink(claimed.path)


def _unlink(path: Path) -> bool:
    try:
        os.unlink(path)
    except OSError:
        return False
    return True


def scan(directory: Path) -> list[WorkerFiles]:
    """The workers that have a socket or a journal in ``directory``, oldest first; empty where it cannot be read."""
    found = {WorkerFiles.parse(Path(entry.path)) for entry in entries(directory)}
    return sorted((files for files in found if files), key=lambda files: (files.started_ms, files.pid))


def sweep(directory: Path, keep_seconds: float = KEEP_SECONDS, keep_files: int = KEEP_FILES) -> None:
    """Remove what dead workers left: sockets at once, journals when old or too many (they are black boxes).

    Only files of this user with a worker's name; symlinks are neither followed nor touched; never raises. Whoever
    sweeps at the same time does no harm.
    """
    boxes: list[tuple[float, Path]] = []
    for files in scan(directory):
        if process_alive(files.pid, files.started_ms) or listening(files.socket):
            continue
        if _ours(files.socket, stat.S_IFSOCK) is not None:
            _unlink(files.socket)
        journal = _ours(files.journal, stat.S_IFREG)
        if journal is not None:
            boxes.append((journal.st_mtime, files.journal))
    boxes.sort(reverse=True)
    now = time.time()
    for rank, (written, path) in enumerate(boxes):
        if rank >= keep_files or now - written > keep_seconds:
            _unlink(path)


def _ours(path: Path, kind: int) -> os.stat_result | None:
    try:
        state = os.lstat(path)
    except OSError:
        return None
    return state if state.st_uid == os.geteuid() and stat.S_IFMT(state.st_mode) == kind else None


def listening(path: Path) -> bool:
    """Whether some process listens at ``path``.

    Asked before a worker is taken for dead: its pid may mean nothing here (another pid namespace), and its start
    may look wrong (the wall clock was set).
    """
    probe = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        probe.setblocking(False)
        probe.connect(os.fspath(path))
    except OSError as error:
        return error.errno in (errno.EAGAIN, errno.EINPROGRESS)
    finally:
        probe.close()
    return True


def entries(folder: str | Path) -> list[os.DirEntry[str]]:
    """What is in ``folder``; nothing where it cannot be read."""
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []
