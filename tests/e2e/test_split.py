"""Where the time goes, told apart under real servers: SQL, CPU, waiting; before the first byte and after it.

No limit here is of speed: a route spends at least what it says in its own way, and the rest is compared with that.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from flasktop.client.collect import collect
from flasktop.stats.split import TimeSplit
from flasktop.stats.views import EndpointRow, TraceView, Window
from tests.databases import database_url
from tests.e2e.conftest import Serve
from tests.e2e.load import Call, run
from tests.e2e.servers import Kind, flask_run, gunicorn
from tests.e2e.split import SPENT

pytestmark = pytest.mark.e2e

APP = "tests.e2e.split:create_app()"
THREADED = (
    Kind("gunicorn gthread", gunicorn("-k", "gthread", "--threads", "4", app=APP, workers=1), 1),
    Kind("flask run", flask_run("--no-reload"), 1, environment={"FLASK_APP": APP}),
)
GEVENT = Kind("gunicorn gevent", gunicorn("-k", "gevent", app=APP, workers=1), 1)

ROUTES = ("/sleeps", "/locked", "/listens", "/burns", "/queries", "/streamed", "/queries/streamed")
BLOCKING = ("/sleeps", "/locked", "/listens", "/streamed")
LEAST_MS = SPENT * 1000 * 0.98
"""What a route spends, with a little for the clocks' own grain."""


@pytest.fixture
def database(tmp_path: Path) -> str:
    return database_url("postgresql", tmp_path)


def visited(serve: Serve, kind: Kind, directory: Path, routes: tuple[str, ...]) -> dict[str, EndpointRow]:
    """Ask for each route twice and return what is known of it, by route; every figure must add up."""
    server = serve(kind)
    run(server.port, [Call("GET", route, route, 200) for route in routes] * 2, at_once=1, explain=server.said)
    collected = asyncio.run(collect(None, directory=str(directory), seconds=0.0))
    rows = {row.key.route: row for row in collected.store.endpoints(time.monotonic(), Window.ALL)}
    traces = collected.store.log()
    assert {route: row.count for route, row in rows.items()} == dict.fromkeys(routes, 2)
    assert len(traces) == 2 * len(routes)
    for row in rows.values():
        assert row.mean_ms == pytest.approx(row.split.wall) == pytest.approx(row.phases.wall)
        check_traces([trace for trace in traces if trace.key == row.key], row)
    return rows


def check_traces(traces: list[TraceView], row: EndpointRow) -> None:
    """Each request adds up, and all of them to their endpoint."""
    for trace in traces:
        assert trace.duration_ms == pytest.approx(trace.split.wall) == pytest.approx(trace.phases.wall)
    for part in TimeSplit.__struct_fields__:
        mean = sum(getattr(trace.split, part) for trace in traces) / len(traces)
        assert getattr(row.split, part) == pytest.approx(mean, abs=0.002), part


@pytest.mark.parametrize("kind", THREADED, ids=lambda kind: kind.name.replace(" ", "-"))
def test_what_blocks_what_computes_and_what_queries_are_told_apart(serve: Serve, directory: Path, kind: Kind) -> None:
    rows = visited(serve, kind, directory, (*ROUTES, "/async"))
    splits = {route: row.split for route, row in rows.items()}

    for route in BLOCKING:
        assert splits[route].wait >= LEAST_MS, route
        assert splits[route].cpu < LEAST_MS / 2, route
        assert splits[route].sql == splits[route].unknown == 0, route
    assert splits["/burns"].cpu >= LEAST_MS
    assert splits["/burns"].sql == splits["/burns"].unknown == 0
    for route in ("/queries", "/queries/streamed"):
        assert splits[route].execute >= LEAST_MS, route
        assert splits[route].commit > 0, route
        assert splits[route].cpu < LEAST_MS / 2, route
    assert splits["/queries"].connect > 0, "the first of its requests made a connection"
    assert splits["/async"].unknown >= LEAST_MS, "a coroutine's CPU is not its thread's"
    check_phases(rows)


def test_under_gevent_what_cannot_be_told_apart_is_one_part(serve: Serve, directory: Path) -> None:
    rows = visited(serve, GEVENT, directory, ROUTES)

    for row in rows.values():
        assert row.split.cpu == row.split.wait == 0
        assert row.cpu_ms is row.wait_ms is None
    for route in (*BLOCKING, "/burns"):
        assert rows[route].split.unknown >= LEAST_MS, route
    for route in ("/queries", "/queries/streamed"):
        assert rows[route].split.execute >= LEAST_MS, route
        assert rows[route].split.commit > 0, route
    check_phases(rows)


def check_phases(rows: dict[str, EndpointRow]) -> None:
    """What is spent while the body is sent is not in the time to the first byte, and the other way round."""
    for route in ("/streamed", "/queries/streamed"):
        assert rows[route].phases.body >= LEAST_MS, route
    for route in ("/sleeps", "/burns", "/queries"):
        assert rows[route].phases.first_byte >= LEAST_MS, route
    assert all(row.phases.unknown == 0 for row in rows.values())
