"""The demo's processes: a server with two workers, and its visitors."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

import flasktop
from flasktop.demo.master import WORKERS
from flasktop.errors import FlasktopError

READY_SECONDS = 30.0
STOP_SECONDS = 4.0


class Shop:
    """The running shop in ``directory``; as a context manager it stops all that it started."""

    def __init__(self, directory: Path, database_url: str) -> None:
        self.directory = directory
        self.sockets = directory / "run"
        self.port = 0
        self._url = database_url
        self._children: list[subprocess.Popen[bytes]] = []
        self._lifeline: tuple[int, int] | None = None

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
        ready, says_ready = os.pipe()
        try:
            with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
                self.port = listener.getsockname()[1]
                self._start_master(listener.fileno(), says_ready)
            os.close(says_ready)
            says_ready = -1
            self._await(ready)
        finally:
            os.close(ready)
            if says_ready >= 0:
                os.close(says_ready)
        self._spawn("flasktop.demo.traffic", str(self.port), str(self.directory))

    def stop(self) -> None:
        """End every child, kindly and then not; safe to call twice."""
        children = self._children[::-1]
        for child in children:
            child.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for child in children:
            _wait_or_kill(child, deadline)
        if self._lifeline is not None:
            for end in self._lifeline:  # also the message to workers whose master was killed
                os.close(end)
            self._lifeline = None

    def _start_master(self, listening: int, ready: int) -> None:
        arguments = (str(listening), str(ready), self._url, str(self.directory))
        self._spawn("flasktop.demo.master", *arguments, keep=(listening, ready))

    def _spawn(self, module: str, *arguments: str, keep: tuple[int, ...] = ()) -> None:
        assert self._lifeline is not None
        with open(self.directory / "shop.log", "ab") as log:
            child = subprocess.Popen(
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
        self._children.append(child)

    def _environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("FLASKTOP_")}
        return {**kept, "FLASKTOP_DIR": str(self.sockets)}

    def _await(self, ready: int) -> None:
        """Wait until each worker has written its byte; a master that ends before is an error with its last words."""
        deadline = time.monotonic() + READY_SECONDS
        missing = WORKERS
        while missing > 0:
            if self._children[0].poll() is not None or time.monotonic() > deadline:
                raise FlasktopError("The demo's shop did not start.", self._last_words())
            if select.select([ready], [], [], 0.1)[0]:
                said = os.read(ready, missing)
                missing -= len(said)
                if not said:
                    time.sleep(0.05)  # every worker is gone, and soon its master

    def _last_words(self) -> str:
        try:
            return (self.directory / "shop.log").read_text(errors="replace")[-2000:].strip()
        except OSError:
            return ""


def _wait_or_kill(child: subprocess.Popen[bytes], deadline: float) -> None:
    try:
        child.wait(max(0.01, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
