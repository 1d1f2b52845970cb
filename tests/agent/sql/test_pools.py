"""Connecting, waiting for the pool, and the state of pools."""

from __future__ import annotations

import gc
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, event, select, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import NullPool, QueuePool, StaticPool

from flasktop.agent.guard import guard
from flasktop.agent.sql import callsite, hooks, install, pools, recording
from flasktop.agent.trace import sink
from flasktop.protocol.records import POOL_WAIT
from tests.agent.sql.conftest import Order, Recorder


def queue_engine(path: Path, **options: Any) -> Engine:
    return create_engine(
        f"sqlite:///{path / 'pool.db'}", poolclass=QueuePool, connect_args={"check_same_thread": False}, **options
    )


def test_a_new_connection_is_recorded_with_its_line(engine: Engine, recorder: Recorder) -> None:
    engine.dispose()
    with engine.connect():
        pass
    (connect,) = recorder.of("connect")

    assert connect.text == "CONNECT"
    assert connect.execute_ns > 0
    assert connect.failure is None
    assert (
        connect.identity.code is not None
        and __file__ == callsite.locate(connect.identity.code, connect.identity.instruction)[0]
    )


def test_a_pooled_connection_is_no_connect_and_no_wait(tmp_path: Path, recorder: Recorder) -> None:
    engine = queue_engine(tmp_path)
    with engine.connect():
        pass
    recorder.clear()
    with engine.connect():
        pass
    engine.dispose()

    assert recorder.of("connect") + recorder.of("pool") == []


def test_the_dialects_own_first_statements_are_part_of_connecting(engine: Engine, recorder: Recorder) -> None:
    fresh = create_engine(engine.url)
    with fresh.connect() as connection:
        connection.execute(select(Order.id)).all()
        # On a busy machine what the pool does around connecting is long enough to be recorded, too.
        kinds = [span.kind for span in recorder.spans if span.kind != POOL_WAIT]
    fresh.dispose()

    assert kinds == ["connect", "statement"]


def test_connections_of_a_creator_are_recorded(tmp_path: Path, recorder: Recorder) -> None:
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(tmp_path / "made.db"), poolclass=NullPool)
    for _ in range(2):
        with engine.connect() as connection:
            connection.execute(text("select 1")).all()

    assert len(recorder.of("connect")) == 2


def test_a_listener_that_edits_connect_arguments_is_obeyed(tmp_path: Path, recorder: Recorder) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'wrong.db'}")

    @event.listens_for(engine, "do_connect")
    def edit(dialect: Any, record: Any, arguments: Any, options: Any) -> None:
        arguments[0] = str(tmp_path / "right.db")

    with engine.connect() as connection:
        connection.execute(text("select 1")).all()
    engine.dispose()

    assert (tmp_path / "right.db").exists()
    assert len(recorder.of("connect")) == 1


def test_a_failed_connect_has_the_drivers_error_class(tmp_path: Path, recorder: Recorder) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder.db'}")
    with pytest.raises(SQLAlchemyError):
        engine.connect()
    (connect,) = recorder.of("connect")

    assert sqlite3.OperationalError is connect.failure
    assert not recording.connecting


def test_a_wait_for_the_pool_is_recorded(tmp_path: Path, recorder: Recorder) -> None:
    engine = queue_engine(tmp_path, pool_size=1, max_overflow=0)
    taken = engine.connect()
    threading.Timer(0.1, taken.close).start()
    with engine.connect():
        pass
    wait = max(recorder.of("pool"), key=lambda span: span.execute_ns)  # the first checkout may have been interrupted
    engine.dispose()

    assert wait.text == "POOL WAIT"
    assert 50_000_000 < wait.execute_ns < 2_000_000_000
    assert wait.failure is None


def test_a_pool_that_is_exhausted_is_a_failed_wait(tmp_path: Path, recorder: Recorder) -> None:
    engine = queue_engine(tmp_path, pool_size=1, max_overflow=0, pool_timeout=0.05)
    with engine.connect(), pytest.raises(PoolTimeout):
        engine.connect()
    (wait,) = (span for span in recorder.of("pool") if span.failure is not None)
    engine.dispose()

    assert PoolTimeout is wait.failure
    assert wait.execute_ns > 40_000_000


