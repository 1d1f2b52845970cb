"""``flasktop attach`` in a real pseudo-terminal against a live worker."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.client.conftest import directory as directory  # the fixture
from tests.client.shop_worker import REPOSITORY, running_worker


class Terminal:
    """flasktop in a pseudo-terminal."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process = process
        self.shown = b""
        self._descriptor = descriptor

    def until(self, text: bytes, seconds: float = 60.0) -> None:
        """Wait until ``text`` was drawn."""
        end = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < end, f"{text!r} never came; the last bytes: {self.shown[-500:]!r}"
            self.read(0.1)

    def read(self, seconds: float) -> None:
        if select.select([self._descriptor], [], [], seconds)[0]:
            with contextlib.suppress(OSError):  # EIO: the other end is closed
                self.shown += os.read(self._descriptor, 65536)

    def press(self, keys: bytes) -> None:
        os.write(self._descriptor, keys)

    def close(self) -> None:
        """Close the terminal's window."""
        os.close(self._descriptor)

    def exit_code(self, seconds: float = 60.0) -> int:
        """Wait for the end."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < end, "it did not end"
            self.read(0.05)
        return self.process.returncode


@contextmanager
def terminal(
    directory: Path, *arguments: str, size: tuple[int, int] = (120, 40), own: bool = True
) -> Iterator[Terminal]:
    """flasktop in a terminal; ``own``: which is the session's own, and sends SIGHUP when it is closed."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", size[1], size[0], 0, 0))
    environment = {**os.environ, "FLASKTOP_DIR": str(directory), "TERM": "xterm-256color"}
    environment["XDG_STATE_HOME"] = environment["XDG_CONFIG_HOME"] = str(directory.parent)
    process = subprocess.Popen(
        # The session's leader opens the terminal, which so is its own: closing it sends SIGHUP, as a lost SSH does.
        [
            "/bin/sh",
            "-c",
            'exec "$@" <>"$0" >&0 2>&0' if own else 'exec "$@"',
            os.ttyname(theirs),
            sys.executable,
            "-m",
            "flasktop",
            *arguments,
        ],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=REPOSITORY,
        env=environment,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        with contextlib.suppress(OSError):  # a test may have closed it
            os.close(ours)


def test_attach_shows_a_live_app_and_leaves_with_q(directory: Path) -> None:
    """The path once, whole: agent, socket, reader, store, terminal."""
    with running_worker(directory), terminal(directory, "attach") as screen:
        screen.until(b"items")
        screen.press(b"q")

        assert screen.exit_code() == 0


def test_a_signal_ends_attach_in_order(directory: Path) -> None:
    """The terminal gets its old screen back, and the exit code says which signal it was."""
    with running_worker(directory), terminal(directory, "attach", "shop") as screen:
        screen.until(b"items")
        screen.process.send_signal(signal.SIGINT)

        assert screen.exit_code() == 130
        screen.read(0.1)
        assert b"\x1b[?1049l" in screen.shown


def test_attach_to_nothing_by_name_is_3(directory: Path) -> None:
    """A target that does not run is said at once, instead of a screen that waits for ever."""
    with terminal(directory, "attach", "shop") as screen:
        assert screen.exit_code() == 3


def test_a_theme_that_there_is_not_is_2(directory: Path) -> None:
    """Wrong values of screen options are usage, said before the screen comes up."""
    with terminal(directory, "attach", "--theme", "no-such") as screen:
        assert screen.exit_code() == 2
        screen.read(0.1)
        assert b"no-such" in screen.shown


def test_ctrl_c_is_130(directory: Path) -> None:
    """Ctrl-C, which the terminal hands over as a key, is an interrupt as everywhere."""
    with running_worker(directory), terminal(directory, "attach") as screen:
        screen.until(b"items")
        screen.press(b"\x03")

        assert screen.exit_code() == 130


def test_a_terminal_that_tells_no_size_is_taken_for_80x24(directory: Path) -> None:
    """A bare pseudo-terminal says 0x0, in which nothing could be drawn."""
    directory.mkdir(mode=0o700, exist_ok=True)
    with terminal(directory, "attach", size=(0, 0)) as shown:
        shown.until(b"Waiting for a Flask app")
        shown.press(b"q")

        assert shown.exit_code() == 0


def test_a_terminal_that_is_closed_ends_attach(directory: Path) -> None:
    """A lost connection must not leave a process behind that burns a core with reading nothing."""
    directory.mkdir(mode=0o700, exist_ok=True)
    with terminal(directory, "attach") as shown:
        shown.until(b"Waiting for a Flask app")
        shown.close()

        assert shown.process.wait(10) == 128 + signal.SIGHUP


def test_so_does_one_that_is_not_the_sessions_own(directory: Path) -> None:
    """It sends no SIGHUP: after setsid, or in a container."""
    directory.mkdir(mode=0o700, exist_ok=True)
    with terminal(directory, "attach", own=False) as shown:
        shown.until(b"Waiting for a Flask app")
        shown.close()

        assert shown.process.wait(30) == 128 + signal.SIGHUP
