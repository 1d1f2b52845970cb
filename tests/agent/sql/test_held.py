"""Connections that are still out after their request ended, and the line that took them."""

from __future__ import annotations

import gc
import inspect
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from flasktop import FlaskTop
from flasktop.agent.sql import held
from flasktop.agent.sql.held import Held
from flasktop.protocol.records import HeldConnection, Sample
from flasktop.stats.views import EndpointKey, Window
from tests.agent.support import Box, serve, until

kept: list[Any] = []
"""What the views forget to give back."""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A database with a pool that lets many connections out."""
    made = create_engine(
        f"sqlite:///{tmp_path / 'shop.db'}", poolclass=QueuePool, connect_args={"check_same_thread": False}
    )
    yield made
    held.armed.clear()
    for one in kept:
        one.close()
    kept.clear()
    made.dispose()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is out a twentieth of a second after its request is held."""
    monkeypatch.setattr(held, "AFTER_NS", 50_000_000)


def shop(view: Callable[[], Any]) -> Flask:
    app = Flask("shop")
    app.add_url_rule("/orders", view_func=lambda: view() or "ok", endpoint="orders")
    FlaskTop(app)
    return app


def ask(app: Flask, times: int = 1) -> None:
    for _ in range(times):
        assert serve(app, "/orders").error == ""


def holding(box: Box, count: int = 1) -> tuple[HeldConnection, ...]:
    """What is held, as soon as so many connections are."""
    return box.sample(lambda sample: len(sample.held) == count).held


def held_lately(box: Box) -> list[Sample]:
    """The samples that tell of held connections, after a while in which there would have been some."""
    first = len(box.frames)
    until(lambda: sum(frame.sample is not None for frame in box.frames[first:]) >= 4)
    return [frame.sample for frame in box.frames[first:] if frame.sample is not None and frame.sample.held]


def keep_connection(engine: Engine) -> None:
    kept.append(engine.connect())


def keep_session(engine: Engine) -> None:
    session = Session(engine)
    session.execute(text("SELECT 1"))
    kept.append(session)


def keep_raw(engine: Engine) -> None:
    kept.append(engine.raw_connection())


KEEPERS = {"connection": keep_connection, "session": keep_session, "raw": keep_raw}


def line_of(function: Callable[..., Any], text: str) -> int:
    lines, first = inspect.getsourcelines(function)
    return first + next(number for number, line in enumerate(lines) if text in line)


@pytest.mark.parametrize("keeper", KEEPERS)
def test_a_connection_that_is_kept_is_told_with_its_engine_and_route(box: Box, engine: Engine, keeper: str) -> None:
    ask(shop(lambda: KEEPERS[keeper](engine)))

    (one,) = holding(box)

    assert one.engine.startswith("sqlite:///") and one.engine.endswith("shop.db")
    assert box.routes[one.route].route == "/orders"
    assert one.age_us >= 50_000
    assert (one.file, one.line) == ("", 0)


@pytest.mark.parametrize(
    ("keeper", "line", "by_session"),
    [("connection", "engine.connect()", False), ("session", "session.execute", True), ("raw", "raw_conn", False)],
)
def test_once_an_engine_leaks_the_line_is_known(
    box: Box, engine: Engine, keeper: str, line: str, by_session: bool
) -> None:
    """A session takes its connection at its first statement."""
    app = shop(lambda: KEEPERS[keeper](engine))
    ask(app)
    holding(box)
    ask(app)

    one = holding(box, 2)[-1]

    assert one.file == __file__
    assert one.line == line_of(KEEPERS[keeper], line)
    assert one.function.rpartition(".")[2] == KEEPERS[keeper].__name__
    assert one.by_session is by_session


def test_the_reader_shows_what_a_worker_holds(box: Box, engine: Engine) -> None:
    app = shop(lambda: keep_session(engine))
    ask(app)
    holding(box)
    ask(app)
    holding(box, 2)

    (worker,) = box.store().workers(time.perf_counter(), Window.MINUTE)

    first, second = worker.held
    assert (first.key, first.source, first.by_session) == (EndpointKey("shop", "GET", "/orders"), "", None)
    assert second.source == f"{__file__}:{line_of(keep_session, 'session.execute')}"
    assert second.by_session is True
    assert 0 < second.age_ms < first.age_ms
    assert worker.held_beyond == 0


