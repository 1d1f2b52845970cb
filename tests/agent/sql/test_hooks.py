"""Statements: what is recorded of them, and that they run exactly as without us."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextvars import copy_context
from typing import Any

import pytest
from sqlalchemy import create_engine, event, func, insert, select, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from flasktop.agent.guard import guard
from flasktop.agent.sql import fetch, hooks, install, masking, reckoning, recording
from flasktop.agent.trace import current_trace, sink
from tests.agent.sql.conftest import Item, Order, Recorder, their_execution
from tests.agent.support import until
from tests.databases import OLD_SQLALCHEMY


def test_a_select_is_recorded_with_text_times_rows_and_engine(engine: Engine, recorder: Recorder) -> None:
    with engine.connect() as connection:
        connection.execute(select(Order.id).where(Order.name == "order 3")).all()
    span = recorder.last

    assert span.kind == "statement"
    assert span.text.startswith("SELECT")
    assert "order 3" not in span.text
    assert span.execute_ns > 0 and span.fetch_ns > 0
    assert span.rows == 1
    assert span.batch == 0
    assert span.failure is None
    assert engine.dialect.name == span.engine.dialect


def test_each_statement_is_recorded_once(engine: Engine, recorder: Recorder) -> None:
    with engine.connect() as connection:
        spans = recorder.run(
            lambda: [connection.execute(select(Order.id).where(Order.id == n)).all() for n in range(7)]
        )

    assert len(spans) == 7
    assert len({span.text for span in spans}) == 1


def test_an_in_list_of_any_length_is_one_text(engine: Engine, recorder: Recorder) -> None:
    def ask(count: int) -> Any:
        return connection.execute(select(Order.id).where(Order.id.in_(range(count)))).all()

    with engine.connect() as connection:
        spans = recorder.run(lambda: [ask(1), ask(5), ask(40)])

    assert len({span.text for span in spans}) == 1
    assert "IN (…)" in masking.mask(spans[0].text, engine.dialect.name)


def test_bound_parameters_are_held_nowhere(engine: Engine, recorder: Recorder) -> None:
    with engine.connect() as connection:
        connection.execute(select(Order.id).where(Order.name == "top secret")).all()

    for span in recorder.spans:
        values = [getattr(span, name, None) for kind in type(span).__mro__ for name in getattr(kind, "__slots__", ())]
        assert "top secret" not in repr(values)


def test_a_failed_statement_has_the_drivers_error_class_and_raises_unchanged(
    engine: Engine, recorder: Recorder
) -> None:
    with engine.connect() as connection, pytest.raises(SQLAlchemyError) as caught:
        connection.execute(text("select nothing from nowhere"))
    original = getattr(caught.value, "orig", None)

    assert type(original) is recorder.last.failure
    assert recorder.last.rows == -1


def test_a_violated_constraint_is_a_failure_of_its_statement(engine: Engine, recorder: Recorder) -> None:
    with engine.connect() as connection, pytest.raises(IntegrityError):
        connection.execute(insert(Order), {"id": 1, "name": "again"})

    assert recorder.last.failure is not None
    assert "IntegrityError" in recorder.last.failure.__mro__[0].__name__ + recorder.last.failure.__mro__[1].__name__


def test_executemany_has_its_batch_size(engine: Engine, recorder: Recorder) -> None:
    rows = [{"name": str(n)} for n in range(23)]
    with engine.begin() as connection:
        spans = recorder.run(
            lambda: connection.execute(text(f"insert into {Order.__tablename__} (name) values (:name)"), rows)
        )

    assert [span.batch for span in spans] == [23]


@pytest.mark.skipif(OLD_SQLALCHEMY, reason="insertmanyvalues came with SQLAlchemy 2.0")
def test_insertmanyvalues_has_its_batch_size_and_the_rows_returned(engine: Engine, recorder: Recorder) -> None:
    rows = [{"name": str(n)} for n in range(25)]
    statement = insert(Order).returning(Order.id).execution_options(insertmanyvalues_page_size=10)
    with engine.begin() as connection:
        recorder.clear()
        ids = connection.execute(statement, rows).all()
        spans = recorder.statements

    assert len(set(ids)) == 25
    assert sum(span.batch for span in spans) == 25
    assert sum(span.rows for span in spans) == 25
    assert len({span.text for span in spans}) == 1


def test_orm_inserts_return_their_keys(engine: Engine, recorder: Recorder) -> None:
    with Session(engine) as session:
        orders = [Order(name=f"new {n}") for n in range(12)]
        session.add_all(orders)
        session.commit()
        ids = {order.id for order in orders}

    assert len(ids) == 12
    assert sum(max(span.batch, 1) for span in recorder.statements if span.text.startswith("INSERT")) == 12


def test_a_driver_level_statement_is_recorded_as_it_was_written(engine: Engine, recorder: Recorder) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("select 17").all()

    assert recorder.last.text == "select 17"


def test_a_huge_statement_is_not_held_whole(sqlite: Engine, recorder: Recorder) -> None:
    with sqlite.connect() as connection:
        connection.exec_driver_sql(f"select length('{'x' * 500_000}')").all()

    assert len(recorder.last.text) == hooks.MAX_RAW


def test_savepoints_and_rollbacks_to_them_work_and_are_seen(engine: Engine, recorder: Recorder) -> None:
    with Session(engine) as session:
        with pytest.raises(ZeroDivisionError), session.begin_nested():
            session.add(Order(name="lost"))
            session.flush()
            raise ZeroDivisionError
        session.add(Order(name="kept"))
        session.commit()
        names = session.execute(select(Order.name).where(Order.name.in_(["lost", "kept"]))).scalars().all()

    assert names == ["kept"]
    assert any(span.text.startswith("SAVEPOINT") for span in recorder.statements)


def test_outside_any_request_statements_go_among_those_outside(sqlite: Engine, recorder: Recorder) -> None:
    token = current_trace.set(None)
    with sqlite.connect() as connection:
        connection.execute(text("select 1")).all()
    current_trace.reset(token)

    assert "select 1" in [span.text for span in sink.outside]
    assert recorder.statements == []


def test_a_statement_that_another_one_runs_ends_first_and_nothing_is_under_way_then(
    sqlite: Engine, recorder: Recorder
) -> None:
    """Records are kept in the order in which statements end, which is not the one in which they begin."""
    memory = create_engine("sqlite://", poolclass=StaticPool)

    def inner() -> int:
        return int(other.execute(text("select 42")).scalar() or 0)

    with sqlite.connect() as connection, memory.connect() as other:
        connection.connection.create_function("other", 0, inner)
        rows = connection.execute(text("select other() order by 1")).all()
        began_last: Any = recorder.trace.database
        assert [span.text for span in recorder.statements[-2:]] == ["select 42", "select other() order by 1"]
        assert (rows, began_last.text, began_last.under_way()) == ([(42,)], "select 42", None)
    memory.dispose()


def test_nothing_is_under_way_once_threads_that_share_a_request_have_their_rows(
    sqlite: Engine, recorder: Recorder
) -> None:
    slow, quick = threading.Event(), threading.Event()

    def wait() -> int:
        slow.set()
        return int(quick.wait(60))

    def first() -> None:
        with sqlite.connect() as connection:
            connection.connection.create_function("hang", 0, wait)
            connection.execute(text("select hang() order by 1")).all()
            began_last.append(recorder.trace.database)

    began_last: list[Any] = []
    thread = threading.Thread(target=copy_context().run, args=(first,))
    thread.start()
    assert slow.wait(60)
    with sqlite.connect() as connection:
        connection.execute(text("select 1")).all()
        quick.set()
        thread.join()

    assert began_last[0].text == "select 1" and began_last[0].under_way() is None


def test_an_engine_made_before_the_hooks_is_seen(sqlite: Engine) -> None:
    with sqlite.connect() as connection:
        connection.execute(text("select 1")).all()
    install()
    sink.active = True
    sink.outside.clear()
    try:
        with sqlite.connect() as connection:
            connection.execute(text("select 2")).all()
        texts = [span.text for span in sink.outside]
    finally:
        sink.active = False
        hooks.uninstall()

    assert "select 2" in texts


def test_two_engines_are_told_apart(tmp_path: Any, recorder: Recorder) -> None:
    for name in ("one", "two"):
        engine = create_engine(f"sqlite:///{tmp_path / name}.db")
        with engine.connect() as connection:
            connection.execute(text("select 1")).all()
        engine.dispose()

    assert len({span.engine.name for span in recorder.statements}) == 2


def test_disposing_an_engine_keeps_it_hooked(engine: Engine, recorder: Recorder) -> None:
    engine.dispose()
    with engine.connect() as connection:
        connection.execute(text("select 1")).all()
        connection.commit() if hasattr(connection, "commit") else None

    assert [span.text for span in recorder.statements] == ["select 1"]
    assert len(recorder.of("connect")) == 1


def test_nothing_is_recorded_while_no_agent_runs(sqlite: Engine, recorder: Recorder) -> None:
    sink.active = False
    with sqlite.connect() as connection:
        connection.execute(text("select 1")).all()

    assert recorder.spans == []


def test_another_do_execute_listener_keeps_its_place(sqlite: Engine, recorder: Recorder) -> None:
    ran: list[str] = []
    event.listen(sqlite, "do_execute", their_execution(ran))
    with sqlite.connect() as connection:
        assert len(connection.execute(select(Order.id)).all()) == 10

    assert len(ran) == 1
    assert recorder.statements == []


def test_a_listener_that_edits_statements_is_obeyed(sqlite: Engine, recorder: Recorder) -> None:
    def comment(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> Any:
        return f"{statement} /* trace=42 */", parameters

    event.listen(sqlite, "before_cursor_execute", comment, retval=True)
    with sqlite.connect() as connection:
        connection.execute(select(Order.id)).all()

    assert "trace" not in masking.mask(recorder.last.text)
    assert recorder.last.rows == 10


def test_cpu_inside_sql_is_told_for_a_database_in_the_process(sqlite: Engine, recorder: Recorder) -> None:
    count = "with recursive c(n) as (select 1 union all select n + 1 from c where n < 400000) select count(*) from c"
    with sqlite.connect() as connection:
        connection.execute(text(count)).all()  # from now on it is known to be slow
        before = time.thread_time_ns()
        connection.execute(text(count)).all()
        spent = time.thread_time_ns() - before

    assert 0.8 * spent < recorder.last.used_ns() <= spent


def test_the_first_time_that_it_is_slow_no_more_is_told_than_the_request_has_used(
    sqlite: Engine, recorder: Recorder
) -> None:
    """The clock was not read when it began: short statements of such a database are CPU and nothing else."""
    with sqlite.connect() as connection:
        connection.connection.create_function("nap", 1, time.sleep)
        recorder.trace.cpu_start_ns = time.thread_time_ns()
        connection.execute(text("select nap(0.2)")).all()
        used = time.thread_time_ns() - recorder.trace.cpu_start_ns

    assert recorder.last.execute_ns + recorder.last.fetch_ns > 190_000_000
    assert recorder.last.used_ns() <= used


def test_a_reckoned_clock_goes_on_by_what_short_statements_take(
    sqlite: Engine, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else their CPU would be told of the slow one that comes after them."""
    monkeypatch.setattr(hooks, "CPU_SHORT_NS", 60_000_000_000)
    for name in ("CPU_SHORT_NS", "CPU_GAP_NS", "CPU_TRUST_NS"):
        monkeypatch.setattr(reckoning, name, 60_000_000_000)
    monkeypatch.setattr(fetch, "CPU_SHORT_NS", 60_000_000_000)  # a fetch that is slow has the clock read
    monkeypatch.setattr(reckoning, "FORGET_MASK", -1)  # it stays among the slow ones
    nap = "select nap(0.02)"
    with sqlite.connect() as connection:
        connection.connection.create_function("nap", 1, time.sleep)
        connection.execute(text(nap)).all()
        recorder.last.engine.slow.add(nap)
        spans: list[Any] = recorder.run(lambda: [connection.execute(text(nap)).all() for _ in range(3)])
    first, middle, last = spans

    assert last.ended_cpu - first.ended_cpu > middle.execute_ns + last.execute_ns // 2


