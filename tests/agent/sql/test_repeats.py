"""Which statements ran again with the same parameters."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from flask import Flask
from markupsafe import Markup
from sqlalchemy import bindparam, select, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from flasktop import FlaskTop
from flasktop.agent import middleware, runtime
from flasktop.agent.sql import repeats
from flasktop.agent.sql.repeats import digest_of
from flasktop.protocol.records import UNKNOWN, Trace
from tests.agent.sql.conftest import Item, Order
from tests.agent.support import Box, serve


def shop(view: Callable[[], Any]) -> Flask:
    app = Flask("shop")
    app.add_url_rule("/orders", view_func=lambda: view() or "ok", endpoint="orders")
    FlaskTop(app)
    return app


def ran(box: Box, view: Callable[[], Any]) -> list[int]:
    """The numbers of the parameter sets of what the first request of a view ran, in its order."""
    assert serve(shop(view), "/orders").error == ""
    return numbers(box, box.trace())


def numbers(box: Box, trace: Trace) -> list[int]:
    kinds = {number: one.kind for number, one in box.statements.items()}
    return [span.parameters for span in trace.spans if kinds[span.statement] == "statement"]


def test_the_same_parameters_have_the_same_number(box: Box, sqlite: Engine) -> None:
    def view() -> None:
        with sqlite.connect() as connection:
            for number in (7, 8, 7, 9, 8):
                connection.execute(select(Order.__table__.c.name).where(Order.__table__.c.id == number)).all()

    assert ran(box, view) == [0, 1, 0, 2, 1]


def test_each_statement_has_numbers_of_its_own(box: Box, sqlite: Engine) -> None:
    def view() -> None:
        with sqlite.connect() as connection:
            for number in (7, 8):
                connection.execute(text(f"SELECT name FROM {Order.__tablename__} WHERE id = :id"), {"id": number})
                connection.execute(text(f"SELECT id FROM {Order.__tablename__} WHERE id = :id"), {"id": number})
            connection.execute(text("SELECT 1"))
            connection.execute(text("SELECT 1"))

    assert ran(box, view) == [0, 0, 1, 1, 0, 0]


def test_an_n_plus_one_has_one_set_for_each_object(box: Box, sqlite: Engine) -> None:
    """Lazy loads of different orders, and no two alike."""

    def view() -> None:
        with Session(sqlite) as session:
            for order in session.execute(select(Order)).scalars():
                assert len(order.items) == 3

    assert ran(box, view) == [0, *range(10)]


def test_a_repeated_orm_query_is_told(box: Box, sqlite: Engine) -> None:
    def view() -> None:
        for _ in range(3):
            with Session(sqlite) as session:
                session.execute(select(Item).where(Item.order_id == 1)).scalars().all()

    assert ran(box, view) == [0, 0, 0]


def test_a_batch_has_no_number(box: Box, sqlite: Engine) -> None:
    def view() -> None:
        update = Order.__table__.update().where(Order.__table__.c.id == bindparam("which")).values(name="x")
        with sqlite.begin() as connection:
            connection.execute(update, [{"which": 1}, {"which": 2}])

    assert ran(box, view) == [UNKNOWN]


def test_only_some_requests_are_looked_at(box: Box, sqlite: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of a route, and later ones by chance."""

    def view() -> None:
        with sqlite.connect() as connection:
            connection.execute(text("SELECT 1"))

    app = shop(view)
    for module in (middleware, runtime):
        monkeypatch.setattr(module, "MASK", -1)  # none takes 0 ns
    for _ in range(2):
        serve(app, "/orders")
    for module in (middleware, runtime):
        monkeypatch.setattr(module, "MASK", 0)
    for _ in range(2):
        serve(app, "/orders")

    assert [numbers(box, trace) for trace in box.traces(4)] == [[0], [UNKNOWN], [UNKNOWN], [0]]


