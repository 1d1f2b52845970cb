"""The demo's processes: two workers on one socket, and their visitors."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

import flasktop
from flasktop.errors import FlasktopError

WORKERS = 2
READY_SECONDS = 30.0
STOP_SECONDS = 3.0
RESPAWN_SECONDS = 0.5


class Shop:
    """The running shop in ``directory``; as a context manager it stops all that it started.

    Workers that die are started again, as under any grown-up server: killing one is part of the demo.
    """

    def __init__(self, directory: Path, database_url: str) -> None:
        self.directory = directory
        self.sockets = directory / "run"
        self.port = 0
        self._url = database_url
        self._workers: list[subprocess.Popen[bytes]] = []
        self._traffic: subprocess.Popen[bytes] | None = None
        self._listener: socket.socket | None = None
        self._lifeline: tuple[int, int] | None = None
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="demo-keeper", daemon=True)

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of all children."""
        children = [*self._workers, *([self._traffic] if self._traffic else [])]
        return tuple(child.pid for child in children)

    def __enter__(self) -> Shop:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> None:
        self.sockets.mkdir(mode=0o700)
        self._lifeline = os.pipe()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        ready, says_ready = os.pipe()
        try:
            self._workers = [self._worker(says_ready) for _ in range(WORKERS)]
            os.close(says_ready)
            says_ready = -1
            self._await(ready)
        finally:
            os.close(ready)
            if says_ready >= 0:
                os.close(says_ready)
        self._traffic = self._spawn("flasktop.demo.traffic", str(self.port), str(self.directory))
        self._keeper.start()

    def stop(self) -> None:
        """End every child, kindly and then not; safe to call twice."""
        self._stopping.set()
        if self._keeper.is_alive():
            self._keeper.join()
        children = [*([self._traffic] if self._traffic else []), *self._workers]
        for child in children:
            child.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for child in children:
            _wait_or_kill(child, deadline)
        if self._lifeline is not None:
            for end in self._lifeline:
                os.close(end)
            self._lifeline = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _worker(self, ready: int) -> subprocess.Popen[bytes]:
        assert self._listener is not None
        listening = self._listener.fileno()
        return self._spawn(
            "flasktop.demo.worker", str(listening), str(ready), self._url, str(self.directory), keep=(listening, ready)
        )

    def _spawn(self, module: str, *arguments: str, keep: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
        assert self._lifeline is not None
        with open(self.directory / "shop.log", "ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=self._lifeline[0],
                stdout=log,
                stderr=log,
                env=self._environment(),
                # The folder that holds the package: it makes the package importable, and paths on the screen short.
                cwd=Path(flasktop.__file__).resolve().parent.parent,
                pass_fds=keep,
                # Ctrl-C and a closed terminal reach the parent alone, which then ends its children in order.
                start_new_session=True,
            )

    def _environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("FLASKTOP_")}
        return {**kept, "FLASKTOP_DIR": str(self.sockets)}

    def _await(self, ready: int) -> None:
        """Wait until each worker has written its byte; one that ends before is an error with its last words."""
        deadline = time.monotonic() + READY_SECONDS
        missing = WORKERS
        while missing > 0:
            if any(worker.poll() is not None for worker in self._workers) or time.monotonic() > deadline:
                raise FlasktopError("The demo's shop did not start.", self._last_words())
            if select.select([ready], [], [], 0.1)[0]:
                missing -= len(os.read(ready, missing))

    def _last_words(self) -> str:
        try:
            return (self.directory / "shop.log").read_text(errors="replace")[-2000:].strip()
        except OSError:
            return ""

    def _keep(self) -> None:
        """Start a worker again that has died."""
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            while not self._stopping.wait(RESPAWN_SECONDS):
                for place, worker in enumerate(self._workers):
                    if worker.poll() is not None and not self._stopping.is_set():
                        self._workers[place] = self._worker(null)
        finally:
            os.close(null)


def _wait_or_kill(child: subprocess.Popen[bytes], deadline: float) -> None:
    try:
        child.wait(max(0.01, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