def test_what_was_slow_once_and_is_short_again_costs_no_clock_in_the_end(sqlite: Engine, recorder: Recorder) -> None:
    with sqlite.connect() as connection:
        connection.execute(select(Order.id)).all()
        engine, statement = recorder.last.engine, recorder.last.text
        engine.slow.add(statement)

        def forgotten() -> bool:
            recorder.trace.spans = []
            connection.execute(select(Order.id)).all()
            return statement not in engine.slow

        until(forgotten)


def test_waiting_for_a_server_is_no_cpu(engine: Engine, recorder: Recorder) -> None:
    sleep = {"postgresql": "select pg_sleep(0.2)", "mysql": "select sleep(0.2)"}.get(engine.dialect.name)
    if sleep is None:
        pytest.skip("SQLite has no server")
    with engine.connect() as connection:
        connection.execute(text(sleep)).all()

    assert recorder.last.execute_ns > 190_000_000
    assert recorder.last.used_ns() < 100_000_000


def test_no_cpu_is_told_where_the_request_has_no_clock(sqlite: Engine, recorder: Recorder) -> None:
    recorder.trace.cpu_start_ns = -1
    with sqlite.connect() as connection:
        connection.execute(select(Order.id)).all()

    assert {0} == {span.cpu_ns for span in recorder.spans}


