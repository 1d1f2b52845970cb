"""How soon the newest minute stands after attaching to many workers whose journals are full.

    python -m tests.benchmarks.bench_attach [--workers 32] [--journal-bytes 8000000] [--history 3600] [--rounds 3]

The reader's own watcher and store, over real sockets; the workers live in a process of their own. It is timed from the
first search to the moment in which all workers have sent their newest minute, it is in the store, and the panel of
endpoints has been read; wall time, and CPU time of this process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from flasktop.client.watch import Watcher
from flasktop.commands.attach import FIRST_S
from flasktop.protocol.events import CaughtUp, Event
from flasktop.stats.store import Store
from flasktop.stats.views import Window
from tests.benchmarks.machine import collect_seldom, described, spread
from tests.benchmarks.traffic import add_options
from tests.benchmarks.wire import workers

PATIENCE_S = 120.0


async def attach(directory: Path, expected: int) -> tuple[float, float, int]:
    """Return wall and CPU seconds until the newest minute stands, and how many requests it has."""
    store, caught, done = Store(), set(), asyncio.Event()

    def take(events: Sequence[Event]) -> None:
        for event in events:
            store.apply(event)
            if isinstance(event, CaughtUp):
                caught.add(event.worker)
                if len(caught) == expected:
                    done.set()

    wall, cpu = time.perf_counter(), time.process_time()
    task = asyncio.create_task(Watcher(None, directory=str(directory), history_s=FIRST_S).run(take))
    try:
        await asyncio.wait_for(done.wait(), PATIENCE_S)
        now = time.monotonic()
        requests = store.summary(now, Window.MINUTE).requests
        store.endpoints(now, Window.MINUTE)
        return time.perf_counter() - wall, time.process_time() - cpu, requests
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, endpoints=500, statements=2_500, workers=32, rate=500)
    parser.add_argument("--journal-bytes", type=int, default=8_000_000, help="size of each worker's history")
    parser.add_argument("--history", type=float, default=3_600.0, help="seconds that the history spans")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(described("flasktop", "msgspec"))
    size = {name: value for name, value in vars(options).items() if name != "rounds"}
    with tempfile.TemporaryDirectory() as place, workers(Path(place), **size) as (written, traces):
        collect_seldom()
        found = [asyncio.run(attach(Path(place), options.workers)) for _ in range(options.rounds)]
    print(
        f"{options.workers} workers, each {written / 1e6:.1f} MB and {traces:,} traces in {options.history:g} s; "
        f"{options.endpoints} endpoints, {options.statements} statements; {options.rounds} rounds\n"
    )
    print("| newest minute stands after | CPU | requests in it |\n| --- | --- | --- |")
    walls, cpus = [each[0] for each in found], [each[1] for each in found]
    low, high = spread(walls)
    print(
        f"| {statistics.median(walls):.2f} s ({low:.2f}–{high:.2f}) | {statistics.median(cpus):.2f} s "
        f"| {statistics.median(each[2] for each in found):,.0f} |"
    )


if __name__ == "__main__":
    main()
