"""gunicorn with one worker and the benchmark's app, with and without flasktop, and readers that attach to it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Served:
    """A running server: where it is, its worker's process, and the environment in which readers find it."""

    url: str
    worker: psutil.Process
    environment: dict[str, str]

    def reader(self) -> subprocess.Popen[bytes]:
        """A reader that stays attached; the caller ends it."""
        command = [sys.executable, "-m", "flasktop", "snapshot", "--for", "86400"]
        quiet = subprocess.DEVNULL
        return subprocess.Popen(command, env=self.environment, stdout=quiet, stderr=quiet)


@contextmanager
def served(watched: bool, history_bytes: int = 8 << 20) -> Iterator[Served]:
    """The app behind gunicorn, ready to answer. ``history_bytes`` is the size of the journal's file."""
    with tempfile.TemporaryDirectory(prefix="ft-") as folder, ExitStack() as stack:
        port = _free_port()
        environment = {
            **os.environ,
            "FLASKTOP_ENABLED": "1" if watched else "0",
            "FLASKTOP_DIR": str(Path(folder) / "run"),
            "FLASKTOP_HISTORY_BYTES": str(history_bytes),
        }
        command = [sys.executable, "-m", "gunicorn", "-w", "1", "--threads", "2", "-b", f"127.0.0.1:{port}"]
        server = stack.enter_context(
            subprocess.Popen(
                [*command, "--log-level", "critical", "tests.benchmarks.served:app"],
                env=environment,
                stderr=subprocess.DEVNULL,
            )
        )
        stack.callback(server.terminate)
        url = f"http://127.0.0.1:{port}"
        _wait(f"{url}/item/7")
        (worker,) = psutil.Process(server.pid).children()
        yield Served(url, worker, environment)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(url: str) -> None:
    for _ in range(600):
        if _answers(url):
            return
        time.sleep(0.05)
    raise SystemExit(f"gunicorn did not answer at {url}.")


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).read()
    except OSError:
        return False
    return True
