"""Heaps of real workers under load: no failed request, a short pause, nothing left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from flasktop.client.ask import Address, ask
from flasktop.demo.server import Shop
from flasktop.demo.shop import seed
from flasktop.protocol.commands.heap import (
    DropHeap,
    HeapDropped,
    HeapHeld,
    HeapPart,
    HeapPaths,
    HeapTaken,
    Step,
    TakeHeap,
    WalkHeap,
)
from flasktop.rendezvous import WorkerFiles, scan
from tests.databases import SERVERS, database_url
from tests.e2e.conftest import Serve, flasktop
from tests.e2e.servers import ROOT, Kind, Server, clear, flask_run, gunicorn, need, until, uwsgi

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(sys.platform != "linux", reason="heaps are copied on Linux only")]

FACTORY = "tests.e2e.heap_app:create_app"
APP = "tests.e2e.heap_plain:app"
VISITORS = 4
TAKES = 6
BOUND_MS = 5_000.0
"""Far beyond any pause of ours, since the machine may be busy with others; the figure itself is printed."""


def waitress(port: int) -> list[str]:
    need("waitress")
    return [sys.executable, "-m", "waitress", f"--listen=127.0.0.1:{port}", "--threads=8", "--call", FACTORY]


def one_uwsgi(port: int) -> list[str]:
    arguments = [APP if argument == "tests.e2e.plain:app" else argument for argument in uwsgi(port)]
    arguments[arguments.index("--processes") + 1] = "1"
    return arguments


LEAKED = 100
"""Requests before the heaps that are looked into: each has left a dictionary."""

KINDS = (
    Kind("gunicorn sync", gunicorn("-k", "sync", app=APP, workers=1), 1),
    Kind("gunicorn gthread", gunicorn("-k", "gthread", "--threads", "8", app=APP, workers=1), 1),
    Kind("gunicorn gevent", gunicorn("-k", "gevent", app=APP, workers=1), 1),
    Kind("gunicorn gthread preload", gunicorn("-k", "gthread", "--threads", "8", "--preload", app=APP, workers=1), 1),
    Kind("flask run", flask_run("--no-reload"), 1, signal.SIGINT, environment={"FLASK_APP": FACTORY}),
    Kind("waitress", waitress, 1, signal.SIGINT),
    Kind("uwsgi", one_uwsgi, 1),
)


class Visitors:
    """Threads that make requests until they are told to stop; ``failed`` is what was not a 200."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.served = 0
        self.failed: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._visit) for _ in range(VISITORS)]

    def _visit(self) -> None:
        try:
            while not self._stop.is_set():
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/simple", timeout=60) as response:
                    assert response.read() == b"simple"
                self.served += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what the test looks for
            self.failed.append(repr(error))

    @contextmanager
    def coming(self) -> Iterator[Visitors]:
        for thread in self._threads:
            thread.start()
        try:
            until(lambda: self.served > 20 or bool(self.failed))
            yield self
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()


def gap(server: Server) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/gap", timeout=60) as response:
        told: dict[str, Any] = json.load(response)
    return told


def address_of(directory: Path, pid: int) -> Address:
    files: WorkerFiles = next(files for files in scan(directory) if files.pid == pid)
    return Address(files.socket, os.geteuid(), files.pid, files.started_ms)


def leak_of(address: Address, taken: HeapTaken) -> HeapHeld:
    """Who holds what the requests leaked, asked as a reader would."""

    async def find() -> HeapHeld:
        part = await ask(address, WalkHeap(taken.take, (), "type", 1000), HeapPart)
        dicts = Step("type", next(row.index for row in part.rows if row.name == "dict (no owner)"))
        sizes = await ask(address, WalkHeap(taken.take, (dicts,), "referrers", 1000), HeapPart)
        listed = Step("referrers", next(row.index for row in sizes.rows if row.name == "list"))
        return await ask(address, HeapPaths(taken.take, (dicts, listed)), HeapHeld)

    return asyncio.run(find())


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name.replace(" ", "-"))
def test_no_request_fails_while_heaps_are_taken(serve: Serve, directory: Path, kind: Kind) -> None:
    server = serve(kind)
    pid = gap(server)["pid"]
    address = address_of(directory, pid)
    process = psutil.Process(pid)
    with Visitors(server.port).coming() as visitors:
        asyncio.run(ask(address, TakeHeap(), HeapTaken))  # guppy3 is loaded with the first
        until(lambda: visitors.served > LEAKED or bool(visitors.failed), server.said)
        fds = process.num_fds()
        quiet, pauses, gaps = gap(server)["gap_ms"], [], []
        for _ in range(TAKES):
            taken = asyncio.run(ask(address, TakeHeap(), HeapTaken))
            pauses.append(taken.pause_us / 1000)
            gaps.append(gap(server)["gap_ms"])
        found = leak_of(address, taken)
        asyncio.run(ask(address, DropHeap(taken.take), HeapDropped))
        before = gap(server)["busy"]
        until(lambda: gap(server)["busy"] > before + 8, server.said)

    told = f"{visitors.served} requests; gap of the ticker without a take {quiet:.1f} ms, with {max(gaps):.1f} at most"
    print(f"\n{kind.name}: {told}, median {sorted(gaps)[TAKES // 2]:.1f}; the fork {max(pauses):.1f} at most")
    assert visitors.failed == [], server.said()
    assert max(gaps) < BOUND_MS and max(pauses) <= BOUND_MS
    assert found.holder == "tests.e2e.heap_app.LEAK" and found.through > LEAKED
    until(lambda: process.children() == [], server.said)
    until(lambda: process.num_fds() <= fds + VISITORS + 2, server.said)  # a connection may be closed late
    assert "Traceback" not in server.said() and "Warning" not in server.said(), server.said()
    server.stop()


