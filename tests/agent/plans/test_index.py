"""Indexes that are tried on copies and by HypoPG: over a real socket, on real databases, which stay as they were."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Integer, String, create_engine, event, func, select, text
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.orm import Session, declarative_base

from flasktop.agent.commands.job import CommandError
from flasktop.protocol.commands import GONE, IMPOSSIBLE, NOT_GRANTED, Failed
from flasktop.protocol.commands.explain import GENERIC, LAST
from flasktop.protocol.commands.index import COPY, HYPOTHETICAL, IndexTried, TryIndex
from tests.agent.plans.conftest import Worker
from tests.agent.plans.test_explain import executing
from tests.databases import database_url

Base: Any = declarative_base()
ROWS = 3000


class _Review(Base):  # type: ignore[misc]
    __tablename__ = "review"
    id = Column(Integer, primary_key=True)
    product_id = Column(Integer, nullable=False)
    rating = Column(Integer, nullable=False)
    title = Column(String(80), nullable=False)


Review: Any = _Review
"""Untyped: SQLAlchemy 1.4 and 2.1 disagree about annotations."""


def filled(engine: Engine) -> Engine:
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        rows = [{"product_id": n % 300, "rating": n % 5, "title": f"Title {n}"} for n in range(ROWS)]
        connection.execute(Review.__table__.insert(), rows)
    return engine


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Engine]:
    """A SQLite file with reviews in it, without an index."""
    made = filled(create_engine(f"sqlite:///{tmp_path / 'shop.db'}"))
    yield made
    made.dispose()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A database of our own in PostgreSQL, with HypoPG and the same reviews; skips where the extension is not there."""
    url = make_url(database_url("postgresql", tmp_path_factory.mktemp("none")))
    outside = create_engine(url, isolation_level="AUTOCOMMIT")
    name = f"flasktop_hypo_{os.getpid()}"
    with outside.connect() as connection:
        there = connection.execute(text("SELECT 1 FROM pg_available_extensions WHERE name = 'hypopg'")).first()
    if not there:
        outside.dispose()
        pytest.skip("HypoPG is not installed where PostgreSQL runs (Debian: postgresql-15-hypopg)")
    with outside.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    made = create_engine(url.set(database=name))
    with made.begin() as connection:
        connection.execute(text("CREATE SCHEMA tools"))
        connection.execute(text("CREATE EXTENSION hypopg SCHEMA tools"))
    filled(made)
    with made.begin() as connection:
        connection.execute(text("ANALYZE"))
    yield made
    made.dispose()
    with outside.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    outside.dispose()


def tried(worker: Worker, work: Callable[[], Any], *columns: str, **more: Any) -> IndexTried:
    """What comes of an index on the reviews for the last statement of ``work``."""
    said = worker.tell(TryIndex(worker.run(work)[-1], "review", columns, **more))
    assert isinstance(said, IndexTried), said
    return said


def refused(worker: Worker, work: Callable[[], Any], *columns: str, table: str = "review", **more: Any) -> Failed:
    said = worker.tell(TryIndex(worker.run(work)[-1], table, columns, **more))
    assert isinstance(said, Failed), said
    return said


OF_PRODUCT: Any = select(Review.id, Review.title).where(Review.product_id == 77)
STARTING: Any = select(Review.id, Review.rating).where(func.lower(Review.title).like("title 12%"))


def orm(engine: Engine) -> Callable[[], Any]:
    """The reviews of a product, through the ORM."""

    def work() -> None:
        with Session(engine) as session:
            assert len(session.execute(select(Review).where(Review.product_id == 77)).all()) == ROWS / 300

    return work


# -- SQLite --


@pytest.mark.parametrize("kind", ["orm", "core"])
def test_sqlite_plans_in_a_copy_without_and_with_the_index(shop: Engine, worker: Worker, kind: str) -> None:
    found = tried(worker, orm(shop) if kind == "orm" else executing(shop, OF_PRODUCT), "product_id")

    assert "SCAN review" in found.before
    assert "SEARCH review USING INDEX ix_review_product_id (product_id=?)" in found.after
    assert (found.used, found.how, found.parameters, found.dialect) == (True, COPY, LAST, "sqlite")
    assert found.index == "ix_review_product_id"
    assert found.seconds > 0 and found.tried_at >= found.seen_at > 0


