"""The relationship behind a lazy load, and none behind anything else."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session, joinedload, selectinload

from flasktop.agent.sql import relationship
from tests.agent.sql.conftest import Item, Order, Recorder


def names(recorder: Recorder) -> list[str]:
    return [relationship.name(span.relationship) for span in recorder.statements]


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

    assert len({span.key() for span in recorder.statements}) == 1


def test_eager_loads_and_plain_statements_are_not_lazy(engine: Engine, recorder: Recorder) -> None:
    with Session(engine) as session:
        session.execute(select(Order).options(selectinload(Order.items))).scalars().all()
        session.execute(select(Item).options(joinedload(Item.order))).scalars().all()
        session.execute(select(Order.id)).all()

    assert {""} == set(names(recorder))


def test_what_is_no_property_has_no_name() -> None:
    assert "" == relationship.name(None) == relationship.name(object())