def test_the_command_line_weighs_each_worker(serve: Serve, directory: Path) -> None:
    server = serve(Kind("gunicorn sync", gunicorn("-k", "sync", app=APP, workers=2), 2))
    until(lambda: len({gap(server)["pid"] for _ in range(10)}) == 2, server.said)
    done = flasktop(directory, "heap", "--json")
    assert done.returncode == 0, done.stderr

    heaps = [json.loads(line) for line in done.stdout.splitlines()]
    pids = {files.pid for files in scan(directory)}
    assert {heap["pid"] for heap in heaps} == pids and len(heaps) == 2
    for heap in heaps:
        assert {"pid", "taken_at", "pause_ms", "seconds", "objects", "bytes", "by_type"} <= heap.keys()
        assert sum(row["count"] for row in heap["by_type"]) == heap["objects"]
        assert sum(row["bytes"] for row in heap["by_type"]) == heap["bytes"]
    alone = min(pids)
    table = flasktop(directory, "heap", str(alone), "--rows", "5")
    assert table.stdout.startswith(f"worker {alone} · taken ") and table.stdout.count("worker ") == 1
    assert f"worker {alone}: freezing a copy" in table.stderr
    assert not [child for pid in pids for child in psutil.Process(pid).children()], "the copies are let go"


def test_the_command_line_is_interrupted(serve: Serve, directory: Path) -> None:
    server = serve(KINDS[1])
    worker = psutil.Process(gap(server)["pid"])
    command = [sys.executable, "-m", "flasktop", "heap", "--dir", str(directory)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: bool(worker.children()), server.said)
    for copy in worker.children():
        copy.suspend()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)

    assert (process.returncode, out) == (130, "") and "Traceback" not in err
    until(lambda: not worker.children(), server.said)


def test_a_heap_that_is_not_allowed_is_told(serve: Serve, directory: Path) -> None:
    server = serve(KINDS[0], FLASKTOP_GRANTS="stacks")
    gap(server)
    done = flasktop(directory, "heap")

    assert (done.returncode, done.stdout) == (1, "")
    assert "does not allow 'heap'" in done.stderr and "FLASKTOP_GRANTS=stacks,heap" in done.stderr


@pytest.mark.timeout(450)  # some 30 s where nothing else runs
@pytest.mark.parametrize("name", SERVERS)
def test_thread_local_connections_survive_fifty_takes_in_open_transactions(name: str, tmp_path: Path) -> None:
    """The copy frees the thread-locals of all threads; their destructors must not reach the database."""
    url = database_url(name, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.heap_connections", url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=420,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "50 takes, 8 transactions committed\n"), done.stderr


@pytest.mark.timeout(300)
def test_the_demos_leak_is_named(tmp_path: Path) -> None:
    """From the type that grew to the module global that holds it."""
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    seed.stock(url)
    folder = Path(tempfile.mkdtemp(prefix="fts", dir="/tmp"))
    try:
        with Shop(folder, url) as shop:
            found = leaking(shop)
    finally:
        clear(folder)

    assert found.through >= 10
    assert found.paths[0][1].edge == "QUOTES"


def leaking(shop: Shop) -> HeapHeld:
    """Ask for quotes until the one that a worker's heap is asked about is held by the global that leaks: all are of one
    size, and the healthy twin keeps some, too."""
    seen = []
    for _ in range(10):
        for _ in range(40):
            request = urllib.request.Request(f"http://127.0.0.1:{shop.port}/quotes", data=b"buyer=me")
            urllib.request.urlopen(request, timeout=60).close()
        for files in scan(shop.sockets):
            held = holder_of(files, "flasktop.demo.shop.views.quotes.Quote")
            if held is not None and held.holder == "flasktop.demo.shop.views.quotes.QUOTES":
                return held
            seen.append(held and held.holder)
    raise AssertionError(f"held by {seen}")


def holder_of(files: WorkerFiles, kind: str) -> HeapHeld | None:
    """Who holds the objects of a type in a worker; None where it has none."""
    address = Address(files.socket, os.geteuid(), files.pid, files.started_ms)
    taken = asyncio.run(ask(address, TakeHeap(), HeapTaken))
    steps = [Step("type", row.index) for row in taken.by_type if row.name == kind]
    return asyncio.run(ask(address, HeapPaths(taken.take, tuple(steps)), HeapHeld)) if steps else None
