"""Plans from workers of real servers: threads and greenlets, with and without a database server, while they serve."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from flasktop.protocol.codec import encode
from flasktop.protocol.commands import Answered, Ask, Failed
from flasktop.protocol.commands.explain import LAST, Explain, Planned
from flasktop.protocol.messages import Caught, Definitions
from tests.agent.test_server import Client
from tests.databases import database_url
from tests.e2e.app import prepare
from tests.e2e.conftest import Serve
from tests.e2e.servers import Server, kind, need, until

pytestmark = pytest.mark.e2e


def get(server: Server, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=60) as response:
        body: bytes = response.read()
        return body


def worker_that_knows(directory: Path, text: str) -> tuple[Client, int]:
    """A worker that ran a statement with ``text`` in it, and its id of it."""
    found: list[tuple[Client, int]] = []

    def any_found() -> bool:
        found.extend(_knowing(directory, text))
        return bool(found)

    until(any_found)
    for client, _ in found[1:]:
        client.socket.close()
    return found[0]


def _knowing(directory: Path, text: str) -> Iterator[tuple[Client, int]]:
    for path in sorted(directory.glob("*.sock")):
        client = Client(str(path)).subscribe()
        client.until(partial(client.of, Caught))
        numbers = [one.id for part in client.of(Definitions) for one in part.statements if text in one.text]
        if numbers:
            client.socket.settimeout(30)
            yield client, numbers[0]
        else:
            client.socket.close()


def plan_of(client: Client, number: int) -> Planned | Failed:
    client.socket.sendall(encode(Ask(1, Explain(number))))
    said: Any = client.until(lambda: next((s for s in client.seen if isinstance(s, (Answered, Failed))), None))
    if isinstance(said, Failed):
        return said
    assert isinstance(said.answer, Planned)
    return said.answer


@pytest.mark.parametrize("name", ["sqlite", "postgresql", "mariadb"])
@pytest.mark.parametrize("server", ["gunicorn gevent", "gunicorn gthread preload"])
def test_a_worker_plans_what_it_ran_while_it_serves(
    server: str, name: str, serve: Serve, directory: Path, tmp_path: Path
) -> None:
    if server == "gunicorn gevent":
        need("gevent")
    url = database_url(name, tmp_path)
    prepare(url)
    running = serve(kind(server), E2E_DATABASE=url)
    get(running, "/in/4")
    client, number = worker_that_knows(directory, "FROM book")
    stop = threading.Event()
    served: list[bytes] = []

    def load() -> None:
        while not stop.is_set():
            served.append(get(running, "/in/4"))

    thread = threading.Thread(target=load)
    thread.start()
    try:
        planned = plan_of(client, number)
    finally:
        stop.set()
        thread.join()
        client.socket.close()

    assert isinstance(planned, Planned), (planned, running.said())
    assert planned.parameters == LAST and "book" in json.dumps(json.loads(planned.plan))
    assert len(set(served)) <= 1
    running.stop()
