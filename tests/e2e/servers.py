"""Starts and stops real servers with the end-to-end app."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded before any fork
PR_SET_PDEATHSIG = 1

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 60.0
"""Seconds to wait for anything at all before a test fails."""


@dataclass(frozen=True)
class Kind:
    """A server and how it is run. ``workers`` is how many processes answer; ``stop`` the signal of a graceful stop,
    sent to the whole group where ``group`` is set, as a terminal does with Ctrl-C. ``asynchronous``: async views
    work under it."""

    name: str
    arguments: Callable[[int], list[str]]
    workers: int
    stop: signal.Signals = signal.SIGTERM
    group: bool = False
    asynchronous: bool = True
    environment: dict[str, str] = field(default_factory=dict)


def flask_run(*options: str) -> Callable[[int], list[str]]:
    return lambda port: [sys.executable, "-m", "flask", "run", "--port", str(port), *options]


def gunicorn(*options: str, app: str = "tests.e2e.plain:app", workers: int = 3) -> Callable[[int], list[str]]:
    def arguments(port: int) -> list[str]:
        need("gunicorn", *({"gevent"} & {*options}))
        return [
            sys.executable, "-m", "gunicorn", "-w", str(workers), "-b", f"127.0.0.1:{port}",
            "--graceful-timeout", "5", *NO_CONTROL, *options, app,
        ]  # fmt: skip

    return arguments


def waitress(port: int) -> list[str]:
    need("waitress")
    return [sys.executable, "-m", "waitress", f"--listen=127.0.0.1:{port}", "--threads=4", "--call", FACTORY]


def uwsgi(port: int) -> list[str]:
    program = Path(sys.executable).with_name("uwsgi")
    if not program.exists():
        pytest.skip("uWSGI is not installed beside this Python")
    return [
        str(program), "--http-socket", f"127.0.0.1:{port}", "--master", "--processes", "2", "--threads", "4",
        "--virtualenv", sys.prefix, "--module", "tests.e2e.plain:app", "--need-app", "--die-on-term",
    ]  # fmt: skip


def need(*modules: str) -> None:
    """Skip the test, and say so, where a server is not installed."""
    for module in modules:
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed")


NO_CONTROL = ("--no-control-socket",) if find_spec("gunicorn") and find_spec("gunicorn.ctl") else ()
"""gunicorn's own control thread in the master would hide one of ours."""

QUIET = os.pathsep.join(("*/flasktop/*", "*/tests/*"))
"""Files that the reloader does not look at: somebody may edit the checkout while its tests run."""

FACTORY = "tests.e2e.app:create_app"
CALLED = f"{FACTORY}()"

KINDS = (
    Kind("flask run", flask_run("--no-reload"), 1, signal.SIGINT, environment={"FLASK_APP": FACTORY}),
    Kind(
        "flask run reloader",
        flask_run("--reload", "--exclude-patterns", QUIET),
        1,
        signal.SIGINT,
        True,
        environment={"FLASK_APP": "tests.e2e.plain"},
    ),
    Kind("gunicorn sync", gunicorn("-k", "sync"), 3),
    Kind("gunicorn sync preload", gunicorn("-k", "sync", "--preload", app=CALLED), 3),
    Kind("gunicorn gthread", gunicorn("-k", "gthread", "--threads", "4", app=CALLED), 3),
    Kind("gunicorn gthread preload", gunicorn("-k", "gthread", "--threads", "4", "--preload"), 3),
    Kind("gunicorn gevent", gunicorn("-k", "gevent"), 3, asynchronous=False),
    Kind("gunicorn gevent preload", gunicorn("-k", "gevent", "--preload"), 3, asynchronous=False),
    Kind("waitress", waitress, 1, signal.SIGINT),
    Kind("uwsgi", uwsgi, 2),
)


def kind(name: str) -> Kind:
    (found,) = (kind for kind in KINDS if kind.name == name)
    return found


class Server:
    """A running server. ``directory`` is its ``FLASKTOP_DIR``, ``scratch`` a folder for the app."""

    def __init__(self, kind: Kind, directory: Path, scratch: Path, database: str, **environment: str) -> None:
        self.kind = kind
        self.directory = directory
        self.scratch = scratch
        self.port = free_port()
        self.log = scratch / "server.log"
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("FLASK", "E2E_"))}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                kind.arguments(self.port),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_end_with_the_tests,
                env={
                    **kept,
                    "FLASKTOP_DIR": str(directory),
                    "E2E_DATABASE": database,
                    "E2E_SCRATCH": str(scratch),
                    "PYTHONHASHSEED": "0",
                    "PYTHONPATH": str(ROOT),
                    **kind.environment,
                    **environment,
                },
            )
        try:
            until(self._answers, self.said)
        except BaseException:
            self.kill()
            raise

    def said(self) -> str:
        """What the server wrote."""
        return self.log.read_text(errors="replace")

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self) -> None:
        """End the server as its user would, and wait for its end."""
        if self.process.poll() is None:
            if self.kind.group:
                os.killpg(self.process.pid, self.kind.stop)
            else:
                self.process.send_signal(self.kind.stop)
        children = self.children() if psutil.pid_exists(self.process.pid) else []
        self.process.wait(PATIENCE)
        _, alive = psutil.wait_procs(children, PATIENCE)
        assert alive == [], self.said()

    def kill(self) -> None:
        """End the server and its children at once; for clearing up."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.said()
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


def _end_with_the_tests() -> None:
    """Ask Linux to end this process with its parent: a test run that is killed must not leave servers behind."""
    if LIBC is not None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(condition: Callable[[], bool], explain: Callable[[], str] = str, patience: float = PATIENCE) -> None:
    """Wait until ``condition`` is true; fail with what ``explain`` says when it does not come true."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.02)


def clear(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
