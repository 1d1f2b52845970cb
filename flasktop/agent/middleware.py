"""The WSGI middleware: one request in, one trace out, nothing changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from threading import get_ident
from time import perf_counter_ns, thread_time_ns
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from flasktop.agent import clock, flask_answers, flask_hooks
from flasktop.agent.answers import SLOW_NS
from flasktop.agent.body import BODILESS, wrap
from flasktop.agent.clock import WORTH_NS
from flasktop.agent.config import Settings
from flasktop.agent.encode import decoded
from flasktop.agent.finished import QuickRequest
from flasktop.agent.guard import guard
from flasktop.agent.meter import MASK, beginning
from flasktop.agent.process import process, start
from flasktop.agent.runtime import Agent
from flasktop.agent.slots import release
from flasktop.agent.slots import write as _write_slot
from flasktop.agent.starting import counting_starter, starter
from flasktop.agent.trace import UNKNOWN_CPU, UNREAD, AppInfo, RequestTrace, current_trace
from flasktop.protocol.blackbox import SLOT_FREE
from flasktop.protocol.records import RAISED

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication
    from flask import Flask

SHORT_BODY: Final = 16 * 1024
"""Bytes. A request whose body is no longer than this, and there as a whole, ends when the server gets it: the system
takes so much for a connection at once, so that the server does not wait for the visitor."""

EARLY: Final = 8
"""For so many requests the CPU clock is read as soon as they begin: an app's first, and after one that was dispatched
late."""
AGAIN_NS: Final = 100_000_000
"""Where that is no habit of its rule, it is done no more often than this. So an app that has fewer than ``EARLY``
requests in that time has it always, and one that serves 1,000 a second pays next to nothing."""

Hears = Callable[[RequestTrace, "StartResponse"], "StartResponse"]
_unsaid = guard.unsaid
_current = current_trace.get
_set_current = current_trace.set


class Middleware:
    """Wrap a WSGI app by hand: ``app.wsgi_app = Middleware(app.wsgi_app)``, or any WSGI callable.

    Where a Flask app is found behind ``wsgi_app`` (through its bound method, or attributes ``app`` and ``wsgi_app``
    of other middleware), its settings and its URL rules are used; any other app's requests are all unmatched.
    ``FlaskTop(app)`` does this for you.

    Args:
        wsgi_app: the callable to wrap.
        app: the Flask app behind it, for where it cannot be found (behind a plain function).
        name: what ``flasktop attach NAME`` calls the app; over ``FLASKTOP_NAME``.
        config: settings (``FLASKTOP_...``); default: the Flask app's config, and the environment.

    Raises:
        ConfigurationError: a setting has a value that it does not take.
        RegistrationError: the Flask app behind it is registered already.
    """

    def __init__(
        self,
        wsgi_app: WSGIApplication,
        *,
        app: Flask | None = None,
        name: str = "",
        config: Mapping[str, Any] | None = None,
    ) -> None:
        flask_app = app if app is not None else flask_hooks.flask_behind(wsgi_app)
        if config is None:
            config = flask_app.config if flask_app is not None else {}
        self.wsgi_app = wsgi_app
        self.settings = Settings.load(config)
        fallback = str(getattr(flask_app or wsgi_app, "name", "") or getattr(wsgi_app, "__name__", "wsgi"))
        self.app = AppInfo(name or self.settings.name or fallback, self.settings.mask_paths)
        if self.settings.enabled:
            self.app = AppInfo(process.claim_name(self.app.name, self), self.settings.mask_paths)
        self._ignores = self.settings.ignores if self.settings.ignore else None
        if flask_app is not None and flask_hooks.is_wsgi_app_of(flask_app, wsgi_app):
            self._set_way(flask_answers.closing_iterator(), flask_answers.plain_responses(flask_app))
        else:
            self._set_way(None, None)
        self._enabled = self.settings.enabled
        if self._enabled and flask_app is not None:
            flask_hooks.register(flask_app, self)
            process.roots.append(flask_app.root_path)  # the user's code, also where it is installed

    def _set_way(self, closing: type | None, plain: frozenset[type] | None) -> None:
        """How requests go on their way: straight to Flask where its ``plain`` responses are given.

        Then we hear of the request again when Flask has matched it and when Flask has answered it: what is not needed
        before is done there, and of most answers Werkzeug tells when they are closed.
        """
        direct = self.direct = plain is not None
        self._plain = plain or frozenset()
        self._closing = closing
        self.hears: Hears | None = None if direct else counting_starter
        self.special = not direct or self._ignores is not None
        self.early = self._read_early_ns = 0
        self.read_early(True)  # an app's first requests are long in coming to be dispatched

    @classmethod
    def rehearsal(cls, wsgi_app: Any, closing: type, response: type) -> Middleware:
        """One that is known to nobody, to measure what it costs; its app returns a ``closing`` of a ``response``."""
        made = cls.__new__(cls)
        made.app = AppInfo("rehearsal")
        made.wsgi_app = wsgi_app
        made._ignores = None
        made.settings = Settings()
        made._enabled = True
        made._set_way(closing, frozenset({response}))
        made.early = 0
        return made

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request (PEP 3333).

        In one piece, since all requests come by here: each function more, and each object, costs them a microsecond
        or so in cold caches. What only some of them need is elsewhere.
        """
        agent, outer = process.agent, _current()
        if (
            agent is None
            or agent.special
            or self.special
            or not agent.ours[0]
            or (outer is not None and not outer.end_ns)
            or _unsaid
        ):
            agent, trace = self._prepared(agent, outer, environ)
        else:
            try:
                method, path, query = environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"]
                if script := environ["SCRIPT_NAME"]:
                    path = script + path
                slot = agent.journal.free_slots.pop()
                trace = RequestTrace(
                    self.app, method, path, query, perf_counter_ns(), slot, get_ident(), True,
                    UNREAD if self.early <= 0 else self._read_clock(),
                )  # fmt: skip
                agent.running[slot] = trace
                _set_current(trace)
            except Exception:  # noqa: BLE001 - the guard's: there it is done with care, and a fault is reported
                trace = self._begun(agent, environ)
        if agent is None or trace is None:
            return self.wsgi_app(environ, start_response)
        try:
            wsgi_app, hear = self.wsgi_app, self.hears  # by names: Python has no quick way to call what an object holds
            result = wsgi_app(environ, start_response if hear is None else hear(trace, start_response))
        except BaseException as error:
            _note_raised(trace, error)
            agent.end(trace)
            raise
        try:
            now = perf_counter_ns()
            took_ns = now - trace.start_ns
            response: Any = None
            if (
                trace.direct
                and type(result) is self._closing
                and (callbacks := result._callbacks)  # type: ignore[attr-defined]
                # What it closes last is the response that is sent, whoever made that.
                and type(response := getattr(callbacks[-1], "__self__", None)) in self._plain
                and took_ns < SLOW_NS  # a slow one's body is looked at (answers.py)
                and type(chunks := response.response) is list
                and len(chunks) == 1
                and type(chunks[0]) is bytes
                and not response._on_close
                and (status := response._status_code) not in BODILESS
                and trace.method != "HEAD"
            ):
                sent = len(chunks[0])
                if sent > SHORT_BODY or process.agent is not agent:  # or this is a child of its process
                    return self._end_when_sent(agent, trace, result, response, environ)
                trace.end_ns = now
                slot, rule = trace.slot, trace.rule
                if (
                    slot >= 0
                    and trace.spans is None
                    and trace.taken is None
                    and trace.raised is None
                    and not trace.flags
                    and rule is not None
                ):
                    unread = trace.cpu_start_ns == UNREAD and took_ns < WORTH_NS
                    cpu_ns = UNREAD if unread else clock.quick(trace, took_ns)
                    agent.pending.append(
                        QuickRequest(
                            trace.app, rule, trace.method, trace.path, trace.query, trace.start_ns, now, status, sent,
                            cpu_ns,
                        )
                    )  # fmt: skip
                else:
                    trace.status, trace.bytes_sent, trace.first_byte_ns = status, sent, now if sent else 0
                    clock.ended(trace, took_ns)
                    agent.pending.append(trace)
                if slot >= 0:  # ``slots.release``, without a call
                    agent.running[slot] = None
                    journal = agent.journal
                    journal.memory[journal.slots_at[slot]] = SLOT_FREE
                    journal.free_slots.append(slot)
                if now > agent.turn.due_ns or not took_ns & MASK:
                    agent.attend(trace, callbacks)
                return result
            return self._answered(agent, trace, result, response, environ)
        except Exception as error:  # noqa: BLE001 - the guard's: the body goes out as it is
            self._lost(agent, trace, error)
            return result

    def _prepared(
        self, agent: Agent | None, outer: RequestTrace | None, environ: dict[str, Any]
    ) -> tuple[Agent | None, RequestTrace | None]:
        """The agent, started where there is none, and a request that has begun; None where it is not recorded."""
        if not self._enabled:
            return None, None
        if agent is None or not agent.ours[0]:
            agent = start(self.settings, environ)
        if _unsaid:
            guard.flush_log()
        if agent is None or not agent.active or (outer is not None and outer.inside and not outer.end_ns):
            return None, None
        return agent, self._begun(agent, environ)

    def _begun(self, agent: Agent, environ: dict[str, Any]) -> RequestTrace | None:
        try:
            return self._begin(agent, environ)
        except Exception as error:  # noqa: BLE001 - the guard's: an environ that we cannot read is still the app's
            self._failed("beginning a request", error)
            return None

    def _begin(self, agent: Agent, environ: dict[str, Any]) -> RequestTrace:
        try:
            path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
            script = environ["SCRIPT_NAME"]
        except KeyError:  # any of them may be missing where it would be empty
            path, query, script = (environ.get(name, "") for name in ("PATH_INFO", "QUERY_STRING", "SCRIPT_NAME"))
        if script:
            path = script + path
        method = environ["REQUEST_METHOD"]
        try:
            slot = agent.journal.free_slots.pop()
        except IndexError:
            slot = -1  # more in flight than slots: it is recorded when it ends
        trace = RequestTrace(
            self.app, method, path, query, perf_counter_ns(), slot, get_ident(), self.hears is None,
            UNREAD if self.early <= 0 else self._read_clock(),
        )  # fmt: skip
        if slot >= 0:
            agent.running[slot] = trace
        if self.special or agent.special:
            try:
                self._begin_specially(agent, trace)
            except BaseException:
                release(agent, trace)
                raise
        _set_current(trace)
        return trace

    def _begin_specially(self, agent: Agent, trace: RequestTrace) -> None:
        """What only some requests need, or only those of some apps."""
        if agent.greenlet_now is not None:
            trace.thread, trace.cpu_start_ns, trace.greenlet = 0, UNKNOWN_CPU, agent.greenlet_now()
        elif not self.direct and trace.cpu_start_ns == UNREAD:
            trace.cpu_start_ns = thread_time_ns()
        if self._ignores is not None and self._ignores(decoded(trace.path)):
            trace.ignored = True
            release(agent, trace)
        elif not self.direct:
            _write_slot(agent, trace, b"")
        agent.special = agent.greenlet_now is not None or not agent.active
        if agent.metering:
            agent.metering = False
            beginning.append(perf_counter_ns() - trace.start_ns)
        if agent.turn.resting:
            agent.turn.rouse()

    def _end_when_sent(
        self, agent: Agent, trace: RequestTrace, result: Any, response: Any, environ: dict[str, Any]
    ) -> Iterable[bytes]:
        """A long answer, all of it at hand: Werkzeug tells when it was sent."""
        if trace.slot < 0:  # if the body were dropped, it would not be missed
            return self._answered(agent, trace, result, response, environ)
        trace.status, trace.bytes_sent = response._status_code, len(response.response[0])
        trace.first_byte_ns = perf_counter_ns() if trace.bytes_sent else 0
        trace.inside = False
        trace.body = ref(result)
        result._callbacks.append(partial(agent.end, trace))
        body: Iterable[bytes] = result
        return body

    def _answered(
        self, agent: Agent, trace: RequestTrace, result: Iterable[bytes], response: Any, environ: dict[str, Any]
    ) -> Iterable[bytes]:
        """The body to give to the server where it is looked at on its way: the app's own, wrapped."""
        trace.inside = False
        if trace.direct:
            flask_answers.note(trace, result, response, self._plain, self.listen)
        body: Iterable[bytes] = wrap(result, environ, trace, agent.end)
        return body

    def listen(self) -> None:
        """From now on, note what is said to ``start_response``: not all responses tell it beforehand."""
        self.hears = starter
        self.special = True

    def read_early(self, habit: bool) -> None:
        """Read the CPU clock of the next requests before they are dispatched, since that takes long (``clock.py``)."""
        now = perf_counter_ns()
        if habit or now - self._read_early_ns > AGAIN_NS:
            self._read_early_ns = now
            self.early = EARLY

    def _read_clock(self) -> int:
        """The CPU clock, for one of those requests that have it read early."""
        self.early -= 1
        if self.early <= 0:
            self.read_early(False)
        return thread_time_ns()

    def _lost(self, agent: Agent, trace: RequestTrace, error: Exception) -> None:
        """The app has answered, and what we do then has failed."""
        if trace.end_ns:
            agent.failed(error)
            return
        self._failed("wrapping a body", error)
        agent.end(trace)

    def _failed(self, place: str, error: Exception) -> None:
        guard.report(place, error)
        if guard.off(place):
            self._enabled = False
            self.special = True

    def ignores(self, route: str) -> bool:
        """Whether requests to a URL rule are not recorded."""
        return self.settings.ignores(route)


def _note_raised(trace: RequestTrace, error: BaseException) -> None:
    """An exception leaves the app, into the server."""
    trace.inside = False
    trace.response = None
    trace.raised = type(error)
    trace.flags |= RAISED
    if not trace.status and isinstance(error, Exception):
        trace.status = 500  # what every server answers for the app; SystemExit and the like end without
