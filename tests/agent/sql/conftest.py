"""Recording into a list, a small shop, and the databases it runs on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, Integer, String, create_engine, func, inspect, select
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session, declarative_base, relationship

from flasktop.agent.guard import guard
from flasktop.agent.sql import hooks, install
from flasktop.agent.trace import AppInfo, RequestTrace, SpanRecord, current_trace, sink
from tests.databases import database_url

Base: Any = declarative_base()
PREFIX = f"flasktop_{os.getpid()}_"


def shop() -> tuple[Any, Any]:
    """The mapped classes, untyped: SQLAlchemy 1.4 and 2.1 disagree about annotations."""

    class Order(Base):  # type: ignore[misc]
        __tablename__ = f"{PREFIX}orders"
        id = Column(Integer, primary_key=True)
        name = Column(String(50))
        items = relationship("Item", back_populates="order", order_by="Item.id")

    class Item(Base):  # type: ignore[misc]
        __tablename__ = f"{PREFIX}items"
        id = Column(Integer, primary_key=True)
        order_id = Column(ForeignKey(f"{PREFIX}orders.id"))  # type: ignore[var-annotated]
        order = relationship("Order", back_populates="items")

    return Order, Item


Order, Item = shop()


class Recorder:
    """The spans recorded since the last ``clear``, and the switch."""

    def __init__(self, trace: RequestTrace) -> None:
        self.trace = trace

    @property
    def spans(self) -> list[SpanRecord]:
        return list(self.trace.spans or ())

    def of(self, kind: str) -> list[SpanRecord]:
        return [span for span in self.spans if span.kind == kind]

    @property
    def statements(self) -> list[SpanRecord]:
        return self.of("statement")

    @property
    def last(self) -> SpanRecord:
        return self.statements[-1]

    def clear(self) -> None:
        self.trace.spans = []

    def run(self, work: Callable[[], Any]) -> list[SpanRecord]:
        """The statements of ``work`` alone."""
        self.clear()
        work()
        return self.statements


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Everything hooked, recording into a request that uses the CPU clock; no fault of ours is tolerated."""
    trace = RequestTrace(AppInfo("test"), "GET", "/", "", 1)
    trace.cpu_start_ns = 1
    trace.spans = []
    faults = guard.errors
    assert install()
    sink.active = True
    sink.outside.clear()
    token = current_trace.set(trace)
    yield Recorder(trace)
    current_trace.reset(token)
    sink.active = False
    sink.outside.clear()
    hooks.uninstall()
    assert guard.errors == faults


def their_execution(ran: list[str]) -> Callable[..., bool]:
    """A ``do_execute`` listener of the app's, which runs each statement itself and notes it."""

    def run(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
        ran.append(statement)
        context.dialect.do_execute(cursor, statement, parameters, context)
        return True

    return run


def fill(engine: Engine) -> None:
    """Make the shop: 10 orders of 3 items."""
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Order(name=f"order {n}", items=[Item(), Item(), Item()]) for n in range(10)])
        session.commit()


@pytest.fixture(scope="session", params=["sqlite", "postgresql", "mariadb"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine of each database, for the whole run: making tables is slow."""
    made = create_engine(database_url(request.param, tmp_path_factory.mktemp("database")))
    yield made
    Base.metadata.drop_all(made)
    made.dispose()


@pytest.fixture
def engine(server: Engine) -> Engine:
    """An engine of each database with the shop in it, as it was made."""
    if not _untouched(server):
        Base.metadata.drop_all(server)
        fill(server)
    return server


def _untouched(engine: Engine) -> bool:
    if not inspect(engine).has_table(Order.__tablename__):
        return False
    with engine.connect() as connection:
        found: Any = connection.execute(select(func.count(), func.max(Order.id), func.max(Order.name))).first()
    return tuple(found or ()) == (10, 10, "order 9")


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    """An engine of a SQLite file with the shop in it."""
    made = create_engine(f"sqlite:///{tmp_path / 'shop.db'}", connect_args={"check_same_thread": False})
    fill(made)
    yield made
    made.dispose()
