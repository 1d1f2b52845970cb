"""What is held of statements that ran: values only, bounded in bytes, the newest."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import pytest
from sqlalchemy import create_engine
from werkzeug.local import LocalProxy

from flasktop.agent.engine import Engine
from flasktop.agent.sql import engines, executed
from flasktop.agent.sql.executed import HELD_BYTES, SET_BYTES, SET_VALUES, TEXT_BYTES, TEXT_ONE, ExecutedTable, plain
from flasktop.agent.trace import sink


@pytest.fixture
def engine() -> Iterator[Engine]:
    sql = create_engine("sqlite:///held.db")
    sink.seen_cap = executed.SEEN
    made = engines.of(sql)
    yield made
    sink.seen_cap = 0
    sql.dispose()


class Colour(str, enum.Enum):
    RED = "red"


VALUES: list[Any] = [
    (1, 2.5, None, True, "x", b"y"),
    {"a": 1, "b": "two"},
    (datetime.datetime(2026, 1, 1), datetime.date(2026, 1, 1), datetime.timedelta(1), decimal.Decimal("1.5")),
    (uuid.UUID(int=5), [1, 2, 3], (4, 5)),
]


@pytest.mark.parametrize("parameters", VALUES)
def test_values_are_kept_as_they_are(parameters: Any) -> None:
    kept, size, unkept = plain(parameters)

    assert (kept, unkept) == (parameters, "") and size > 0


def test_a_mutable_set_is_copied() -> None:
    given = {"a": 1}
    kept, _, _ = plain(given)
    given["a"] = 2

    assert kept == {"a": 1}


def test_what_a_driver_sees_of_a_text_is_kept() -> None:
    kept, _, _ = plain((Colour.RED, memoryview(b"abc"), bytearray(b"d")))

    assert kept == ("red", b"abc", b"d") and type(kept[0]) is str


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ((object(),), "object"),
        (("x" * SET_BYTES,), "too large"),
        ((b"x" * SET_BYTES,), "too large"),
        (tuple(range(SET_VALUES + 1)), "more than are kept"),
        (("x" * 40,) * (SET_VALUES - 1), "too large"),
        (([[[1]]],), "list"),
    ],
)
def test_what_is_large_or_an_object_is_not_kept(parameters: Any, why: str) -> None:
    kept, _, unkept = plain(parameters)

    assert kept is None and why in unkept


def test_a_proxy_is_not_asked_what_it_stands_for() -> None:
    kept, _, unkept = plain((LocalProxy(ContextVar("nothing")),))

    assert kept is None and "LocalProxy" in unkept


def test_endless_texts_are_bounded(engine: Engine) -> None:
    table = ExecutedTable()
    for number in range(3000):
        text = f"SELECT {number} WHERE a = ?"
        engine.seen[text] = (text, ("x" * 5000,))
        table.name(number, engine, text + " " * 5000)
        if number % 100 == 0:
            table.take()

    assert table.held_bytes <= HELD_BYTES + TEXT_BYTES
    assert table.find(0) is None and table.find(2999) is not None


def test_a_text_too_long_is_not_named(engine: Engine) -> None:
    table = ExecutedTable()
    table.name(1, engine, "x" * (TEXT_ONE + 1))

    assert table.find(1) is None and table.held_bytes == 0


def test_the_newest_text_of_a_statement_counts(engine: Engine) -> None:
    table = ExecutedTable()
    for text in ("SELECT 1", "SELECT 2"):
        table.name(5, engine, text)
    found = table.find(5)

    assert found is not None and found[1].statement == "SELECT 2" and found[0] is engine


def test_what_is_left_where_nobody_may_ask_is_dropped(engine: Engine) -> None:
    table = ExecutedTable()
    engine.seen["SELECT ?"] = ("SELECT ?", (1,))
    sink.seen_cap = 0
    table.take()

    assert not engine.seen and table.held_bytes == 0
