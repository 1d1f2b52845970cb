"""A second's traces, reckoned by columns: the same sums as one trace after the other."""

from __future__ import annotations

import random
from collections.abc import Sequence
from operator import add

import pytest

from flasktop.protocol.records import UNKNOWN, Folded, Trace
from flasktop.stats.batch import ENOUGH, Batch
from flasktop.stats.chunks import Chunk, merging
from flasktop.stats.columns import BYTES, ENDPOINT_COLUMNS, ROW_BITS, S_EXECUTE, STATEMENT_MASK
from flasktop.stats.encoded import Duration, encoded
from flasktop.stats.rings import Kept, Rings
from flasktop.stats.rows import Rows, parts_of
from flasktop.stats.sums import trace_columns
from flasktop.stats.workers import Worker
from flasktop.steps import finished
from tests.stats.builders import NOW, Source, make_definitions, make_route, make_span, make_statement, make_trace

Sums = dict[int, tuple[int, ...]]


class Second:
    """A batch of one second of some workers' traces."""

    def __init__(self, workers: int = 1, *, endpoints: int = 3, statements: int = 4) -> None:
        self.rows = Rows()
        self.workers = [Worker(number, Source(pid=number).id, self.rows) for number in range(workers)]
        routes = [make_route(number, route=f"/{number}", app=f"app{number % 2}") for number in range(endpoints)]
        defined = [make_statement(number, line=number) for number in range(statements)]
        for worker in self.workers:
            worker.defined(make_definitions(routes, defined))
        self.batch = Batch(self.rows, Rings())

    def take(self, traces: Sequence[Trace], worker: int = 0) -> None:
        kept = [
            Kept(NOW, worker, trace.number, 0.0, trace.route, trace.duration_us, encoded(trace)) for trace in traces
        ]
        self.batch.traces(self.workers[worker], kept, traces)


def odd_trace(rng: random.Random, number: int) -> Trace:
    """A trace in which anything may be unknown, have failed or be out of order."""
    return make_trace(
        number,
        rng.randrange(3),
        ms=rng.uniform(0, 100),
        first_byte_ms=rng.choice([None, 5.0]),
        cpu_ms=rng.choice([None, 1.0, 2.0]),
        sql_cpu_ms=rng.uniform(0, 1),
        other_ms=rng.uniform(0, 3),
        status=rng.choice([0, 200, 404, 500]),
        raised=rng.random() < 0.1,
        spans=[
            make_span(rng.randrange(4), execute_ms=rng.uniform(0, 200), rows=rng.choice([UNKNOWN, 0, 7]), error=error)
            for error in rng.choices(["", "IntegrityError"], [9, 1], k=rng.randrange(4))
        ],
    )


def cells(chunk: Chunk) -> Sums:
    found: Sums = {}
    for key, *sums in chunk.cells.items():
        found[key] = tuple(map(add, found.get(key, (0,) * ENDPOINT_COLUMNS), sums))
    return found


def uses(chunk: Chunk) -> Sums:
    """Sums by pair, of all workers."""
    found: Sums = {}
    for pair, *sums in chunk.uses.by_pair(None):
        found[pair] = tuple(map(add, found.get(pair, (0,) * 5), sums))
    return found


def plain_cells(traces: Sequence[Trace], worker: int = 0) -> Sums:
    found: Sums = {}
    for trace in traces:
        key = worker << ROW_BITS | trace.route
        found[key] = tuple(map(add, found.get(key, (0,) * ENDPOINT_COLUMNS), trace_columns(trace)))
    return found


def plain_uses(traces: Sequence[Trace]) -> dict[tuple[int, int], tuple[int, ...]]:
    found: dict[tuple[int, int], tuple[int, ...]] = {}
    for trace in traces:
        for span in trace.spans:
            pair = trace.route, span.statement
            sums = 1, int(bool(span.error)), span.execute_us, span.fetch_us, max(span.rows, 0)
            found[pair] = tuple(map(add, found.get(pair, (0,) * 5), sums))
    return found


@pytest.mark.parametrize("count", [1, ENOUGH - 1, ENOUGH, 3 * ENOUGH + 1])
def test_sums_are_those_of_one_trace_after_the_other(count: int) -> None:
    rng = random.Random(count)
    traces = [odd_trace(rng, number) for number in range(count)]
    second = Second()
    second.take(traces)
    chunk = finished(second.batch.packing())

    assert cells(chunk) == plain_cells(traces)
    assert {parts_of(pair): sums for pair, sums in uses(chunk).items()} == plain_uses(traces)


def test_frames_of_several_workers_may_mix() -> None:
    rng = random.Random(7)
    traces = [[odd_trace(rng, number) for number in range(50)] for _ in range(2)]
    second = Second(workers=2)
    for at in range(0, 50, 10):
        for worker in (0, 1):
            second.take(traces[worker][at : at + 10], worker)
    chunk = finished(second.batch.packing())

    assert cells(chunk) == plain_cells(traces[0], 0) | plain_cells(traces[1], 1)
    assert {parts_of(pair): sums for pair, sums in uses(chunk).items()} == plain_uses(traces[0] + traces[1])
    assert chunk.requests == {0: 50, 1: 50}


