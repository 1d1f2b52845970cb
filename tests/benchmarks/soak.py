"""A long run of mixed load with readers that come and go: does the app grow, with flasktop as without?

    python -m tests.benchmarks.soak [--minutes M]

Two gunicorn workers, one watched, take the same load at the same time: trivial requests, statements, streams, bodies
that are dropped half-way, errors, unknown paths. Every ten seconds a reader attaches, another one is stopped or killed.
The first fifth is warming up; of the rest the slope of RSS, and descriptors and threads at its beginning and end.
"""

from __future__ import annotations

import argparse
import itertools
import signal
import socket
import statistics
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from tests.benchmarks.machine import described
from tests.benchmarks.serving import Served, served

PATHS: Final = ("/item/7", "/ten", "/stream", "/item/8?q=1", "/fails", "/nowhere", "/ten", "drop")
LOOK_S: Final = 1.0
READERS_S: Final = 10.0
WARM: Final = 0.2
HISTORY_BYTES: Final = 1 << 20
"""The journal is a mapped file whose pages count as the process's from when they are first written: so small, it is
full when the warming up has ended."""


class Load:
    """Requests of all kinds, one after the other, until told to stop."""

    def __init__(self, target: Served) -> None:
        self.count = 0
        self._url = target.url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for path in itertools.cycle(PATHS):
            if self._stop.is_set():
                return
            self.count += 1
            try:
                if path == "drop":
                    self._drop()
                else:
                    urllib.request.urlopen(self._url + path, timeout=30).read()
            except (urllib.error.HTTPError, ConnectionError):
                pass  # that is what some are for

    def _drop(self) -> None:
        host, _, port = self._url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=30) as line:
            line.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
            line.recv(10)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


class Readers:
    """Readers of one server: at each turn one attaches, and of the older ones one is stopped or ended."""

    def __init__(self, target: Served) -> None:
        self._target = target
        self._running: list[subprocess.Popen[bytes]] = []
        self.attached = 0

    def turn(self) -> None:
        self._running.append(self._target.reader())
        self.attached += 1
        if len(self._running) == 3:
            self._running[1].send_signal(signal.SIGSTOP)
        if len(self._running) > 4:
            self._end(self._running.pop(0))

    def close(self) -> None:
        for one in self._running:
            self._end(one)

    def _end(self, one: subprocess.Popen[bytes]) -> None:
        one.kill()
        one.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    minutes = parser.parse_args().minutes
    print(described("flasktop", "Flask", "gunicorn", "SQLAlchemy"))
    with ExitStack() as stack:
        watched = {"bare": False, "flasktop": True}
        servers = {label: stack.enter_context(served(on, HISTORY_BYTES)) for label, on in watched.items()}
        readers = Readers(servers["flasktop"])
        stack.callback(readers.close)
        loads = {label: Load(one) for label, one in servers.items()}
        for load in loads.values():
            stack.callback(load.stop)
        seen = watch(servers, readers.turn, minutes * 60)
        print(f"{minutes:g} minutes, {readers.attached} readers came\n")
        print("| | requests | RSS at the end | RSS a minute | descriptors | threads |")
        print("| --- | --- | --- | --- | --- | --- |")
        for label, looks in seen.items():
            print(f"| {label} | {loads[label].count:,} {told(looks)} |")


Look = tuple[float, float, int, int]
"""Seconds, RSS in MB, descriptors, threads."""


def watch(servers: dict[str, Served], turn: Callable[[], None], seconds: float) -> dict[str, list[Look]]:
    """Look at the workers once a second, and let readers come and go."""
    begun = time.monotonic()
    seen: dict[str, list[Look]] = {label: [] for label in servers}
    next_turn = 0.0
    while (now := time.monotonic() - begun) < seconds:
        if now >= next_turn:
            next_turn = now + READERS_S
            turn()
        for label, one in servers.items():
            worker = one.worker
            seen[label].append((now, worker.memory_info().rss / 2**20, worker.num_fds(), worker.num_threads()))
        time.sleep(LOOK_S)
    return seen


def told(looks: list[Look]) -> str:
    """The rest of a row of the table."""
    kept = [look for look in looks if look[0] >= looks[-1][0] * WARM]
    slope = 0.0
    if len(kept) > 2:
        slope = statistics.linear_regression([look[0] for look in kept], [look[1] for look in kept]).slope * 60
    part = max(len(kept) // 10, 1)
    changes = []
    for column in (2, 3):
        first, last = (statistics.median(look[column] for look in some) for some in (kept[:part], kept[-part:]))
        changes.append(f"{first:.0f} → {last:.0f}")
    return f"| {kept[-1][1]:.1f} MB | {slope:+.3f} MB | {changes[0]} | {changes[1]}"


if __name__ == "__main__":
    main()
