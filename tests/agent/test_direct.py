"""Requests that go from the middleware straight to Flask: its response tells what is else found out by wrapping."""

from __future__ import annotations

import gc
import io
import threading
from collections.abc import Iterable
from typing import Any

import pytest
from flask import Flask, Response, request
from flask.sessions import SessionInterface
from werkzeug.wsgi import ClosingIterator

from flasktop import FlaskTop
from flasktop.agent import flask_answers, loop, middleware
from flasktop.agent.guard import LIMIT, guard
from flasktop.agent.process import process
from flasktop.agent.trace import AppInfo, RequestTrace
from flasktop.agent.turn import Turn
from flasktop.protocol.records import CLOSED_EARLY, RAISED, UNKNOWN
from tests.agent.support import Box, bare_environ, serve, until


def site(response_class: type[Response] | None = None) -> Flask:
    app = Flask("site")
    if response_class is not None:
        app.response_class = response_class

    @app.get("/plain")
    def plain() -> str:
        return "plain"

    @app.get("/long")
    def long() -> bytes:
        return bytes(middleware.SHORT_BODY + 1)

    @app.get("/two")
    def two() -> Response:
        return app.response_class([b"one", b"two"])

    @app.get("/empty")
    def empty() -> str:
        return ""

    @app.get("/unmodified")
    def unmodified() -> Response:
        return app.response_class("not to be sent", status=304)

    @app.get("/fails")
    def fails() -> str:
        raise ZeroDivisionError

    app.logger.disabled = True
    FlaskTop(app)
    return app


def test_the_apps_own_body_goes_to_the_server(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "SLOW_NS", 60_000_000_000)  # of a slow answer the body is looked at
    result: Any = site()(bare_environ("/plain"), lambda *_: lambda _: None)

    assert type(result) is ClosingIterator
    assert list(result) == [b"plain"]
    result.close()
    trace = box.trace()
    assert (trace.status, trace.bytes_sent, trace.flags) == (200, 5, 0)
    assert 0 < trace.first_byte_us <= trace.duration_us


@pytest.mark.parametrize(
    ("path", "method", "status", "sent"),
    [
        ("/plain", "GET", 200, 5),
        ("/plain", "HEAD", 200, 0),
        ("/two", "GET", 200, 6),
        ("/empty", "GET", 200, 0),
        ("/unmodified", "GET", 304, 0),
        ("/nowhere", "HEAD", 404, 0),
        ("/fails", "HEAD", 500, 0),
    ],
)
def test_status_and_bytes_are_what_the_server_got(box: Box, path: str, method: str, status: int, sent: int) -> None:
    answer = serve(site(), path, method)
    trace = box.trace()

    assert (trace.status, trace.bytes_sent) == (status, sent) == (int(answer.status[0][:3]), len(answer.body))


def test_an_empty_body_has_no_first_byte(box: Box) -> None:
    serve(site(), "/empty")

    assert box.trace().first_byte_us == UNKNOWN


def test_an_error_page_has_its_length(box: Box) -> None:
    answer = serve(site(), "/fails")
    trace = box.trace()

    assert (trace.status, trace.error, trace.bytes_sent) == (500, "ZeroDivisionError", len(answer.body))


def test_a_body_that_is_closed_twice_ends_one_request(box: Box) -> None:
    result: Any = site()(bare_environ("/plain"), lambda *_: lambda _: None)
    result.close()
    result.close()
    serve(site(), "/plain")

    assert len(box.traces(2)) == 2


@pytest.mark.parametrize("due", [False, True], ids=["not due", "due"])
def test_a_short_answer_ends_its_request_when_the_server_gets_it(
    box: Box, monkeypatch: pytest.MonkeyPatch, due: bool
) -> None:
    """Whether the agent's thread waits for its turn or not; which it gets when the answer was sent."""
    app = site()
    served, passes = [serve(app, "/plain")], list[bool]()
    monkeypatch.setattr(middleware, "SLOW_NS", 60_000_000_000)
    # The thread says nothing of when it is due, once it has left the function that did.
    monkeypatch.setattr(loop.Loop, "_over", lambda *_: passes.append(True))
    while not passes:
        served.append(serve(app, "/plain"))
    woken: list[bool] = []
    turn = Turn(lambda: woken.append(True))
    turn.over(1 if due else None)
    monkeypatch.setattr(box.agent, "turn", turn)
    result: Any = app(bare_environ("/plain"), lambda *_: lambda _: None)
    at_hand, early = list(box.agent.running), list(woken)
    result.close()

    assert set(at_hand) == {None} and early == []
    assert woken == [True] * due
    count = len(served) + 1
    assert [(trace.status, trace.bytes_sent) for trace in box.traces(count)] == [(200, 5)] * count
    assert len(box.agent.journal.free_slots) == 512


