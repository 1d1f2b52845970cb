"""The relationship behind a lazy load, and none behind anything else."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session, joinedload, selectinload, subqueryload

from flasktop.agent.sql import relationship
from tests.agent.sql.conftest import Item, Order, Recorder


def names(recorder: Recorder) -> list[str]:
    return [relationship.name(span.identity.relationship) for span in recorder.statements]


def test_a_lazy_collection_is_named(engine: Engine, recorder: Recorder) -> None:
    with Session(engine) as session:
        orders = session.execute(select(Order).order_by(Order.id).limit(3)).scalars().all()
        recorder.clear()
        for order in orders:
            len(order.items)

    assert names(recorder) == ["Order.items"] * 3


def test_a_lazy_reference_is_named(engine: Engine, recorder: Recorder) -> None:
    with Session(engine) as session:
        items = session.execute(select(Item).order_by(Item.id)).scalars().all()
        recorder.clear()
        assert items[0].order.name == "order 0"

    assert names(recorder) == ["Item.order"]


def test_all_loads_of_one_relationship_are_one_row(engine: Engine, recorder: Recorder) -> None:
    with Session(engine) as session:
        orders = session.execute(select(Order)).scalars().all()
        recorder.clear()
        for order in orders:
            len(order.items)

    assert len({span.identity.key() for span in recorder.statements}) == 1


@pytest.mark.parametrize(("eagerly", "statements"), [(selectinload, 2), (subqueryload, 2), (joinedload, 1)])
def test_a_batched_load_is_not_lazy_and_not_repeated(
    engine: Engine, recorder: Recorder, eagerly: Any, statements: int
) -> None:
    """One statement more at most, however many orders there are, and none that names the relationship."""
    with Session(engine) as session:
        orders = session.execute(select(Order).options(eagerly(Order.items))).unique().scalars().all()
        assert [len(order.items) for order in orders] == [3] * 10

    assert names(recorder) == [""] * statements
    assert len({span.identity.key() for span in recorder.statements}) == statements


def test_a_batched_load_of_several_levels_is_not_lazy(engine: Engine, recorder: Recorder) -> None:
    with Session(engine) as session:
        chain = selectinload(Order.items).selectinload(Item.order)
        session.execute(select(Order).options(chain)).scalars().all()

    assert set(names(recorder)) == {""}


def test_a_plain_statement_is_not_lazy(engine: Engine, recorder: Recorder) -> None:
    with Session(engine) as session:
        session.execute(select(Order.id)).all()

    assert names(recorder) == [""]


@pytest.mark.parametrize("how", ["refresh", "expire", "commit"])
def test_reading_an_object_again_names_no_relationship(engine: Engine, recorder: Recorder, how: str) -> None:
    """One statement for each object, all of one row: told from lazy loads by having no relationship."""
    with Session(engine) as session:
        orders = session.execute(select(Order)).scalars().all()
        if how == "expire":
            session.expire_all()
        elif how == "commit":
            session.commit()
        recorder.clear()
        for order in orders:
            if how == "refresh":
                session.refresh(order)
            assert order.name.startswith("order")

    assert names(recorder) == [""] * 10
    assert len({span.text for span in recorder.statements}) == 1


def test_what_is_no_property_has_no_name() -> None:
    assert "" == relationship.name(None) == relationship.name(object())