def test_the_users_file_is_not_written_to(shop: Engine, worker: Worker) -> None:
    work = executing(shop, OF_PRODUCT)
    number = worker.run(work)[-1]
    path = Path(str(shop.url.database))
    before = path.read_bytes()
    path.chmod(0o400)
    said = worker.tell(TryIndex(number, "review", ("product_id",)))

    assert isinstance(said, IndexTried) and said.used
    assert path.read_bytes() == before
    assert not list(path.parent.glob("shop.db-*"))


def test_an_index_that_would_not_be_used_is_said_to_be_none(shop: Engine, worker: Worker) -> None:
    found = tried(worker, executing(shop, OF_PRODUCT), "title")

    assert not found.used and found.before == found.after


def test_lower_hides_the_column_and_its_expression_does_not(shop: Engine, worker: Worker) -> None:
    work = executing(shop, select(Review.rating).where(func.lower(Review.title) == "title 12"))

    assert not tried(worker, work, "title").used
    found = tried(worker, work, "title", function="lower")
    assert found.used and found.index == "ix_review_lower_title" and "<expr>=?" in found.after


def test_sqlite_looks_beginnings_up_only_in_an_index_that_ignores_case(shop: Engine, worker: Worker) -> None:
    assert not tried(worker, executing(shop, STARTING), "title").used
    assert not tried(worker, executing(shop, STARTING), "title", function="lower").used
    assert tried(worker, executing(shop, STARTING), "title", function="lower", prefix=True).used
    plain: Any = select(Review.id).where(Review.title.like("Title 12%"))
    assert tried(worker, executing(shop, plain), "title", prefix=True).used


def test_what_is_tried_is_what_truly_happens(shop: Engine, worker: Worker) -> None:
    found = tried(worker, executing(shop, STARTING), "title", function="lower", prefix=True)
    with shop.begin() as connection:
        connection.execute(text(f"CREATE INDEX {found.index} ON review (lower(title) COLLATE NOCASE)"))

    assert worker.planned(executing(shop, STARTING)).plan == found.after


def test_the_last_parameters_decide_and_stay_in_the_worker(shop: Engine, worker: Worker) -> None:
    work = executing(shop, select(Review.id).where(func.lower(Review.title).like("%secret-4711%")))
    found = tried(worker, work, "title", function="lower", prefix=True)

    assert not found.used, "a pattern that begins with a wildcard cannot be looked up"
    assert "secret" not in found.before + found.after


def test_statistics_are_copied_where_there_are_some(shop: Engine, worker: Worker) -> None:
    assert "ANALYZE" in tried(worker, executing(shop, OF_PRODUCT), "product_id").notes[0]
    with shop.begin() as connection:
        connection.execute(text("CREATE INDEX by_rating ON review (rating)"))
        connection.execute(text("ANALYZE"))
        # As if each rating were nearly all of the table: SQLite then leaves that index alone.
        connection.execute(text("UPDATE sqlite_stat1 SET stat = '3000 2999' WHERE idx = 'by_rating'"))
    shop.dispose()
    rated: Any = select(Review.title).where(Review.rating == 3, Review.product_id == 77)
    found = tried(worker, executing(shop, rated), "product_id")

    assert found.used and "ix_review_product_id" in found.after
    assert "Planned with the database's statistics" in found.notes[0]


def test_a_join_finds_its_rows_through_the_index(shop: Engine, worker: Worker) -> None:
    with shop.begin() as connection:
        connection.execute(text("CREATE TABLE product (id INTEGER PRIMARY KEY, name TEXT)"))
        connection.execute(text("CREATE VIEW cheap AS SELECT * FROM product WHERE name < 'm'"))
    joined = text("SELECT review.id FROM cheap JOIN review ON review.product_id = cheap.id WHERE cheap.id = :id")
    found = tried(worker, executing(shop, joined, {"id": 5}), "product_id")

    assert "AUTOMATIC" in found.before or "SCAN review" in found.before
    assert "SEARCH review USING" in found.after and found.used


