"""Async engines and Flask-SQLAlchemy need nothing of their own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text

from flasktop.agent.sql import callsite, masking, recording
from tests.agent.sql.conftest import Item, Order, Recorder, fill

pytest.importorskip("aiosqlite")
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine


def lines(recorder: Recorder) -> set[tuple[str, str]]:
    found = set()
    for span in recorder.statements:
        assert span.identity.code is not None
        file, _, function = callsite.locate(span.identity.code, span.identity.instruction)
        found.add((file, function.rpartition(".")[2]))
    return found


def test_an_async_engines_statements_have_rows_and_the_coroutines_line(sqlite: Engine, recorder: Recorder) -> None:
    async def helper(session: AsyncSession) -> Any:
        return (await session.execute(select(Order))).scalars().all()

    async def main() -> int:
        engine = create_async_engine(f"sqlite+aiosqlite:///{sqlite.url.database}")
        async with AsyncSession(engine) as session:
            count = len(await helper(session))
        async with engine.connect() as connection:
            await connection.execute(text("select 1"))
            await connection.commit() if hasattr(connection, "commit") else None
        await engine.dispose()
        return count

    recorder.clear()
    count = asyncio.run(main())

    assert 10 == count == recorder.statements[0].rows
    assert {(__file__, "helper"), (__file__, "main")} == lines(recorder)
    assert recorder.of("connect")


def test_async_streams_are_counted_and_equal(sqlite: Engine, recorder: Recorder) -> None:
    async def main() -> list[Any]:
        engine = create_async_engine(f"sqlite+aiosqlite:///{sqlite.url.database}")
        async with engine.connect() as connection:
            result = await connection.stream(select(Item.id).order_by(Item.id))
            got = [row[0] async for row in result]
        await engine.dispose()
        return got

    assert list(range(1, 31)) == asyncio.run(main())
    assert recorder.last.rows == 30


def test_async_tasks_do_not_mix(sqlite: Engine, recorder: Recorder) -> None:
    async def one(engine: Any, number: int) -> int:
        async with engine.connect() as connection:
            return len((await connection.execute(select(Order.id).where(Order.id <= number))).all())

    async def main() -> list[int]:
        engine = create_async_engine(f"sqlite+aiosqlite:///{sqlite.url.database}")
        counts = await asyncio.gather(*(one(engine, n) for n in range(1, 6)))
        await engine.dispose()
        return list(counts)

    assert asyncio.run(main()) == [1, 2, 3, 4, 5]
    assert sorted(span.rows for span in recorder.statements) == [1, 2, 3, 4, 5]
    assert not recording.connecting


def test_flask_sqlalchemy_is_seen(tmp_path: Path, recorder: Recorder) -> None:
    extension = pytest.importorskip("flask_sqlalchemy")
    app = Flask("shop")
    app.config.update(
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path / 'flask.db'}", SQLALCHEMY_TRACK_MODIFICATIONS=False
    )
    db = extension.SQLAlchemy(app)

    @app.get("/")
    def index() -> dict[str, int]:
        return {"orders": len(db.session.execute(select(Order.id).where(Order.id.in_([1, 2, 3]))).all())}

    with app.app_context():
        engine = getattr(db, "engine", None)
        assert engine is not None
        fill(engine)
        db.session.remove()
    recorder.clear()
    answer = app.test_client().get("/").get_json()
    with app.app_context():
        db.engine.dispose()
    (span,) = recorder.statements

    assert answer == {"orders": 3}
    assert span.rows == 3
    assert "IN (…)" in masking.mask(span.text)
    assert lines(recorder).pop()[1].rpartition(".")[2] == "index"