def test_a_route_that_mostly_needs_no_statement_is_looked_at_as_well(
    box: Box, sqlite: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a cache: a request without statements is no reason to look at none."""
    served: list[int] = []

    def view() -> None:
        served.append(1)
        if len(served) % 3 == 1:
            with sqlite.connect() as connection:
                connection.execute(text("SELECT 1"))

    app = shop(view)
    for module in (middleware, runtime):
        monkeypatch.setattr(module, "MASK", 0)
    for _ in range(6):
        serve(app, "/orders")

    assert [numbers(box, trace) for trace in box.traces(6)] == [[0], [], [], [0], [], []]


def test_sets_are_bounded(box: Box, sqlite: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "SETS", 2)

    def view() -> None:
        with sqlite.connect() as connection:
            for number in (1, 2, 3, 1):
                connection.execute(text("SELECT :number"), {"number": number})

    assert ran(box, view) == [0, 1, UNKNOWN, 0]


def test_the_reader_shows_the_numbers(box: Box, sqlite: Engine) -> None:
    def view() -> None:
        with sqlite.connect() as connection:
            for number in (1, 2, 1):
                connection.execute(text("SELECT :number"), {"number": number})

    ran(box, view)
    (shown,) = box.store().log()

    assert [span.parameters for span in shown.spans if span.statement.kind == "statement"] == [0, 1, 0]
    assert {span.parameters for span in shown.spans if span.statement.kind != "statement"} <= {None}


class Colour(str, enum.Enum):
    RED = "red"


class Fooled:
    """An object of the app's that would notice being looked at."""

    def __hash__(self) -> NoReturn:
        raise AssertionError

    __repr__ = __str__ = __eq__ = __hash__  # type: ignore[assignment]


class FooledText(str):
    def __str__(self) -> NoReturn:
        raise AssertionError

    __repr__ = __hash__ = __len__ = __str__


class FooledZone(datetime.tzinfo):
    def utcoffset(self, dt: datetime.datetime | None) -> NoReturn:
        raise AssertionError

    def __repr__(self) -> NoReturn:
        raise AssertionError

    dst = tzname = utcoffset


NOON = datetime.datetime(2026, 1, 1, 12)


@pytest.mark.parametrize(
    "parameters",
    [
        None,
        (),
        (1, "a", b"a", 1.5, None, True),
        [1],
        {"a": 1, "b": Markup("<b>")},
        (NOON, NOON.date(), NOON.time(), datetime.timedelta(1)),
        (NOON.replace(tzinfo=datetime.timezone.utc), NOON.replace(tzinfo=zoneinfo.ZoneInfo("UTC"))),
        (decimal.Decimal("1.10"), uuid.UUID(int=7)),
        (Colour.RED,),
        (FooledText("a"),),
    ],
    ids=lambda parameters: type(parameters).__name__,
)
def test_plain_values_are_told_apart_without_the_apps_code(parameters: Any) -> None:
    assert isinstance(digest_of(parameters), int)
    assert digest_of(parameters) == digest_of(parameters)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((-1,), (-2,)),
        ((1,), (True,)),
        ((0,), (2**61 - 1,)),
        (("1",), (1,)),
        (("a", "b"), ("a, b",)),
        ({"a": 1, "b": 2}, {"b": 1, "a": 2}),
        ((b"a",), ("a",)),
        ((decimal.Decimal("1.0"),), (decimal.Decimal("1.00"),)),
    ],
    ids=str,
)
def test_sets_that_python_takes_for_alike_are_not(one: Any, other: Any) -> None:
    assert digest_of(one) != digest_of(other)


@pytest.mark.parametrize(
    "parameters",
    [
        (Fooled(),),
        (NOON.replace(tzinfo=FooledZone()),),
        ([1, 2],),
        ("x" * 5_000,),
        (FooledText("x" * 5_000),),
        (b"x" * 5_000,),
        (1 << 10_000,),
        tuple(range(200)),
        Fooled(),
        7,
    ],
    ids=lambda parameters: type(parameters).__name__,
)
def test_of_objects_and_large_values_nothing_is_told(parameters: Any) -> None:
    assert digest_of(parameters) is None