def test_spans_that_share_nothing_are_kept_as_they_came() -> None:
    second = Second()
    second.take([make_trace(0, 0, spans=[make_span(0), make_span(1)])])
    chunk = finished(second.batch.packing())

    assert [count for _, count in chunk.uses.counts()] == [1, 1]


def test_spans_that_share_much_are_summed_up() -> None:
    second = Second()
    second.take([make_trace(number, 0, spans=[make_span(0)] * 3) for number in range(10)])
    chunk = finished(second.batch.packing())

    assert [count for _, count in chunk.uses.counts()] == [30]


def test_merging_seconds_keeps_their_sums() -> None:
    rng = random.Random(3)
    traces = [odd_trace(rng, number) for number in range(40)]
    chunks = []
    for at in range(0, 40, 4):
        second = Second()
        second.take(traces[at : at + 4])
        chunks.append(finished(second.batch.packing()))
    one = finished(merging(chunks))

    assert cells(one) == plain_cells(traces)
    assert {parts_of(pair): sums for pair, sums in uses(one).items()} == plain_uses(traces)
    assert sum(count for _, count in one.statement_hist.items()) == sum(len(trace.spans) for trace in traces)


@pytest.mark.parametrize(("spread", "length"), [(40, 40), (2, 2)])
def test_merging_sums_up_only_where_it_pays(spread: int, length: int) -> None:
    """Where hardly two share a cell, what came stands one after the other."""
    chunks = []
    for number in range(40):
        second = Second(endpoints=40, statements=40)
        second.take([make_trace(number, number % spread, spans=[make_span(number % spread)])])
        chunks.append(finished(second.batch.packing()))
    one = finished(merging(chunks))

    assert [len(list(table.counts())) for table in (one.cells, one.uses)] == [length, length]
    assert sum(count for _, count in one.uses.counts()) == 40


def test_merging_joins_columns_of_any_width() -> None:
    second, other = Second(), Second()
    second.take([make_trace(0, 0, bytes_sent=3, spans=[make_span(0, execute_ms=0.001)])])
    other.take([make_trace(1, 1, bytes_sent=5_000_000_000, spans=[make_span(1, execute_ms=90_000)])])
    one = finished(merging([finished(second.batch.packing()), finished(other.batch.packing())]))

    assert [sums[BYTES] for sums in cells(one).values()] == [3, 5_000_000_000]
    assert [sums[S_EXECUTE] for sums in uses(one).values()] == [1, 90_000_000]


def test_what_was_folded_counts_in_full() -> None:
    second = Second()
    second.take([make_trace(0, 1, folded=[Folded(2, 40, 3, 900, 80, 7)])])

    assert {parts_of(pair): sums for pair, sums in uses(finished(second.batch.packing())).items()} == {
        (1, 2): (40, 3, 900, 80, 7)
    }


@pytest.mark.parametrize("count", [0, -3])
def test_nothing_folded_is_no_use(count: int) -> None:
    second = Second()
    second.take([make_trace(0, 1, folded=[Folded(2, count, 0, 900, 80, 7)])])

    assert uses(finished(second.batch.packing())) == {}


def test_spans_outside_requests_have_no_endpoint() -> None:
    second = Second(workers=2)
    second.batch.outside(second.workers[1], [make_span(3)])

    assert [parts_of(pair) for pair in uses(finished(second.batch.packing()))] == [(-1, 3)]


def test_distributions_are_kept_for_each_app() -> None:
    second = Second()
    second.take([make_trace(number, number % 3) for number in range(30)])
    chunk = finished(second.batch.packing())

    assert {app: sum(count for _, count in counts.items()) for app, counts in chunk.apps.items()} == {
        "app0": 20,
        "app1": 10,
    }


def test_statements_that_ran_are_told_once() -> None:
    second = Second()
    second.take([make_trace(0, 0, spans=[make_span(1), make_span(1), make_span(3)])])
    chunk = finished(second.batch.packing())

    assert sorted(chunk.ran) == sorted({pair & STATEMENT_MASK for pair in uses(chunk)}) == [1, 3]


def test_nonsense_stops_nobody() -> None:
    """A peer may say anything that is an integer."""
    second = Second()
    wild = make_trace(0, 0, ms=-5, status=-7, bytes_sent=1 << 63, spans=[make_span(99, execute_ms=-1e12, rows=-5)])
    second.take([wild])
    chunk = finished(second.batch.packing())
    ((_, *sums),) = chunk.uses.items()

    assert sums == [1, 0, 0, 1_000, 0]
    assert all(value >= 0 for cell in chunk.cells.items() for value in cell)


def test_the_short_form_of_a_trace_has_its_first_fields() -> None:
    assert Duration.__struct_fields__ == Trace.__struct_fields__[:4]
