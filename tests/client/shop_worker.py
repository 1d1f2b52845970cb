"""A real app with the real agent in a process of its own, driven by lines on stdin.

``get PATH``: one request; ``hang``: a request that never ends, in a thread (that of ``/hang/0`` ends); ``recorded``:
wait until the agent has recorded a request, and has given its endpoint an id; ``watched``: wait until a reader has got
all that there was; ``exit``: a clean end. Every line is answered by ``ok``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask, request

REPOSITORY = Path(__file__).parents[2]


class Worker:
    """The process as a test drives it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.pid = process.pid

    def tell(self, line: str) -> None:
        """Send a line and wait until it is done."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ok\n"

    def stop(self) -> None:
        """Stop it (SIGSTOP), and wait until it is: another of its threads may run on for a while after the signal."""
        os.kill(self.pid, signal.SIGSTOP)
        tasks = Path(f"/proc/{self.pid}/task")
        while {(task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks.iterdir()} != {"T"}:
            time.sleep(0.005)

    def go_on(self) -> None:
        """Let it run again (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)


@contextmanager
def running_worker(directory: Path, name: str = "shop") -> Iterator[Worker]:
    """A worker of the app ``name`` that has served one request; killed at the end."""
    environment = {**os.environ, "FLASKTOP_DIR": str(directory), "FLASKTOP_NAME": name}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.client.shop_worker"],
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    worker = Worker(process)
    with process:
        try:
            worker.tell("get /items/1?token=secret")
            yield worker
        finally:
            process.kill()


def _app() -> Flask:
    from flasktop import FlaskTop

    app = Flask("shop")
    FlaskTop(app)

    @app.get("/items/<int:item>")
    def items(item: int) -> str:
        return str(item)

    @app.get("/hang/<name>")
    def hang(name: str) -> str:
        started.set()
        time.sleep(0 if name == "0" else 3600)
        return name

    @app.get("/fail")
    def fail() -> str:
        raise LookupError(request.path)

    return app


def _recorded() -> bool:
    from flasktop.agent.process import process

    assert process.agent is not None
    return process.agent.recorder.next_number > 0


def _watched() -> bool:
    from flasktop.agent.process import process

    assert process.agent is not None
    return any(reader.caught and not reader.out for reader in list(process.agent.server._readers.values()))


started = threading.Event()


def _main() -> None:
    client = _app().test_client
    for line in sys.stdin:
        verb, _, path = line.strip().partition(" ")
        if verb == "get":
            with client().get(path, buffered=True):
                pass
        elif verb == "hang":
            threading.Thread(target=lambda: client().get("/hang/on"), daemon=True).start()
            started.wait()
        elif verb == "recorded":
            while not _recorded():
                time.sleep(0.005)
        elif verb == "watched":
            while not _watched():
                time.sleep(0.005)
        print("ok", flush=True)
        if verb == "exit":
            return


if __name__ == "__main__":
    _main()
