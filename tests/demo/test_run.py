"""The demo as a process: it opens, it can be disturbed, and it leaves nothing behind however it ends."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from flasktop.demo.master import WORKERS

pytestmark = pytest.mark.e2e

PATIENCE = 60.0


class Demo:
    """``run_demo`` in a process of its own, without a terminal, whose temporary folder is ``place``."""

    def __init__(self, place: Path, seconds: float) -> None:
        self.place = place
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                f"from flasktop.demo.run import run_demo; raise SystemExit(run_demo(seconds={seconds}))",
            ],
            env={**os.environ, "TMPDIR": str(place), "COLUMNS": "160"},  # room for every column, whatever is in them
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.narration: list[str] = []

    def await_line(self, beginning: str) -> str:
        """Return the first line on stderr that begins so."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.narration.append(line)
            if line.startswith(beginning):
                return line
        raise AssertionError("".join(self.narration))

    def opened(self) -> list[psutil.Process]:
        """Wait until the shop is open; return its processes: the master, its workers, the traffic."""
        self.await_line("The shop is open")
        until(lambda: len(self.children()) == WORKERS + 2)
        return self.children()

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def workers(self) -> set[int]:
        (master,) = (
            child for child in psutil.Process(self.process.pid).children() if runs(child, "flasktop.demo.master")
        )
        return {worker.pid for worker in master.children() if runs(worker, "flasktop.demo.master")}

    def assert_gone(self, children: list[psutil.Process]) -> None:
        _, alive = psutil.wait_procs(children, timeout=PATIENCE)
        assert alive == []
        until(lambda: not any(self.place.iterdir()))


def runs(process: psutil.Process, module: str) -> bool:
    """Whether ``process`` is alive and runs ``module``."""
    try:
        return module in process.cmdline()
    except psutil.Error:
        return False


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def start() -> Iterator[Callable[[float], Demo]]:
    # Not pytest's tmp_path: its names are too long for a socket's path, and the demo would go elsewhere.
    place = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))
    demos: list[Demo] = []

    def start(seconds: float) -> Demo:
        demos.append(Demo(place, seconds))
        return demos[-1]

    yield start
    for demo in demos:
        if demo.process.poll() is None:
            demo.process.kill()
        demo.process.communicate()
    shutil.rmtree(place, ignore_errors=True)


def test_without_a_terminal_it_prints_the_snapshot_and_leaves_nothing(start: Callable[[float], Demo]) -> None:
    demo = start(6.0)
    children = demo.opened()
    output, narration = demo.process.communicate(timeout=60)

    assert demo.process.returncode == 0, narration
    assert f"shop · werkzeug · {WORKERS} workers" in output
    for seen in ("ENDPOINTS", "GET /product/<int:key>", "QUERIES", "flasktop/demo/shop/views/"):
        assert seen in output
    demo.assert_gone(children)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_however_it_ends_nothing_stays(start: Callable[[float], Demo], number: signal.Signals) -> None:
    demo = start(60.0)
    children = demo.opened()
    demo.process.send_signal(number)
    code = demo.process.wait(timeout=PATIENCE)

    assert code == (-number if number is signal.SIGKILL else 128 + number)
    demo.assert_gone(children)


def test_it_can_be_ended_while_the_shop_is_stocked(start: Callable[[float], Demo]) -> None:
    demo = start(60.0)
    demo.await_line("Stocking")
    demo.process.send_signal(signal.SIGTERM)

    assert demo.process.wait(timeout=PATIENCE) == 128 + signal.SIGTERM
    demo.assert_gone([])


def test_a_worker_that_is_killed_is_replaced(start: Callable[[float], Demo]) -> None:
    demo = start(60.0)
    demo.opened()
    killed, other = demo.workers()
    os.kill(killed, signal.SIGKILL)

    until(lambda: len(demo.workers() - {killed, other}) == 1)
    assert other in demo.workers()


def test_nothing_stays_when_the_master_was_killed(start: Callable[[float], Demo]) -> None:
    demo = start(60.0)
    children = demo.opened()
    (master,) = (child for child in psutil.Process(demo.process.pid).children() if runs(child, "flasktop.demo.master"))
    master.kill()
    demo.process.send_signal(signal.SIGTERM)

    assert demo.process.wait(timeout=PATIENCE) == 128 + signal.SIGTERM
    demo.assert_gone(children)


def test_both_workers_answer(start: Callable[[float], Demo]) -> None:
    demo = start(60.0)
    port = int(demo.await_line("The shop is open").split("127.0.0.1:")[1].split()[0])
    seen: set[int] = set()

    def both() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        connection.request("GET", "/healthz")
        seen.add(json.loads(connection.getresponse().read())["pid"])
        connection.close()
        return len(seen) == WORKERS

    until(both)
