"""Plans of what ran, asked for over a real socket, by each database."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, event, func, insert, select, text, update
from sqlalchemy import delete as delete_from
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool, StaticPool

from flasktop.protocol.commands import BUSY, GONE, IMPOSSIBLE, NOT_GRANTED, TIMED_OUT
from flasktop.protocol.commands.explain import GENERIC, LAST, NONE, Planned
from tests.agent.plans.conftest import Worker
from tests.agent.sql.conftest import PREFIX, Base, Item, Order, _untouched, fill
from tests.agent.support import Box, until

Start = Callable[..., Worker]
ITEMS, ORDERS = Item.__tablename__, Order.__tablename__


@pytest.fixture
def engine(server: Engine) -> Engine:
    """An engine of each database with the shop in it."""
    if not _untouched(server):
        Base.metadata.drop_all(server)
        fill(server)
    return server


def executing(engine: Engine, statement: Any, parameters: Any = None) -> Callable[[], None]:
    """Run a statement and roll it back."""

    def work() -> None:
        with engine.connect() as connection, connection.begin() as transaction:
            result = connection.execute(statement, parameters) if parameters else connection.execute(statement)
            if result.returns_rows:
                result.fetchall()
            transaction.rollback()

    return work


def counted(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(Item)).scalar() or 0


def test_a_select_is_planned_with_its_last_parameters(engine: Engine, worker: Worker) -> None:
    statement: Any = select(Order.id).where(func.lower(Order.name).like("%secret-4711%"))
    planned = worker.planned(executing(engine, statement))

    assert (planned.parameters, planned.dialect) == (LAST, dialect_of(engine))
    assert planned.seen_at > 0 and planned.planned_at >= planned.seen_at and planned.seconds > 0
    assert ORDERS in planned.plan
    assert "secret" not in planned.plan and "4711" not in planned.plan


def dialect_of(engine: Engine) -> str:
    return {"mysql": "mariadb"}.get(engine.dialect.name, engine.dialect.name)


STATEMENTS: list[Any] = [
    select(Item.id, Order.name).join(Order, Item.order_id == Order.id).where(Order.name == "order 3"),
    select(Order.id).where(Order.id.in_([1, 2, 3, 4, 5])),
    select(Order).where(Order.id.in_([7, 8])).with_for_update(),
    insert(Item).values(order_id=3),
    update(Item).values(order_id=4).where(Item.id == 5),
    delete_from(Item).where(Item.order_id == 6),
    text(f"WITH few AS (SELECT * FROM {ORDERS} WHERE id < :n) SELECT * FROM few ORDER BY name").bindparams(n=5),
    text(f"SELECT '100%; x' AS y, id FROM {ORDERS} WHERE name = 'order 1'"),
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_every_kind_of_statement_is_planned_and_nothing_runs(engine: Engine, worker: Worker, statement: Any) -> None:
    numbers = worker.run(executing(engine, statement))
    before = counted(engine)
    planned = worker.plan(numbers[-1])

    assert planned.plan.startswith(("[", "{"))
    json.loads(planned.plan)
    assert counted(engine) == before


def test_a_lazy_load_is_planned(engine: Engine, worker: Worker) -> None:
    def work() -> None:
        with Session(engine) as session:
            order: Any = session.get(Order, 4)
            assert len(order.items) == 3

    numbers = worker.run(work)
    loads = [n for n in numbers if worker.box.statements[n].relationship]

    assert ITEMS in worker.plan(loads[0]).plan


def test_the_newest_parameters_count(engine: Engine, worker: Worker) -> None:
    work = executing(engine, text(f"SELECT id FROM {ORDERS} WHERE id = :n"), {"n": 1})
    first = worker.run(work)[-1]
    worker.run(executing(engine, text(f"SELECT id FROM {ORDERS} WHERE id = :n"), {"n": 8}))

    found = worker.box.agent.recorder.executed.find(first)
    assert found is not None
    values = found[1].parameters
    assert 8 in (values.values() if isinstance(values, dict) else values)


def test_of_many_parameter_sets_the_first_is_kept(engine: Engine, worker: Worker) -> None:
    many = [{"order": 1, "item": n} for n in range(1, 30)]
    work = executing(engine, text(f"UPDATE {ITEMS} SET order_id = :order WHERE id = :item"), many)

    assert worker.planned(work).parameters == LAST


def test_planning_is_not_recorded_and_no_listener_of_the_apps_is_called(engine: Engine, worker: Worker) -> None:
    number = worker.run(executing(engine, select(Order.id).where(Order.id == 3)))[-1]
    heard: list[str] = []
    listener: Any = lambda *arguments: heard.append("heard")  # noqa: E731
    known = len(worker.box.statements)
    for name in ("before_cursor_execute", "checkout", "connect"):
        event.listen(engine, name, listener)
    planned = worker.plan(number)
    for name in ("before_cursor_execute", "checkout", "connect"):
        event.remove(engine, name, listener)
    worker.run(lambda: None)
    frames = worker.box.frames

    assert not heard
    assert "listener" in planned.notes[0]
    assert known == len(worker.box.statements)
    assert not [span for frame in frames for span in frame.outside]


def test_an_exhausted_pool_does_not_matter(engine: Engine, worker: Worker) -> None:
    small = create_engine(engine.url, poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.1)
    number = worker.run(executing(small, select(Order.id).where(Order.id == 3)))[-1]
    with small.connect():
        assert ORDERS in worker.plan(number).plan
    small.dispose()


def test_a_literal_in_a_statement_never_leaves(engine: Engine, worker: Worker) -> None:
    raw = text(f"SELECT id FROM {ORDERS} WHERE name = 'secret-4711' OR id > 4242 ORDER BY name")
    planned = worker.planned(executing(engine, raw))

    assert planned.parameters == NONE
    assert "secret" not in planned.plan and "4711" not in planned.plan and "4242" not in planned.plan


def test_an_error_quotes_no_value(engine: Engine, worker: Worker) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite's errors quote names only")
    gone = f"{PREFIX}gone"  # of this process: others test beside it on the same database
    with engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE {gone} (a VARCHAR(50))"))
    number = worker.run(executing(engine, text(f"SELECT * FROM {gone} WHERE a = 'secret'")))[-1]
    with engine.begin() as connection:
        connection.execute(text(f"DROP TABLE {gone}"))
    said: Any = worker.ask(number)

    assert said.reason == GONE and gone in said.message and "secret" not in said.message


# -- refusals --


def test_without_the_grant_nothing_is_kept_and_it_is_refused(sqlite: Engine, start: Start) -> None:
    worker = start(FLASKTOP_GRANTS="heap")
    refused = worker.refused(executing(sqlite, select(Order.id).where(Order.id == 3)))

    assert refused.reason == NOT_GRANTED
    assert not worker.box.agent.recorder.executed._entries


def test_an_unknown_statement_is_gone(worker: Worker) -> None:
    said: Any = worker.ask(12_345)

    assert said.reason == GONE


def test_a_commit_has_no_plan(sqlite: Engine, worker: Worker) -> None:
    def work() -> None:
        with sqlite.begin() as connection:
            connection.execute(text("SELECT 1"))

    worker.run(work)
    commit = next(one.id for one in worker.box.statements.values() if one.kind == "commit")
    said: Any = worker.ask(commit)

    assert said.reason == GONE


@pytest.mark.parametrize(
    "statement", [f"CREATE TABLE {PREFIX}no (a INTEGER)", f"DROP TABLE IF EXISTS {PREFIX}no"], ids=["create", "drop"]
)
def test_ddl_has_no_plan(engine: Engine, worker: Worker, statement: str) -> None:
    if engine.dialect.name != "sqlite" and statement.startswith("CREATE"):
        statement = statement.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS")
    refused = worker.refused(executing(engine, text(statement)))

    assert refused.reason == IMPOSSIBLE and statement.split()[0] in refused.message


def test_a_database_in_memory_is_refused(worker: Worker) -> None:
    fresh = create_engine("sqlite://")
    static = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    for engine in (fresh, static):
        fill(engine)
        refused = worker.refused(executing(engine, select(Order.id).where(Order.id == 3)))

        assert refused.reason == IMPOSSIBLE and "in memory" in refused.message
        engine.dispose()


def test_a_connection_that_the_app_shares_is_left_alone(tmp_path: Path, worker: Worker) -> None:
    """Else the end of the plan would roll back and close what the app works with."""
    shared = sqlite3.connect(tmp_path / "shared.db", check_same_thread=False)
    engine = create_engine("sqlite://", creator=lambda: shared, poolclass=StaticPool)
    shared.execute("CREATE TABLE t (id INTEGER)")

    refused = worker.refused(executing(engine, text("SELECT * FROM t")))

    assert refused.reason == IMPOSSIBLE and "one connection for all" in refused.message
    shared.execute("SELECT 1")
    shared.close()


def test_two_databases_of_one_name_are_told_apart(worker: Worker, tmp_path: Path) -> None:
    one, two = (create_engine("sqlite://", creator=opener(tmp_path / f"{name}.db")) for name in ("one", "two"))
    for engine in (one, two):
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE t (a INTEGER)"))
    with two.begin() as connection:
        connection.execute(text("CREATE INDEX only_here ON t (a)"))
    statement = text("SELECT a FROM t WHERE a = :a")

    # One row of queries: the same name, text and line.
    for engine, found in ((one, False), (two, True), (one, False)):
        assert ("only_here" in worker.planned(executing(engine, statement, {"a": 1})).plan) is found
    one.dispose()
    two.dispose()


def opener(path: Path) -> Callable[[], sqlite3.Connection]:
    return lambda: sqlite3.connect(path, check_same_thread=False)


def test_a_database_file_that_is_gone_is_not_made_anew(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "gone.db"
    engine = create_engine(f"sqlite:///{path}")
    fill(engine)
    number = worker.run(executing(engine, select(Order.id).where(Order.id == 3)))[-1]
    engine.dispose()
    path.unlink()
    said: Any = worker.ask(number)

    assert said.reason == IMPOSSIBLE and "gone" in said.message
    assert not path.exists()


def test_parameters_too_large_are_not_kept(engine: Engine, worker: Worker) -> None:
    work = executing(engine, select(Order.id).where(Order.name == "x" * 100_000))
    number = worker.run(work)[-1]
    said: Any = worker.ask(number)
    held = worker.box.agent.recorder.executed.held_bytes

    assert held < 100_000
    if engine.dialect.name == "mysql":
        assert said.reason == IMPOSSIBLE and "too large" in said.message
    else:
        assert isinstance(said, Planned) and said.parameters == GENERIC and ORDERS in said.plan


def test_a_list_whose_values_were_let_go_of_is_not_asked_for(engine: Engine, worker: Worker) -> None:
    number = worker.run(executing(engine, select(Order.id).where(Order.id.in_([1, 2]))))[-1]
    table = worker.box.agent.recorder.executed
    table._entries.clear()
    said: Any = worker.ask(number)

    assert said.reason == GONE and "let go" in said.message


# -- locks and time --


LOCKS = {
    "sqlite": ("BEGIN EXCLUSIVE", "ROLLBACK"),
    "postgresql": (f"BEGIN; LOCK TABLE {ORDERS} IN ACCESS EXCLUSIVE MODE", "ROLLBACK"),
    "mysql": (f"LOCK TABLES {ORDERS} WRITE", "UNLOCK TABLES"),
}


@pytest.fixture
def locked(engine: Engine) -> Iterator[Callable[[], None]]:
    """Lock the orders, from a connection of its own, until the end of the test."""
    connection: Any = engine.raw_connection()
    lock, unlock = LOCKS[engine.dialect.name]
    cursor = connection.cursor()
    yield lambda: cursor.execute(lock)
    cursor.execute(unlock)
    connection.close()


def test_a_lock_is_not_waited_for(engine: Engine, worker: Worker, locked: Callable[[], None]) -> None:
    number = worker.run(executing(engine, select(Order.id).where(Order.id == 3)))[-1]
    locked()
    said: Any = worker.ask(number)

    if engine.dialect.name == "mysql" and isinstance(said, Planned):
        pytest.skip("MariaDB plans under a table lock")
    assert said.reason == TIMED_OUT and "locked" in said.message


def test_a_connection_that_is_never_made_is_given_up(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flasktop.agent.plans import elsewhere

    monkeypatch.setattr(elsewhere, "DEADLINE_S", 0.2)
    go, hang = threading.Event(), threading.Event()

    def creator() -> sqlite3.Connection:
        if hang.is_set():
            go.wait(30)
        return sqlite3.connect(tmp_path / "shop.db", check_same_thread=False)

    engine = create_engine("sqlite://", creator=creator)
    fill(engine)
    number = worker.run(executing(engine, select(Order.id).where(Order.id == 3)))[-1]
    hang.set()
    late: Any = worker.ask(number)
    busy: Any = worker.ask(number)
    go.set()

    assert late.reason == TIMED_OUT
    assert busy.reason == BUSY
    hang.clear()
    until(lambda: isinstance(worker.ask(number), Planned))


def test_an_asynchronous_engine_is_planned(sqlite: Engine, worker: Worker) -> None:
    pytest.importorskip("aiosqlite")
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(f"sqlite+aiosqlite:///{sqlite.url.database}")

    async def main() -> None:
        async with engine.connect() as connection:
            await connection.execute(select(Order.id).where(Order.name == "x"))
        await engine.dispose()

    planned = worker.planned(lambda: asyncio.run(main()))
    assert planned.parameters == LAST and ORDERS in planned.plan


def test_an_engine_that_is_gone_is_not_held(worker: Worker, tmp_path: Path, box: Box) -> None:
    import gc
    import weakref

    engine = create_engine(f"sqlite:///{tmp_path / 'short.db'}")
    fill(engine)
    number = worker.run(executing(engine, select(Order.id).where(Order.id == 3)))[-1]
    reference = weakref.ref(engine)
    engine.dispose()
    worker.work = lambda: None
    del engine
    gc.collect()

    assert reference() is None
    said: Any = worker.ask(number)
    assert said.reason == GONE
