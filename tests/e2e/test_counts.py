"""A thousand mixed requests under every server: flasktop says exactly what happened."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.app import line_of
from tests.e2e.conftest import Serve, snapshot
from tests.e2e.load import Call, mixed, run
from tests.e2e.servers import KINDS, Kind, Server, until

pytestmark = pytest.mark.e2e

REQUESTS = 1000


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name.replace(" ", "-"))
def test_a_thousand_requests_are_a_thousand(kind: Kind, serve: Serve, directory: Path) -> None:
    server = serve(kind)
    many = mixed(REQUESTS, asynchronous=kind.asynchronous)
    run(server.port, many, explain=server.said)
    seen = snapshot(directory)

    assert seen["app"] == "e2e"
    assert seen["lost"] == 0
    assert seen["died"] == []
    check_workers(seen, server)
    check_endpoints(seen, many)
    check_queries(seen, many)
    statements = str([query["statement"] for query in seen["queries"]])
    assert "hunter2" not in str(seen)
    assert "4711" not in statements

    server.stop()
    until(lambda: not list(directory.iterdir()), lambda: f"{list(directory.iterdir())}\n{server.said()}")


def check_workers(seen: dict[str, Any], server: Server) -> None:
    workers = seen["workers"]
    running = {server.process.pid, *(child.pid for child in server.children())}

    assert len(workers) == server.kind.workers
    assert {worker["pid"] for worker in workers} <= running
    assert sum(worker["requests"] for worker in workers) == REQUESTS
    assert all(worker["requests"] > 0 for worker in workers)
    assert all(worker["in_flight"] == 0 for worker in workers)


def check_endpoints(seen: dict[str, Any], many: list[Call]) -> None:
    rows = {(row["method"], row["route"]): row for row in seen["endpoints"]}
    count = Counter(call.row for call in many)
    errors = Counter(call.row for call in many if call.status >= 500)
    statuses = Counter((call.row, str(call.status)) for call in many)
    statements: Counter[tuple[str, str]] = Counter()
    for call in many:
        statements[call.row] += call.statements

    assert {key: row["count"] for key, row in rows.items()} == count
    assert {key: row["errors"] for key, row in rows.items()} == {key: errors[key] for key in count}
    assert {
        (key, status): number for key, row in rows.items() for status, number in row["statuses"].items()
    } == statuses
    for key, row in rows.items():
        assert row["sql_per_request"] == pytest.approx(statements[key] / count[key], abs=0.006), key


def check_queries(seen: dict[str, Any], many: list[Call]) -> None:
    count: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    for ran in (ran for call in many for ran in call.ran):
        source = f"tests/e2e/app.py:{line_of(ran.at)}"
        count[source] += ran.times
        rows[source] += ran.rows
        errors[source] += ran.errors
    queries = [row for row in seen["queries"] if row["statement"].split()[0] in ("SELECT", "INSERT")]
    lazy = [row["relationship"] for row in queries if row["relationship"]]

    assert Counter({short(row["source"]): row["count"] for row in queries}) == count
    assert len(queries) == len(count), "one row for one line"
    assert {short(row["source"]): row["rows"] or 0 for row in queries} == rows
    assert {short(row["source"]): row["errors"] for row in queries} == errors
    assert lazy == ["Shelf.books"]


def short(source: str) -> str:
    """A source line without the folder of the checkout."""
    return source[source.find("tests/e2e/") :] if "tests/e2e/" in source else source
