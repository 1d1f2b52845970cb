"""How much a worker can do at once, as its real server has it, and how often it was full."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from flasktop.client.collect import Collected, collect
from flasktop.stats.views import Window, WorkerRow
from tests.e2e.conftest import Serve
from tests.e2e.load import Call, run
from tests.e2e.servers import FACTORY, Kind, flask_run, gunicorn, uwsgi
from tests.e2e.servers import kind as kind_named

pytestmark = pytest.mark.e2e

FLASK = {"FLASK_APP": FACTORY}
SERVERS = (
    (Kind("gunicorn sync", gunicorn("-k", "sync", workers=1), 1), 1),
    (Kind("gunicorn gthread", gunicorn("-k", "gthread", "--threads", "4", workers=1), 1), 4),
    (Kind("gunicorn threads", gunicorn("--threads", "3", workers=1), 1), 3),
    (Kind("gunicorn gevent", gunicorn("-k", "gevent", workers=1), 1), None),
    (kind_named("waitress"), 4),
    (kind_named("uwsgi"), 4),
    (Kind("uwsgi alone", lambda port: [*_without_threads(uwsgi(port))], 2), 1),
    (Kind("flask run", flask_run("--no-reload"), 1, environment=FLASK), None),
    (Kind("flask run alone", flask_run("--no-reload", "--without-threads"), 1, environment=FLASK), 1),
)


def _without_threads(command: list[str]) -> list[str]:
    at = command.index("--threads")
    return [*command[:at], "--enable-threads", *command[at + 2 :]]


def shown(directory: Path, fact: str) -> WorkerRow:
    """A worker that has been sampled at least once; fails after a while."""
    end = time.monotonic() + 30
    while True:
        collected: Collected = asyncio.run(collect(None, directory=str(directory), seconds=0.2))
        rows = collected.store.workers(time.monotonic(), Window.MINUTE)
        if rows and rows[0].in_flight is not None:
            return rows[0]
        assert time.monotonic() < end, fact


@pytest.mark.parametrize(("kind", "capacity"), SERVERS, ids=lambda value: value.name if isinstance(value, Kind) else "")
def test_a_worker_knows_how_many_requests_it_can_run(
    serve: Serve, directory: Path, kind: Kind, capacity: int | None
) -> None:
    server = serve(kind)
    run(server.port, [Call("GET", "/simple", "/simple", 200)], at_once=1, explain=server.said)

    row = shown(directory, "no sample came")

    assert row.capacity == capacity
    assert (row.saturated is None) == (capacity is None)


def test_a_worker_whose_every_place_is_taken_is_saturated(serve: Serve, directory: Path) -> None:
    """Four seconds of requests that take all of a worker's two threads."""
    server = serve(Kind("gunicorn gthread", gunicorn("-k", "gthread", "--threads", "2", workers=1), 1))
    run(server.port, [Call("GET", "/slow?seconds=4", "/slow", 200)] * 2, at_once=2, explain=server.said)

    row = shown(directory, "no sample came")

    assert row.capacity == 2
    assert row.saturated is not None
    assert row.saturated > 0.4