def test_a_long_answer_ends_its_request_when_it_was_sent(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "SLOW_NS", 60_000_000_000)
    result: Any = site()(bare_environ("/long"), lambda *_: lambda _: None)
    before = [trace for trace in box.agent.running if trace is not None]
    result.close()
    trace = box.trace()

    assert len(before) == 1
    assert trace.duration_us >= trace.first_byte_us > 0 and trace.bytes_sent == middleware.SHORT_BODY + 1


def test_a_body_that_is_dropped_ends_when_it_was_answered(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "SLOW_NS", 60_000_000_000)
    result: Any = site()(bare_environ("/long"), lambda *_: lambda _: None)
    box.sample(lambda sample: sample.in_flight == 1)
    del result
    gc.collect()
    trace = box.trace()

    assert trace.duration_us == trace.first_byte_us
    assert len(box.agent.journal.free_slots) == 512


def test_a_server_that_stops_at_the_bodys_length_closes_nothing_early(box: Box) -> None:
    """Of several pieces Werkzeug tells the length only to the server, where the app has not set it."""
    result: Any = site()(bare_environ("/two"), lambda *_: lambda _: None)
    assert [next(iter(result)), next(iter(result))] == [b"one", b"two"]
    result.close()

    assert not box.trace().flags & CLOSED_EARLY


def test_callbacks_of_the_response_run_before_the_request_ends(box: Box) -> None:
    app = site()
    ended: list[bool] = []

    @app.after_request
    def later(response: Response) -> Response:
        (trace,) = [trace for trace in box.agent.running if trace is not None]
        response.call_on_close(lambda: ended.append(bool(trace.end_ns)))
        return response

    serve(app, "/plain")

    assert ended == [False]
    box.traces(1)


class Odd(Response):
    """Says something else to the server than it says of itself."""

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("203 Odd", [("Content-Type", "text/plain")])
        return [b"odd"]


def test_a_response_that_sends_something_else_is_listened_to(box: Box) -> None:
    """From the second request on: that there are such is known after the first."""
    app = site(Odd)
    bodies = [serve(app, "/plain").body for _ in range(3)]
    traces = box.traces(3)

    assert bodies == [b"odd"] * 3
    assert [trace.status for trace in traces][1:] == [203, 203]
    assert [trace.bytes_sent for trace in traces] == [3, 3, 3]


class Bare(Response):
    """Closes nothing when it is closed."""

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("203 Bare", [("Content-Type", "text/plain")])
        return ClosingIterator(iter([b"bare"]))


def test_a_response_that_closes_nothing_is_listened_to(box: Box) -> None:
    app = site(Bare)
    bodies = [serve(app, "/plain").body for _ in range(3)]
    traces = box.traces(3)

    assert bodies == [b"bare"] * 3
    assert [(trace.status, trace.bytes_sent) for trace in traces][1:] == [(203, 4)] * 2
    assert guard.errors == 0


def test_a_wsgi_app_of_the_users_own_is_listened_to(box: Box) -> None:
    class Own(Flask):
        def wsgi_app(self, environ: Any, start_response: Any) -> Any:
            start_response("202 Own", [])
            return [b"own"]

    app = Own("own")
    FlaskTop(app)
    serve(app, "/")
    trace = box.trace()

    assert (trace.status, trace.bytes_sent) == (202, 3)


def test_a_request_within_an_error_handler_leaves_its_answer_to_the_outer_one(box: Box) -> None:
    app, inner = site(), Flask("inner")
    inner.add_url_rule("/inner", "inner", lambda: ("inner", 201))
    FlaskTop(inner)

    @app.errorhandler(404)
    def missing(error: Exception) -> tuple[str, int]:
        with inner.test_client() as client:
            return client.get("/inner").text + " and more", 404

    serve(app, "/nowhere")
    trace = box.trace()

    assert (trace.status, trace.bytes_sent) == (404, len("inner and more"))


