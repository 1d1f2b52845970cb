"""The server's ``start_response``, handed to the app so that what it says there is noted."""

from __future__ import annotations

from http import HTTPStatus
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

from flasktop.agent.body import length
from flasktop.agent.trace import RequestTrace

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse


def starter(trace: RequestTrace, start_response: StartResponse) -> StartResponse:
    """The server's ``start_response``, noting what the app says to it."""

    def started(status: str, headers: list[tuple[str, str]], *rest: Any, **named: Any) -> Any:
        # First the server: where it refuses (headers sent already), what it has sent stays what it was.
        write = start_response(status, headers, *rest, **named) if rest or named else start_response(status, headers)
        trace.headers = headers
        code = _STATUSES.get(status)
        trace.status = code if code is not None else _status(status, trace.status)
        return write

    return started


def counting_starter(trace: RequestTrace, start_response: StartResponse) -> StartResponse:
    """The same for an app that may send its body through what the server's ``start_response`` returns."""
    noting = starter(trace, start_response)

    def started(*arguments: Any, **named: Any) -> Any:
        write = noting(*arguments, **named)

        def counted(data: bytes) -> object:
            if not trace.bytes_sent:
                trace.first_byte_ns = perf_counter_ns()
            trace.bytes_sent += length(data)
            return write(data)

        return counted

    return started


_STATUSES: Final = {
    f"{status.value} {said}": status.value for status in HTTPStatus for said in (status.phrase, status.phrase.upper())
}


def _status(status: Any, before: int) -> int:
    """The code of a status line that is not everyday; what is none is for the server to refuse."""
    try:
        return int(status[:3])
    except Exception:  # noqa: BLE001 - any object may come as a status
        return before
