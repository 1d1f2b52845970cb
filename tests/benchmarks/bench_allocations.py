"""What tracing allocations costs: how much slower code gets, and how long snapshots stop the app.

``python -m tests.benchmarks.bench_allocations`` prints the figures that the screen cites before it traces, and what
listing the objects costs that live counts by type are made of.
"""

from __future__ import annotations

import _tracemalloc as tracer
import gc
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

REPEATS = 7


def timed(work: Callable[[], Any]) -> float:
    """Milliseconds of one call."""
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1e3


def factor(work: Callable[[], Any]) -> tuple[float, float, float]:
    """The median ms of ``work`` without and with tracing, interleaved, and how many times as long that is."""
    plain, traced = [], []
    work()
    for _ in range(REPEATS):
        plain.append(timed(work))
        tracer.start(1)
        traced.append(timed(work))
        tracer.stop()
    return median(plain), median(traced), median(traced) / median(plain)


def allocating() -> object:
    return [{"a": i, "b": str(i)} for i in range(50_000)]


def computing() -> int:
    total = 0
    for i in range(300_000):
        total += i % 7
    return total


def requests(paths: tuple[str, ...], times: int) -> Callable[[], None]:
    """Requests to the demo's shop on SQLite, through Flask's test client."""
    from flasktop.demo.shop import create_app
    from flasktop.demo.shop.seed import stock

    url = f"sqlite:///{Path(tempfile.mkdtemp()) / 'shop.db'}"
    stock(url)
    client = create_app(url).test_client()

    def ask() -> None:
        for _ in range(times):
            for path in paths:
                assert client.get(path).status_code == 200

    return ask


def snapshots() -> None:
    print("traced blocks   snapshot   a 1,000 blocks      stop")
    for count in (10_000, 30_000, 100_000, 300_000):
        tracer.start(1)
        held = [bytearray(10) for _ in range(count // 2)]
        begun = time.perf_counter()
        traces = tracer._get_traces()
        took = (time.perf_counter() - begun) * 1e3
        number = len(traces)
        del traces
        print(f"{number:>13,} {took:>7.1f} ms {took / number * 1e3:>13.2f} ms {timed(tracer.stop):>6.1f} ms")
        held.clear()


def listing() -> None:
    gc.collect()
    took = [timed(gc.get_objects) for _ in range(REPEATS)]
    objects, full = len(gc.get_objects()), timed(gc.collect)
    blocks = timed(sys.getallocatedblocks)
    print(
        f"listing {objects:,} objects: {median(took):.1f} ms ({median(took) / objects * 1e6:.0f} ns each), "
        f"the first {took[0]:.1f} ms; a full collection {full:.1f} ms; counting {sys.getallocatedblocks():,} blocks "
        f"{blocks:.2f} ms"
    )


def main() -> None:
    print(f"Python {platform.python_version()}, tracemalloc 1 frame deep, medians of {REPEATS}")
    ask = requests(("/products", "/orders/eager", "/stats/cached", "/"), 4)
    for name, work in (("requests of the demo", ask), ("nothing but allocations", allocating), ("a loop", computing)):
        plain, traced, times = factor(work)
        print(f"{name:<26} {plain:>7.1f} ms, traced {traced:>7.1f} ms: {times:.1f} times as long")
    snapshots()
    listing()


if __name__ == "__main__":
    main()
