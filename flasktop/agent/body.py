"""The response body, passed through untouched while its bytes and its end are noted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from time import perf_counter_ns
from typing import Any, Final

import msgspec

from flasktop.agent.answers import SLOW_NS, first_chunk
from flasktop.agent.guard import guard
from flasktop.agent.trace import RequestTrace
from flasktop.protocol.records import CLOSED_EARLY, OFFLOADED, RAISED

CONTENT_LENGTH_DIGITS: Final = 18
"""Longer numbers are no length, and would not fit into a message."""

BODILESS: Final = frozenset({*range(100, 200), 204, 304})
"""Statuses whose responses have no body, whatever the app says."""

Finish = Callable[[RequestTrace], None]


class Body(msgspec.Struct, eq=False):
    """An iterable that hands on what the app's iterable yields and ends the request when it is closed.

    ``close`` of the app's iterable is called exactly once, however often the server calls ours.
    """

    _result: Any
    _environ: dict[str, Any]
    _trace: RequestTrace
    _finish: Finish
    _chunks: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        # A generator: half the cost of a __next__ of our own for each chunk.
        trace = self._trace
        try:
            for chunk in self._result:
                if chunk:
                    if not trace.bytes_sent:
                        now = trace.first_byte_ns = perf_counter_ns()
                        if now - trace.start_ns > SLOW_NS:
                            first_chunk(trace, self._environ, chunk)
                    trace.bytes_sent += len(chunk) if type(chunk) is bytes else length(chunk)
                yield chunk
            trace.complete = True
        except GeneratorExit:  # the server has dropped our iterator: its business, see close()
            raise
        except BaseException as error:
            trace.raised = type(error)
            trace.flags |= RAISED
            if not trace.status and isinstance(error, Exception):
                trace.status = 500  # nothing was sent: the server answers for the app
            raise

    def __next__(self) -> bytes:
        if self._chunks is None:
            self._chunks = iter(self)
        return next(self._chunks)

    def close(self) -> None:
        trace = self._trace
        if trace.end_ns:
            return
        try:
            close = getattr(self._result, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            trace.raised = type(error)
            trace.flags |= RAISED
            raise
        finally:
            if not trace.complete:
                self._look_at_end(trace)
            _end(trace, self._finish)

    def __del__(self) -> None:
        # Nobody closed it: a middleware that forgets to, a test client. The request has ended all the same.
        trace = self._trace
        if not trace.end_ns:
            self._look_at_end(trace)
            _end(trace, self._finish)

    def _look_at_end(self, trace: RequestTrace) -> None:
        if not trace.complete and not trace.flags & RAISED:
            try:
                if not _was_sent_whole(self._result, trace):
                    trace.flags |= CLOSED_EARLY
            except Exception as error:  # noqa: BLE001 - the guard's: odd headers or chunks are the server's business
                guard.report("looking at the end of a body", error)


def _end(trace: RequestTrace, finish: Finish) -> None:
    trace.headers = None  # the app's, with a tuple a header: held until drained, they would make work for gc
    finish(trace)


def length(chunk: object) -> int:
    """Bytes in a chunk; 0 for what is none, which is for the server to refuse."""
    return len(chunk) if isinstance(chunk, (bytes, bytearray, memoryview)) else 0


class SizedBody(Body):
    """A body whose length the server may ask for, as with a list: servers derive Content-Length from it."""

    def __len__(self) -> int:
        return len(self._result)


def wrap(result: Any, environ: dict[str, Any], trace: RequestTrace, finish: Finish) -> Any:
    """Return the body to give to the server: the app's own object where the server may offload it as a file."""
    kind = type(result)
    make = _bodies.get(kind)
    if make is None:
        if result is None or isinstance(result, (bytes, str)):
            # Not what WSGI asks for, and servers differ in what they make of it (uWSGI sends bytes whole): so it stays.
            trace.bytes_sent += length(result)
            _end(trace, finish)
            return result
        make = SizedBody if hasattr(result, "__len__") else Body
        if len(_bodies) < KNOWN_TYPES:
            _bodies[kind] = make
    file_wrapper = environ.get("wsgi.file_wrapper")
    if file_wrapper is not None and _is_file(result, file_wrapper):
        _finish_on_close(result, trace, finish)
        return result
    return make(result, environ, trace, finish)


KNOWN_TYPES: Final = 256
"""Types of results whose kind of body is remembered: asking for an attribute that is not there is dear."""

_bodies: Final[dict[type, type[Body]]] = {}


def _is_file(result: object, file_wrapper: object) -> bool:
    if isinstance(file_wrapper, type):
        return isinstance(result, file_wrapper)
    # uWSGI's file_wrapper returns the file itself and offloads it only if it comes back as the same object.
    return hasattr(result, "read")


def _finish_on_close(result: Any, trace: RequestTrace, finish: Finish) -> None:
    """End the request when the server closes the file; at once where the object cannot tell us."""
    trace.flags |= OFFLOADED
    trace.bytes_sent = content_length(trace) or 0
    close = getattr(result, "close", None)

    def closed() -> None:
        with contextlib.suppress(AttributeError):
            del result.close  # a second call is the file's own; and no cycle keeps the file alive
        try:
            if close is not None:
                close()
        finally:
            if not trace.end_ns:
                _end(trace, finish)

    try:
        result.close = closed
    except (AttributeError, TypeError):
        _end(trace, finish)


def content_length(trace: RequestTrace) -> int | None:
    """The response's Content-Length, None where it has none that makes sense."""
    for name, value in trace.headers or ():
        if name.lower() == "content-length" and value.isdecimal() and len(value) <= CONTENT_LENGTH_DIGITS:
            return int(value)
    return None


def _was_sent_whole(result: object, trace: RequestTrace) -> bool:
    """Whether a body whose end was not asked for is complete all the same.

    Servers stop at Content-Length, take a list by its length, and send no body for HEAD, 204 and 304.
    """
    if trace.method == "HEAD" or trace.status in BODILESS:
        return True
    length = content_length(trace)
    if length is not None:
        return trace.bytes_sent >= length
    return isinstance(result, (list, tuple)) and trace.bytes_sent >= sum(map(len, result))
