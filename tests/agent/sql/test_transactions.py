"""COMMIT and ROLLBACK are spans of their own kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, insert, select, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from flasktop.agent.sql import callsite
from tests.agent.sql.conftest import Order, Recorder


def kinds(recorder: Recorder) -> list[str]:
    return [span.kind for span in recorder.spans]


def test_a_commit_is_recorded_with_its_time_and_line(engine: Engine, recorder: Recorder) -> None:
    with Session(engine) as session:
        session.add(Order(name="new"))
        session.commit()
    (commit,) = recorder.of("commit")

    assert commit.text == "COMMIT"
    assert commit.execute_ns > 0
    assert (commit.rows, commit.batch) == (-1, 0)
    assert (
        commit.identity.code is not None
        and __file__ == callsite.locate(commit.identity.code, commit.identity.instruction)[0]
    )


def test_a_rollback_is_recorded(engine: Engine, recorder: Recorder) -> None:
    with Session(engine) as session:
        session.execute(select(Order.id)).all()
        recorder.clear()
        session.rollback()

        assert "rollback" in kinds(recorder)
        assert recorder.of("rollback")[0].text == "ROLLBACK"


def test_the_rollback_of_a_returned_connection_is_recorded(engine: Engine, recorder: Recorder) -> None:
    with engine.connect() as connection:
        connection.execute(select(Order.id)).all()

    assert kinds(recorder)[-1] == "rollback"


def test_each_commit_is_recorded_once_however_often_an_engine_is_seen(engine: Engine, recorder: Recorder) -> None:
    for _ in range(3):
        engine.dispose()
        recorder.clear()
        with engine.begin() as connection:
            connection.execute(insert(Order), {"name": "x"})

        assert len(recorder.of("commit")) == 1


@pytest.fixture
def deferred(tmp_path: Any) -> Iterator[Engine]:
    """A database that refuses what was done only when it is committed."""
    engine = create_engine(f"sqlite:///{tmp_path / 'deferred.db'}")
    with engine.begin() as connection:
        connection.execute(text("create table parent (id integer primary key)"))
        connection.execute(
            text("create table child (id integer, p integer references parent (id) deferrable initially deferred)")
        )
    yield engine
    engine.dispose()


def test_a_failed_commit_has_the_drivers_error_class(deferred: Engine, recorder: Recorder) -> None:
    with deferred.connect() as connection:
        connection.exec_driver_sql("pragma foreign_keys = on")
        transaction = connection.begin() if not connection.in_transaction() else connection.get_transaction()
        connection.execute(text("insert into child values (1, 99)"))
        with pytest.raises(Exception, match="FOREIGN KEY"):
            transaction.commit()  # type: ignore[union-attr]
    (commit,) = recorder.of("commit")

    assert commit.failure is not None
    assert commit.failure.__name__ == "IntegrityError"


def test_a_two_phase_commit_is_recorded(engine: Engine, recorder: Recorder) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("two-phase commits are tried on PostgreSQL")
    with engine.connect() as connection:
        limit = connection.execute(text("show max_prepared_transactions")).scalar()
        connection.rollback() if hasattr(connection, "rollback") else None
        if limit == "0":
            pytest.skip("the PostgreSQL server has prepared transactions switched off")
        transaction = connection.begin_twophase()
        connection.execute(insert(Order), {"name": "two"})
        recorder.clear()
        transaction.commit()

    assert "commit" in kinds(recorder)
