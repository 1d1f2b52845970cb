"""The demo in a real pseudo-terminal: the screen comes up, is left, and nothing stays."""

from __future__ import annotations

import fcntl
import os
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.e2e

PATIENCE = 60.0
CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)|\x1b[P_X^][^\x1b]*\x1b\\|\x1b.")
LEAVES_ALTERNATE_SCREEN = "\x1b[?1049l"


class Terminal:
    """``flasktop demo`` in a terminal of its own; ``place`` is its temporary folder and its home."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        # A session's leader that opens a terminal has it as its controlling one: closing it will send SIGHUP.
        code = "from flasktop.cli import main; main()"
        shell = 'exec "$1" -c "$2" demo <>"$0" >&0 2>&0'
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", shell, os.ttyname(slave), sys.executable, code],
            env={
                **os.environ,
                "TERM": "xterm-256color",
                "TMPDIR": str(place / "tmp"),
                "XDG_CONFIG_HOME": str(place / "home"),
            },
            start_new_session=True,
        )
        os.close(slave)
        self.raw = ""

    def await_text(self, text: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while text not in CONTROL.sub("", self.raw):
            assert time.monotonic() < deadline, CONTROL.sub("", self.raw)[-2000:]
            self.read(0.2)

    def read(self, seconds: float) -> bool:
        """Take what the program writes; False when there is nothing more to come."""
        if not select.select([self.master], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.raw += data.decode(errors="replace")
        return bool(data)

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def ended(self) -> int:
        """Wait for the end, reading on as a terminal does; return the exit code."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline
            if not self.read(0.1):
                time.sleep(0.02)
        while self.read(0) and select.select([self.master], [], [], 0)[0]:
            pass
        return self.process.returncode

    def close(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            self.master = -1

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def assert_nothing_stays(self, children: list[psutil.Process]) -> None:
        _, alive = psutil.wait_procs(children, timeout=PATIENCE)
        assert alive == []
        assert list((self.place / "tmp").iterdir()) == []


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    place = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))
    (place / "tmp").mkdir()
    terminal = Terminal(place)
    yield terminal
    if terminal.process.poll() is None:
        terminal.process.kill()
        terminal.process.wait()
    terminal.close()
    shutil.rmtree(place, ignore_errors=True)


def test_q_leaves_the_screen_and_stops_everything(terminal: Terminal) -> None:
    terminal.await_text("/orders")
    children = terminal.children()
    terminal.press("q")

    assert terminal.ended() == 0
    assert LEAVES_ALTERNATE_SCREEN in terminal.raw
    terminal.assert_nothing_stays(children)


def test_a_signal_gives_the_terminal_back_and_stops_everything(terminal: Terminal) -> None:
    terminal.await_text("/orders")
    children = terminal.children()
    terminal.process.send_signal(signal.SIGTERM)

    assert terminal.ended() == 128 + signal.SIGTERM
    assert LEAVES_ALTERNATE_SCREEN in terminal.raw
    terminal.assert_nothing_stays(children)


def test_a_terminal_that_is_closed_stops_everything(terminal: Terminal) -> None:
    terminal.await_text("/orders")
    children = terminal.children()
    terminal.close()

    terminal.process.wait(PATIENCE)
    terminal.assert_nothing_stays(children)