def test_an_update_is_tried_and_not_run(shop: Engine, worker: Worker) -> None:
    found = tried(
        worker, executing(shop, text("UPDATE review SET rating = 1 WHERE product_id = :n"), {"n": 3}), "product_id"
    )

    assert found.used
    with shop.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM review WHERE rating = 1")).scalar() == ROWS / 5


def test_parameters_that_were_not_kept_are_not_needed(shop: Engine, worker: Worker) -> None:
    found = tried(worker, executing(shop, select(Review.id).where(Review.title == "x" * 100_000)), "title")

    assert found.used and found.parameters == GENERIC


def test_names_are_the_catalogues_whatever_their_case(shop: Engine, worker: Worker) -> None:
    number = worker.run(executing(shop, OF_PRODUCT))[-1]
    said = worker.tell(TryIndex(number, "REVIEW", ("Product_Id",), schema="main"))

    assert isinstance(said, IndexTried) and "product_id=?" in said.after


# -- refusals --


@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    ("table", "columns", "schema"),
    [
        ("reviews", ("id",), ""),
        ("review", ("nothing",), ""),
        ("review", ("id", "nothing"), ""),
        ('review"; DROP TABLE review; --', ("id",), ""),
        ("review", ('id"); DROP TABLE review; --',), ""),
        ("review", ("id",), "elsewhere"),
        ("sqlite_master", ("name",), ""),
        ("", ("id",), ""),
        ("review", ("",), ""),
    ],
)
def test_names_that_the_catalogue_lacks_are_gone(
    name: str, table: str, columns: tuple[str, ...], schema: str, request: pytest.FixtureRequest, worker: Worker
) -> None:
    engine: Engine = request.getfixturevalue({"sqlite": "shop", "postgresql": "postgres"}[name])
    said = refused(worker, executing(engine, OF_PRODUCT), *columns, table=table, schema=schema)

    assert said.reason == GONE
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM review")).scalar() == ROWS


@pytest.mark.parametrize(
    ("columns", "function"), [(("title",), "load_extension"), (("title", "id"), "lower"), ((), ""), (("id", "id"), "")]
)
def test_what_is_no_index_is_refused(shop: Engine, worker: Worker, columns: tuple[str, ...], function: str) -> None:
    assert refused(worker, executing(shop, OF_PRODUCT), *columns, function=function).reason == IMPOSSIBLE


def test_an_index_that_is_there_already_is_named(shop: Engine, worker: Worker) -> None:
    with shop.begin() as connection:
        connection.execute(text("CREATE INDEX old ON review (product_id, rating)"))
    said = refused(worker, executing(shop, OF_PRODUCT), "product_id")

    assert said.reason == IMPOSSIBLE and "old" in said.message
    assert "primary key" in refused(worker, executing(shop, OF_PRODUCT), "id").message


def test_a_function_of_the_apps_own_is_refused_in_words(tmp_path: Path, worker: Worker) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'own.db'}")

    @event.listens_for(engine, "connect")
    def own(connection: Any, _: Any) -> None:
        connection.create_function("mine", 1, lambda value: value, deterministic=True)

    filled(engine)
    said = refused(worker, executing(engine, text("SELECT id FROM review WHERE mine(rating) = 3")), "rating")

    assert said.reason == IMPOSSIBLE and "mine" in said.message
    engine.dispose()


def test_a_virtual_table_cannot_be_copied(shop: Engine, worker: Worker) -> None:
    with shop.begin() as connection:
        connection.execute(text("CREATE VIRTUAL TABLE words USING fts5(body)"))
    both = text("SELECT review.id FROM review JOIN words ON words.rowid = review.id WHERE review.rating = 3")
    said = refused(worker, executing(shop, both), "rating")

    assert said.reason == IMPOSSIBLE and "words" in said.message


def test_a_copy_that_plans_otherwise_than_the_database_is_not_believed(shop: Engine, worker: Worker) -> None:
    path = Path(str(shop.url.database))

    def creator() -> sqlite3.Connection:
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA case_sensitive_like = ON")
        return connection

    engine = create_engine("sqlite://", creator=creator)
    with engine.begin() as connection:
        connection.execute(text("CREATE INDEX by_title ON review (title)"))
    said = refused(worker, executing(engine, select(Review.rating).where(Review.title.like("Title 1%"))), "rating")

    assert said.reason == IMPOSSIBLE and "otherwise" in said.message
    engine.dispose()


