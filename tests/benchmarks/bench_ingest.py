"""How many traces a second the reader takes in, and what a refresh costs beside it, whatever the traffic.

    python -m tests.benchmarks.bench_ingest [--endpoints 50 500 2000] [--workers 4] [--rate 5000] [--rounds 5]

Recorded frames, as they come over the wire, are decoded, neutralised and taken into the store, and folded into the
windows every half second of their time, as a screen does; each trace has five statements. Times are CPU time of this
process (one thread). A refresh is what the panel of endpoints asks for: the summary, its rows, and the tabs' counts;
it is measured at the rate and at a tenth of it.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from dataclasses import dataclass, field

from flasktop.client.neutral import neutral_message
from flasktop.protocol.codec import decoder_for_reader
from flasktop.protocol.events import Framed
from flasktop.protocol.messages import Frame
from flasktop.stats.store import Store
from flasktop.stats.views import Window
from tests.benchmarks.machine import described, spread
from tests.benchmarks.traffic import Traffic, WireWorker

SECONDS = 8
"""Seconds of traffic in a round; the first is not measured."""
STATEMENTS_EACH = 5


@dataclass
class Spent:
    """CPU seconds of one round, and the traces they were spent on."""

    traces: int = 0
    ingest: float = 0.0
    refresh: list[float] = field(default_factory=list)
    queries: float = 0.0


class Reader:
    """What a connection and the screen do with bytes."""

    def __init__(self, traffic: Traffic) -> None:
        self.store = Store()
        self._decoders = {worker.source.pid: decoder_for_reader() for worker in traffic.workers}
        for event in traffic.greetings():
            self.store.apply(event)

    def take(self, worker: WireWorker, data: bytes) -> None:
        """Take bytes of a worker in."""
        for message in map(neutral_message, self._decoders[worker.source.pid].feed(data)):
            assert isinstance(message, Frame)
            self.store.apply(Framed(worker.source.id, message, True))

    def fold(self, now: float) -> None:
        """Take all that came into the windows that are looked at."""
        self.store.in_flight(now)

    def refresh(self, now: float) -> None:
        """What the panel of endpoints asks for."""
        self.store.summary(now, Window.MINUTE)
        self.store.endpoints(now, Window.MINUTE)
        self.store.statement_count(now, Window.MINUTE)
        self.store.in_flight(now)
        self.store.workers(now, Window.MINUTE)


def round_of(traffic: Traffic, first: int, rate: int) -> Spent:
    """Let a new reader take some seconds of traffic."""
    reader, spent = Reader(traffic), Spent()
    for second in range(first, first + SECONDS):
        frames = traffic.second(second, rate)
        half, measured = len(frames) // 2, second > first
        for at, part in ((0.5, frames[:half]), (1.0, frames[half:])):
            now = traffic.start + second + at
            started = time.process_time()
            for worker, data in part:
                reader.take(worker, data)
            reader.fold(now)
            taken = time.process_time()
            reader.refresh(now)
            if measured:
                spent.ingest += taken - started
                spent.refresh.append(time.process_time() - taken)
        if measured:
            spent.traces += rate
    started = time.process_time()
    reader.store.queries(now, Window.MINUTE)
    spent.queries = time.process_time() - started
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoints", type=int, nargs="+", default=[50, 500, 2_000])
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--rate", type=int, default=5_000, help="traces a second of the recorded traffic")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(described("flasktop", "msgspec"))
    print(
        f"{options.workers} workers, {options.rate:,} traces/s recorded, 5 statements each, {options.rounds} rounds\n"
    )
    print("| endpoints × statements | traces/s (quartiles) | us a trace | refresh | at a tenth | queries, first |")
    print("| --- | --- | --- | --- | --- | --- |")
    sizes = [(each, each * STATEMENTS_EACH) for each in options.endpoints]
    loads = [Traffic(argparse.Namespace(**{**vars(options), "endpoints": e, "statements": s})) for e, s in sizes]
    found: list[list[tuple[Spent, Spent]]] = [[] for _ in sizes]
    for number in range(options.rounds):
        for traffic, rounds in zip(loads, found, strict=True):
            gc.collect()
            first = 2 * number * SECONDS
            full = round_of(traffic, first, options.rate)
            rounds.append((full, round_of(traffic, first + SECONDS, max(options.rate // 10, 1))))
    for (endpoints, statements), rounds in zip(sizes, found, strict=True):
        _tell(endpoints, statements, rounds)


def _tell(endpoints: int, statements: int, rounds: list[tuple[Spent, Spent]]) -> None:
    speeds = [full.traces / full.ingest for full, _ in rounds]
    low, high = spread(speeds)
    speed = statistics.median(speeds)
    refresh, tenth = (
        statistics.median(each for spent in part for each in spent.refresh) * 1e3
        for part in ([full for full, _ in rounds], [tenth for _, tenth in rounds])
    )
    queries = statistics.median(full.queries for full, _ in rounds) * 1e3
    print(
        f"| {endpoints:,} × {statements:,} | {speed:,.0f} ({low:,.0f}–{high:,.0f}) | {1e6 / speed:.1f} "
        f"| {refresh:.1f} ms | {tenth:.1f} ms | {queries:.0f} ms |"
    )


if __name__ == "__main__":
    main()
