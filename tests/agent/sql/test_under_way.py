"""What a request does in the database, told while it does it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Engine as SqlEngine

from flasktop.agent.sql.under_way import Running, in_database
from flasktop.agent.trace import AppInfo, Call, Engine, RequestTrace, SpanRecord
from flasktop.protocol.records import COMMIT, STATEMENT
from tests.agent.sql.conftest import Recorder


def seen_by(sqlite: SqlEngine, recorder: Recorder, query: str) -> list[Running | None]:
    """What is under way each time that ``query`` calls its function ``look``."""
    seen: list[Running | None] = []

    def look(number: int) -> int:
        seen.append(in_database(recorder.trace))
        return number

    with sqlite.connect() as connection:
        connection.connection.create_function("look", 1, look)
        connection.execute(text("select 1")).all()
        connection.execute(text(query)).all()
    return seen


def test_a_statement_that_is_executed_is_named_with_its_line(sqlite: SqlEngine, recorder: Recorder) -> None:
    query = "select * from (select look(1)) order by 1"  # sorted before the first row: all of it while it is executed
    (seen,) = seen_by(sqlite, recorder, query)
    done = recorder.last

    assert seen is not None and seen.span is not None
    assert (seen.kind, seen.since_ns, seen.unrecorded_ns) == (STATEMENT, done.start_ns, done.start_ns)
    assert seen.span.key() == done.key()


def test_rows_that_are_fetched_belong_to_their_statement(sqlite: SqlEngine, recorder: Recorder) -> None:
    seen = seen_by(
        sqlite, recorder, "select look(value) from (select 1 as value union all select 2 union all select 3)"
    )
    done, last = recorder.last, seen[-1]

    assert last is not None and last.span is done
    assert last.since_ns == done.start_ns
    assert last.unrecorded_ns >= done.start_ns + done.execute_ns


def test_what_has_ended_is_not_under_way(sqlite: SqlEngine, recorder: Recorder) -> None:
    seen_by(sqlite, recorder, "select look(1)")

    assert in_database(recorder.trace) is None


@pytest.mark.parametrize("fetch", ["fetchone", "fetchall", "fetchmany"])
def test_a_fetch_that_failed_is_not_under_way(sqlite: SqlEngine, recorder: Recorder, fetch: str) -> None:
    def fail(number: int) -> int:
        if number == 2:
            raise ZeroDivisionError
        return number

    with sqlite.connect() as connection, pytest.raises(Exception, match="user-defined"):
        connection.connection.create_function("fail", 1, fail)
        result: Any = connection.execute(text("select fail(value) from (select 1 as value union all select 2)"))
        while getattr(result, fetch)():
            pass

    assert in_database(recorder.trace) is None
    assert recorder.last.failure is not None


def test_beyond_the_cap_the_statement_that_ended_last_is_known(sqlite: SqlEngine, recorder: Recorder) -> None:
    recorder.trace.overflow = None
    for _ in range(600):  # the cap is 500
        recorder.trace.spans = recorder.trace.spans or []
        recorder.trace.spans.append(SpanRecord(STATEMENT, "select 0"))
    (seen,) = seen_by(sqlite, recorder, "select * from (select look(1)) order by 1")

    assert seen is not None and seen.span is not None and "look" in seen.span.text
    assert in_database(recorder.trace) is None


def test_another_call_tells_itself_whether_it_runs() -> None:
    trace = RequestTrace(AppInfo("shop"), "GET", "/", "", 1)
    call = trace.database = Call(COMMIT, Engine("", ""), 7)

    assert in_database(trace) == Running(COMMIT, 7, 7, None)
    call.start_ns = 0
    assert in_database(trace) is None
