"""Where Flask tells us what a request is: its URL rule, its exception, and whether an async view ran.

Methods are wrapped on the app's instance, which costs 0.3 us a request and sees 404s, errors and short cuts;
signals and ``before_request`` functions cost more or see less.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from flasktop.agent.guard import guard
from flasktop.agent.runtime import process
from flasktop.agent.trace import AppInfo, RequestTrace, current_trace
from flasktop.errors import RegistrationError
from flasktop.protocol.blackbox import SLOT, SLOT_ROUTE, SLOT_ROUTE_AT
from flasktop.protocol.messages import ASYNC_VIEW

if TYPE_CHECKING:
    from flask import Flask

    from flasktop.agent.middleware import Middleware

EXTENSION = "flasktop"
_pack_route = SLOT_ROUTE.pack_into


def flask_behind(wsgi_app: object) -> Flask | None:
    """The Flask app that ``wsgi_app`` is, is a method of, or wraps through ``app``/``wsgi_app`` attributes."""
    seen = wsgi_app
    for _ in range(10):
        owner = getattr(seen, "__self__", seen)
        if hasattr(owner, "full_dispatch_request") and hasattr(owner, "url_map"):
            return cast("Flask", owner)
        seen = getattr(owner, "wsgi_app", None) or getattr(owner, "app", None)
        if seen is None:
            return None
    return None


def register(flask_app: Flask, app: AppInfo, middleware: Middleware) -> None:
    """Hook a Flask app, once.

    Raises:
        RegistrationError: it is hooked already.
    """
    if EXTENSION in flask_app.extensions:
        raise RegistrationError(
            f"flasktop is registered for the Flask app {flask_app.name!r} already.",
            "Call FlaskTop(app), init_app(app) or Middleware(app.wsgi_app) once for each app.",
        )
    flask_app.extensions[EXTENSION] = middleware
    _wrap_dispatch(flask_app, app, middleware)
    _wrap(flask_app, "handle_user_exception", _note_exception)
    _wrap(flask_app, "handle_exception", _note_exception)
    _wrap(flask_app, "async_to_sync", _note_async)


def _wrap(flask_app: Any, name: str, note: Callable[[RequestTrace, tuple[Any, ...]], None]) -> None:
    original = getattr(flask_app, name)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        trace = current_trace.get()
        if trace is not None and not trace.finished:
            try:
                note(trace, arguments)
            except Exception as error:  # noqa: BLE001 - the guard's: Flask's own call comes next, whatever happens
                guard.report(f"noting {name}", error)
        return original(*arguments, **named)

    wrapped.__name__ = name
    wrapped.__wrapped__ = original  # type: ignore[attr-defined]
    setattr(flask_app, name, wrapped)


def _wrap_dispatch(flask_app: Any, app: AppInfo, middleware: Middleware) -> None:
    """Note the URL rule of each request; on every request's path, so written out."""
    dispatch = flask_app.full_dispatch_request
    find_request = _request_finder()
    labels: dict[str, bytes] = {}

    def note(trace: RequestTrace) -> None:
        trace.app = app
        rule = find_request().url_rule
        if rule is None:
            return
        route = trace.rule = rule.rule
        trace.endpoint = rule.endpoint
        label = labels.get(route)
        if label is None:
            label = labels[route] = route.encode("utf-8", "replace")
            middleware.learn(route)
        if route in middleware.ignored_routes:
            trace.ignored = True
        agent = process.agent
        if trace.slot >= 0 and agent is not None:
            journal = agent.journal
            _pack_route(journal.memory, journal.slots_at + trace.slot * SLOT.size + SLOT_ROUTE_AT, label)

    def full_dispatch_request(*arguments: Any) -> Any:
        trace = current_trace.get()
        # With a rule it is the outer of two requests (a test client in a view) and keeps its own.
        if trace is not None and trace.rule is None and not trace.finished:
            try:
                note(trace)
            except Exception as error:  # noqa: BLE001 - the guard's: Flask's own call comes next, whatever happens
                guard.report("noting the URL rule", error)
        return dispatch(*arguments)

    full_dispatch_request.__wrapped__ = dispatch  # type: ignore[attr-defined]
    flask_app.full_dispatch_request = full_dispatch_request


def _request_finder() -> Callable[[], Any]:
    """What returns the current request: the proxy's own object, at a fifth of the proxy's cost.

    ``_get_current_object`` is Werkzeug's documented way through its proxies, from Flask 2.1 to 3.x.
    """
    from flask import request  # the app is a Flask app, so this is loaded

    return cast("Callable[[], Any]", cast(Any, request)._get_current_object)


def _note_exception(trace: RequestTrace, arguments: tuple[Any, ...]) -> None:
    error = arguments[-1]
    if not hasattr(error, "get_response"):  # HTTPException: an answer, not a fault
        trace.raised = type(error)


def _note_async(trace: RequestTrace, arguments: tuple[Any, ...]) -> None:
    trace.flags |= ASYNC_VIEW
    trace.cpu_start_ns = -1
