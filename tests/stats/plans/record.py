"""Records what real databases say of a few statements: ``python -m tests.stats.plans.record``.

The answers are committed beside this file, so that the parsers are tested where no database runs.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine

from flasktop.agent.plans.masked import masked_plan
from tests.databases import database_url

HERE = Path(__file__).parent

STATEMENTS = {
    "full scan": "SELECT id FROM rec_review WHERE lower(title) LIKE '%x%'",
    "whole table": "SELECT * FROM rec_review",
    "by key": "SELECT * FROM rec_review WHERE id = 17",
    "by index": "SELECT id, title FROM rec_review WHERE product_id = 17",
    "range": "SELECT title FROM rec_review WHERE id BETWEEN 100 AND 120 AND stars > 3",
    "in list": "SELECT title FROM rec_review WHERE id IN (1, 2, 3)",
    "only the index": "SELECT product_id FROM rec_review WHERE product_id > 10",
    "sort": "SELECT * FROM rec_review ORDER BY title",
    "sort and limit": "SELECT * FROM rec_review ORDER BY stars DESC LIMIT 10",
    "group": "SELECT stars, count(*) FROM rec_review GROUP BY stars ORDER BY count(*)",
    "distinct": "SELECT DISTINCT title FROM rec_review",
    "join": "SELECT p.name, r.title FROM rec_product p JOIN rec_review r ON r.product_id = p.id WHERE p.name = 'a'",
    "join without index": "SELECT a.id FROM rec_review a JOIN rec_product b ON a.title = b.name",
    "left join": "SELECT p.id, r.id FROM rec_product p LEFT JOIN rec_review r ON r.product_id = p.id",
    "subquery": "SELECT name FROM rec_product WHERE id IN (SELECT product_id FROM rec_review WHERE stars = 5)",
    "correlated": "SELECT name, (SELECT count(*) FROM rec_review r WHERE r.product_id = p.id) FROM rec_product p",
    "union": "SELECT name FROM rec_product WHERE id < 5 UNION SELECT title FROM rec_review WHERE id < 5",
    "cte": "WITH best AS (SELECT * FROM rec_review WHERE stars = 5) SELECT 1 FROM best a, best b WHERE a.id = b.id",
    "or": "SELECT id FROM rec_review WHERE id = 5 OR product_id = 7",
    "insert": "INSERT INTO rec_product (id, name) VALUES (100000, 'x')",
    "insert select": "INSERT INTO rec_product (id, name) SELECT id + 200000, title FROM rec_review WHERE stars = 1",
    "update": "UPDATE rec_review SET stars = 1 WHERE title = 'x'",
    "delete by key": "DELETE FROM rec_review WHERE id = 17",
    "no table": "SELECT 1",
    "nothing": "SELECT * FROM rec_review WHERE 1 = 0",
}
EXPLAIN = {"sqlite": "EXPLAIN QUERY PLAN ", "postgresql": "EXPLAIN (FORMAT JSON) ", "mysql": "EXPLAIN FORMAT=JSON "}
VERSION = {"sqlite": "SELECT sqlite_version()", "postgresql": "SHOW server_version", "mysql": "SELECT VERSION()"}


def fill(engine: Engine) -> None:
    with engine.begin() as connection:
        drop(connection)
        connection.execute(text("CREATE TABLE rec_product (id INTEGER PRIMARY KEY, name VARCHAR(50))"))
        connection.execute(
            text(
                "CREATE TABLE rec_review (id INTEGER PRIMARY KEY, product_id INTEGER, stars INTEGER, title VARCHAR(50))"
            )
        )
        connection.execute(text("CREATE INDEX rec_by_product ON rec_review (product_id)"))
        connection.execute(
            text("INSERT INTO rec_product VALUES (:id, :name)"), [{"id": n, "name": f"p{n}"} for n in range(200)]
        )
        connection.execute(
            text("INSERT INTO rec_review VALUES (:id, :product, :stars, :title)"),
            [{"id": n, "product": n % 200, "stars": n % 5, "title": f"t{n % 977}"} for n in range(20_000)],
        )
    with engine.begin() as connection:
        for table in ("rec_review", "rec_product"):
            connection.execute(text(f"ANALYZE {'TABLE ' if engine.dialect.name == 'mysql' else ''}{table}"))


def drop(connection: Any) -> None:
    for table in ("rec_review", "rec_product"):
        connection.execute(text(f"DROP TABLE IF EXISTS {table}"))


def record(engine: Engine) -> dict[str, Any]:
    dialect = engine.dialect.name
    fill(engine)
    found: dict[str, Any] = {}
    with engine.connect() as connection:
        for name, statement in STATEMENTS.items():
            rows: list[Any] = list(connection.execute(text(EXPLAIN[dialect] + statement)).fetchall())
            plan: Any = [[row[0], row[1], row[3]] for row in rows] if dialect == "sqlite" else rows[0][0]
            found[name] = json.loads(masked_plan(plan, dialect))
        version = connection.execute(text(VERSION[dialect])).scalar()
    with engine.begin() as connection:
        drop(connection)
    return {"version": str(version), "plans": found}


def main() -> None:
    for name in ("sqlite", "postgresql", "mariadb"):
        engine = create_engine(database_url(name, Path(tempfile.mkdtemp())))
        (HERE / f"{name}.json").write_text(json.dumps(record(engine), indent=1, ensure_ascii=False) + "\n")
        engine.dispose()


if __name__ == "__main__":
    main()
