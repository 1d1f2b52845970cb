"""Throughput and latency under gunicorn, bare, watched, and with a reader that is stopped (SIGSTOP).

    python -m tests.benchmarks.bench_serve [--starts N] [--rounds N] [--seconds S]

Needs wrk. One gthread worker each, four connections; the servers take turns, and are started anew after some rounds,
since one process runs the same code some per cent faster than another. The tables show medians of all rounds, what the
workers' CPU time is by request, all threads counted (which says more than the throughput of a machine with neighbours:
what saturates the worker is the interpreter), and what their memory grew by in the rounds after a start.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import statistics
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final

from tests.benchmarks.machine import described, spread
from tests.benchmarks.serving import Served, served

BARE: Final = "bare"
STOPPED: Final = "flasktop, its reader stopped"
SERVERS: Final = {BARE: False, "flasktop": True, STOPPED: True}
"""The kinds of servers, and whether flasktop is on in them."""
PATHS: Final = ("/item/7", "/ten")
UNITS: Final = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass
class Measured:
    """What wrk said of a kind of server at one path: requests a second, p50 and p99 in ms, and the worker's CPU in us a
    request, by round; and by how many MB its worker grew, by start."""

    rates: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    grown: list[float] = field(default_factory=list)

    def round(self, server: Served, path: str, seconds: int) -> None:
        """Take one round more."""
        before = server.worker.cpu_times()
        said = load(server.url + path, seconds)
        after = server.worker.cpu_times()
        served = re.search(r"(\d+) requests in", said)
        found = re.search(r"Requests/sec:\s+([\d.]+)", said)
        assert found is not None and served is not None, said
        self.rates.append(float(found[1]))
        self.cpu.append((after.user + after.system - before.user - before.system) / int(served[1]) * 1e6)
        self.p50.append(_latency(said, 50))
        self.p99.append(_latency(said, 99))


def load(url: str, seconds: int) -> str:
    """Have a server answer as fast as it can; return what wrk says of it."""
    command = ["wrk", "-t1", "-c4", f"-d{seconds}s", "--latency", url]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _latency(said: str, percentile: int) -> float:
    found = re.search(rf"{percentile}%\s+([\d.]+)(us|ms|s)", said)
    assert found is not None, said
    return float(found[1]) * UNITS[found[2]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=8, help="how often the servers are started")
    parser.add_argument("--rounds", type=int, default=3, help="rounds after each start")
    parser.add_argument("--seconds", type=int, default=2, help="how long each server is asked in a round")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed; on Debian: apt-get install wrk.")
    print(described("flasktop", "Flask", "gunicorn", "SQLAlchemy"))
    measured = {path: {label: Measured() for label in SERVERS} for path in PATHS}
    for _ in range(options.starts):
        with started() as servers:
            for path, kinds in measured.items():
                measure(servers, path, kinds, options)
    for path, kinds in measured.items():
        print(f"\n{table(path, kinds)}")


@contextmanager
def started() -> Iterator[dict[str, Served]]:
    """One server of each kind, warmed up, and the reader of the last stopped."""
    with ExitStack() as stack:
        servers = {label: stack.enter_context(served(watched)) for label, watched in SERVERS.items()}
        reader = stack.enter_context(servers[STOPPED].reader())
        stack.callback(reader.kill)
        for server in servers.values():
            for path in PATHS:
                load(server.url + path, 1)
        reader.send_signal(signal.SIGSTOP)
        yield servers


def measure(servers: dict[str, Served], path: str, kinds: dict[str, Measured], options: argparse.Namespace) -> None:
    """Let the servers take turns."""
    before = {label: server.worker.memory_info().rss for label, server in servers.items()}
    labels = list(servers)
    for turn in range(options.rounds):
        for place in range(len(labels)):
            label = labels[(turn + place) % len(labels)]
            kinds[label].round(servers[label], path, options.seconds)
    for label, server in servers.items():
        kinds[label].grown.append((server.worker.memory_info().rss - before[label]) / 2**20)


def table(path: str, kinds: dict[str, Measured]) -> str:
    """What came out at one path."""
    bare = kinds[BARE]
    lines = [
        f"| {path}, medians of {len(bare.rates)} rounds | requests/s | against bare | p50 | p99 | CPU a request "
        "| against bare | RSS grew by |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for label, one in kinds.items():
        rate, cpu = (
            _against(a, b) if one is not bare else "–" for a, b in ((one.rates, bare.rates), (one.cpu, bare.cpu))
        )
        lines.append(
            f"| {label} | {statistics.median(one.rates):,.0f} | {rate} | {statistics.median(one.p50):.2f} ms "
            f"| {statistics.median(one.p99):.2f} ms | {statistics.median(one.cpu):,.0f} us | {cpu} "
            f"| {statistics.median(one.grown):+.1f} MB |"
        )
    return "\n".join(lines)


def _against(figures: list[float], bare: list[float]) -> str:
    """By how many per cent figures differ from those of the same rounds: the median and the quartiles."""
    shares = [(a / b - 1) * 100 for a, b in zip(figures, bare, strict=True)]
    low, high = spread(shares)
    return f"{statistics.median(shares):+.1f} % ({low:+.1f} to {high:+.1f})"


if __name__ == "__main__":
    main()
