"""A worker's files: names, the socket's mode, what is removed and what stays."""

from __future__ import annotations

import itertools
import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flasktop.errors import RendezvousError
from flasktop.rendezvous import WorkerFiles, bind, claim, holds, listening, remove, scan, server_directory, sweep
from tests.rendezvous.users import NOBODY, needs_root, umask

NOW_MS = int(time.time() * 1000)
births = itertools.count(NOW_MS)


def born_ms() -> int:
    """When a worker of now began, in Unix ms: another time at each call, later than the one before."""
    return next(births)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return server_directory(str(tmp_path / "d"))


@pytest.fixture
def dead_pid() -> int:
    """The pid of a process that was and is no more."""
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid


def leave(files: WorkerFiles, *, journal: bool = True, age: float = 0.0) -> WorkerFiles:
    """What a killed worker leaves behind: a socket file that nobody listens to, and its journal."""
    bind(files.socket, socket.socket).close()
    if journal:
        files.journal.write_bytes(b"x")
        os.utime(files.journal, (time.time() - age, time.time() - age))
    return files


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_names_are_parsed_back(directory: Path) -> None:
    """Pid and start survive in both names."""
    files = WorkerFiles(directory, 4711, 1_700_000_000_123)

    assert WorkerFiles.parse(files.socket) == WorkerFiles.parse(files.journal) == files


@pytest.mark.parametrize(
    "name", ["", "12.sock", "0-ab.sock", "12-xyz.sock", "12-ab.sock.tmp", "-12-ab.sock", "1२-ab.sock", "12-ab.sock\n"]
)
def test_other_names_are_nobodys(directory: Path, name: str) -> None:
    """Only exact names count."""
    assert WorkerFiles.parse(directory / name) is None


@pytest.mark.parametrize("mask", [0, 0o022, 0o777])
def test_the_socket_is_private_whatever_the_umask(directory: Path, mask: int) -> None:
    """The socket is 0600, also under umask 0."""
    path = WorkerFiles(directory, os.getpid(), born_ms()).socket
    with umask(mask), bind(path, socket.socket):
        assert stat.S_IMODE(path.lstat().st_mode) == 0o600


def test_the_socket_answers_and_does_not_block(directory: Path) -> None:
    """A reader can connect at once; accepting never blocks."""
    path = WorkerFiles(directory, os.getpid(), born_ms()).socket
    with bind(path, socket.socket) as listener:
        with pytest.raises(BlockingIOError):
            listener.accept()
        assert listening(path)


def test_a_taken_path_is_refused_and_left(directory: Path) -> None:
    """Whatever is there is not ours to remove."""
    path = WorkerFiles(directory, os.getpid(), born_ms()).socket
    path.write_text("precious")

    with pytest.raises(RendezvousError, match="cannot be made"):
        bind(path, socket.socket)
    assert path.read_text() == "precious"


def test_a_long_path_is_refused(tmp_path: Path) -> None:
    """The system's own error would not say what to do."""
    with pytest.raises(RendezvousError, match="too long"):
        bind(tmp_path / ("x" * 108), socket.socket)


def test_a_claimed_file_is_removed_by_its_maker(directory: Path) -> None:
    """A worker that ends takes its files along."""
    path = directory / "f"
    path.write_text("")

    assert remove(claim(path))
    assert not path.exists()


def test_a_replaced_file_is_left(directory: Path) -> None:
    """The path may belong to somebody else by now."""
    path = directory / "f"
    path.write_text("")
    claimed = claim(path)
    path.rename(directory / "old")  # keeps the inode in use, else the new file might get the same one
    path.write_text("new")

    assert not holds(claimed)
    assert not remove(claimed)
    assert path.read_text() == "new"


def test_a_fork_does_not_remove_its_parents_file(directory: Path) -> None:
    """gunicorn#1298: an exiting worker unlinked the shared socket."""
    path = directory / "f"
    path.write_text("")
    claimed = claim(path)

    inherited = type(claimed)(claimed.path, claimed.device, claimed.inode, claimed.pid + 1)

    assert not remove(inherited)
    assert path.exists()


def test_scan_gives_each_worker_once(directory: Path, dead_pid: int) -> None:
    """Oldest first; foreign names are passed over."""
    second = leave(WorkerFiles(directory, dead_pid, NOW_MS))
    first = leave(WorkerFiles(directory, dead_pid, NOW_MS - 5000))
    (directory / "notes.txt").write_text("")

    assert scan(directory) == [first, second]
    assert scan(directory / "missing") == []


def test_the_sweep_removes_dead_sockets_and_keeps_their_journals(directory: Path, dead_pid: int) -> None:
    """A journal is a black box after a kill; a socket without a process is nothing."""
    files = leave(WorkerFiles(directory, dead_pid, born_ms()))

    sweep(directory)

    assert names(directory) == {files.journal.name}


def test_the_sweep_leaves_the_living_alone(directory: Path) -> None:
    """Files of a live process stay, also when its socket is not listening yet."""
    files = leave(WorkerFiles(directory, os.getpid(), born_ms()), age=9999)

    sweep(directory)

    assert names(directory) == {files.socket.name, files.journal.name}


def test_the_sweep_removes_what_a_former_owner_of_a_pid_left(directory: Path) -> None:
    """This pid lives, but its process began long after the worker's agent."""
    files = leave(WorkerFiles(directory, os.getpid(), NOW_MS - 10 * 365 * 86_400_000))

    sweep(directory)

    assert names(directory) == {files.journal.name}


def test_the_sweep_leaves_a_socket_that_somebody_serves(directory: Path, dead_pid: int) -> None:
    """A pid that does not exist here may exist in another pid namespace."""
    files = WorkerFiles(directory, dead_pid, born_ms())
    with bind(files.socket, socket.socket):
        sweep(directory)

        assert names(directory) == {files.socket.name}


def test_old_journals_go(directory: Path, dead_pid: int) -> None:
    """An hour is enough for a black box."""
    young = leave(WorkerFiles(directory, dead_pid, born_ms()), age=3000)
    leave(WorkerFiles(directory, dead_pid, born_ms()), age=4000)

    sweep(directory)

    assert names(directory) == {young.journal.name}


def test_too_many_journals_go_oldest_first(directory: Path, dead_pid: int) -> None:
    """Workers that are killed again and again do not fill the disk."""
    boxes = [leave(WorkerFiles(directory, dead_pid, NOW_MS - 1000 * age), age=age) for age in range(5)]

    sweep(directory, keep_files=2)

    assert names(directory) == {files.journal.name for files in boxes[:2]}


def test_the_sweep_touches_no_symlinks_and_no_strangers(directory: Path, dead_pid: int, tmp_path: Path) -> None:
    """Neither a link with a worker's name nor a file with another name is removed."""
    precious = tmp_path / "precious"
    precious.write_text("")
    old = (time.time() - 9999, time.time() - 9999)
    os.utime(precious, old)
    link = WorkerFiles(directory, dead_pid, born_ms()).journal
    link.symlink_to(precious)
    (directory / "notes.txt").write_text("")
    os.utime(directory / "notes.txt", old)

    sweep(directory, keep_files=0)

    assert names(directory) == {link.name, "notes.txt"}
    assert precious.exists()


@needs_root
def test_the_sweep_leaves_files_of_other_users(directory: Path, dead_pid: int) -> None:
    """Root reading somebody's directory does not clean it up."""
    files = leave(WorkerFiles(directory, dead_pid, born_ms()), age=9999)
    for path in (files.socket, files.journal):
        os.chown(path, NOBODY, -1)

    sweep(directory)

    assert names(directory) == {files.socket.name, files.journal.name}
