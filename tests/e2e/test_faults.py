"""Workers that are killed, recycled or forked late."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from tests.e2e.conftest import Serve, snapshot
from tests.e2e.load import CALLS, Call, make, mixed, run
from tests.e2e.servers import Kind, Server, gunicorn, kind, until

pytestmark = pytest.mark.e2e

SIMPLE = CALLS[0]
PRELOADED = ("gunicorn sync preload", "gunicorn gthread preload", "gunicorn gevent preload")


def test_a_request_that_died_with_its_worker_is_shown_and_the_worker_comes_back(
    serve: Serve, directory: Path, tmp_path: Path
) -> None:
    server = serve(kind("gunicorn sync"))
    run(server.port, mixed(60, asynchronous=True))
    pid_file = tmp_path / "slow.pid"
    pid_file.unlink(missing_ok=True)
    started = time.monotonic()
    visitor = threading.Thread(target=cut_off, args=(server.port, Call("GET", "/slow?seconds=25", "/slow", 200)))
    visitor.start()
    until(pid_file.exists, server.said)
    time.sleep(1.5)  # the age is the thing that is looked at
    pid = int(pid_file.read_text())
    os.kill(pid, signal.SIGKILL)
    lived_ms = (time.monotonic() - started) * 1000
    visitor.join()
    until(lambda: len(live(asked(server, directory))) == 3, server.said)  # as soon as the new one has served
    seen = snapshot(directory)

    (died,) = seen["died"]
    assert (died["pid"], died["method"], died["route"]) == (pid, "GET", "/slow")
    assert 300 <= died["age_ms"] <= lived_ms + 50
    assert len(live(seen)) == 3
    assert pid not in live(seen)


def opened(process: psutil.Process) -> set[str]:
    """The paths of the files that a process has open."""
    return {file.path for file in process.open_files()}


def asked(server: Server, directory: Path) -> dict[str, list[dict[str, int]]]:
    """What is seen after enough requests for all workers that are up."""
    run(server.port, [Call("GET", "/slow?seconds=0.02", "/slow", 200)] * 60)
    return snapshot(directory)


def live(seen: dict[str, list[dict[str, int]]]) -> set[int]:
    """The pids of a snapshot's workers that are alive."""
    return {worker["pid"] for worker in seen["workers"] if psutil.pid_exists(worker["pid"])}


def cut_off(port: int, call: Call) -> None:
    with pytest.raises(OSError):
        make(port, call)


def test_recycled_workers_leak_nothing_and_fail_no_request(serve: Serve, directory: Path) -> None:
    recycling = Kind("gunicorn recycling", gunicorn("-k", "sync", "--preload", "--max-requests", "20"), 3)
    server = serve(recycling)
    run(server.port, [SIMPLE] * 60, at_once=3)
    master = psutil.Process(server.process.pid)
    before, threads = master.num_fds(), master.num_threads()
    run(server.port, [SIMPLE] * 440, at_once=3)

    until(lambda: len(server.children()) == 3, server.said)
    assert master.num_fds() <= before + 1
    assert master.num_threads() == threads
    sockets = {int(path.name.split("-")[0]) for path in directory.glob("*.sock")}
    assert sockets <= {child.pid for child in server.children()}
    assert "Traceback" not in server.said()
    server.stop()
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize("name", PRELOADED, ids=lambda name: name.replace(" ", "-"))
def test_nothing_starts_in_a_master_that_preloads(serve: Serve, directory: Path, name: str) -> None:
    server = serve(kind(name))
    until(lambda: len(server.children()) == 3, server.said)
    master = psutil.Process(server.process.pid)
    files = {path for path in opened(master) if not path.startswith("/proc/")}  # looked up, and open for a moment

    assert list(directory.iterdir()) == [], "nothing starts before the first request"
    run(server.port, mixed(60, asynchronous=False))
    assert {path.name.split("-")[0] for path in directory.iterdir()} <= {str(c.pid) for c in server.children()}
    assert master.num_threads() == 1
    until(lambda: opened(master) == files, server.said)
    assert not [entry for entry in master.net_connections("unix") if str(directory) in str(entry.laddr)]
    assert not [entry for entry in master.memory_maps() if str(directory) in entry.path]
