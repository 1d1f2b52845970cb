"""What engines are called: no user, no password, no options."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import make_url

from flasktop.agent.sql import engines


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql+psycopg://me:secret@db.example/shop?sslmode=require", "postgresql://db.example/shop"),
        ("postgresql+psycopg://me:secret@db.example:5433/shop", "postgresql://db.example:5433/shop"),
        ("postgresql:///shop", "postgresql:///shop"),
        ("postgresql://", "postgresql://"),
        ("mysql+pymysql://root:p%40ss@10.0.0.1/test?charset=utf8mb4", "mysql://10.0.0.1/test"),
        ("sqlite://", "sqlite:///:memory:"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("sqlite:////srv/shop.db", "sqlite:////srv/shop.db"),
        ("sqlite:///file:shop.db?mode=ro&uri=true", "sqlite:///file:shop.db"),
    ],
)
def test_names(url: str, name: str) -> None:
    parsed = make_url(url)

    assert name == engines.name_of(parsed, parsed.get_backend_name())


def test_equal_databases_are_one_engine() -> None:
    one, two = (make_url(f"postgresql://{user}@host/db") for user in ("a", "b"))

    assert engines.named(one, "postgresql") is engines.named(two, "postgresql")


def test_databases_without_end_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_engines", {})
    for number in range(engines.MAX_ENGINES + 100):
        engines.named(make_url(f"postgresql://host/tenant{number}"), "postgresql")

    assert len(engines._engines) <= engines.MAX_ENGINES + 1
    assert engines.named(make_url("postgresql://host/one_more"), "postgresql").name == "postgresql://…"