def closes_connection(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))


def closes_session(engine: Engine) -> None:
    with Session(engine) as session:
        session.execute(text("SELECT 1"))


def drops_session(engine: Engine) -> None:
    Session(engine).execute(text("SELECT 1"))


def detaches(engine: Engine) -> None:
    connection = engine.connect()
    kept.append(connection)
    connection.detach()


def invalidates(engine: Engine) -> None:
    connection = engine.connect()
    kept.append(connection)
    connection.invalidate()


@pytest.mark.parametrize("view", [closes_connection, closes_session, drops_session, detaches, invalidates])
def test_what_was_given_back_is_not_held(box: Box, engine: Engine, view: Callable[[Engine], None]) -> None:
    """Closed, dropped, or not the pool's any more; in the app's first request and in later ones."""
    ask(shop(lambda: view(engine)), 3)
    gc.collect()  # a dropped session may be a cycle

    assert held_lately(box) == []


def test_a_connection_that_is_given_back_later_is_held_no_more(box: Box, engine: Engine) -> None:
    ask(shop(lambda: keep_connection(engine)))
    holding(box)

    kept.pop().close()

    assert holding(box, 0) == ()


def test_a_connection_that_goes_back_soon_was_not_held(
    box: Box, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "AFTER_NS", 60_000_000_000)
    ask(shop(lambda: keep_connection(engine)))

    assert held_lately(box) == []


def test_what_is_noted_keeps_no_connection_from_its_pool(box: Box, engine: Engine) -> None:
    """The app drops what it took: the pool has it back at once, as without us."""
    pool: Any = engine.pool
    out: list[int] = []

    def view() -> None:
        connection = engine.raw_connection()
        out.append(pool.checkedout())
        del connection
        out.append(pool.checkedout())

    ask(shop(view))

    assert out == [1, 0]


def test_a_response_that_is_being_sent_holds_its_connection_rightly(box: Box, engine: Engine) -> None:
    def rows() -> Iterator[str]:
        with engine.connect() as connection:
            yield str(connection.execute(text("SELECT 1")).scalar())
            until(lambda: held_lately(box) == [])
            yield "end"

    ask(shop(lambda: Response(rows())))

    assert box.trace().status == 200
    assert held_lately(box) == []


def test_one_thread_that_is_given_its_connection_again_holds_one(box: Box) -> None:
    """SQLite in memory, up to 2.x one connection a thread, taken in each request and never given back."""
    engine = create_engine("sqlite://")
    app = shop(lambda: keep_connection(engine))
    ask(app, 3)

    assert len(holding(box)) == 1
    for one in kept:
        one.close()
    kept.clear()
    engine.dispose()


def test_the_longest_held_are_told_and_the_others_counted(
    box: Box, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "TOLD", 2)

    def view() -> None:
        for _ in range(5):
            keep_connection(engine)

    ask(shop(view))

    sample = box.sample(lambda sample: sample.held)
    assert (len(sample.held), sample.held_beyond) == (2, 3)


def test_of_a_request_that_takes_connections_without_end_the_open_ones_are_followed(
    box: Box, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "TAKEN", 4)

    def view() -> None:
        for _ in range(20):
            closes_connection(engine)
        keep_connection(engine)
        for _ in range(20):
            closes_connection(engine)

    ask(shop(view))

    assert len(holding(box)) == 1


def test_an_engine_that_leaks_no_more_is_left_alone_after_a_while(box: Box, engine: Engine) -> None:
    ask(shop(lambda: keep_connection(engine)))
    holding(box)
    kept.pop().close()
    assert held.armed

    Held().tell(time.perf_counter_ns() + 2 * held.ARMED_NS)

    assert not held.armed


def test_a_connection_taken_outside_any_request_is_not_held(box: Box, engine: Engine) -> None:
    ask(shop(lambda: None))

    keep_connection(engine)

    assert held_lately(box) == []