def test_a_response_that_cannot_be_read_goes_out_all_the_same(world: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(flask_answers, "_headers", fails)
    app = site()
    answers = [serve(app, "/two") for _ in range(3)]

    assert [answer.body for answer in answers] == [b"onetwo"] * 3
    assert guard.errors == 1  # from then on it is listened to
    assert [(trace.status, trace.bytes_sent) for trace in world.traces(3)] == [(200, 6)] * 3


def test_the_end_of_a_request_that_cannot_be_noted_changes_nothing(world: Box) -> None:
    app = site()
    serve(app, "/plain")
    world.agent.journal.slots_at = []

    for _ in range(LIMIT):
        assert serve(app, "/plain").body == b"plain"

    assert guard.off("ending a request") and not guard.off("wrapping a body")
    assert process.agent is not None and not process.agent.active


class Slow(SessionInterface):
    """Takes long to open a session, before Flask dispatches the request."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def open_session(self, app: Flask, request: Any) -> Any:
        self.go.wait(60)
        return None


def test_a_request_that_hangs_before_it_is_dispatched_is_in_the_black_box(box: Box) -> None:
    app = site()
    serve(app, "/plain")
    app.session_interface = slow = Slow()
    thread = threading.Thread(target=serve, args=(app, "/plain"))
    thread.start()
    (held,) = until(lambda: box.read().in_flight)
    slow.go.set()
    thread.join()

    assert (held.method, held.path, held.route) == ("GET", "/plain", "")
    assert until(lambda: not box.read().in_flight)
    box.traces(2)


def test_werkzeugs_iterator_calls_what_is_added() -> None:
    assert flask_answers.closing_iterator() is ClosingIterator


# -- who answers --


def test_a_replaced_error_handler_of_the_app_is_heard(box: Box) -> None:
    """Flask-RESTful puts one of its own in the place of Flask's, and of our hook."""
    app = site()
    app.handle_exception = lambda e: Response("api error", status=503)  # type: ignore[method-assign]
    serve(app, "/fails")
    trace = box.trace()

    assert (trace.status, trace.bytes_sent) == (503, len("api error"))


@pytest.mark.parametrize("path", ["/plain", "/nowhere"])
def test_a_request_within_the_teardown_leaves_the_outer_answer_alone(box: Box, path: str) -> None:
    app = site()

    @app.teardown_request
    def visit(error: BaseException | None) -> None:
        if request.path == path:
            app.test_client().get("/fails")

    answer = serve(app, path)
    trace = box.trace()

    assert (trace.status, trace.bytes_sent) == (int(answer.status[0][:3]), len(answer.body))


def test_a_function_that_fails_when_the_response_is_closed_is_flagged(box: Box) -> None:
    app = site()

    def fails() -> None:
        raise ZeroDivisionError

    @app.after_request
    def later(response: Response) -> Response:
        response.call_on_close(fails)
        return response

    assert "ZeroDivisionError" in serve(app, "/plain").error
    trace = box.trace()
    assert (trace.error, trace.flags & RAISED) == ("ZeroDivisionError", RAISED)


def test_a_file_that_goes_to_the_server_as_it_is_has_its_status(box: Box) -> None:
    app = site()

    @app.get("/file")
    def file() -> Response:
        return app.response_class(io.BytesIO(b"a file"), status=206, direct_passthrough=True)

    serve(app, "/file")
    trace = box.trace()

    assert (trace.status, trace.bytes_sent) == (206, 6)


def test_a_patched_class_of_apps_is_listened_to(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def wsgi_app(self: Flask, environ: Any, start_response: Any) -> list[bytes]:
        start_response("503 Patched", [])
        return [b"patched"]

    monkeypatch.setattr(Flask, "wsgi_app", wsgi_app)
    serve(site(), "/plain")

    assert box.trace().status == 503


# -- slots --


def test_bodies_that_are_dropped_are_counted_however_many(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    app = site()
    serve(app, "/plain")
    monkeypatch.setattr(loop, "TICK_S", 0.2)
    for _ in range(600):
        result: Any = app.wsgi_app(bare_environ("/plain"), lambda *_: lambda _: None)
        del result

    assert len(box.traces(601)) == 601
    assert sorted(box.agent.journal.free_slots) == list(range(512))


def test_a_request_that_ended_meanwhile_is_not_dropped(box: Box) -> None:
    serve(site(), "/plain")
    ended = RequestTrace(AppInfo("site"), "GET", "/plain", "", 1, 0)
    ended.end_ns = 2
    box.agent.drop(ended)

    assert sorted(box.agent.journal.free_slots) == list(range(512))
    box.traces(1)


def test_the_black_box_goes_on_in_a_new_file(box: Box) -> None:
    app = site()
    serve(app, "/plain")
    before = box.agent.journal.memory
    box.agent.files.journal.unlink()
    until(lambda: box.agent.journal.memory is not before)
    result: Any = app.wsgi_app(bare_environ("/two"), lambda *_: lambda _: None)
    (held,) = until(lambda: box.read().in_flight)
    result.close()

    assert (held.path, held.route) == ("/two", "/two")
    assert until(lambda: not box.read().in_flight)


class Killing(SessionInterface):
    """Ends the worker before the request is dispatched."""

    def open_session(self, app: Flask, request: Any) -> Any:
        raise SystemExit


def test_a_request_that_is_killed_before_it_is_dispatched_is_told_as_itself(box: Box) -> None:
    app = site()
    serve(app, "/plain")
    app.session_interface = Killing()
    serve(app, "/two")
    (killed,) = until(lambda: box.read().in_flight)

    assert (killed.path, killed.route) == ("/two", "")


def test_a_request_that_cannot_begin_gives_its_slot_back(world: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    app = site()
    serve(app, "/plain")

    def fails(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(app.extensions["flasktop"], "_begin_specially", fails)
    app.extensions["flasktop"].special = True
    assert serve(app, "/plain").body == b"plain"

    assert sorted(world.agent.journal.free_slots) == list(range(512))
    assert not any(world.agent.running)


def test_a_fault_in_looking_after_requests_leaves_the_agent_at_work(
    world: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(loop, "look_after", fails)
    app = site()
    serve(app, "/plain")
    until(lambda: guard.off("looking after requests"))
    serve(app, "/plain")

    world.traces(2)
    assert world.agent.active
