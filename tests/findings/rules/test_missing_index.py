from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Integer, String, create_engine, func, select, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session, declarative_base

from flasktop.findings.rules import missing_index
from tests.findings.watched import Watched

N = missing_index.NAME
ANY_TIME = f"{N}.ms=0"
"""Every statement counts as slow: what a test asks is what is said of it."""
Base: Any = declarative_base()


class _Review(Base):  # type: ignore[misc]
    __tablename__ = "review"
    id = Column(Integer, primary_key=True)
    product_id = Column(Integer, nullable=False)
    rating = Column(Integer, nullable=False)
    title = Column(String(80), nullable=False)


Review: Any = _Review


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Engine]:
    """A SQLite file with reviews, without an index."""
    made = create_engine(f"sqlite:///{tmp_path / 'shop.db'}", connect_args={"check_same_thread": False})
    Base.metadata.create_all(made)
    with made.begin() as connection:
        rows = [{"product_id": n % 300, "rating": n % 5, "title": f"Title {n}"} for n in range(3000)]
        connection.execute(Review.__table__.insert(), rows)
    yield made
    made.dispose()


def core(watched: Watched, engine: Engine, statement: Any) -> None:
    """A view that runs a statement, visited."""

    @watched.app.get("/reviews")
    def reviews() -> str:
        with engine.connect() as connection:
            return str(len(connection.execute(statement).all()))

    watched.visit("/reviews")


def test_an_orm_statement_that_lacks_an_index_is_named_with_the_index_that_was_tried(
    watched: Watched, shop: Engine
) -> None:
    @watched.app.get("/product")
    def product() -> str:
        with Session(shop) as session:
            return str(len(session.execute(select(Review).where(Review.product_id == 7)).all()))

    watched.visit("/product")
    found = watched.finding(N, ANY_TIME)

    assert "reads all of review: an index on product_id is missing" in found.title
    assert "CREATE INDEX ix_review_product_id ON review (product_id)" in found.fix.text
    assert found.fix.code == "product_id = mapped_column(..., index=True)"
    assert found.fix.file == __file__
    assert any("copy of the schema" in line and "product_id=?" in line for line in found.evidence)
    assert "SCAN review" in found.blocks[1].text and "SEARCH review" in found.blocks[2].text
    assert found.endpoint is not None and found.endpoint.route == "/product"
    assert found.saves_ms is not None and found.saves_ms > 0


def test_a_core_statement_whose_column_is_hidden_gets_an_index_of_the_expression(
    watched: Watched, shop: Engine
) -> None:
    core(watched, shop, select(Review.rating).where(func.lower(Review.title).like("title 12%")).order_by(Review.rating))
    found = watched.finding(N, ANY_TIME)

    assert "ON review (lower(title) COLLATE NOCASE)" in found.fix.text
    assert "column of its own" in found.fix.text
    assert any("a function of the column" in line for line in found.evidence)


def test_the_proposed_index_silences_the_rule(watched: Watched, shop: Engine) -> None:
    statement = select(Review.rating).where(func.lower(Review.title).like("title 12%"))
    core(watched, shop, statement)
    index = watched.finding(N, ANY_TIME).blocks[0].text
    with shop.begin() as connection:
        connection.execute(text(index))

    assert watched.findings(N, ANY_TIME) == []


@pytest.mark.parametrize(
    "statement",
    [
        select(Review.title).where(Review.id == 5),
        select(Review.title),
        select(Review.title).order_by(Review.rating),
        select(Review.rating).where(func.lower(Review.title).like("%12%")),
        select(Review.rating).where(Review.title.contains("12")),
        select(func.count(Review.rating)).where(Review.product_id > 1),
        select(Review.title).where(Review.rating != 3),
        select(Review.title).where(Review.rating + 1 == 3),
    ],
)
def test_what_an_index_would_not_help_is_no_finding(watched: Watched, shop: Engine, statement: Any) -> None:
    core(watched, shop, statement)

    assert watched.findings(N, ANY_TIME) == []


def test_a_statement_that_an_index_serves_is_no_finding(watched: Watched, shop: Engine) -> None:
    with shop.begin() as connection:
        connection.execute(text("CREATE INDEX there ON review (product_id)"))
    core(watched, shop, select(Review.title).where(Review.product_id == 7))

    assert watched.findings(N, ANY_TIME) == []


def test_a_quick_statement_is_not_asked_about(watched: Watched, shop: Engine) -> None:
    core(watched, shop, select(Review.title).where(Review.product_id == 7))

    assert watched.findings(N, f"{N}.ms=1000") == []
