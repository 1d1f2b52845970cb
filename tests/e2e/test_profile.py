"""Profiles of a view of known shape, under real servers and load.

What is compared: the shares that the profile tells, and those that the view itself measured meanwhile. Several
hundred samples have a standard error of about 2 points a share; a burst that ends within the interpreter's switch
interval is seen one call later, at most 5 ms of some 200 for each request; the rest of ``TOLERANCE`` is for a machine
that is busy with other things.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from flasktop.client.watch import Watcher
from flasktop.protocol.commands.profile import Profiled, ProfileEndpoint
from flasktop.protocol.events import Event
from flasktop.stats.store import Store
from flasktop.stats.views import EndpointKey
from tests.e2e.conftest import Serve
from tests.e2e.servers import Kind, Server, flask_run, gunicorn

pytestmark = pytest.mark.e2e

APP = "tests.e2e.shape:create_app()"
KEY = EndpointKey("shape", "GET", "/shape")
TOLERANCE = 0.12
VISITORS = ("/shape", "/shape", "/shape", "/other")

KINDS = (
    Kind("gunicorn gthread", gunicorn("-k", "gthread", "--threads", "4", app=APP, workers=1), 1),
    Kind("gunicorn gevent", gunicorn("-k", "gevent", app=APP, workers=1), 1),
    Kind("flask run", flask_run("--no-reload"), 1, environment={"FLASK_APP": APP}),
)

Truth = list[dict[str, float]]


def get(server: Server, path: str) -> bytes:
    """The body of one answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        return connection.getresponse().read()
    finally:
        connection.close()


@contextmanager
def visited(server: Server, paths: tuple[str, ...]) -> Iterator[Truth]:
    """Visitors who ask one thing after the other; yields what the view measured in each of its requests."""
    truth: Truth = []
    stop = threading.Event()

    def visit(path: str) -> None:
        while not stop.is_set():
            body = get(server, path)
            if path == "/shape":
                truth.append(json.loads(body))

    visitors = [threading.Thread(target=visit, args=(path,)) for path in paths]
    for visitor in visitors:
        visitor.start()
    try:
        yield truth
    finally:
        stop.set()
        for visitor in visitors:
            visitor.join()


def apply_all(store: Store, events: Sequence[Event]) -> None:
    for event in events:
        store.apply(event)


def profiled(directory: Path, key: EndpointKey, seconds: float) -> Profiled:
    """Ask the only worker for a profile, as soon as it has served the endpoint."""

    async def ask() -> Profiled:
        store = Store()
        watcher = Watcher(None, directory=str(directory))
        task = asyncio.create_task(watcher.run(lambda events: apply_all(store, events)))
        while not (known := store.local_ids(key)):
            assert not task.done()
            await asyncio.sleep(0.02)
        ((worker, ids),) = known
        answer = await watcher.ask(worker, ProfileEndpoint(ids, seconds), Profiled)
        task.cancel()
        return answer

    return asyncio.run(asyncio.wait_for(ask(), 60))


def functions(profile: Profiled, frames: tuple[int, ...]) -> set[str]:
    return {profile.frames[number].function for number in frames}


def sums(profile: Profiled, function: str) -> dict[str, int]:
    """Wall and CPU (us) of all stacks that go through ``function``."""
    stacks = [stack for stack in profile.stacks if function in functions(profile, stack.frames)]
    return {"wall": sum(stack.wall_us for stack in stacks), "cpu": sum(stack.cpu_us for stack in stacks)}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name.replace(" ", "-"))
def test_the_profile_of_a_known_view_has_its_shape(kind: Kind, serve: Serve, directory: Path) -> None:
    with visited(serve(kind), VISITORS) as truth:
        profile = profiled(directory, KEY, 8.0)

    whole = sum(sum(request.values()) for request in truth)
    parts = {name: sums(profile, name) for name in ("sleeps", "heavy", "light")}
    told = sum(part["wall"] for part in parts.values())
    for name, part in parts.items():
        true = sum(request[name] for request in truth) / whole
        assert part["wall"] / told == pytest.approx(true, abs=TOLERANCE), (name, truth[:3])
    assert parts["sleeps"]["cpu"] < 0.1 * parts["sleeps"]["wall"], "who sleeps is not on the CPU"
    share = parts["heavy"]["cpu"] / (parts["heavy"]["cpu"] + parts["light"]["cpu"])
    assert share == pytest.approx(0.06 / 0.08, abs=TOLERANCE), "of the CPU, each has what it burnt"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name.replace(" ", "-"))
def test_only_the_endpoints_own_requests_are_sampled(kind: Kind, serve: Serve, directory: Path) -> None:
    with visited(serve(kind), ("/shape", "/other", "/other")):
        profile = profiled(directory, EndpointKey("shape", "GET", "/other"), 1.0)

    seen = set().union(*(functions(profile, stack.frames) for stack in profile.stacks))
    assert profile.samples > 0
    assert profile.finished > 0
    assert any(name.endswith("other") for name in seen)
    assert not seen & {"sleeps", "heavy", "light"}
    assert sum(stack.samples for stack in profile.stacks) + profile.dropped == profile.samples


def whole(profile: Profiled) -> dict[str, float]:
    """The parts of all sampled time."""
    wall = sum(stack.wall_us for stack in profile.stacks)
    return {
        "sql": sum(stack.sql_us for stack in profile.stacks) / wall,
        "cpu": sum(stack.cpu_us for stack in profile.stacks) / wall,
        "unknown": sum(stack.unknown_us for stack in profile.stacks) / wall,
    }


def test_a_statement_that_runs_is_neither_cpu_nor_waiting(serve: Serve, directory: Path) -> None:
    with visited(serve(KINDS[0]), ("/sql", "/sql")):
        profile = profiled(directory, EndpointKey("shape", "GET", "/sql"), 2.0)

    parts = whole(profile)
    assert parts["sql"] > 0.6
    assert 0 < parts["cpu"] < 0.25


def test_a_call_that_blocks_the_whole_hub_is_not_taken_for_cpu(serve: Serve, directory: Path) -> None:
    with visited(serve(KINDS[1]), ("/blocks",)):
        profile = profiled(directory, EndpointKey("shape", "GET", "/blocks"), 2.0)

    parts = whole(profile)
    assert sums(profile, "create_app.<locals>.blocks" if sys.version_info >= (3, 11) else "blocks")["wall"] > 0
    assert parts["cpu"] < 0.35
    assert parts["unknown"] == 0


def test_an_endpoint_that_nobody_asks_for_has_no_samples(serve: Serve, directory: Path) -> None:
    server = serve(KINDS[0])
    get(server, "/other")
    profile = profiled(directory, EndpointKey("shape", "GET", "/other"), 0.3)

    assert (profile.samples, profile.requests, profile.finished, profile.stacks) == (0, 0, 0, ())
