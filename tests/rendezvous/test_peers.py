"""Who is at the other end, and who still lives."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flasktop.errors import RefusedError
from flasktop.rendezvous import bind, check_peer, peer_uid, process_alive
from tests.rendezvous.users import NOBODY, as_user, needs_root


def now_ms() -> int:
    return int(time.time() * 1000)


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits to be ended."""
    process = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    assert process.stdin is not None
    with process.stdin:
        yield process
        process.kill()
    process.wait()


def test_both_ends_see_the_uid() -> None:
    """The same user on both ends is accepted."""
    one, other = socket.socketpair()
    with one, other:
        assert peer_uid(one) == peer_uid(other) == os.geteuid()
        check_peer(peer_uid(one), os.geteuid())


@needs_root
def test_a_server_of_another_user_is_seen(tmp_path: Path) -> None:
    """The uid at the client's end is that of who called listen()."""
    tmp_path.chmod(0o777)
    path = tmp_path / "s"
    with as_user():
        listener = bind(path, socket.socket)
    with listener, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))

        assert peer_uid(client) == NOBODY
        with pytest.raises(RefusedError, match=f"uid {NOBODY}"):
            check_peer(peer_uid(client), os.geteuid())


def test_only_a_server_accepts_root() -> None:
    """Root may read anybody's app; a root process posing as a user's app is refused."""
    check_peer(0, 1000, root=True)
    with pytest.raises(RefusedError):
        check_peer(0, 1000)
    with pytest.raises(RefusedError):
        check_peer(1001, 1000, root=True)


def test_something_that_is_no_socket_of_a_user_is_refused() -> None:
    """A closed connection tells no uid: refused, not guessed."""
    one, other = socket.socketpair()
    other.close()
    one.close()
    with pytest.raises(RefusedError):
        peer_uid(one)


def test_a_running_process_is_alive(child: subprocess.Popen[bytes]) -> None:
    """A worker whose agent began after its process lives, also when stopped."""
    assert process_alive(child.pid, now_ms())
    child.send_signal(signal.SIGSTOP)
    assert process_alive(child.pid, now_ms())


def test_a_zombie_is_dead(child: subprocess.Popen[bytes]) -> None:
    """A killed worker whose master has not reaped it yet is dead."""
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    assert not process_alive(child.pid, now_ms())


def test_a_reaped_process_is_dead(child: subprocess.Popen[bytes]) -> None:
    """Nothing runs under that pid."""
    child.kill()
    child.wait()

    assert not process_alive(child.pid, now_ms())


def test_a_pid_that_was_used_again_is_dead(child: subprocess.Popen[bytes]) -> None:
    """The process began a minute after the worker's agent: it is another one."""
    assert not process_alive(child.pid, now_ms() - 60_000)


@pytest.mark.parametrize("pid", [2**31 - 1, 2**40])
def test_impossible_pids_are_dead(pid: int) -> None:
    """A planted file name cannot raise."""
    assert not process_alive(pid, now_ms())


@needs_root
def test_a_process_of_another_user_is_alive(child: subprocess.Popen[bytes]) -> None:
    """Not being allowed to signal it does not make it dead."""
    with as_user():
        assert process_alive(child.pid, now_ms())
