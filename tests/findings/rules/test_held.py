from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import scoped_session, sessionmaker
from sqlalchemy.pool import QueuePool

from flasktop.findings.model import Severity
from flasktop.findings.rules import held
from tests.agent.sql.conftest import Order, fill
from tests.agent.support import until
from tests.findings.watched import Watched

N = held.NAME
SOON = f"{N}.seconds=1"


def line_of(mark: str) -> int:
    """The number of the line of this file that ends in ``# at: mark``."""
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(f"# at: {mark}"))


@pytest.fixture
def pooled(tmp_path: Path) -> Iterator[Engine]:
    """An engine with a pool of five and as many beyond, whatever SQLAlchemy's default for SQLite is."""
    arguments = {"check_same_thread": False}
    url = f"sqlite:///{tmp_path / 'pooled.db'}"
    made = create_engine(url, poolclass=QueuePool, pool_size=5, max_overflow=5, connect_args=arguments)
    fill(made)
    yield made
    made.dispose()


@pytest.fixture
def out() -> Iterator[list[Any]]:
    """What a fault keeps; it is closed after the test."""
    kept: list[Any] = []
    yield kept
    for each in kept:
        each.close()


def held_for(watched: Watched, count: int, age_us: int = 1_100_000) -> None:
    """Wait until the worker says that so many connections are out for so long."""
    watched.box.sample(lambda sample: sum(each.age_us >= age_us for each in sample.held) >= count)


def test_a_connection_that_is_kept_is_found_with_the_line_that_took_it(
    watched: Watched, pooled: Engine, out: list[Any]
) -> None:
    @watched.app.get("/stock")
    def stock() -> str:
        connection = pooled.connect()  # at: connect
        out.append(connection)
        return str(connection.execute(text("SELECT 1")).scalar())

    watched.visit("/stock", 1)
    held_for(watched, 1)  # from the first leak on lines are looked for
    watched.visit("/stock", 3)
    held_for(watched, 4)
    found = watched.finding(N, SOON)

    assert found.title == "GET /stock does not give back its connection: 4 connections still out after the request"
    assert (found.fix.file, found.fix.line) == (__file__, line_of("connect"))
    assert found.evidence[0].startswith(f"Taken at rules/test_held.py:{line_of('connect')} ")
    assert "with engine.connect() as connection" in found.fix.code
    assert found.severity is Severity.WARNING


def test_a_session_that_is_never_removed_is_told_apart(watched: Watched, pooled: Engine, out: list[Any]) -> None:
    @watched.app.get("/orders")
    def orders() -> str:
        session = scoped_session(sessionmaker(pooled))
        out.append(session)
        return str(len(session.execute(select(Order)).all()))

    watched.visit("/orders", 1)
    held_for(watched, 1)
    watched.visit("/orders", 2)
    held_for(watched, 3)
    found = watched.finding(N, SOON)

    assert found.title == "GET /orders does not close its session: 3 connections still out after the request"
    assert "Session.remove()" in found.fix.code


def test_a_whole_pool_that_is_gone_is_critical(watched: Watched, pooled: Engine, out: list[Any]) -> None:
    @watched.app.get("/stock")
    def stock() -> str:
        out.append(pooled.connect())
        return "stock"

    watched.visit("/stock", 6)
    held_for(watched, 6)

    assert watched.finding(N, SOON).severity is Severity.CRITICAL


def test_connections_that_are_given_back_are_no_finding(watched: Watched, pooled: Engine) -> None:
    session = scoped_session(sessionmaker(pooled))

    @watched.app.teardown_appcontext
    def remove(_error: BaseException | None) -> None:
        session.remove()

    @watched.app.get("/orders")
    def orders() -> str:
        with pooled.connect() as connection:
            connection.execute(text("SELECT 1"))
        return str(len(session.execute(select(Order)).all()))

    watched.visit("/orders", 4)
    watched.box.sample(lambda sample: sample.requests >= 4)

    assert watched.findings(N, SOON) == []


def test_a_moment_after_the_request_nothing_is_said(watched: Watched, pooled: Engine, out: list[Any]) -> None:
    """The defaults wait for some seconds: work that goes on for a while after the answer is no leak."""

    @watched.app.get("/stock")
    def stock() -> str:
        out.append(pooled.connect())
        return "stock"

    watched.visit("/stock", 3)
    held_for(watched, 3)

    assert watched.findings(N) == []


def test_a_single_connection_that_a_thread_may_use_is_no_finding(
    watched: Watched, pooled: Engine, out: list[Any]
) -> None:
    @watched.app.get("/start")
    def start() -> str:
        if not out:
            out.append(pooled.connect())
        return "started"

    watched.visit("/start", 3)
    held_for(watched, 1)

    assert watched.findings(N, SOON) == []
    assert len(watched.findings(N, SOON, f"{N}.alone=1")) == 1


def test_connections_taken_outside_requests_are_no_finding(watched: Watched, pooled: Engine, out: list[Any]) -> None:
    out.extend(pooled.connect() for _ in range(3))

    @watched.app.get("/")
    def front() -> str:
        return "front"

    watched.visit("/", 3)
    until(lambda: watched.box.sample().requests >= 3)

    assert watched.findings(N, SOON, f"{N}.alone=0") == []
