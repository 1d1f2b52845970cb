"""Where Flask tells us what a request is: its URL rule, its exception, and whether an async view ran.

Methods are wrapped on the app's instance, which costs 0.3 us a request and sees 404s, errors and short cuts;
signals and ``before_request`` functions cost more or see less.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, cast

from flasktop.agent.guard import guard
from flasktop.agent.process import process
from flasktop.agent.slots import release
from flasktop.agent.sql.repeats import SAMPLE_MASK, Repeats
from flasktop.agent.trace import AppInfo, RequestTrace, current_trace
from flasktop.errors import RegistrationError
from flasktop.protocol.blackbox import SLOT, SLOT_PATH_AT, SLOT_ROUTE, SLOT_ROUTE_AT
from flasktop.protocol.records import ASYNC_VIEW, UNMATCHED_METHOD

if TYPE_CHECKING:
    from flask import Flask

    from flasktop.agent.middleware import Middleware

EXTENSION = "flasktop"
KNOWN_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_pack_route = SLOT_ROUTE.pack_into
_pack_path = SLOT_ROUTE.pack_into  # both fields are of one size
_SLOT_SIZE: Final = SLOT.size


def flask_behind(wsgi_app: object) -> Flask | None:
    """The Flask app that ``wsgi_app`` is, is a method of, or wraps through ``app``/``wsgi_app`` attributes."""
    seen = wsgi_app
    for _ in range(10):
        owner = getattr(seen, "__self__", seen)
        if hasattr(owner, "full_dispatch_request") and hasattr(owner, "url_map"):
            return cast("Flask", owner)
        if hasattr(owner, "mounts"):
            return None  # a DispatcherMiddleware: it is several apps, not the one behind it
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
    place = f"noting {name}"

    def wrapped(*arguments: Any, **named: Any) -> Any:
        nonlocal note
        trace = current_trace.get()
        if trace is not None and not trace.finished:
            try:
                note(trace, arguments)
            except Exception as error:  # noqa: BLE001 - the guard's: Flask's own call comes next, whatever happens
                guard.report(place, error)
                if guard.off(place):
                    note = _nothing
        return original(*arguments, **named)

    wrapped.__name__ = name
    wrapped.__wrapped__ = original  # type: ignore[attr-defined]
    setattr(flask_app, name, wrapped)


def _wrap_dispatch(flask_app: Any, app: AppInfo, middleware: Middleware) -> None:
    """Note the URL rule of each request; on every request's path, so written out."""
    dispatch = flask_app.full_dispatch_request
    note = _rule_noter(app, middleware)

    def full_dispatch_request(*arguments: Any) -> Any:
        nonlocal note
        trace = current_trace.get()
        # With a rule it is the outer of two requests (a test client in a view) and keeps its own.
        if trace is not None and trace.rule is None and not trace.finished:
            try:
                note(trace)
            except Exception as error:  # noqa: BLE001 - the guard's: Flask's own call comes next, whatever happens
                guard.report("noting the URL rule", error)
                if guard.off("noting the URL rule"):
                    note = _nothing
        return dispatch(*arguments)

    full_dispatch_request.__wrapped__ = dispatch  # type: ignore[attr-defined]
    flask_app.full_dispatch_request = full_dispatch_request


def _rule_noter(app: AppInfo, middleware: Middleware) -> Callable[[RequestTrace], None]:
    current, rule_of = _rule_finder()
    known: dict[str, tuple[bytes, bool]] = {}

    def learn(route: str) -> tuple[bytes, bool]:
        middleware.learn(route)
        told = known[route] = (route.encode("utf-8", "replace"), route in middleware.ignored_routes)
        return told

    def note(trace: RequestTrace) -> None:
        if trace.app is not app:
            _adopt(trace, app)
        rule = rule_of(current())
        if rule is None:
            return
        route = trace.rule = rule.rule
        trace.endpoint = rule.endpoint
        if rule.methods is None and trace.method not in KNOWN_METHODS:
            trace.method = UNMATCHED_METHOD  # the rule takes any word that a client invents: no row for each
        told = known.get(route)
        if told is None:
            told = learn(route)
            trace.repeats = Repeats()
        elif not trace.start_ns & SAMPLE_MASK:
            trace.repeats = Repeats()
        label, ignored = told
        agent = process.agent
        if agent is None:
            return
        if ignored:
            trace.ignored = True
            release(agent, trace)
        elif (slot := trace.slot) >= 0:
            journal = agent.journal
            _pack_route(journal.memory, journal.slots_at + slot * _SLOT_SIZE + SLOT_ROUTE_AT, label)

    return note


def _adopt(trace: RequestTrace, app: AppInfo) -> None:
    """The request is answered by an app behind the one that took it; if paths are masked there, so is this one."""
    trace.app = app
    agent = process.agent
    if app.mask_paths and trace.slot >= 0 and agent is not None:
        journal = agent.journal
        _pack_path(journal.memory, journal.slots_at + trace.slot * SLOT.size + SLOT_PATH_AT, b"")


def _nothing(*arguments: Any) -> None:
    """Takes the place of a hook that was switched off."""


def _rule_finder() -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    """What returns an object that knows the current request, and what returns the request's rule from that.

    The proxy's own object, at a fifth of the proxy's cost. From Flask 2.2 to 3.1 it is an attribute of what a context
    variable holds; elsewhere ``_get_current_object`` is Werkzeug's documented way through its proxies.
    """
    from flask import globals as flask_globals  # the app is a Flask app, so this is loaded
    from flask import request

    variable = vars(flask_globals).get("_cv_request")
    if not isinstance(variable, ContextVar):
        return cast(Any, request)._get_current_object, attrgetter("url_rule")
    return variable.get, attrgetter("request.url_rule")


def _note_exception(trace: RequestTrace, arguments: tuple[Any, ...]) -> None:
    error = arguments[-1]
    if not hasattr(error, "get_response"):  # HTTPException: an answer, not a fault
        trace.raised = type(error)


def _note_async(trace: RequestTrace, arguments: tuple[Any, ...]) -> None:
    trace.flags |= ASYNC_VIEW
    trace.cpu_start_ns = -1
