from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session, joinedload, selectinload

from flasktop.findings.rules import repeated
from tests.agent.sql.conftest import Item, Order
from tests.findings.watched import Watched

N = repeated.NAME


def line_of(mark: str) -> int:
    """The number of the line of this file that ends in ``# at: mark``."""
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(f"# at: {mark}"))


def orders_view(watched: Watched, engine: Engine, *options: Any) -> None:
    @watched.app.get("/orders")
    def orders() -> str:
        with Session(engine) as session:
            found = session.scalars(select(Order).options(*options)).unique().all()  # at: orders
            return str(sum(len(order.items) for order in found))  # at: items


def test_a_lazy_load_in_a_loop_is_named_by_its_relationship_with_the_option_and_the_line(
    watched: Watched, sqlite: Engine
) -> None:
    """The fix stands where the orders are fetched, not where the items are touched."""
    orders_view(watched, sqlite)
    watched.visit("/orders")

    found = watched.finding(N)

    assert "GET /orders loads Order.items one by one: 10 statements" in found.title
    assert found.fix.code == "select(Order).options(selectinload(Order.items))"
    assert (found.fix.file, found.fix.line) == (__file__, line_of("orders"))
    assert f"{Path(__file__).name}:{line_of('items')}" in found.evidence[0]
    assert "each of the 10 rows" in found.evidence[1]
    assert found.saves_ms is not None and found.saves_ms > 0


@pytest.mark.parametrize("option", [selectinload, joinedload], ids=lambda option: str(option.__name__))
def test_eager_loading_is_no_finding(watched: Watched, sqlite: Engine, option: Any) -> None:
    orders_view(watched, sqlite, option(Order.items))
    watched.visit("/orders")

    assert watched.findings(N) == []


def test_a_loop_of_core_look_ups_is_found_without_a_relationship(watched: Watched, sqlite: Engine) -> None:
    @watched.app.get("/names")
    def names() -> str:
        with sqlite.connect() as connection:
            rows = connection.execute(text(f"SELECT id FROM {Order.__tablename__}")).all()
            for row in rows:
                connection.execute(text(f"SELECT name FROM {Order.__tablename__} WHERE id = :id"), {"id": row[0]}).all()
        return "names"

    watched.visit("/names")
    found = watched.finding(N)

    assert "runs the same statement 10 times in a request" in found.title
    assert "IN list" in found.fix.text


def test_the_same_question_again_and_again_is_told_apart_from_different_ones(watched: Watched, sqlite: Engine) -> None:
    """Its fix is to remember the answer, not to ask for many at once."""

    @watched.app.get("/currency")
    def currency() -> str:
        with sqlite.connect() as connection:
            for _ in range(12):
                connection.execute(text(f"SELECT name FROM {Order.__tablename__} WHERE id = :id"), {"id": 1}).all()
        return "EUR"

    watched.visit("/currency")
    found = watched.finding(N)

    assert "asks the database 12 times for the same thing" in found.title
    told = re.search(r"(\d+) of (\d+) sampled runs had the same parameters", " ".join(found.evidence))
    assert told is not None
    again, runs = map(int, told.groups())
    assert (again / 11, runs % 12) == (runs / 12, 0)  # of one request or more: chance adds to the first
    assert "Ask once" in found.fix.text


def test_keys_in_lists_are_no_loop_of_single_keys(watched: Watched, sqlite: Engine) -> None:
    """What is loaded a batch of keys at a time, as selectin does it, is as it should be."""

    @watched.app.get("/batches")
    def batches() -> str:
        with Session(sqlite) as session:
            for first in range(12):
                session.scalars(select(Order).where(Order.id.in_([first, first + 1]))).all()
        return "batches"

    watched.visit("/batches")

    assert watched.findings(N) == []


def test_a_loop_of_single_writes_is_found(watched: Watched, sqlite: Engine) -> None:
    @watched.app.get("/write")
    def write() -> str:
        with sqlite.begin() as connection:
            for number in range(12):
                connection.execute(insert(Item).values(order_id=number))
        return "written"

    watched.visit("/write")

    assert "Write all rows with one call" in watched.finding(N).fix.text


def test_one_call_that_writes_many_rows_is_no_finding(watched: Watched, sqlite: Engine) -> None:
    @watched.app.get("/write")
    def write() -> str:
        with sqlite.begin() as connection:
            connection.execute(insert(Item), [{"order_id": number} for number in range(12)])
        return "written"

    watched.visit("/write")

    assert watched.findings(N) == []


def test_a_loop_of_different_statements_is_no_finding(watched: Watched, sqlite: Engine) -> None:
    @watched.app.get("/mixed")
    def mixed() -> str:
        with sqlite.connect() as connection:
            for number in range(12):
                connection.execute(text(f"SELECT id AS a{number}x FROM {Order.__tablename__}")).all()
        return "mixed"

    watched.visit("/mixed")

    assert watched.findings(N) == []


def test_rows_of_a_server_side_cursor_are_no_finding(watched: Watched, sqlite: Engine) -> None:
    @watched.app.get("/stream")
    def stream() -> str:
        with Session(sqlite) as session:
            found = session.scalars(select(Item).execution_options(yield_per=2))
            return str(sum(1 for _ in found))

    watched.visit("/stream")

    assert watched.findings(N) == []


def test_the_number_of_repeats_can_be_set(watched: Watched, sqlite: Engine) -> None:
    orders_view(watched, sqlite)
    watched.visit("/orders")

    assert watched.findings(N, f"{N}.repeats=11") == []
    assert len(watched.findings(N, f"{N}.repeats=10")) == 1


def test_a_request_that_repeats_once_in_a_while_is_no_finding(watched: Watched, sqlite: Engine) -> None:
    """What one in twenty requests does is not what the endpoint does."""

    @watched.app.get("/orders/<int:lazy>")
    def orders(lazy: int) -> str:
        with Session(sqlite) as session:
            found = session.scalars(select(Order)).all()
            return str(sum(len(order.items) for order in found) if lazy else 0)

    watched.visit("/orders/0", 40)
    watched.visit("/orders/1", 2)

    assert watched.findings(N) == []
