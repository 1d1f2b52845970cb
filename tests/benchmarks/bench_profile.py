"""What sampling at 100 Hz costs a server under load: ``python -m tests.benchmarks.bench_profile``.

One gunicorn gthread worker, four threads, kept busy by a client in a process of its own. Rounds without and with
sampling take turns; the figures are medians of the differences, pair by pair: of the throughput, and of the CPU that
the worker took for a request, which a machine that is busy with other things disturbs less. Beside them what the
sampler says of itself.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flask import Flask

from flasktop import FlaskTop
from flasktop.client.watch import Watcher
from flasktop.protocol.commands.profile import Profiled, ProfileEndpoint
from flasktop.protocol.events import Event
from flasktop.stats.store import Store
from flasktop.stats.views import EndpointKey
from tests.e2e.servers import Kind, Server, gunicorn

PAIRS: Final = 15
SECONDS: Final = 3.0
RATE: Final = 100
KEY: Final = EndpointKey("bench", "GET", "/work")
APP: Final = "tests.benchmarks.bench_profile:create_app()"
OPTIONS: Final = ("-k", "gthread", "--threads", "4", "--keep-alive", "60")
KIND: Final = Kind("gunicorn gthread", gunicorn(*OPTIONS, app=APP, workers=1), 1)

CLIENT: Final = """
import select, socket, sys, time
PORT, CONNECTIONS = int(sys.argv[1]), 4
REQUEST = b"GET /work HTTP/1.1\\r\\nHost: bench\\r\\n\\r\\n"
sockets = [socket.create_connection(("127.0.0.1", PORT)) for _ in range(CONNECTIONS)]
poll = select.epoll()
by_number = {each.fileno(): each for each in sockets}
for each in sockets:
    poll.register(each, select.EPOLLIN)
    each.sendall(REQUEST)
for line in sys.stdin:
    end, count, begun = time.perf_counter() + float(line), 0, time.perf_counter()
    while time.perf_counter() < end:
        for number, _ in poll.poll(1):
            if not by_number[number].recv(65536):
                raise SystemExit("the server hung up")
            by_number[number].sendall(REQUEST)
            count += 1
    print(count / (time.perf_counter() - begun), count, flush=True)
"""


def create_app() -> Flask:
    """The app that is sampled: about a millisecond of Python a request, some calls deep."""
    app = Flask("bench")
    FlaskTop(app)

    def deep(level: int) -> int:
        return deep(level - 1) if level else sum(number * number % 7 for number in range(6_000))

    @app.get("/work")
    def work() -> str:
        return str(deep(8))

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS, help="pairs of rounds to take the median of")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of a round")
    parser.add_argument("--rate", type=int, default=RATE, help="samples a second")
    chosen = parser.parse_args()
    with _server() as (directory, port), _client(port) as client:
        pairs, profiles = asyncio.run(_rounds(directory, client, chosen.pairs, chosen.seconds, chosen.rate))
    bare = statistics.median(pair[0].rate for pair in pairs)
    print(f"bare {bare:.0f} requests/s, {statistics.median(pair[0].cpu_us for pair in pairs):.0f} us of CPU each")
    _tell("of throughput", [100 * (1 - sampled.rate / bare.rate) for bare, sampled in pairs], chosen.rate)
    _tell("more CPU a request", [100 * (sampled.cpu_us / bare.cpu_us - 1) for bare, sampled in pairs], chosen.rate)
    ticks = sum(each.ticks for each in profiles)
    cpu_us = sum(each.sampler_us for each in profiles)
    seconds = sum(each.seconds for each in profiles)
    print(f"the sampler's own CPU: {cpu_us / seconds / 1e4:.2f} % of a core, {cpu_us / ticks:.0f} us a tick,")
    print(
        f"{sum(each.samples for each in profiles) / ticks:.1f} samples a tick, "
        f"{100 * sum(each.missed for each in profiles) / (ticks + sum(each.missed for each in profiles)):.0f} % late"
    )
    print(f"median of {chosen.pairs} pairs of {chosen.seconds:g} s, Python {sys.version.split()[0]}")


def _tell(what: str, percents: list[float], rate: int) -> None:
    low, _, high = statistics.quantiles(percents, n=4) if len(percents) > 1 else [percents[0]] * 3
    middle = statistics.median(percents)
    print(f"sampling at {rate} Hz takes {middle:.2f} % {what} (quartiles {low:.2f} to {high:.2f})")


@dataclass(frozen=True)
class Load:
    """Requests a second, and the worker's CPU for each of them in us."""

    rate: float
    cpu_us: float


@contextmanager
def _server() -> Iterator[tuple[Path, int]]:
    with tempfile.TemporaryDirectory(prefix="ft", dir="/tmp") as folder:
        directory, scratch = Path(folder) / "run", Path(folder)
        server = Server(KIND, directory, scratch, "sqlite://")
        try:
            yield directory, server.port
        finally:
            server.kill()


@contextmanager
def _client(port: int) -> Iterator[subprocess.Popen[str]]:
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield client
    finally:
        client.kill()
        client.wait()


async def _rounds(
    directory: Path, client: subprocess.Popen[str], pairs: int, seconds: float, rate: int
) -> tuple[list[tuple[Load, Load]], list[Profiled]]:
    store = Store()
    watcher = Watcher(None, directory=str(directory), backfill=False)

    def take(events: Sequence[Event]) -> None:
        for event in events:
            store.apply(event)

    watching = asyncio.create_task(watcher.run(take))
    until = time.monotonic() + 30
    while not (known := store.local_ids(KEY)):
        assert time.monotonic() < until and not watching.done()
        await _load(client, 0.5, 0)
    ((worker, ids),) = known
    found: list[tuple[Load, Load]] = []
    profiles: list[Profiled] = []

    async def sampled() -> Load:
        task = asyncio.create_task(watcher.ask(worker, ProfileEndpoint(ids, seconds + 0.5, rate), Profiled))
        await asyncio.sleep(0.2)
        answer = await _load(client, seconds, worker.pid)
        profiles.append(await task)
        return answer

    for number in range(pairs):
        if number % 2:
            after = await sampled()
            found.append((await _load(client, seconds, worker.pid), after))
        else:
            before = await _load(client, seconds, worker.pid)
            found.append((before, await sampled()))
    watching.cancel()
    return found, profiles


async def _load(client: subprocess.Popen[str], seconds: float, pid: int) -> Load:
    """Let the client ask for so many seconds."""
    assert client.stdin is not None and client.stdout is not None
    before = _cpu_ns(pid)
    client.stdin.write(f"{seconds}\n")
    client.stdin.flush()
    rate, count = map(float, (await asyncio.to_thread(client.stdout.readline)).split())
    return Load(rate, (_cpu_ns(pid) - before) / 1000 / max(count, 1))


def _cpu_ns(pid: int) -> int:
    """The CPU that a process has used; source: Linux ``MAKE_PROCESS_CPUCLOCK``."""
    return time.clock_gettime_ns((~pid << 3) | 2) if pid else 0


if __name__ == "__main__":
    main()
