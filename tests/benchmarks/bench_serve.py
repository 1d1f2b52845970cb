"""Throughput and latency under gunicorn, bare, watched, and with a reader that is stopped (SIGSTOP).

    python -m tests.benchmarks.bench_serve [--rounds N] [--seconds S]

Needs wrk. One gthread worker each, four connections; the servers take turns, medians of the rounds. What the worker's
memory grew by in the rounds is told beside.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import statistics
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from tests.benchmarks.machine import described, spread
from tests.benchmarks.serving import Served, served

UNITS: Final = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass
class Measured:
    """A server, and what wrk said of it: requests a second, p50 and p99 in ms."""

    label: str
    served: Served
    rates: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)

    def round(self, path: str, seconds: int) -> None:
        command = ["wrk", "-t1", "-c4", f"-d{seconds}s", "--latency", self.served.url + path]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found = re.search(r"Requests/sec:\s+([\d.]+)", said)
        assert found is not None, said
        self.rates.append(float(found[1]))
        self.p50.append(_latency(said, 50))
        self.p99.append(_latency(said, 99))


def _latency(said: str, percentile: int) -> float:
    found = re.search(rf"{percentile}%\s+([\d.]+)(us|ms|s)", said)
    assert found is not None, said
    return float(found[1]) * UNITS[found[2]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=3)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed; on Debian: apt-get install wrk.")
    print(described("flasktop", "Flask", "gunicorn", "SQLAlchemy"))
    with ExitStack() as stack:
        labels = {"bare": False, "flasktop": True, "flasktop, its reader stopped": True}
        servers = [Measured(label, stack.enter_context(served(watched))) for label, watched in labels.items()]
        reader = stack.enter_context(servers[-1].served.reader())
        stack.callback(reader.kill)
        for one in servers:
            one.round("/item/7", options.seconds)
        reader.send_signal(signal.SIGSTOP)
        for path in ("/item/7", "/ten"):
            measure(servers, path, options.rounds, options.seconds)


def measure(servers: list[Measured], path: str, rounds: int, seconds: int) -> None:
    """Take turns, and print what came out."""
    for one in servers:
        one.rates, one.p50, one.p99 = [], [], []
    before = [one.served.worker.memory_info().rss for one in servers]
    for turn in range(rounds):
        for place in range(len(servers)):
            servers[(turn + place) % len(servers)].round(path, seconds)
    print(f"\n| {path}, medians of {rounds} rounds | requests/s | p50 | p99 | against bare | RSS grew by |")
    print("| --- | --- | --- | --- | --- | --- |")
    for one, rss in zip(servers, before, strict=True):
        shares = [(a / b - 1) * 100 for a, b in zip(one.rates, servers[0].rates, strict=True)]
        low, high = spread(shares)
        grown = (one.served.worker.memory_info().rss - rss) / 2**20
        print(
            f"| {one.label} | {statistics.median(one.rates):,.0f} | {statistics.median(one.p50):.2f} ms "
            f"| {statistics.median(one.p99):.2f} ms | {statistics.median(shares):+.1f} % ({low:+.1f} to {high:+.1f}) "
            f"| {grown:+.1f} MB |"
        )


if __name__ == "__main__":
    main()
