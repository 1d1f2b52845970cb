"""The directories in which sockets live.

A directory is only used when it is a real directory (no symlink) that belongs to the right user, that nobody else
can write, and that nobody else can put another one in the place of.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from flasktop.errors import RendezvousError
from flasktop.rendezvous.files import DIRECTORY_VARIABLE, WorkerFiles, check_length, entries

__all__ = ["DIRECTORY_VARIABLE", "Place", "reader_directories", "server_directory"]

_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_PRIVATE: Final = 0o700


class Place(msgspec.Struct, frozen=True):
    """A directory that a reader may look into, and the uid that everything in it must belong to."""

    path: Path
    owner: int


def server_directory(configured: str | None, warn: Callable[[RendezvousError], None] | None = None) -> Path:
    """Create or verify the directory for a server's sockets and return it (absolute).

    ``configured`` alone where it is given, else the first usable of ``$XDG_RUNTIME_DIR/flasktop``,
    ``/run/user/UID/flasktop`` and ``<temporary folder>/flasktop-UID``. A candidate that is not there or not
    writable is passed over silently. One that looks planted (a symlink, somebody else's, open to others) is never
    used; it is told to ``warn`` and passed over, too, since the next place is as safe as ever, readers search them
    all, and whoever can plant a directory should not be able to switch flasktop off.

    Raises:
        RendezvousError: no directory can be used.
    """
    if configured:
        return _usable(Path(configured).expanduser().absolute())
    problem: RendezvousError | None = None
    for path in _candidates(os.geteuid()):
        usable, refusal = _attempt(path)
        if usable:
            return path
        if refusal is not None and not isinstance(refusal, _Absent) and warn is not None:
            warn(refusal)
        problem = refusal
    assert problem is not None
    raise RendezvousError(problem.message, f"{problem.hint} Or set {DIRECTORY_VARIABLE} to a directory of your own.")


def _attempt(path: Path) -> tuple[bool, RendezvousError | None]:
    try:
        _usable(path)
    except RendezvousError as refusal:
        return False, refusal
    return True, None


def reader_directories(configured: str | None) -> tuple[list[Place], list[RendezvousError]]:
    """The directories that a reader searches: all that exist and verify, and what is wrong with the others.

    ``configured`` alone where it is given. Root also finds the directories of other users, each of which must
    belong to the user that its name says.
    """
    own = os.geteuid()
    wanted: dict[Path, int | None] = {}
    if configured:
        wanted[Path(configured).expanduser().absolute()] = None if own == 0 else own
    else:
        for path in _candidates(own):
            wanted[path] = own
        if own == 0:
            for path, named in _of_other_users():
                wanted.setdefault(path, named)
    places: list[Place] = []
    problems: list[RendezvousError] = []
    for path, owner in wanted.items():
        _add(places, problems, path, owner)
    return places, problems


def _add(places: list[Place], problems: list[RendezvousError], path: Path, owner: int | None) -> None:
    try:
        places.append(Place(path, _verify(path, owner).st_uid))
    except _Absent:
        pass
    except RendezvousError as problem:
        problems.append(problem)


def _candidates(uid: int) -> list[Path]:
    """Where the user's sockets may be, best first."""
    runtime = [os.environ.get("XDG_RUNTIME_DIR", ""), f"/run/user/{uid}"]
    # `sudo -E` and `su` keep the variable of another user, who would then find a directory that is not theirs.
    paths = [Path(text, "flasktop") for text in runtime if os.path.isabs(text) and _owner(text) == uid]
    paths += [Path(folder, f"flasktop-{uid}") for folder in _temporary_folders()]
    return list(dict.fromkeys(paths))


def _temporary_folders() -> list[str]:
    # Late: it imports a good deal. "/tmp" too, because a service and a shell often differ in TMPDIR.
    import tempfile

    try:
        return [tempfile.gettempdir(), "/tmp"]
    except FileNotFoundError:
        return ["/tmp"]


def _of_other_users() -> Iterator[tuple[Path, int]]:
    for entry in entries("/run/user"):
        if entry.name.isdecimal():
            yield Path(entry.path, "flasktop"), int(entry.name)
    for folder in dict.fromkeys(_temporary_folders()):
        for entry in entries(folder):
            prefix, _, uid = entry.name.rpartition("-")
            if prefix == "flasktop" and uid.isdecimal():
                yield Path(entry.path), int(uid)


def _owner(path: str) -> int | None:
    try:
        return os.stat(path).st_uid
    except OSError:
        return None


class _Absent(RendezvousError):
    """Nothing is wrong with the place: it is not there, or not for writing."""


def _usable(path: Path) -> Path:
    """Create ``path`` where needed; return it verified, private and writable."""
    check_length(WorkerFiles(path, 1 << 22, int(time.time() * 1000)).socket)
    try:
        os.mkdir(path, _PRIVATE)
    except FileExistsError:
        pass
    except OSError as error:
        raise _Absent(
            f"{path} cannot be created ({error.strerror}), so no reader could find this app.",
            "Create its parent, or choose a directory that this user may write.",
        ) from error
    state = _verify(path, os.geteuid())
    if stat.S_IMODE(state.st_mode) != _PRIVATE:
        _tighten(path)
    effective = os.access in os.supports_effective_ids
    if not os.access(path, os.W_OK | os.X_OK, effective_ids=effective):
        raise _Absent(f"{path} is not writable.", "Choose a directory that this user may write.")
    return path


def _tighten(path: Path) -> None:
    """Make ``path`` private, unless others may have a good reason to read what else is in it."""
    if any(WorkerFiles.parse(Path(entry.path)) is None for entry in entries(path)):
        raise RendezvousError(
            f"{path} is readable by others and holds files that are not flasktop's, so it was left as it is.",
            f"Choose a directory of its own, or run: chmod 700 {path}",
        )
    os.chmod(path, _PRIVATE)


def _verify(path: Path, owner: int | None) -> os.stat_result:
    """Return the lstat of a directory that is ``owner``'s (None: anybody's) and only theirs; see the module's text."""
    try:
        state = os.lstat(path)
        above = os.stat(path.parent)
    except OSError as error:
        raise _Absent(f"{path} cannot be reached ({error.strerror}).", "Start the app first.") from error
    away = f"Remove it, or set {DIRECTORY_VARIABLE} to a directory of your own."
    if not stat.S_ISDIR(state.st_mode):
        kind = "a symbolic link" if stat.S_ISLNK(state.st_mode) else "not a directory"
        raise RendezvousError(f"{path} is {kind}: somebody may have planted it.", away)
    if owner is not None and state.st_uid != owner:
        raise RendezvousError(
            f"{path} belongs to uid {state.st_uid}, not to uid {owner}: its owner could read and answer in its place.",
            away,
        )
    if state.st_mode & _OTHERS_WRITE:
        raise RendezvousError(
            f"{path} can be written by other users (mode {stat.S_IMODE(state.st_mode):04o}), who could put a socket "
            "of theirs in it.",
            f"Run: chmod 700 {path}",
        )
    if above.st_mode & stat.S_IWOTH and not above.st_mode & stat.S_ISVTX:
        raise RendezvousError(
            f"{path.parent} can be written by everybody and has no sticky bit, so anybody could replace {path}.",
            f"Run: chmod +t {path.parent}, or set {DIRECTORY_VARIABLE} to a directory elsewhere.",
        )
    return state
