"""Everything is bounded, and what is not kept whole is still counted."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import create_engine, text

from flasktop import FlaskTop, Middleware
from flasktop.agent import trace
from flasktop.agent.encode import TraceRow
from flasktop.agent.engine import Engine, SpanIdentity
from flasktop.agent.process import process
from flasktop.agent.totals import PART_BYTES, TotalsTable
from flasktop.agent.trace import FOLDED_KEYS, SpanRecord, sink
from flasktop.protocol.codec import MAX_TO_READER, encode
from flasktop.protocol.messages import Totals
from flasktop.protocol.records import OTHER_ROUTE, OTHER_STATEMENT, STATEMENT
from tests.agent.sites import answering
from tests.agent.support import Box, serve, until

ENGINE = Engine("sqlite://", "sqlite")


def span(statement: str = "SELECT 1", rows: int = 1) -> SpanRecord:
    """What a statement's hook records."""
    made = SpanRecord(SpanIdentity(STATEMENT, statement, ENGINE, None, 0), 1, 3000)
    made.fetch_ns, made.rows = 2000, rows
    return made


def running(*statements: str) -> Middleware:
    """An app whose request runs these statements."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        for statement in statements:
            sink.add(span(statement))
        return answering([b"x"])(environ, start_response)

    return Middleware(app)


def test_spans_beyond_the_cap_are_summed_exactly(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASKTOP_MAX_SPANS", "10")
    serve(running(*["SELECT 1"] * 200, *["SELECT b FROM c"] * 100))
    seen = box.trace()

    assert len(seen.spans) == 10
    assert sorted(part.count for part in seen.folded) == [100, 190]
    assert (seen.statements, seen.rows, seen.execute_us, seen.fetch_us) == (300, 300, 900, 600)


def test_rows_fetched_late_reach_the_sum(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASKTOP_MAX_SPANS", "1")

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        spans = [span(rows=-1) for _ in range(300)]
        for one in spans:
            sink.add(one)
        for one in spans:
            one.fetched(2, 0, 0)
        return answering([b"x"])(environ, start_response)

    serve(Middleware(app))
    assert box.trace().rows == 600


def test_endless_statements_of_one_request_share_a_sum(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASKTOP_MAX_SPANS", "1")
    count = 3 * FOLDED_KEYS
    serve(running(*[f"SELECT a{number} FROM t" for number in range(count)]))
    seen = box.trace()
    names = box.statements
    (other,) = [part for part in seen.folded if names[part.statement].text == OTHER_STATEMENT]

    assert len(seen.folded) == FOLDED_KEYS + 1
    assert other.count == count - 1 - FOLDED_KEYS
    assert seen.statements == count


def test_statements_beyond_the_limit_share_a_row(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASKTOP_MAX_STATEMENTS", "10")
    serve(running(*[f"SELECT a{number} FROM t" for number in range(50)]))
    spans = box.trace().spans
    names = box.statements
    texts = [names[one.statement].text for one in spans]

    assert len(set(texts)) == 11
    assert texts.count(OTHER_STATEMENT) == 40


def test_routes_beyond_the_limit_share_a_row(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASKTOP_MAX_ROUTES", "10")
    app = Flask("many")
    for number in range(30):
        app.add_url_rule(f"/{number}", str(number), lambda: "x")
    FlaskTop(app)
    for number in range(30):
        serve(app, f"/{number}")
    serve(app, "/missing")
    rows = box.rows(31)

    assert len(set(rows)) == 12
    assert rows.count(f"* {OTHER_ROUTE}") == 20
    assert rows[-1] == "* <unmatched>"


def test_rows_that_take_the_rest_exist_when_definitions_are_full(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASKTOP_MAX_STATEMENTS", "100000")
    app = running(*[f"SELECT a{number} FROM {'t' * 4000}" for number in range(100)])
    serve(app)
    spans = box.trace().spans
    names = box.statements
    texts = [names[one.statement].text for one in spans]

    assert texts.count(OTHER_STATEMENT) > 50
    assert box.routes[box.trace().route].route == "<unmatched>"


def test_ten_megabytes_of_sql_are_not_held(box: Box) -> None:
    engine = create_engine("sqlite://")

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1 /* " + "x" * 10_000_000 + " */")).all()
            connection.exec_driver_sql("SELECT '" + "y" * 10_000_000 + "'").all()
        return answering([b"x"])(environ, start_response)

    serve(Middleware(app))
    engine.dispose()
    assert box.trace().statements == 2
    known = box.statements
    assert all(len(one.text) <= 8192 for one in known.values())
    assert "yyy" not in "".join(one.text for one in known.values())
    assert box.sample().agent_bytes < 2 << 20


def test_requests_beyond_what_may_wait_are_counted(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    app = running()
    serve(app)
    box.traces(1)
    monkeypatch.setattr("flasktop.agent.runtime.MASK", 0)  # it is seen to now and then
    monkeypatch.setattr("flasktop.agent.runtime.PENDING_LIMIT", 0)
    serve(app)
    monkeypatch.setattr("flasktop.agent.runtime.PENDING_LIMIT", 10)
    serve(app)
    box.traces(2)

    until(lambda: sum(frame.finished for frame in box.frames) == 3)


def test_spans_outside_any_request_are_recorded_on_their_own(box: Box) -> None:
    serve(running())
    sink.add(span("SELECT outside"))
    outside = until(lambda: [one for frame in box.frames for one in frame.outside])

    assert box.statements[outside[0].span.statement].text == "SELECT outside"


def test_spans_outside_any_request_beyond_what_may_wait_are_counted(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(running())
    monkeypatch.setattr(sink, "outside_cap", 0)
    sink.add(span())

    until(lambda: sum(frame.outside_dropped for frame in box.frames) == 1)


def test_text_that_cannot_be_encoded_loses_no_request(box: Box) -> None:
    serve(running("SELECT '\udcff'", "SELECT \ud800"))

    assert box.trace().statements == 2


def test_a_frame_that_cannot_be_encoded_is_counted(world: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    app = running()
    serve(app)
    world.traces(1)

    def picky(message: Any) -> bytes:
        if getattr(message, "traces", ()):
            raise ValueError("on purpose")
        return encode(message)

    monkeypatch.setattr("flasktop.agent.recorder.encode", picky)
    serve(app)
    until(lambda: sum(frame.finished for frame in world.frames) == 2)
    monkeypatch.undo()
    assert process.agent is not None
    serve(app)

    assert [one.number for one in world.traces(2)] == [0, 2]


def test_totals_are_exact_after_details_are_gone(box: Box) -> None:
    app = running("SELECT 1")
    count = 0

    def evicted() -> bool:
        nonlocal count
        for _ in range(500):
            serve(app, "/" + "x" * 400)
        count += 500
        return box.agent.journal.oldest_seq > 10

    until(evicted)
    totals = until(lambda: (found := box.read().totals) and found.traces == count and found)
    (route,), (statement,) = totals.routes, totals.statements

    assert (route.count, route.statuses, statement.count, statement.rows) == (count, {200: count}, count, count)


def finished(number: int, route: int, statement: int) -> TraceRow:
    spans = ((statement, 0, 1, 1, 1, 0, "", -1),)
    return (number, route, 1, 1, 1, 1, 0, 0, 200, 1, "/", 0, "", 1, 1, 0, 0, 1, 1, spans, (), -1, -1)


def test_many_totals_come_in_parts_that_fit_into_messages() -> None:
    table = TotalsTable()
    for number in range(3000):
        table.add([finished(number, number, number), finished(number, number, 0)])
    parts = table.complete_parts()

    assert len(parts) > 1
    assert max(len(encode(part)) for part in parts) < 2 * PART_BYTES < MAX_TO_READER
    assert sum(len(part.routes) for part in parts) == 3000
    assert {one.statement for part in parts for one in part.statements} == set(range(3000))
    assert sum(len(part.statements) for part in table.changed()) == 3000
    assert table.changed() == []


def test_no_totals_are_one_empty_part() -> None:
    assert TotalsTable().complete_parts() == [Totals(0, (), (), True)]


def test_a_sample_says_what_the_process_costs(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flasktop.agent.loop.SAMPLE_S", 0.15)  # percentages need a tenth of a second
    serve(running())
    sample = box.sample(lambda sample: sample.cpu_percent is not None and sample.requests)

    assert sample.rss_bytes > 1 << 20
    assert sample.threads >= 2
    assert sample.open_files > 3
    assert sample.requests == 1
    assert sample.uptime_s > 0
    assert sample.guard_errors == 0
    assert sample.agent_bytes >= 1 << 20


def test_collections_and_their_time_are_counted(box: Box) -> None:
    import gc

    serve(running())
    before = box.sample().gc_collections
    gc.collect()

    assert box.sample(lambda sample: sample.gc_collections > before).gc_pause_us > 0


def test_the_collector_is_left_as_it_was(box: Box) -> None:
    import gc

    before = list(gc.callbacks)
    serve(running())
    assert len(gc.callbacks) == len(before) + 1
    box.agent.stop()

    until(lambda: gc.callbacks == before)


def test_a_trace_is_small() -> None:
    made = trace.RequestTrace(trace.AppInfo("x"), "GET", "/", "", 1)

    assert not hasattr(made, "__dict__")
    assert sys.getsizeof(made) < 1000
