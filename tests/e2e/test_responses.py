"""The app's responses are the same bytes with and without flasktop."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Serve
from tests.e2e.load import Call, answer, calls
from tests.e2e.servers import KINDS, Kind, Server

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name.replace(" ", "-"))
def test_every_response_is_the_same_with_and_without(kind: Kind, serve: Serve) -> None:
    bare = serve(kind, FLASKTOP_ENABLED="0")
    without = answers(bare, calls(asynchronous=kind.asynchronous))
    bare.kill()
    watched = serve(kind, FLASKTOP_ENABLED="1")
    given = answers(watched, calls(asynchronous=kind.asynchronous))

    assert given == without


def test_disabled_leaves_no_trace(serve: Serve) -> None:
    (kind,) = (kind for kind in KINDS if kind.name == "gunicorn gthread")
    server = serve(kind, FLASKTOP_ENABLED="0")
    answers(server, calls(asynchronous=True))

    assert list(server.directory.iterdir()) == []


def answers(server: Server, each: list[Call]) -> dict[tuple[str, str], tuple[bytes, list[bytes], bytes]]:
    port = f"127.0.0.1:{server.port}".encode()  # the bare number may also stand in an ETag

    def neutral(data: bytes) -> bytes:
        return data.replace(port, b"PORT")

    found = {}
    for call in each:
        status, headers, body = answer(server.port, call)
        found[call.method, call.path] = (status, [neutral(header) for header in headers], neutral(body))
    return found
