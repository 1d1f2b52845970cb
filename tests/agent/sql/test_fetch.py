"""Rows and fetch time, and results that behave exactly as without us."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, insert, select, text, union_all, update
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from flasktop.agent.sql import hooks
from flasktop.agent.trace import sink
from tests.agent.sql.conftest import Item, Order, Recorder, fill
from tests.databases import OLD_SQLALCHEMY

ids: Any = select(Item.id).order_by(Item.id)
entities: Any = select(Order).order_by(Order.id)
raw = text(f"select id, name from {Order.__tablename__} order by id")


def partly(result: Any) -> list[Any]:
    """Some rows, one by one and together, then a result that is closed before its end."""
    got = [result.fetchone(), result.fetchmany(2), result.fetchmany(), next(iter(result), None)]
    result.close()
    return [*map(repr, got), result.closed]


def after_the_end(result: Any) -> list[Any]:
    """What an exhausted, then a closed result says."""
    got: list[Any] = [len(result.fetchall()), result.fetchall(), result.fetchone(), result.fetchmany(3)]
    result.close()
    for fetch in (result.fetchall, result.fetchone, result.fetchmany):
        with pytest.raises(SQLAlchemyError) as caught:
            fetch()
        got.append((type(caught.value).__name__, str(caught.value)))
    return got


def entities_partly(session: Session) -> list[Any]:
    """One of many entities, then a result that is closed before its end."""
    result = session.execute(entities.execution_options(yield_per=3))
    first: Any = result.scalars().first() if OLD_SQLALCHEMY else next(iter(result.scalars()))
    result.close()
    return [first.name if first is not None else None]


def refused(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(SQLAlchemyError) as caught:
        call()
    return type(caught.value).__name__, str(caught.value)


CORE: dict[str, Callable[[Any], Any]] = {
    "all": lambda c: c.execute(ids).all(),
    "iterated": lambda c: list(c.execute(ids)),
    "first": lambda c: c.execute(ids).first(),
    "one_or_none of many": lambda c: refused(c.execute(ids).one_or_none),
    "one of none": lambda c: refused(c.execute(ids.where(Item.id == -1)).one),
    "scalar": lambda c: c.execute(ids).scalar(),
    "scalars": lambda c: c.execute(ids).scalars().all(),
    "mappings": lambda c: [dict(row) for row in c.execute(raw).mappings()],
    "unique": lambda c: c.execute(select(Item.order_id).order_by(Item.order_id)).unique().all(),
    "columns": lambda c: c.execute(raw).columns("name").all(),
    "partitions": lambda c: [list(part) for part in c.execute(ids).partitions(7)],
    "partly": lambda c: partly(c.execute(ids)),
    "after the end": lambda c: after_the_end(c.execute(ids)),
    "no rows": lambda c: c.execute(ids.where(Item.id == -1)).all(),
    "freeze": lambda c: c.execute(ids).freeze()().all(),
    "merge": lambda c: c.execute(ids).merge(c.execute(ids)).all(),
    "keys": lambda c: list(c.execute(raw).keys()),
    "text": lambda c: c.execute(raw).all(),
    "driver level": lambda c: c.exec_driver_sql(str(raw)).fetchmany(4),
    "union": lambda c: c.execute(union_all(select(Item.id), select(Order.id))).fetchall(),
    "yield_per option": lambda c: list(c.execution_options(yield_per=4).execute(ids)),
    "yield_per method": lambda c: list(c.execute(ids).yield_per(4)),
    "yield_per method, partly": lambda c: partly(c.execute(ids).yield_per(3)),
    "yield_per, fetchall": lambda c: c.execute(ids).yield_per(3).fetchall(),
    "yield_per, first": lambda c: c.execute(ids).yield_per(3).first(),
    "stream_results": lambda c: list(c.execution_options(stream_results=True).execute(ids)),
    "stream_results, small buffer": lambda c: list(
        c.execution_options(stream_results=True, max_row_buffer=3).execute(ids)
    ),
    "stream_results, text": lambda c: list(c.execution_options(stream_results=True).execute(raw)),
    "stream_results, partitions": lambda c: [
        list(part) for part in c.execution_options(stream_results=True).execute(ids).partitions(8)
    ],
    "stream_results, fetchmany": lambda c: partly(c.execution_options(stream_results=True).execute(ids)),
    "stream_results, fetchall": lambda c: after_the_end(c.execution_options(stream_results=True).execute(ids)),
    "stream_results off": lambda c: c.execution_options(stream_results=False).execute(ids).fetchall(),
    "update": lambda c: c.execute(update(Order).where(Order.id < 4).values(name="x")).rowcount,
    "update returns no rows": lambda c: refused(c.execute(update(Order).values(name="x")).all),
    "insert": lambda c: c.execute(insert(Order).values(name="y")).inserted_primary_key[0] > 10,
    "insert many": lambda c: c.execute(insert(Order), [{"name": "a"}, {"name": "b"}]).rowcount,
    "failure": lambda c: refused(lambda: c.execute(text("select nothing from nowhere")))[0],
}

ORM: dict[str, Callable[[Session], Any]] = {
    "scalars": lambda s: [o.name for o in s.execute(entities).scalars()],
    "all": lambda s: [o.name for (o,) in s.execute(entities).all()],
    "first": lambda s: s.execute(entities).scalars().first().name,  # type: ignore[union-attr]
    "one": lambda s: s.execute(entities.where(Order.id == 3)).scalars().one().name,
    "query first": lambda s: s.query(Order).order_by(Order.id).first().name,
    "query count": lambda s: s.query(Item).count(),
    "query yield_per": lambda s: [o.name for o in s.query(Order).order_by(Order.id).yield_per(3)],
    "yield_per": lambda s: [o.name for o in s.execute(entities.execution_options(yield_per=3)).scalars()],
    "yield_per, partitions": lambda s: [
        [o.name for o in part] for part in s.execute(entities.execution_options(yield_per=3)).scalars().partitions()
    ],
    "yield_per, partly": lambda s: entities_partly(s),
    "stream_results": lambda s: [
        o.name for o in s.execute(entities.execution_options(stream_results=True)).scalars()
    ],
    "get": lambda s: s.get(Order, 4).name,  # type: ignore[union-attr]
    "lazy": lambda s: [len(o.items) for o in s.execute(entities).scalars()],
}  # fmt: skip


def without(work: Callable[[], Any]) -> Any:
    """What ``work`` gives while nothing is hooked."""
    hooks.uninstall()
    try:
        return work()
    finally:
        hooks.install()
        sink.active = True


@pytest.mark.parametrize("name", CORE)
def test_core_results_are_as_without_us(engine: Engine, recorder: Recorder, name: str) -> None:
    def work() -> Any:
        with engine.connect() as connection, connection.begin() as transaction:
            try:
                return CORE[name](connection)
            finally:
                transaction.rollback()

    assert without(work) == work()
    assert recorder.statements


@pytest.mark.parametrize("name", ORM)
def test_orm_results_are_as_without_us(engine: Engine, recorder: Recorder, name: str) -> None:
    def work() -> Any:
        with Session(engine) as session:
            return ORM[name](session)

    assert without(work) == work()
    assert recorder.statements


calls: list[tuple[Any, ...]] = []


class LoggingCursor(sqlite3.Cursor):
    """A cursor that notes what is asked of it."""

    def execute(self, *args: Any) -> Any:
        calls.append(("execute", args[0]))
        return super().execute(*args)

    def executemany(self, *args: Any) -> Any:
        calls.append(("executemany", args[0]))
        return super().executemany(*args)

    def fetchone(self) -> Any:
        calls.append(("fetchone",))
        return super().fetchone()

    def fetchmany(self, *args: Any) -> Any:
        calls.append(("fetchmany", *args, self.arraysize))
        return super().fetchmany(*args)

    def fetchall(self) -> Any:
        calls.append(("fetchall",))
        return super().fetchall()

    def close(self) -> None:
        calls.append(("close",))
        super().close()


class LoggingConnection(sqlite3.Connection):
    def cursor(self, *args: Any) -> Any:
        return super().cursor(LoggingCursor)


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path: Path = tmp_path_factory.mktemp("logged") / "shop.db"
    made = create_engine(f"sqlite:///{path}", connect_args={"factory": LoggingConnection})
    fill(made)
    yield made
    made.dispose()


@pytest.mark.parametrize("name", [*(f"core {name}" for name in CORE), *(f"orm {name}" for name in ORM)])
def test_the_cursor_is_asked_the_same_in_the_same_order(logged: Engine, recorder: Recorder, name: str) -> None:
    kind, _, scenario = name.partition(" ")

    def work() -> list[tuple[Any, ...]]:
        calls.clear()
        if kind == "core":
            with logged.connect() as connection, connection.begin() as transaction:
                CORE[scenario](connection)
                transaction.rollback()
        else:
            with Session(logged) as session:
                ORM[scenario](session)
        return list(calls)

    first, second = without(work), work()

    assert first
    assert first == second


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("all", 30), ("iterated", 30), ("partitions", 30), ("scalars", 30), ("no rows", 0), ("freeze", 30),
        ("text", 10), ("first", 1), ("driver level", 4), ("yield_per option", 30), ("yield_per method", 30),
        ("yield_per, fetchall", 30), ("stream_results", 30), ("stream_results, small buffer", 30),
        ("stream_results, text", 10), ("stream_results, partitions", 30), ("stream_results, fetchall", 30),
        ("update", -1), ("insert many", -1), ("failure", -1),
    ],
)  # fmt: skip
def test_rows_are_counted(engine: Engine, recorder: Recorder, name: str, rows: int) -> None:
    with engine.connect() as connection, connection.begin() as transaction:
        recorder.clear()
        CORE[name](connection)
        transaction.rollback()

    assert rows == recorder.last.rows
    assert (recorder.last.fetch_ns > 0) == (rows >= 0)


@pytest.mark.parametrize("count", [1, 15, 16, 17, 23, 24, 25, 29])
def test_rows_read_before_a_result_is_left_alone_are_counted(engine: Engine, recorder: Recorder, count: int) -> None:
    with engine.connect() as connection:
        result = connection.execute(ids)
        for _ in range(count):
            result.fetchone()
        rows = recorder.last.rows
        result.close()

    assert count == rows


@pytest.mark.parametrize("name", ["scalars", "yield_per", "yield_per, partitions", "query yield_per", "stream_results"])
def test_rows_of_entities_are_counted(engine: Engine, recorder: Recorder, name: str) -> None:
    with Session(engine) as session:
        spans = recorder.run(lambda: ORM[name](session))

    assert [span.rows for span in spans] == [10]


@pytest.mark.skipif(OLD_SQLALCHEMY, reason="RETURNING of an ORM insert is SQLAlchemy 2.0's")
def test_returning_is_counted(engine: Engine, recorder: Recorder) -> None:
    with engine.begin() as connection:
        connection.execute(insert(Order).values(name="z").returning(Order.id)).all()

    assert recorder.last.rows == 1


def test_fetch_time_is_the_databases_where_it_works_while_fetching(sqlite: Engine, recorder: Recorder) -> None:
    slow = "with recursive c(n) as (select 1 union all select n + 1 from c where n < 200000) select n from c"
    with sqlite.connect() as connection:
        for fetch in (lambda r: r.all(), list, lambda r: list(r.yield_per(500))):
            rows = fetch(connection.execute(text(slow)))
            span = recorder.last

            assert 200_000 == len(rows) == span.rows
            assert span.fetch_ns > 5 * span.execute_ns


def test_contexts_of_all_engines_of_a_dialect_are_of_one_class_of_ours(recorder: Recorder) -> None:
    engines = [create_engine("sqlite://") for _ in range(2)]
    before = engines[0].dialect.execution_ctx_cls
    for engine in engines:
        with engine.connect() as connection:
            connection.execute(text("select 1")).all()
        engine.dispose()
    first, second = (engine.dialect.execution_ctx_cls for engine in engines)

    assert first is second is not before
    assert issubclass(first, before)
    assert (first.__name__, first.__module__) == (before.__name__, before.__module__)
    assert create_engine("sqlite://").dialect.execution_ctx_cls is before


def test_a_failure_while_fetching_is_the_statements(sqlite: Engine, recorder: Recorder) -> None:
    with sqlite.connect() as connection, pytest.raises(SQLAlchemyError):
        connection.execute(text("select abs(x) from (select 1 x union all select -9223372036854775808)")).all()

    assert recorder.last.failure is not None


def test_rows_fetched_after_a_span_was_folded_are_in_its_sum(sqlite: Engine, recorder: Recorder) -> None:
    cap = sink.span_cap
    sink.span_cap = 0
    try:
        with sqlite.connect() as connection:
            result = connection.execute(ids)
            for _ in range(20):
                result.fetchone()
            recorder.trace.fold_rest()
            rest = len(result.all())
    finally:
        sink.span_cap = cap
    sums = list((recorder.trace.folded or {}).values())

    assert rest == 10
    assert sum(one.rows for one in sums) == 30
