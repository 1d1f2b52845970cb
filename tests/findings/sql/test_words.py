from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from flasktop.findings.sql.model import Candidate, Hidden, Term, Use
from flasktop.findings.sql.shape import shape
from flasktop.findings.sql.words import by_key, create_index, declared, in_pages, instead, quoted

PLAIN = Candidate("review", ("product_id",))
TWO = Candidate("order", ("customer_id", "placed at"), "shop")
LOWER = Candidate("review", ("title",), function="lower")
PREFIX = Candidate("review", ("title",), function="lower", prefix=True)


@pytest.mark.parametrize(
    ("candidate", "dialect", "said"),
    [
        (PLAIN, "sqlite", "CREATE INDEX ix_review_product_id ON review (product_id)"),
        (TWO, "postgresql", 'CREATE INDEX "ix_order_customer_id_placed at" ON shop."order" (customer_id, "placed at")'),
        (TWO, "mysql", "CREATE INDEX `ix_order_customer_id_placed at` ON shop.`order` (customer_id, `placed at`)"),
        (LOWER, "sqlite", "CREATE INDEX ix_review_lower_title ON review (lower(title))"),
        (PREFIX, "sqlite", "CREATE INDEX ix_review_lower_title ON review (lower(title) COLLATE NOCASE)"),
        (PREFIX, "postgresql", "CREATE INDEX ix_review_lower_title ON review (lower(title) text_pattern_ops)"),
    ],
)
def test_the_index_as_the_database_writes_it(candidate: Candidate, dialect: str, said: str) -> None:
    assert create_index(candidate, dialect) == said


def test_the_index_as_a_model_declares_it() -> None:
    assert declared(PLAIN, "sqlite") == "product_id = mapped_column(..., index=True)"
    assert declared(Candidate("review", ("a", "b")), "sqlite") == '__table_args__ = (Index("ix_review_a_b", "a", "b"),)'
    assert declared(LOWER, "sqlite") == '__table_args__ = (Index("ix_review_lower_title", text("lower(title)")),)'


@pytest.mark.parametrize("candidate", [PLAIN, Candidate("review", ("product_id", "order")), LOWER, PREFIX])
def test_what_is_said_is_what_a_database_takes_and_what_sqlalchemy_makes_of_the_model(candidate: Candidate) -> None:
    from sqlalchemy import Column, Index, Integer, MetaData, String, Table, create_engine, text

    declaration = declared(candidate, "sqlite")
    columns: list[Any] = [
        Column("id", Integer, primary_key=True),
        Column("title", String(80)),
        Column("order", Integer),
    ]
    product: Any = Column("product_id", Integer, index="index=True" in declaration)
    if declaration.startswith("__table_args__"):
        index = eval(declaration.partition("= ")[2], {"Index": Index, "text": text})
        table = Table("review", MetaData(), *columns, product, *index)
    else:
        table = Table("review", MetaData(), *columns, product)
    engine = create_engine("sqlite://")
    table.create(engine)
    with engine.connect() as connection:
        made = connection.execute(text("SELECT sql FROM sqlite_master WHERE type = 'index'")).scalar()
    engine.dispose()

    plain = sqlite3.connect(":memory:")
    plain.execute('CREATE TABLE review (id INTEGER PRIMARY KEY, title, product_id, "order")')
    plain.execute(create_index(candidate, "sqlite"))
    plain.close()
    assert made == create_index(candidate, "sqlite")


def test_names_are_quoted_where_they_must_be() -> None:
    assert quoted('a"b', "sqlite") == '"a""b"'
    assert quoted("a`b", "mysql") == "`a``b`"
    assert quoted("user", "postgresql") == '"user"'


def test_what_to_write_instead() -> None:
    pattern = Term("review", "title", Use.LIKE, Hidden.FUNCTION, "lower")
    assert instead(pattern, "sqlite").startswith("Store the lower-cased value in an indexed column of its own")
    assert "range" in instead(pattern, "sqlite")
    assert "range" in instead(Term("t", "at", Use.EQUAL, Hidden.FUNCTION, "date"), "sqlite")
    assert "other side" in instead(Term("t", "a", Use.RANGE, Hidden.ARITHMETIC), "sqlite")
    assert "'abc%'" in instead(Term("t", "a", Use.LIKE, Hidden.PATTERN), "sqlite")


def test_pages_keep_the_order_that_is_there() -> None:
    plain, ordered, several = (
        shape(text, "sqlite")
        for text in (
            "SELECT a FROM t",
            "SELECT a FROM t ORDER BY t.placed_at DESC",
            "SELECT a FROM t ORDER BY t.a, t.b",
        )
    )
    assert plain and ordered and several
    assert in_pages(plain.outermost) == "query.order_by(Model.id).limit(50).offset(50 * page)"
    assert by_key(plain.outermost) == "query.where(Model.id > last_id).order_by(Model.id).limit(50)"
    assert in_pages(ordered.outermost) == "query.limit(50).offset(50 * page)"
    assert by_key(ordered.outermost) == (
        "query.where(tuple_(Model.placed_at, Model.id) < (last_placed_at, last_id)).order_by(Model.id.desc()).limit(50)"
    )
    assert by_key(several.outermost) == ""
