from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session, joinedload, selectinload

from flasktop.findings.rules import unbounded
from tests.agent.sql.conftest import Item, Order
from tests.findings.watched import Watched

N = unbounded.NAME
TEN = f"{N}.rows=10"
"""The shop has 10 orders of 3 items."""


def orm(watched: Watched, engine: Engine, statement: Any) -> None:
    @watched.app.get("/all")
    def everything() -> str:
        with Session(engine) as session:
            return str(len(session.scalars(statement).unique().all()))

    watched.visit("/all")


def core(watched: Watched, engine: Engine, statement: Any) -> None:
    @watched.app.get("/all")
    def everything() -> str:
        with engine.connect() as connection:
            return str(len(connection.execute(statement).all()))

    watched.visit("/all")


def test_all_rows_as_objects_are_found_with_the_form_that_pages(watched: Watched, sqlite: Engine) -> None:
    orm(watched, sqlite, select(Order).order_by(Order.name.desc()))
    found = watched.finding(N, TEN)

    assert found.title == "GET /all fetches 10 rows with one statement that has no LIMIT"
    assert found.fix.code == "query.limit(50).offset(50 * page)"
    assert "query.where(tuple_(Model.name, Model.id) < (last_name, last_id))" in found.fix.text
    assert found.fix.file == __file__


def test_all_rows_of_core_are_found(watched: Watched, sqlite: Engine) -> None:
    core(watched, sqlite, text(f"SELECT id FROM {Item.__tablename__}"))

    assert watched.finding(N, TEN).fix.code == "query.order_by(Model.id).limit(50).offset(50 * page)"


@pytest.mark.parametrize(
    "statement",
    [
        select(Order).limit(10),
        select(Order).where(Order.id.in_(list(range(1, 11)))),
        select(func.count()).select_from(Item),
        select(Order).limit(10).options(selectinload(Order.items)),
        select(Order).limit(10).options(joinedload(Order.items)),
    ],
)
def test_what_is_bounded_is_no_finding(watched: Watched, sqlite: Engine, statement: Any) -> None:
    orm(watched, sqlite, statement)

    assert watched.findings(N, TEN) == []


def test_few_rows_are_no_finding(watched: Watched, sqlite: Engine) -> None:
    orm(watched, sqlite, select(Order))

    assert watched.findings(N) == []
    assert watched.findings(N, f"{N}.rows=11") == []


def test_rows_that_leave_as_they_come_are_no_finding(watched: Watched, sqlite: Engine) -> None:
    @watched.app.get("/export")
    def export() -> Any:
        def lines() -> Iterator[str]:
            with sqlite.connect() as connection:
                for row in connection.execution_options(yield_per=2).execute(select(Item.id).order_by(Item.id)):
                    time.sleep(0.001)  # what an export does with a row
                    yield f"{row[0]}\n"

        return watched.app.response_class(lines())

    watched.visit("/export")

    assert watched.findings(N, TEN) == []
