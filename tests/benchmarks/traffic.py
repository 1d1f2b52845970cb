"""Synthetic traffic as it comes over the wire: encoded frames of many workers, with exact totals.

Each worker sends a frame five times a second, with a process sample and the totals that changed in the last of them,
as an agent does. Requests are spread evenly over endpoints, and their statements over those of the endpoint: no two
requests share more than chance, which is the worst that aggregation meets. Bodies of traces are drawn from a pool that
is encoded once, so that making frames is cheap beside reading them.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from flasktop.protocol.codec import HEADER, encode
from flasktop.protocol.events import CaughtUp, Defined, Event, Joined, Totalled
from flasktop.protocol.messages import Totals
from flasktop.protocol.records import Trace
from flasktop.protocol.totals import RouteTotal, StatementTotal
from tests.stats.builders import AT, NOW, Source, make_frame, make_sample, make_span, make_trace

FRAMES = 5
"""Frames a second and worker."""
SPANS = 5
_POOL_EACH = 8
_POOL_LEAST = 4_000


@dataclass
class Pooled:
    """One trace of the pool: ``body`` is its encoding after its number, ``statements`` its (id, execute, fetch)."""

    body: bytes
    route: int
    duration_us: int
    execute_us: int
    fetch_us: int
    statements: list[tuple[int, int, int]]


@dataclass
class WireWorker:
    """A worker: what it sent, summed up."""

    source: Source
    number: int = 0
    seq: int = 0
    routes: dict[int, list[int]] = field(default_factory=dict)
    statements: dict[int, list[int]] = field(default_factory=dict)
    changed_routes: set[int] = field(default_factory=set)
    changed_statements: set[int] = field(default_factory=set)

    def add(self, pooled: Pooled) -> None:
        """Count one trace in the totals."""
        sums = self.routes.get(pooled.route)
        if sums is None:
            sums = self.routes[pooled.route] = [0, 0, 0, 0]
        sums[0] += 1
        sums[1] += pooled.duration_us
        sums[2] += pooled.execute_us
        sums[3] += pooled.fetch_us
        self.changed_routes.add(pooled.route)
        for statement, execute, fetch in pooled.statements:
            known = self.statements.get(statement)
            if known is None:
                known = self.statements[statement] = [0, 0, 0, pooled.route]
            known[0] += 1
            known[1] += execute
            known[2] += fetch
            self.changed_statements.add(statement)

    def totals(self, *, complete: bool = False) -> Totals:
        """Return the totals, or those that changed since this was asked last."""
        routes = self.routes if complete else self.changed_routes
        statements = self.statements if complete else self.changed_statements
        made = Totals(
            self.number,
            tuple(_route_total(route, self.routes[route]) for route in routes),
            tuple(
                StatementTotal(each, sums[0], 0, sums[1], sums[2], sums[0], (sums[3],))
                for each in statements
                for sums in (self.statements[each],)
            ),
            complete,
        )
        self.changed_routes, self.changed_statements = set(), set()
        return made


def _route_total(route: int, sums: list[int]) -> RouteTotal:
    count, us, execute, fetch = sums
    return RouteTotal(
        route, count, 0, us, us // count, count * 5_000, count, count * 2_000, 0, us // 2, count, execute, fetch, 0,
        count * SPANS, count * SPANS, count * 1_000, {200: count},
    )  # fmt: skip


class Traffic:
    """Workers and what they send. ``options`` has ``endpoints``, ``statements``, ``workers`` and ``rate`` (traces a
    second, over all workers). ``start`` is the monotonic clock, ``at`` the wall clock of its first second."""

    def __init__(
        self, options: argparse.Namespace, *, start: float = NOW, at: float = AT, first_pid: int = 100
    ) -> None:
        self.options = options
        self.start, self.at = start, at
        self._rng = random.Random(1)
        self.workers = [WireWorker(Source(pid=first_pid + number)) for number in range(options.workers)]
        for worker in self.workers:
            for number in range(options.endpoints):
                worker.source.route("GET", f"/shop/{number}/<int:id>")
            for number in range(options.statements):
                worker.source.statement(f"SELECT * FROM table_{number} WHERE id = ?", line=number + 1)
        self._pool = [self._pooled(number) for number in range(max(_POOL_LEAST, _POOL_EACH * options.endpoints))]

    def greetings(self) -> Iterator[Event]:
        """Yield what comes before the first frame."""
        for worker in self.workers:
            source = worker.source
            yield Joined(source.id, source.hello(), 0.0)
            yield Defined(source.id, source.defined().definitions)
            yield Totalled(source.id, worker.totals(complete=True))
            yield CaughtUp(source.id, worker.number, self.at)

    def second(self, second: int, rate: int | None = None) -> list[tuple[WireWorker, bytes]]:
        """Return the encoded frames of one second, in the order in which they are sent."""
        per_frame = (rate or self.options.rate) / (FRAMES * len(self.workers))
        sent = []
        due = 0.0
        for part in range(FRAMES):
            for worker in self.workers:
                due += per_frame
                count, due = int(due), due - int(due)
                sent.append(
                    (worker, self.frame(worker, second + (part + 1) / FRAMES - 1e-3, count, part == FRAMES - 1))
                )
        return sent

    def frame(self, worker: WireWorker, mono: float, count: int, last: bool) -> bytes:
        """Return a worker's next frame, of ``count`` traces that ended at ``mono`` seconds from the start."""
        drawn = self._rng.choices(self._pool, k=count)
        parts = []
        for number, pooled in enumerate(drawn, worker.number):
            parts.append(_TRACE_HEAD + number.to_bytes(4, "big") + pooled.body)
            worker.add(pooled)
        first = worker.number
        worker.number += count
        bare = make_frame(
            worker.seq,
            mono=self.start + mono,
            at=self.at + mono,
            first_number=first,
            finished=count,
            sample=make_sample(requests=worker.number) if last else None,
            totals=worker.totals() if last else None,
        )
        worker.seq += 1
        return _with_traces(encode(bare), parts)

    def _pooled(self, number: int) -> Pooled:
        rng, options = self._rng, self.options
        route = number % options.endpoints
        each = max(1, options.statements // options.endpoints)
        spans = [
            make_span(
                (route * each + rng.randrange(each)) % options.statements,
                execute_ms=rng.lognormvariate(0, 0.5),
                fetch_ms=rng.lognormvariate(-1, 0.5),
            )
            for _ in range(SPANS)
        ]
        trace = make_trace(0, route, ms=rng.lognormvariate(3, 0.8), path=f"/shop/{route}/{number}", spans=spans)
        body = encode(trace)[HEADER:]
        assert body.startswith(_TRACE_HEAD[:3] + b"\x00"), "a trace is a long array, its number first"
        used = [(span.statement, span.execute_us, span.fetch_us) for span in spans]
        return Pooled(body[4:], route, trace.duration_us, trace.execute_us, trace.fetch_us, used)


_TRACE_HEAD = b"\xdc" + len(Trace.__struct_fields__).to_bytes(2, "big") + b"\xce"
"""An array of all fields, the first of them an integer of four bytes."""

_EMPTY_TRACES = b"\x90\x90\x00"
"""No traces, no outside spans, none of those dropped: what a frame without traces has in their place."""


def _with_traces(encoded: bytes, traces: list[bytes]) -> bytes:
    """Put encoded traces into an encoded frame that has none."""
    head = encode(make_frame(0))[HEADER:].index(_EMPTY_TRACES)
    at = encoded.index(_EMPTY_TRACES, HEADER + head - 8)
    array = b"\xdc" + len(traces).to_bytes(2, "big")
    body = encoded[HEADER:at] + array + b"".join(traces) + encoded[at + 1 :]
    return len(body).to_bytes(HEADER, "big") + body


def add_options(parser: argparse.ArgumentParser, **defaults: int) -> None:
    """Let a benchmark's command take the size of the traffic."""
    for name, about in (
        ("endpoints", "endpoints"),
        ("statements", "distinct statements"),
        ("workers", "workers"),
        ("rate", "traces a second, of all workers together"),
    ):
        parser.add_argument(
            f"--{name}", type=int, default=defaults[name], help=f"{about} (default: {defaults[name]:,})"
        )