def test_a_schema_that_is_too_large_is_not_copied(
    shop: Engine, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flasktop.agent.plans import sqlite_copy

    monkeypatch.setattr(sqlite_copy, "SCHEMA_CHARACTERS", 10)

    assert "too large" in refused(worker, executing(shop, OF_PRODUCT), "product_id").message


def test_a_copy_reaches_no_file_and_ends_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schema of a file is only text to whoever wrote the file."""
    from flasktop.agent.plans import sqlite_copy

    monkeypatch.setattr(sqlite_copy, "COPY_S", 0.05)
    other = tmp_path / "other.db"
    with sqlite_copy._copy() as copy:
        for made in (f"ATTACH '{other}' AS x", f"VACUUM INTO '{other}'", "CREATE VIRTUAL TABLE f USING fts5(a)"):
            with pytest.raises(sqlite3.Error):
                copy.run(made)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT max(i) FROM n"
    with pytest.raises(CommandError), sqlite_copy._copy() as copy:
        copy.run(f"CREATE TABLE t AS {endless}")

    assert not other.exists()


def test_without_the_grant_nothing_is_tried(shop: Engine, start: Callable[..., Worker]) -> None:
    worker = start(FLASKTOP_GRANTS="heap")

    assert refused(worker, executing(shop, OF_PRODUCT), "product_id").reason == NOT_GRANTED


def test_a_statement_that_is_not_known_is_gone(worker: Worker) -> None:
    said: Any = worker.tell(TryIndex(12_345, "review", ("id",)))

    assert said.reason == GONE


def test_mariadb_is_refused_in_words(worker: Worker, tmp_path: Path) -> None:
    engine = create_engine(database_url("mariadb", tmp_path))
    said = refused(worker, executing(engine, text("SELECT 1")), "id")

    assert said.reason == IMPOSSIBLE and "MariaDB" in said.message
    engine.dispose()


# -- PostgreSQL --


@pytest.mark.parametrize("kind", ["orm", "core"])
def test_postgresql_plans_with_an_index_that_does_not_exist(postgres: Engine, worker: Worker, kind: str) -> None:
    work = orm(postgres) if kind == "orm" else executing(postgres, OF_PRODUCT)
    found = tried(worker, work, "product_id")

    assert "Seq Scan" in found.before and "ix_review_product_id" not in found.before
    assert '"Index Name":"ix_review_product_id"' in found.after
    assert (found.used, found.how, found.dialect) == (True, HYPOTHETICAL, "postgresql")
    with postgres.connect() as connection:
        left = connection.execute(text("SELECT indexname FROM pg_indexes WHERE tablename = 'review'")).scalars().all()
        assert left == ["review_pkey"]
        assert not connection.execute(text("SELECT * FROM tools.hypopg_list_indexes")).all()


def test_postgresql_looks_beginnings_up_by_a_pattern_index(postgres: Engine, worker: Worker) -> None:
    found = tried(worker, executing(postgres, STARTING), "title", function="lower", prefix=True)

    assert found.used and "function" in found.notes[0]
    assert "title 12" not in found.before + found.after


def test_an_index_that_postgresql_has_is_named(postgres: Engine, worker: Worker) -> None:
    said = refused(worker, executing(postgres, OF_PRODUCT), "id")

    assert said.reason == IMPOSSIBLE and "review_pkey" in said.message


def test_a_database_without_hypopg_is_left_as_it_is(worker: Worker, tmp_path: Path) -> None:
    engine = create_engine(database_url("postgresql", tmp_path))
    with engine.connect() as connection:
        if connection.execute(text("SELECT 1 FROM pg_extension WHERE extname = 'hypopg'")).first():
            pytest.skip("this database has HypoPG")
    said = refused(worker, executing(engine, text("SELECT 1 AS a FROM pg_class WHERE relname = 'x'")), "relname")

    assert said.reason == IMPOSSIBLE and "HypoPG" in said.message
    assert "CREATE EXTENSION" in said.hint
    with engine.connect() as connection:
        assert not connection.execute(text("SELECT 1 FROM pg_extension WHERE extname = 'hypopg'")).first()
    engine.dispose()
