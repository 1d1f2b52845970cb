from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event
from sqlalchemy.engine import Engine

from flasktop.demo.shop import create_app, seed
from flasktop.demo.shop.views import inventory


class Counting(Protocol):
    """Counts the statements of the shop within a ``with`` block; yields the list that they are added to."""

    def __call__(self) -> Any: ...


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The stocked shop."""
    database: Path = tmp_path_factory.mktemp("shop") / "shop.db"
    url = f"sqlite:///{database}"
    seed.stock(url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLASKTOP_ENABLED", "0")  # the shop itself is looked at here, not what flasktop says of it
        app = create_app(url)
    yield app
    while inventory._kept:
        inventory._kept.popleft().close()
    engine_of(app).dispose()


@pytest.fixture
def client(shop: Flask) -> FlaskClient:
    return shop.test_client()


@pytest.fixture
def counting(shop: Flask) -> Counting:
    @contextmanager
    def count() -> Iterator[list[str]]:
        seen: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
            seen.append(statement)

        engine = engine_of(shop)
        event.listen(engine, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            event.remove(engine, "before_cursor_execute", note)

    return count


def engine_of(app: Flask) -> Engine:
    engine: Engine = app.extensions["shop_engine"]
    return engine