def test_a_slow_connect_is_no_wait_for_the_pool(tmp_path: Path, recorder: Recorder) -> None:
    def slow() -> sqlite3.Connection:
        time.sleep(0.5)
        return sqlite3.connect(tmp_path / "slow.db")

    engine = create_engine("sqlite://", creator=slow, poolclass=NullPool)
    with engine.connect():
        pass

    assert sum(span.execute_ns for span in recorder.of("pool")) < 400_000_000  # on a busy machine, the rest may be one
    assert recorder.of("connect")[0].execute_ns > 490_000_000


def state_of(engine: Engine) -> list[tuple[int, int, int, int]]:
    name = f"sqlite:///{engine.url.database or ':memory:'}"
    return [state[1:] for state in pools.states() if state[0] == name]


def test_the_state_of_a_pool(tmp_path: Path, recorder: Recorder) -> None:
    engine = queue_engine(tmp_path, pool_size=2, max_overflow=3)
    held = [engine.connect() for _ in range(3)]
    busy = state_of(engine)
    for connection in held:
        connection.close()
    idle = state_of(engine)
    engine.dispose()

    assert busy == [(2, 3, 1, 0)]
    assert idle == [(2, 0, 0, 2)]


@pytest.mark.parametrize("poolclass", [NullPool, StaticPool])
def test_a_pool_that_does_not_count_says_so(recorder: Recorder, tmp_path: Path, poolclass: Any) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'other.db'}", poolclass=poolclass)
    with engine.connect():
        state = state_of(engine)
    engine.dispose()

    assert state == [(-1, -1, -1, -1)]


def test_a_disposed_engines_old_pool_is_gone_and_its_new_one_seen(tmp_path: Path, recorder: Recorder) -> None:
    engine = queue_engine(tmp_path)
    with engine.connect():
        pass
    engine.dispose()
    with engine.connect():
        gc.collect()
        state = state_of(engine)
    engine.dispose()

    assert state == [(5, 1, 0, 0)]


def test_pools_without_end_are_bounded(recorder: Recorder) -> None:
    for _ in range(pools.MAX_POOLS + 50):
        engine = create_engine("sqlite://", poolclass=StaticPool)
        with engine.connect():
            pass
        engine.dispose()
    gc.collect()

    assert len(pools._pools) <= pools.MAX_POOLS


def test_the_state_takes_no_lock(tmp_path: Path, recorder: Recorder) -> None:
    engine = queue_engine(tmp_path)
    with engine.connect():
        found: list[Any] = []
        with engine.pool._pool.mutex:  # type: ignore[attr-defined]
            asking = threading.Thread(target=lambda: found.extend(state_of(engine)))
            asking.start()
            asking.join(5)
    engine.dispose()

    assert found == [(5, 1, 0, 0)]


def test_a_fault_of_ours_in_seeing_a_pool_costs_no_connection(sqlite: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any) -> Any:
        raise RuntimeError("ours")

    install()
    sink.active = True
    monkeypatch.setattr(pools, "_adopt_pool", broken)
    monkeypatch.setattr(guard, "_faults", {})
    try:
        sqlite.dispose()
        with sqlite.connect() as connection:
            rows = connection.execute(select(Order.id)).all()
    finally:
        sink.active = False
        hooks.uninstall()

    assert len(rows) == 10


def test_a_fault_of_ours_in_recording_costs_no_connection(sqlite: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("ours")

    install()
    sink.active = True
    monkeypatch.setattr(callsite, "find", broken)
    monkeypatch.setattr(guard, "_faults", {})
    try:
        sqlite.dispose()
        with sqlite.begin() as connection:
            rows = connection.execute(select(Order.id)).all()
    finally:
        sink.active = False
        hooks.uninstall()

    assert len(rows) == 10
    assert not recording.connecting
