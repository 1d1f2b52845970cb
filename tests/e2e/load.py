"""The requests that the end-to-end tests make, and what flasktop must say of them."""

from __future__ import annotations

import http.client
import random
import socket
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.e2e.app import BOOKS, SHELVES

UNMATCHED = ("*", "<unmatched>")
TIMEOUT = 30.0


class Ran(NamedTuple):
    """How often the statement at a marked line runs in one request, and how many rows it gives in all."""

    at: str
    times: int
    rows: int
    errors: int = 0


@dataclass(frozen=True)
class Call:
    """One request and what it must be seen as; ``rule`` is the URL rule, empty for what matches none."""

    method: str
    path: str
    rule: str
    status: int
    ran: tuple[Ran, ...] = ()
    body: bytes = b""
    asynchronous: bool = field(default=False, kw_only=True)

    @property
    def row(self) -> tuple[str, str]:
        return (self.method, self.rule) if self.rule else UNMATCHED

    @property
    def statements(self) -> int:
        return sum(ran.times for ran in self.ran)


ALL = SHELVES * BOOKS
TEMPLATE = (Ran("template", 1, SHELVES),)
CALLS = (
    Call("GET", "/simple", "/simple", 200),
    Call("HEAD", "/simple", "/simple", 200),
    Call("OPTIONS", "/simple", "/simple", 200),
    Call("POST", "/simple", "", 405),
    Call("GET", "/nowhere/at/all?secret=hunter2", "", 404),
    Call("GET", "/short", "/short", 200),
    Call("GET", "/file", "/file", 200),
    Call("HEAD", "/file", "/file", 200),
    Call("GET", "/redirect", "/redirect", 302),
    Call("GET", "/gone/7", "/gone/<int:number>", 410),
    Call("GET", "/raises", "/raises", 500),
    Call("GET", "/handled", "/handled", 418),
    Call("GET", "/static/nothing.css", "/static/<path:filename>", 404),
    Call("GET", "/slow?seconds=0.01", "/slow", 200),
    Call("GET", "/template", "/template", 200, TEMPLATE),
    Call("HEAD", "/template", "/template", 200, TEMPLATE),
    Call("GET", "/selects/7", "/selects/<int:count>", 200, (Ran("selects", 7, 7),)),
    Call("GET", "/selects/0", "/selects/<int:count>", 200),
    Call("GET", "/in/2", "/in/<int:count>", 200, (Ran("in", 1, 2),)),
    Call("GET", "/in/5", "/in/<int:count>", 200, (Ran("in", 1, 5),)),
    Call("GET", "/lazy", "/lazy", 200, (Ran("shelves", 1, SHELVES), Ran("lazy", SHELVES, ALL))),
    Call("POST", "/notes", "/notes", 201, (Ran("notes", 1, 0),)),
    Call("GET", "/failing", "/failing", 200, (Ran("failing", 1, 0, 1),)),
    Call("GET", "/stream", "/stream", 200, (Ran("stream", 1, ALL),)),
    Call("GET", "/async", "/async", 200, (Ran("async", 1, SHELVES),), asynchronous=True),
)
"""One of each; ``/selects`` and ``/in`` with several lengths, which must be one row each."""


def calls(*, asynchronous: bool) -> list[Call]:
    """One of each that works where async views do or do not."""
    return [call for call in CALLS if asynchronous or not call.asynchronous]


def mixed(count: int, *, asynchronous: bool) -> list[Call]:
    """``count`` calls of all kinds in a random order, the same each time."""
    each = calls(asynchronous=asynchronous)
    many = [each[number % len(each)] for number in range(count)]
    random.Random(11).shuffle(many)
    return many


def make(port: int, call: Call) -> int:
    """Make one request on a connection of its own, read all of the answer and return its status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request(call.method, call.path, call.body or None, {"Connection": "close"})
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def run(port: int, many: list[Call], at_once: int = 6, explain: Callable[[], str] = str) -> None:
    """Make all requests, several at a time; each must have its status, else it fails with what ``explain`` says."""
    with ThreadPoolExecutor(at_once) as pool:
        statuses = list(pool.map(lambda call: make(port, call), many))
    wrong = Counter((call.path, status) for call, status in zip(many, statuses, strict=True) if status != call.status)
    assert not wrong, f"{wrong}\n{explain()}"


def answer(port: int, call: Call) -> tuple[bytes, list[bytes], bytes]:
    """Return status line, headers as they came (without Date) and the bytes of the body."""
    lines = [
        f"{call.method} {call.path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        f"Content-Length: {len(call.body)}",
        "Connection: close",
    ]
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + call.body)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    status, *headers = head.split(b"\r\n")
    return status, [header for header in headers if not header.lower().startswith(b"date:")], body