@pytest.mark.parametrize(
    "place", ["look", "_other_text", "perf_counter_ns", "start_cpu", "stop_cpu", "watch_stream", "relationship"]
)
def test_a_fault_of_ours_neither_repeats_nor_loses_a_statement(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("ours")

    install()
    sink.active = True
    recording.statements.on = True
    monkeypatch.setattr(hooks, place, broken)
    monkeypatch.setattr(guard, "_faults", {})
    try:
        with Session(engine) as session:
            session.add(Order(name="once"))
            session.commit()
            streamed = session.execute(select(Order.id).execution_options(yield_per=3)).all()
            found = session.execute(select(func.count()).where(Order.name == "once")).scalar()
            items = session.execute(select(Order).where(Order.id == 1)).scalars().one().items
    finally:
        sink.active = False
        hooks.uninstall()

    assert (found, len(streamed), len(items)) == (1, 11, 3)


def test_a_place_that_fails_again_and_again_goes_off(sqlite: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any) -> Any:
        raise RuntimeError("ours")

    install()
    sink.active = True
    monkeypatch.setattr(hooks, "look", broken)
    monkeypatch.setattr(guard, "_faults", {})
    try:
        with sqlite.connect() as connection:
            for _ in range(30):
                connection.execute(select(Order.id)).all()
        on = recording.statements.on
    finally:
        sink.active = False
        hooks.uninstall()

    assert not on


def test_hooks_work_in_a_forked_child(sqlite: Engine, recorder: Recorder) -> None:
    sqlite.dispose()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            sink.active = True  # an agent that another test started has switched it off here
            current_trace.set(recorder.trace)
            with sqlite.connect() as connection:
                rows = len(connection.execute(select(Item.id)).all())
            os.write(writing, f"{rows} {recorder.last.rows}".encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)

    assert answer == "30 30"


def test_importing_the_package_and_installing_import_nothing_of_sqlalchemy() -> None:
    code = (
        "import sys; from flasktop.agent.sql import install, callsite, masking, relationship, pools;"
        "assert install() is False; assert pools.states() == []; assert 'sqlalchemy' not in sys.modules"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_rows_of_a_static_pool_in_memory_are_recorded(recorder: Recorder) -> None:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.connect() as connection:
        connection.execute(text("select 1 union select 2")).all()
    engine.dispose()

    assert recorder.last.rows == 2
    assert recorder.last.engine.name == "sqlite:///:memory:"
