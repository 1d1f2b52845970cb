"""What `flasktop attach` costs in a real terminal: first picture, CPU, and how fast a key press is answered.

    python -m tests.benchmarks.bench_screen [--endpoints 500] [--rate 5000] [--seconds 20] [--keys 200] [--rounds 3]

A pseudo-terminal of 120x40 with the installed command in it, refreshed at 2 Hz, attached to four workers on real
sockets (in a process of their own). CPU is that of the command's process, all threads, per second of wall time: at the
rate, and with hardly any traffic. The command starts from compiled modules, as pip leaves them, whatever this tree has.

A key press is a letter typed into the filter line; it is answered when the terminal has been sent the line with the
letter in it, which comes after the table was filtered anew. All of it is wall time: on a machine with other work it
tells how long the command waited for a processor, too.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pty
import random
import select
import statistics
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path

import psutil

from tests.benchmarks.machine import described, spread
from tests.benchmarks.wire import workers

SIZE = (40, 120)
PATIENCE_S = 60.0
CLEAR = b"\x15"
"""Ctrl+U: empties the filter line."""


class Terminal:
    """A pseudo-terminal and a command in it."""

    def __init__(self, command: list[str], **environment: str) -> None:
        self.begun = time.monotonic()
        pid, self._master = pty.fork()
        if not pid:
            os.environ.update(environment, TERM="xterm-256color", COLORTERM="truecolor")
            os.execvp(command[0], command)
        ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
        self.process = psutil.Process(pid)

    def until(self, sign: bytes, patience: float = PATIENCE_S) -> float:
        """Read until ``sign`` was written; return the seconds that took."""
        begun, seen = time.monotonic(), b""
        while sign not in seen:
            if time.monotonic() - begun > patience:
                raise TimeoutError(f"{sign!r} was not written within {patience:g} s")
            seen = seen[-65_536:] + self._read(0.5)
        return time.monotonic() - begun

    def rest(self, seconds: float) -> None:
        """Read what comes for some time."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._read(left)

    def press(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._master, keys)

    def cpu(self, seconds: float) -> float:
        """Return the CPU seconds a second of wall time that the command takes."""
        before, begun = sum(self.process.cpu_times()[:2]), time.monotonic()
        self.rest(seconds)
        return (sum(self.process.cpu_times()[:2]) - before) / (time.monotonic() - begun)

    def close(self) -> None:
        """End the command."""
        self.process.kill()
        os.waitpid(self.process.pid, 0)
        os.close(self._master)

    def _read(self, timeout: float) -> bytes:
        if not select.select([self._master], [], [], timeout)[0]:
            return b""
        return os.read(self._master, 65_536)


def attach(directory: Path, compiled: Path) -> Terminal:
    """Attach to the workers of ``directory``, with modules that are kept compiled in ``compiled``."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    return Terminal(
        [sys.executable, "-m", "flasktop", "attach", "--interval", "0.5"],
        FLASKTOP_DIR=str(directory),
        XDG_STATE_HOME=str(directory),
        PYTHONPYCACHEPREFIX=str(compiled),
    )


@contextlib.contextmanager
def attached(rate: int, compiled: Path, options: argparse.Namespace) -> Iterator[tuple[Terminal, float]]:
    """Attach to workers with this much traffic; gives the terminal and the seconds to the first picture."""
    size = {"endpoints": options.endpoints, "statements": 5 * options.endpoints}
    with tempfile.TemporaryDirectory() as place, workers(Path(place), rate=rate, **size):
        if not any(compiled.iterdir()):
            with contextlib.closing(attach(Path(place), compiled)) as terminal:
                terminal.until(b"/shop/")
        with contextlib.closing(attach(Path(place), compiled)) as terminal:
            terminal.until(b"/shop/")
            yield terminal, time.monotonic() - terminal.begun


def keys(terminal: Terminal, count: int) -> list[float]:
    """Return how long each of some key presses took to be answered, in milliseconds."""
    rng = random.Random(2)
    took: list[float] = []
    terminal.press(b"/")
    while len(took) < count:
        terminal.until(b"/regex/")  # stands in the line while it is empty
        typed = "!"
        terminal.press(typed.encode())
        terminal.until(b"!")
        for _ in range(min(20, count - len(took))):
            typed += rng.choice("vxyz")
            terminal.rest(rng.uniform(0.05, 0.2))
            terminal.press(typed[-1:].encode())
            took.append(terminal.until(typed.encode()) * 1e3)
        terminal.press(CLEAR)
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoints", type=int, default=500)
    parser.add_argument("--rate", type=int, default=5_000, help="traces a second, five statements each")
    parser.add_argument("--seconds", type=float, default=20.0, help="for how long CPU is measured, each time")
    parser.add_argument("--keys", type=int, default=200, help="key presses a round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(described("flasktop", "textual"))
    pictures, quiet, busy, answers = [], [], [], []
    with tempfile.TemporaryDirectory() as compiled:
        for _ in range(options.rounds):
            with attached(20, Path(compiled), options) as (terminal, first):
                pictures.append(first)
                terminal.rest(min(5.0, options.seconds))
                quiet.append(terminal.cpu(options.seconds) * 100)
            with attached(options.rate, Path(compiled), options) as (terminal, first):
                pictures.append(first)
                terminal.rest(min(5.0, options.seconds))
                busy.append(terminal.cpu(options.seconds) * 100)
                answers += keys(terminal, options.keys)
    print(f"2 Hz, {options.endpoints} endpoints, {options.rounds} rounds: medians (quartiles)\n")
    print("| | |\n| --- | --- |")
    _tell("first picture", pictures, "s", 2)
    _tell("CPU, 20 traces/s", quiet, "% of a core", 1)
    _tell(f"CPU, {options.rate:,} traces/s", busy, "% of a core", 1)
    answers.sort()
    late = answers[min(len(answers) - 1, int(len(answers) * 0.99))]
    print(f"| a key press at {options.rate:,} traces/s | {statistics.median(answers):.0f} ms, p99 {late:.0f} ms |")


def _tell(what: str, figures: list[float], unit: str, digits: int) -> None:
    low, high = spread(figures)
    print(f"| {what} | {statistics.median(figures):.{digits}f} {unit} ({low:.{digits}f}–{high:.{digits}f}) |")


if __name__ == "__main__":
    main()
