"""Where Flask tells us what a request is: its URL rule, its exception, and whether an async view ran.

Methods are wrapped on the app's instance, which costs 0.3 us a request and sees 404s, errors and short cuts;
signals and ``before_request`` functions cost more or see less.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, cast

from flasktop.agent import clock
from flasktop.agent.guard import guard
from flasktop.agent.process import process
from flasktop.agent.rules import KnownRule
from flasktop.agent.slots import METHODS, pack_slot, release, write
from flasktop.agent.sql.repeats import Repeats
from flasktop.agent.trace import UNKNOWN_CPU, RequestTrace, current_trace
from flasktop.errors import RegistrationError
from flasktop.protocol.records import ASYNC_VIEW, UNMATCHED_METHOD

if TYPE_CHECKING:
    from flask import Flask

    from flasktop.agent.middleware import Middleware
    from flasktop.agent.runtime import Agent

_current = current_trace.get

EXTENSION = "flasktop"
KNOWN_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


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


def is_wsgi_app_of(flask_app: Flask | None, wsgi_app: object) -> bool:
    """Whether it is a Flask app's own ``wsgi_app``, as Flask has made it."""
    if flask_app is None or getattr(wsgi_app, "__self__", None) is not flask_app:
        return False
    from flask import Flask as TheirFlask

    code = getattr(getattr(wsgi_app, "__func__", None), "__code__", None)
    return code is not None and code.co_filename == TheirFlask.full_dispatch_request.__code__.co_filename


def register(flask_app: Flask, middleware: Middleware) -> None:
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
    dispatch: Any = dispatching(flask_app.full_dispatch_request, middleware, _context_finder())
    flask_app.full_dispatch_request = dispatch  # type: ignore[method-assign]
    _wrap(flask_app, "handle_user_exception", _note_exception)
    _wrap(flask_app, "handle_exception", _note_exception, answers=True)
    _wrap(flask_app, "async_to_sync", _note_async)


def _wrap(
    flask_app: Any, name: str, note: Callable[[RequestTrace, tuple[Any, ...]], None], *, answers: bool = False
) -> None:
    """Have ``note`` called before a method of the app; ``answers``: what it returns is the request's response."""
    original = getattr(flask_app, name)
    place = f"noting {name}"
    on = not guard.off(place)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        nonlocal on
        trace = _current()
        if trace is None or trace.end_ns or not on:
            return original(*arguments, **named)
        try:
            note(trace, arguments)
        except Exception as error:  # noqa: BLE001 - the guard's: Flask's own call comes next, whatever happens
            guard.report(place, error)
            on = not guard.off(place)
        result = original(*arguments, **named)
        if answers and trace.direct and getattr(result, "direct_passthrough", False):
            trace.response = result
        return result

    wrapped.__name__ = name
    wrapped.__wrapped__ = original  # type: ignore[attr-defined]
    setattr(flask_app, name, wrapped)


def dispatching(dispatch: Callable[..., Any], middleware: Middleware, current: Callable[[], Any]) -> Callable[..., Any]:
    """``dispatch`` with the request's URL rule noted and its slot of the black box written before, and a response that
    is a file noted after it. On every request's path, so in one piece.

    Args:
        current: returns an object whose ``request`` is Flask's current one. See ``_context_finder``.
    """
    app, label = middleware.app, middleware.app.label
    read_clock, read_early = clock.dispatched, middleware.read_early
    word_of = METHODS.get  # a method of what was imported is looked up, and made, at each call
    place = "noting the URL rule"
    on = not guard.off(place)

    def full_dispatch_request(*arguments: Any) -> Any:
        nonlocal on
        trace, agent = _current(), process.agent
        # With a rule it is the outer of two requests (a test client in a view) and keeps its own.
        if trace is None or trace.rule is not None or trace.end_ns or agent is None or not on:
            return dispatch(*arguments)
        try:
            if trace.app is not app:
                trace.app = app  # the app behind the one that took it answers it
            matched = current().request.url_rule
            if matched is None:
                write(agent, trace, b"")
            else:
                try:
                    rule = matched._flasktop_known
                except AttributeError:
                    rule = _remember(matched, middleware)
                trace.rule = rule
                if rule.credit and not rule.ignored:
                    read_clock(trace, rule, read_early)
                if rule.special:
                    _note_more(agent, trace, rule)
                elif (slot := trace.slot) >= 0:  # ``slots.write``, in place; where paths are masked, a rule is special
                    journal, method = agent.journal, trace.method
                    path = trace.path.encode("latin-1", "replace")
                    word = word_of(method) or method.encode("latin-1", "replace")
                    pack_slot(journal.memory, journal.slots_at[slot], 1, trace.start_ns, word, label, path, rule.label)
        except Exception as error:  # noqa: BLE001 - the guard's: Flask's own call comes next, whatever happens
            guard.report(place, error)
            on = not guard.off(place)
        response = dispatch(*arguments) if arguments else dispatch()  # without a tuple, Python makes it in place
        try:
            if response.direct_passthrough and trace.direct:
                trace.response = response
        except AttributeError:  # none of Werkzeug's
            return response
        return response

    full_dispatch_request.__wrapped__ = dispatch  # type: ignore[attr-defined]
    return full_dispatch_request


def _remember(matched: Any, middleware: Middleware) -> KnownRule:
    """What is remembered of a rule that is met for the first time."""
    known = KnownRule(matched, middleware.ignores(matched.rule), middleware.app.mask_paths)
    matched._flasktop_known = known
    return known


def _note_more(agent: Agent, trace: RequestTrace, rule: KnownRule) -> None:
    """What only some requests need."""
    if rule.sampled:
        rule.change(rule.credit, False)
        trace.repeats = Repeats()
    if rule.invented and trace.method not in KNOWN_METHODS:
        trace.method = UNMATCHED_METHOD  # the rule takes any word that a client invents: no row for each
    if rule.ignored:
        trace.ignored = True
        release(agent, trace)
        return
    write(agent, trace, rule.label)


class _Proxied:
    """Its ``request`` is the current one, by Werkzeug's documented way through its proxies."""

    __slots__ = ("_of_proxy",)

    def __init__(self, of_proxy: Callable[[], Any]) -> None:
        self._of_proxy = of_proxy

    @property
    def request(self) -> Any:
        return self._of_proxy()


def _context_finder() -> Callable[[], Any]:
    """What returns an object whose ``request`` is the current request.

    From Flask 2.2 to 3.1 that is what a context variable holds, at a fifth of a proxy's cost.
    """
    from flask import globals as flask_globals  # the app is a Flask app, so this is loaded
    from flask import request

    variable = vars(flask_globals).get("_cv_request")
    if isinstance(variable, ContextVar):
        return variable.get
    proxied = _Proxied(cast(Any, request)._get_current_object)
    return lambda: proxied


def _note_exception(trace: RequestTrace, arguments: tuple[Any, ...]) -> None:
    error = arguments[-1]
    if not hasattr(error, "get_response"):  # HTTPException: an answer, not a fault
        trace.raised = type(error)


def _note_async(trace: RequestTrace, arguments: tuple[Any, ...]) -> None:
    trace.flags |= ASYNC_VIEW
    trace.cpu_start_ns = UNKNOWN_CPU
