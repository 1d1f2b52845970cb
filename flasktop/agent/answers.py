"""Whether a cache would have answered: keys of slow GETs and of their bodies, equal where these are equal.

A key is a hash under a key of its own that is random, made in each worker, and never leaves it: who sees the keys
can tell what repeats, and nothing else.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import Any, Final

from flasktop.agent.guard import guard
from flasktop.agent.trace import RequestTrace
from flasktop.protocol.records import CLOSED_EARLY, PRIVATE, RAISED

SLOW_NS: Final = 5_000_000
"""Requests that took less until their first byte are not looked at: looking takes some 5 us and what the body takes."""
MOST_BYTES: Final = 64 * 1024
"""Longer bodies are not looked at."""
NS_PER_BYTE: Final = 150
"""Nor are those whose hash would take more than a hundredth of the request's time: 1.5 ns a byte."""
KEY_BYTES: Final = 6

NOT_WHOLE: Final = CLOSED_EARLY | RAISED

_PLACE: Final = "looking at an answer"
_PRIVATE_CACHE: Final = ("private", "no-store")
_PRIVATE_VARY: Final = ("cookie", "authorization", "*")


class Secret:
    """The hashes' key in this process; another one in a process that was forked since."""

    __slots__ = ("key", "pid")

    def __init__(self) -> None:
        self.key = b""
        self.pid = 0

    def of_now(self) -> bytes:
        pid = os.getpid()
        if pid != self.pid:
            self.key, self.pid = os.urandom(16), pid
        return self.key


secret: Final = Secret()


def first_chunk(trace: RequestTrace, environ: dict[str, Any], chunk: object) -> None:
    """Look at the first chunk of a body that was long in coming; it may be the whole. Never raises."""
    if type(chunk) is not bytes or trace.method != "GET" or trace.status != 200 or guard.off(_PLACE):
        return
    size = len(chunk)
    if size > MOST_BYTES or size * NS_PER_BYTE > trace.first_byte_ns - trace.start_ns:
        return
    try:
        key = secret.of_now()
        trace.answer = (
            size,
            _number(f"{trace.path}\0{trace.query}".encode("utf-8", "surrogatepass"), key),
            _number(chunk, key),
        )
        if "HTTP_AUTHORIZATION" in environ or is_private(trace.headers or ()):
            trace.flags |= PRIVATE
    except Exception as error:  # noqa: BLE001 - the guard's: the body goes out as it is
        guard.report(_PLACE, error)


def keys(trace: RequestTrace) -> tuple[int, int] | None:
    """The keys of a request that has ended and of its body, None where it has none: it was not all in one chunk."""
    answer = trace.answer
    if answer is None or answer[0] != trace.bytes_sent or trace.flags & NOT_WHOLE:
        return None
    return answer[1:]


def is_private(headers: Any) -> bool:
    """Whether a response's headers say that it is for one visitor."""
    for header in headers:
        if type(header) is not tuple or len(header) != 2 or not all(isinstance(part, str) for part in header):
            continue  # not a header: for the server to refuse
        name = str.lower(header[0])
        if name == "set-cookie":
            return True
        words = _PRIVATE_CACHE if name == "cache-control" else _PRIVATE_VARY if name == "vary" else ()
        if words and any(word in str.lower(header[1]) for word in words):
            return True
    return False


def _number(data: bytes, key: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=KEY_BYTES, key=key).digest(), "big")
