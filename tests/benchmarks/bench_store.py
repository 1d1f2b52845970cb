"""What the reader's store costs: traces a second into it, time of a refresh, memory.

    python -m tests.benchmarks.bench_store [--endpoints 2000] [--statements 10000] [--workers 4] [--rate 2000]

Frames of 100 traces with 5 spans each, spread over the endpoints and statements; made before the clock starts, a
second of traffic at a time, with totals in the last frame of each second as an agent sends them. Times are CPU time
of one core.
"""

from __future__ import annotations

import argparse
import gc
import random
import time
import tracemalloc
from collections.abc import Callable, Iterator

import psutil

from flasktop.protocol.events import Event, Framed
from flasktop.protocol.messages import Totals
from flasktop.protocol.records import Trace
from flasktop.protocol.totals import RouteTotal, StatementTotal
from flasktop.stats.store import Store
from flasktop.stats.views import Window
from tests.stats.builders import NOW, Source, make_frame, make_sample, make_span, make_trace

FRAME = 100
SPANS = 5


def sources(options: argparse.Namespace) -> list[Source]:
    """Return the workers, with all their definitions."""
    found = [Source(pid=100 + number) for number in range(options.workers)]
    for source in found:
        for number in range(options.endpoints):
            source.route("GET", f"/shop/{number}/<int:id>")
        for number in range(options.statements):
            source.statement(f"SELECT * FROM table_{number} WHERE id = ?", line=number + 1)
    return found


class Tables:
    """The exact totals of a worker, as its agent keeps them."""

    def __init__(self) -> None:
        self.traces = 0
        self.routes: dict[int, list[int]] = {}
        self.statements: dict[int, tuple[list[int], set[int]]] = {}
        self.changed: tuple[set[int], set[int]] = (set(), set())

    def add(self, traces: list[Trace], *, last: bool) -> Totals | None:
        """Count traces; return the rows that changed with the last frame of a second."""
        self.traces += len(traces)
        for trace in traces:
            self.routes.setdefault(trace.route, [0, 0])[0] += 1
            self.routes[trace.route][1] += trace.duration_us
            self.changed[0].add(trace.route)
            for span in trace.spans:
                sums, ran_by = self.statements.setdefault(span.statement, ([0, 0, 0], set()))
                sums[:] = sums[0] + 1, sums[1] + span.execute_us, sums[2] + span.fetch_us
                ran_by.add(trace.route)
                self.changed[1].add(span.statement)
        if not last:
            return None
        routes = tuple(self._route(route) for route in self.changed[0])
        statements = tuple(self._statement(statement) for statement in self.changed[1])
        self.changed = (set(), set())
        return Totals(self.traces, routes, statements, False)

    def _route(self, route: int) -> RouteTotal:
        count, us = self.routes[route]
        return RouteTotal(
            route, count, 0, us, us, us, count, us, 0, us, count, us, us, 0, count * SPANS, count, count, {200: count}
        )

    def _statement(self, statement: int) -> StatementTotal:
        (count, execute, fetch), routes = self.statements[statement]
        return StatementTotal(statement, count, 0, execute, fetch, count, tuple(routes))


def second_of(
    workers: list[Source], tables: dict[int, Tables], second: int, options: argparse.Namespace, rng: random.Random
) -> Iterator[Event]:
    """Yield the frames of one second of traffic."""
    per_endpoint = max(1, options.statements // options.endpoints)
    for number in range(max(1, options.rate // FRAME)):
        source = workers[number % len(workers)]
        traces = []
        for offset in range(FRAME):
            route = rng.randrange(options.endpoints)
            spans = [
                make_span(
                    (route * per_endpoint + rng.randrange(per_endpoint)) % options.statements,
                    execute_ms=rng.lognormvariate(0, 0.5),
                    fetch_ms=rng.lognormvariate(-1, 0.5),
                )
                for _ in range(SPANS)
            ]
            traces.append(make_trace(source.next_number + offset, route, ms=rng.lognormvariate(3, 0.8), spans=spans))
        sample = make_sample() if number < len(workers) else None
        totals = tables[source.pid].add(traces, last=number >= options.rate // FRAME - len(workers))
        frame = make_frame(
            source.seq, traces, totals=totals, mono=NOW + second + number * FRAME / options.rate, sample=sample
        )
        source.seq += 1
        source.next_number += FRAME
        yield Framed(source.id, frame, True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (
        ("endpoints", 2_000),
        ("statements", 10_000),
        ("workers", 4),
        ("seconds", 60),
        ("rate", 2_000),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--memory", action="store_true", help="trace memory by line (slow)")
    options = parser.parse_args()
    rng = random.Random(1)
    workers, store = sources(options), Store()
    tables = {source.pid: Tables() for source in workers}
    gc.collect()
    before = psutil.Process().memory_info().rss
    if options.memory:
        tracemalloc.start(5)
    for source in workers:
        first: tuple[Event, ...] = (source.joined(), source.defined(), source.caught_up(0))
        for event in first:
            store.apply(event)
    applied, spent, refreshes = 0, 0.0, []
    for second in range(options.seconds):
        events = list(second_of(workers, tables, second, options, rng))
        start = time.process_time()
        for event in events:
            store.apply(event)
        spent += time.process_time() - start
        applied += len(events) * FRAME
        if second % 5 == 4:
            refreshes.append(refresh(store, NOW + second + 1))
    del events
    gc.collect()
    rss = psutil.Process().memory_info().rss
    print(f"apply     {applied / spent:10,.0f} traces/s   {spent / applied * 1e6:6.2f} us a trace of {SPANS} spans")
    for name in refreshes[0]:
        values = sorted(found[name] for found in refreshes)
        print(f"{name:<10}{values[len(values) // 2] * 1e3:10.1f} ms")
    print(f"memory    {(rss - before) / 1e6:10.1f} MB")
    if options.memory:
        for line in tracemalloc.take_snapshot().statistics("lineno")[:25]:
            print(line)


def refresh(store: Store, now: float) -> dict[str, float]:
    """Return how long each part of a refresh took."""
    parts: dict[str, Callable[[], object]] = {
        "fold": lambda: store.workers(now, Window.MINUTE),
        "summary": lambda: store.summary(now, Window.MINUTE),
        "endpoints": lambda: store.endpoints(now, Window.MINUTE),
        "queries": lambda: store.queries(now, Window.MINUTE),
        "all": lambda: store.endpoints(now, Window.ALL),
    }
    found = {}
    for name, part in parts.items():
        start = time.process_time()
        part()
        found[name] = time.process_time() - start
    return found


if __name__ == "__main__":
    main()
