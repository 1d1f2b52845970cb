"""What a heap costs the app: for how long it stands still, how long it takes, and what memory the copy needs.

    python -m tests.benchmarks.bench_heap [--rss 50 400 2000] [--takes 5]

A process for each size, filled with instances, dicts, lists, texts and numbers up to that RSS (MB), and two of its
threads: one that ticks every millisecond, one that weighs. ``gap``: the longest time for which the ticker did not
run, which is what a request would see; ``fork``: what the worker reports as its pause; ``takes``: all in all.
``os.fork() alone`` is the floor of it: what the system takes for a process of that size. ``copy`` is the private memory
of the copy after weighing, as a share of the app's RSS. ``guppy3 in process`` is the same done without a copy. Medians,
and in brackets the worst of the takes. Target: at 400 MB a gap of at most 15 ms.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median

import psutil

from flasktop.agent.commands.job import Job
from flasktop.agent.heap.child import Terms, weigh
from flasktop.agent.heap.session import Copy
from flasktop.agent.heap.weigh import Weighing
from flasktop.agent.heap.wire import Weigh, Weighed

TICK_S = 0.001
ROWS = 500
LIMIT_S = 600.0
CHUNK = 2000


class Record:
    """What the heap is full of."""

    def __init__(self, number: int) -> None:
        self.name = f"record {number}"
        self.lines = [number * 1000 + offset for offset in range(8)]
        self.more = {"price": number / 7, "text": "x" * (number % 200)}


HELD: list[Record] = []


class Ticker:
    """A thread that ticks; ``worst`` is its longest gap, in seconds, since it was last set to 0."""

    def __init__(self) -> None:
        self.worst = 0.0
        threading.Thread(target=self._tick, daemon=True).start()

    def _tick(self) -> None:
        last = time.perf_counter()
        while True:
            time.sleep(TICK_S)
            now = time.perf_counter()
            self.worst = max(self.worst, now - last)
            last = now


def fill(megabytes: int) -> None:
    process = psutil.Process()
    while process.memory_info().rss < megabytes * 1_000_000:
        HELD.extend(Record(len(HELD) + number) for number in range(CHUNK))
    gc.collect()


def take(number: int) -> tuple[float, float, int]:
    """Pause and duration of one take, in seconds, and the private memory of the copy."""
    began = time.perf_counter()
    copy = Copy(number, Terms(False, LIMIT_S, LIMIT_S, LIMIT_S))
    copy.ask(Weigh(ROWS), Weighed, Job(lambda *said: None), LIMIT_S)
    lasted = time.perf_counter() - began
    private = psutil.Process(copy.pid).memory_full_info().uss
    copy.kill("measured")
    copy.wait()
    return copy.pause_us / 1e6, lasted, private


def bare_fork() -> float:
    """What the operating system alone takes to fork this process: no copy of it can cost less."""
    began = time.perf_counter()
    pid = os.fork()
    if not pid:
        os._exit(0)
    lasted = time.perf_counter() - began
    os.waitpid(pid, 0)
    return lasted


def in_process() -> float:
    began = time.perf_counter()
    weigh(Weighing(), ROWS)
    return time.perf_counter() - began


def gaps_of(ticker: Ticker, work: Callable[[], object]) -> float:
    time.sleep(0.05)
    ticker.worst = 0.0
    work()
    time.sleep(0.01)
    return ticker.worst


def measure(megabytes: int, takes: int) -> None:
    """Print one line for a copy and one for guppy3 in process; run in a process of its own."""
    fill(megabytes)
    ticker = Ticker()
    rss = psutil.Process().memory_info().rss
    found: list[tuple[float, float, int]] = []
    gaps = [gaps_of(ticker, lambda at=at: found.append(take(at))) for at in range(takes)]  # type: ignore[misc]
    bare: list[float] = []
    bare_gaps = [gaps_of(ticker, lambda: bare.append(bare_fork())) for _ in range(takes)]
    quiet = gaps_of(ticker, lambda: time.sleep(0.5))
    forks, lasted, private = zip(*found, strict=True)
    size, memory = f"{rss / 1e6:6,.0f} MB", f"copy {median(private) / rss:4.2f} x"
    print(f"{size}  frozen copy        gap {told(gaps)}  fork {told(forks)}  takes {median(lasted):6.2f} s  {memory}")
    print(f"{'':9}  os.fork() alone    gap {told(bare_gaps)}  fork {told(bare)}")
    times: list[float] = []
    gap = gaps_of(ticker, lambda: times.append(in_process()))
    print(f"{'':9}  guppy3 in process  gap {told([gap])}  {'':>26}  takes {times[0]:6.2f} s")
    print(f"{'':9}  nothing            gap {told([quiet])}", flush=True)


def told(values: list[float] | tuple[float, ...]) -> str:
    return f"{median(values) * 1e3:8.1f} ms [{max(values) * 1e3:7.1f}]"


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    load = " ".join(f"{value:.1f}" for value in psutil.getloadavg())
    return (
        f"{processor}, {psutil.cpu_count()} cores, {psutil.virtual_memory().total / 1e9:.0f} GB, load {load}\n"
        f"Linux {platform.release()}, Python {platform.python_version()}, guppy3 {version('guppy3')}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rss", type=int, nargs="+", default=[50, 400, 2000], metavar="MB")
    parser.add_argument("--takes", type=int, default=5)
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        measure(options.alone, options.takes)
        return
    print(machine(), flush=True)
    for megabytes in options.rss:
        command = [sys.executable, "-m", "tests.benchmarks.bench_heap", "--alone", str(megabytes)]
        subprocess.run([*command, "--takes", str(options.takes)], check=True)


if __name__ == "__main__":
    main()
