"""What Flask answers a request with, read from its response object where Werkzeug sends that as it is.

So neither ``start_response`` nor the body need be wrapped, which costs more than all else that a request pays: of an
answer whose whole body is at hand, the status and the length are known, and Werkzeug tells when it has been sent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flasktop.agent.guard import guard
from flasktop.agent.trace import RequestTrace

if TYPE_CHECKING:
    from flask import Flask


def note(
    trace: RequestTrace, result: object, response: Any, plain: frozenset[type], listen: Callable[[], None]
) -> None:
    """Note a response whose body is counted as it goes out. Never raises.

    Args:
        result: what the app has returned.
        response: the response that ``result`` closes, None where it is not known.
        plain: what ``plain_responses`` returns.
        listen: called where the response is none of them: it may say to ``start_response`` what it does not say of
            itself.
    """
    passed, trace.response = trace.response, None
    try:
        if response is None and passed is not None and passed.response is result:
            response = passed  # a file, which goes to the server as it is
        if type(response) not in plain:
            listen()
        if response is not None:
            trace.status = response.status_code
            trace.headers = _headers(response)
    except Exception as error:  # noqa: BLE001 - the guard's: the response goes out as it is
        guard.report("noting an answer", error)
        listen()


def _headers(response: Any) -> list[tuple[str, str]]:
    """The headers that will be sent, as far as we look at them."""
    headers: list[tuple[str, str]] = list(response.headers)
    if response.is_sequence and "Content-Length" not in response.headers:
        headers.append(("Content-Length", str(sum(map(len, response.iter_encoded())))))
    return headers


def plain_responses(flask_app: Flask) -> frozenset[type]:
    """The app's classes of responses that go to the server as Werkzeug makes them."""
    from flask import Response
    from werkzeug.wrappers import Response as WerkzeugResponse

    if getattr(WerkzeugResponse(), "_status_code", None) != 200:
        return frozenset()
    made = ("__call__", "get_wsgi_response", "get_app_iter", "iter_encoded", "close", "status", "status_code")
    return frozenset(
        kind
        for kind in (Response, WerkzeugResponse, flask_app.response_class)
        if all(getattr(kind, name, None) is getattr(WerkzeugResponse, name) for name in made)
    )


def closing_iterator() -> type | None:
    """Werkzeug's iterator that calls a list of functions when it is closed, None where it works in another way."""
    from werkzeug.wsgi import ClosingIterator

    calls: list[int] = []
    try:
        tried: Any = ClosingIterator((), lambda: calls.append(1))
        tried._callbacks.append(lambda: calls.append(2))
        tried.close()
    except (AttributeError, TypeError):
        return None
    return ClosingIterator if calls == [1, 2] else None
