"""Requests that hang in different ways, under real servers: each is told apart, to the line."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flasktop.client.ask import Address, CommandFailedError, ask
from flasktop.client.collect import addresses
from flasktop.protocol.commands import BUSY
from flasktop.protocol.commands.stacks import StacksTaken, TakeStacks
from tests.databases import database_url
from tests.e2e import stuck
from tests.e2e.conftest import Serve, flasktop, snapshot
from tests.e2e.servers import Kind, Server, flask_run, gunicorn, until

pytestmark = pytest.mark.e2e

APP = "tests.e2e.stuck:create_app()"

KINDS = (
    Kind("gunicorn gthread", gunicorn("-k", "gthread", "--threads", "8", app=APP, workers=1), 1),
    # Its master would kill a worker whose hub computes for longer than --timeout.
    Kind("gunicorn gevent", gunicorn("-k", "gevent", "--timeout", "120", app=APP, workers=1), 1),
    Kind("flask run", flask_run("--no-reload"), 1, environment={"FLASK_APP": APP}),
)

HANGS = {
    "sleep": ("wait", "time.sleep"),
    "lock": ("wait", ""),
    "http": ("wait", "socket"),
    "sql": ("sql", "SELECT pg_sleep(?)"),
    "cpu": ("cpu", "on CPU"),
}
"""What is said of each: what it does, and a word of the sentence."""

Stack = dict[str, Any]


@pytest.fixture
def database(tmp_path: Path) -> str:
    return database_url("postgresql", tmp_path)


def get(server: Server, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


@contextmanager
def hanging(serve: Serve, kind: Kind, tmp_path: Path, *names: str) -> Iterator[Server]:
    """A server with one request in each of these views, which all end well afterwards."""
    statuses: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        server = serve(kind, E2E_ELSEWHERE=f"http://127.0.0.1:{elsewhere.getsockname()[1]}/")
        assert get(server, "/") == 200
        visitors = [
            threading.Thread(target=lambda path=f"/{name}": statuses.append(get(server, path))) for name in names
        ]
        for visitor in visitors:
            visitor.start()
        try:
            yield server
        finally:
            (tmp_path / "go").touch()
            if "http" in names:
                asked, _ = elsewhere.accept()
                asked.recv(65_536)  # else closing would reset the connection
                asked.sendall(b"HTTP/1.0 200 OK\r\n\r\nat last")
                asked.close()
            for visitor in visitors:
                visitor.join()
    assert statuses == [200] * len(names), server.said()


def stacks(directory: Path) -> dict[str, Stack]:
    """What ``flasktop stacks --json`` prints, by view."""
    done = flasktop(directory, "stacks", "--json")
    assert done.returncode == 0, done.stderr
    return {stack["path"].strip("/"): stack for stack in json.loads(done.stdout)["stacks"]}


def explained(stack: Stack, name: str) -> bool:
    doing, word = HANGS[name]
    own = next((frame for frame in stack["frames"] if frame["own"]), None)
    at_its_line = (
        own is not None and own["function"].endswith(name) and (name == "cpu" or own["line"] == stuck.line_of(name))
    )
    return stack["doing"] == doing and word in stack["words"] and at_its_line


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_each_request_hangs_in_is_told_apart_to_the_line(
    serve: Serve, kind: Kind, directory: Path, tmp_path: Path
) -> None:
    waiting = [name for name in HANGS if name != "cpu"]
    with hanging(serve, kind, tmp_path, *waiting):
        seen: dict[str, Stack] = {}

        def all_explained() -> bool:
            seen.update(stacks(directory))
            return all(name in seen and explained(seen[name], name) for name in waiting)

        until(all_explained, lambda: json.dumps(seen, indent=1))
        frames = {name: " ".join(str(frame["file"]) for frame in seen[name]["frames"]) for name in waiting}

        assert "gunicorn" not in frames["sleep"] and "/flasktop/agent/" not in frames["sql"]
        assert "socket.py" in frames["http"] and "sqlalchemy" in frames["sql"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_request_that_computes_is_seen_on_the_cpu(serve: Serve, kind: Kind, directory: Path, tmp_path: Path) -> None:
    with hanging(serve, kind, tmp_path, "cpu"):
        seen: dict[str, Stack] = {}

        def is_explained() -> bool:
            seen.update(stacks(directory))
            return "cpu" in seen and explained(seen["cpu"], "cpu")

        until(is_explained, lambda: json.dumps(seen, indent=1))


@pytest.mark.parametrize("kind", KINDS[:2], ids=lambda kind: kind.name)
def test_the_snapshot_says_what_is_in_flight(serve: Serve, kind: Kind, directory: Path, tmp_path: Path) -> None:
    with hanging(serve, kind, tmp_path, "sleep", "sql") as server:
        seen: list[dict[str, Any]] = []

        def both() -> bool:
            seen[:] = snapshot(directory, "--for", "1.2")["in_flight"]
            return {row["doing"] for row in seen} == {"wait", "sql"}

        until(both, lambda: json.dumps(seen, indent=1) + server.said())
        rows = {row["route"]: row for row in seen}

        assert rows["/sleep"]["doing"] == "wait" and rows["/sleep"]["statement"] is None
        assert rows["/sql"]["statement"] == "SELECT pg_sleep(?)"
        assert rows["/sql"]["method"] == "GET" and rows["/sql"]["age_ms"] > 0
        assert "IN FLIGHT" in flasktop(directory, "snapshot").stdout


def test_stacks_are_printed_for_people(serve: Serve, directory: Path, tmp_path: Path) -> None:
    with hanging(serve, KINDS[0], tmp_path, "sleep"):
        until(lambda: "stuck.py" in flasktop(directory, "stacks").stdout)
        done = flasktop(directory, "stacks")

    assert done.returncode == 0 and "1 request in flight in 1 worker" in done.stdout
    assert "time.sleep(0.4)  # at: sleep" in done.stdout


def test_where_it_is_not_granted_the_command_says_which_key_allows_it(serve: Serve, directory: Path) -> None:
    server = serve(KINDS[0], FLASKTOP_GRANTS="heap")
    assert get(server, "/") == 200
    done = flasktop(directory, "stacks")

    assert done.returncode == 1 and "FLASKTOP_GRANTS=heap,stacks" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_thousand_requests_under_a_hundred_looks(serve: Serve, kind: Kind, directory: Path) -> None:
    server = serve(kind)
    assert get(server, "/") == 200
    looked = threading.Event()
    answered: list[StacksTaken] = []

    def look() -> None:
        async def hundred() -> None:
            ((_, address),) = await addresses(None, directory=str(directory))
            while len(answered) < 100:
                answered.extend(await _taken(address))

        asyncio.run(hundred())
        looked.set()

    looker = threading.Thread(target=look)
    looker.start()
    statuses: list[int] = []
    with ThreadPoolExecutor(8) as visitors:
        statuses += visitors.map(lambda _: get(server, "/few"), range(1000))
        while not looked.is_set():
            statuses += visitors.map(lambda _: get(server, "/few"), range(50))
    looker.join()

    assert set(statuses) == {200} and len(answered) == 100
    assert any(taken.stacks for taken in answered)


async def _taken(address: Address) -> list[StacksTaken]:
    """One answer; none where the worker is asked too often."""
    try:
        return [await ask(address, TakeStacks(), StacksTaken)]
    except CommandFailedError as refusal:
        assert refusal.reason == BUSY, refusal
        await asyncio.sleep(0.02)
        return []
