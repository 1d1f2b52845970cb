"""How many traces a second the reader takes in, and what a refresh costs beside it, whatever the traffic.

    python -m tests.benchmarks.bench_ingest [--endpoints 50 500 2000] [--workers 4] [--rate 5000] [--rounds 5]
                                            [--warm-up 330]

Recorded frames, as they come over the wire, are decoded, neutralised and taken into the store, and folded into the
windows every half second of their time, as a screen does; each trace has five statements. Times are CPU time of this
process (one thread). A refresh is what the panel of endpoints asks for: the summary, its rows, and the tabs' counts;
it is measured at the rate and at a tenth of it, by a reader each. Both first take in so much traffic that every window
is full and as much leaves it as comes: a reader that has just begun has less to do ("just begun").
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass, field

from flasktop.client.neutral import neutral_message
from flasktop.protocol.codec import decoder_for_reader
from flasktop.protocol.events import Framed
from flasktop.protocol.messages import Frame
from flasktop.stats.store import Store
from flasktop.stats.views import Window
from tests.benchmarks.machine import collect_seldom, described, spread
from tests.benchmarks.traffic import Traffic, WireWorker

SECONDS = 8
"""Seconds of traffic in a round."""
STATEMENTS_EACH = 5


@dataclass
class Spent:
    """CPU seconds of some seconds of traffic, and the traces they were spent on."""

    traces: int = 0
    ingest: float = 0.0
    refresh: list[float] = field(default_factory=list)

    @property
    def speed(self) -> float:
        """Traces a second."""
        return self.traces / self.ingest


class Reader:
    """What a connection and the screen do with bytes: a reader of its own traffic, a second after the other."""

    def __init__(self, options: argparse.Namespace, endpoints: int, rate: int) -> None:
        size = {"endpoints": endpoints, "statements": endpoints * STATEMENTS_EACH}
        self.traffic = Traffic(argparse.Namespace(**{**vars(options), **size}))
        self.store = Store()
        self.rate = rate
        self.now = self.traffic.start
        self._second = 0
        self._decoders = {worker.source.pid: decoder_for_reader() for worker in self.traffic.workers}
        for event in self.traffic.greetings():
            self.store.apply(event)

    def take(self, worker: WireWorker, data: bytes) -> None:
        """Take bytes of a worker in."""
        for message in map(neutral_message, self._decoders[worker.source.pid].feed(data)):
            assert isinstance(message, Frame)
            self.store.apply(Framed(worker.source.id, message, True))

    def refresh(self) -> None:
        """What the panel of endpoints asks for."""
        self.store.summary(self.now, Window.MINUTE)
        self.store.endpoints(self.now, Window.MINUTE)
        self.store.statement_count(self.now, Window.MINUTE)
        self.store.in_flight(self.now)
        self.store.workers(self.now, Window.MINUTE)

    def run(self, seconds: int) -> Spent:
        """Let some seconds of traffic come, and say what they took."""
        spent = Spent()
        for _ in range(seconds):
            frames = self.traffic.second(self._second, self.rate)
            half = len(frames) // 2
            for at, part in ((0.5, frames[:half]), (1.0, frames[half:])):
                self.now = self.traffic.start + self._second + at
                started = time.process_time()
                for worker, data in part:
                    self.take(worker, data)
                self.store.in_flight(self.now)  # takes all that came into the windows that are looked at
                taken = time.process_time()
                self.refresh()
                spent.ingest += taken - started
                spent.refresh.append(time.process_time() - taken)
            spent.traces += self.rate
            self._second += 1
        return spent

    def queries(self) -> float:
        """CPU seconds of looking at statements for the first time."""
        started = time.process_time()
        self.store.queries(self.now, Window.MINUTE)
        return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoints", type=int, nargs="+", default=[50, 500, 2_000])
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--rate", type=int, default=5_000, help="traces a second of the recorded traffic")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warm-up", type=int, default=330, help="seconds of traffic before the first round")
    options = parser.parse_args()
    print(described("flasktop", "msgspec"))
    print(
        f"{options.workers} workers, {options.rate:,} traces/s recorded, 5 statements each; {options.warm_up} s of them"
    )
    print(f"before {options.rounds} rounds\n")
    print("| endpoints × statements | traces/s (quartiles) | us each | just begun | refresh | at a tenth | queries |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for endpoints in options.endpoints:
        _measure(options, endpoints)


def _measure(options: argparse.Namespace, endpoints: int) -> None:
    reader = Reader(options, endpoints, options.rate)
    slow = Reader(options, endpoints, max(options.rate // 10, 1))
    collect_seldom()
    reader.run(1)
    begun = reader.run(SECONDS)
    for each in (reader, slow):
        each.run(options.warm_up)
    full, tenth = zip(*((reader.run(SECONDS), slow.run(SECONDS)) for _ in range(options.rounds)), strict=True)
    speeds = [spent.speed for spent in full]
    low, high = spread(speeds)
    refresh, refresh_tenth = (
        statistics.median(each for spent in rounds for each in spent.refresh) * 1e3 for rounds in (full, tenth)
    )
    speed = statistics.median(speeds)
    print(
        f"| {endpoints:,} × {endpoints * STATEMENTS_EACH:,} | {speed:,.0f} ({low:,.0f}–{high:,.0f}) "
        f"| {1e6 / speed:.1f} | {begun.speed:,.0f} "
        f"| {refresh:.1f} ms | {refresh_tenth:.1f} ms | {reader.queries() * 1e3:.0f} ms |",
        flush=True,
    )


if __name__ == "__main__":
    main()
