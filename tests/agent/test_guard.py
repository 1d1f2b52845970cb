"""Every hook of ours may fail: the app does not notice, and what fails again and again is switched off."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from flasktop import FlaskTop, Middleware
from flasktop.agent import body, flask_hooks, loop, middleware, native, runtime, upkeep
from flasktop.agent.encode import TraceEncoder
from flasktop.agent.guard import LIMIT, Guard, guard
from flasktop.agent.journal import Journal
from flasktop.agent.paths import Paths
from flasktop.agent.process import process
from flasktop.agent.recorder import Recorder
from flasktop.agent.sampler import Sampler
from flasktop.agent.server import Server
from flasktop.agent.totals import TotalsTable
from tests.agent.sites import answering, flask_site
from tests.agent.support import Box, serve, until


class Fault(Exception):
    """Ours."""


def fails(*_: Any, **__: Any) -> Any:
    raise Fault("on purpose")


def test_a_fault_is_counted_each_time_and_said_once() -> None:
    one = Guard()
    for _ in range(3):
        one.report("here", Fault("x"))

    assert one.errors == 3
    assert list(one.unsaid) == ["flasktop: here failed and was skipped: Fault: x. The app is not affected."]


def test_a_place_is_off_after_the_limit_and_says_so() -> None:
    one = Guard()
    for _ in range(LIMIT - 1):
        one.report("here", Fault("x"))
    assert not one.off("here")
    one.report("here", Fault("x"))

    assert one.off("here")
    assert not one.off("there")
    assert "switched off" in one.unsaid[-1]
    assert len(one.unsaid) == 2


def test_what_is_said_is_logged_by_the_next_request(world: Box, caplog: pytest.LogCaptureFixture) -> None:
    app = Middleware(answering([b"x"]))
    guard.say("flasktop: hello")
    serve(app)
    serve(app)

    assert [record.message for record in caplog.records if record.name == "flasktop"] == ["flasktop: hello"]


def test_a_log_handler_that_raises_does_not_reach_the_app(world: Box) -> None:
    class Raising(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise Fault

    handler = Raising()
    logging.getLogger("flasktop").addHandler(handler)
    try:
        guard.say("flasktop: hello")
        assert serve(Middleware(answering([b"x"]))).body == b"x"
    finally:
        logging.getLogger("flasktop").removeHandler(handler)


HOT: list[tuple[str, Any, str]] = [
    ("beginning a request", middleware.Middleware, "_begin"),
    ("beginning a request", middleware, "RequestTrace"),
    ("wrapping a body", middleware, "wrap"),
    ("looking at the end of a body", body, "_was_sent_whole"),
]


@pytest.mark.parametrize(("place", "owner", "name"), HOT, ids=lambda value: value if isinstance(value, str) else "")
def test_a_fault_on_a_requests_path_changes_nothing(
    world: Box, monkeypatch: pytest.MonkeyPatch, place: str, owner: Any, name: str
) -> None:
    expected = [serve(flask_site(), "/stream", most=2) for _ in range(LIMIT + 3)]
    app = flask_site()
    FlaskTop(app)
    if name == "_begin":
        app.extensions["flasktop"].special = True  # most requests do not come by there
    monkeypatch.setattr(owner, name, fails)

    assert [serve(app, "/stream", most=2) for _ in range(LIMIT + 3)] == expected
    assert guard.errors >= LIMIT
    assert guard.off(place)


def test_what_begins_badly_is_not_begun_any_more(world: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    app = Middleware(answering([b"x"]))
    monkeypatch.setattr(middleware, "_write_slot", fails)
    for _ in range(LIMIT + 5):
        assert serve(app).body == b"x"

    assert guard.errors == LIMIT


def test_a_rule_that_cannot_be_noted_changes_nothing(world: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flask_hooks, "_context_finder", lambda: fails)
    app = flask_site()
    FlaskTop(app)
    for _ in range(LIMIT + 5):
        assert serve(app, "/plain").body == b"plain"

    assert guard.errors == LIMIT
    assert world.rows(LIMIT + 5) == ["* <unmatched>"] * (LIMIT + 5)


def test_an_exception_that_cannot_be_noted_changes_nothing(world: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flask_hooks, "_note_exception", fails)
    app = flask_site()
    FlaskTop(app)
    for _ in range(LIMIT + 5):
        assert serve(app, "/handled").status == ["418 I'M A TEAPOT"]

    assert guard.errors == LIMIT


THREAD: list[tuple[str, Any, str]] = [
    ("describing a request", TraceEncoder, "trace"),
    ("sampling the process", Sampler, "sample"),
    ("serving readers", Server, "step"),
    ("recording", Journal, "append"),
    ("recording", TotalsTable, "changed"),
    ("keeping the socket", Paths, "keep_socket"),
    ("keeping the journal", Paths, "keep_journal"),
]


@pytest.mark.parametrize(("place", "owner", "name"), THREAD, ids=lambda value: value if isinstance(value, str) else "")
def test_a_fault_in_the_agents_thread_is_switched_off(
    world: Box, monkeypatch: pytest.MonkeyPatch, place: str, owner: Any, name: str
) -> None:
    monkeypatch.setattr(loop, "SAMPLE_S", 0.001)
    monkeypatch.setattr(upkeep, "UPKEEP_S", 0.001)
    monkeypatch.setattr(owner, name, fails)
    app = Middleware(answering([b"x"]))

    def goes_off() -> bool:
        assert serve(app).body == b"x"
        return guard.off(place)

    until(goes_off)


def test_a_request_that_cannot_be_described_is_counted(world: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    original: Callable[..., Any] = TraceEncoder.trace

    def first_fails(self: TraceEncoder, record: Any, number: int, now_ns: int) -> Any:
        return original(self, record, number, now_ns) if number else fails()

    monkeypatch.setattr(TraceEncoder, "trace", first_fails)
    app = Middleware(answering([b"x"]))
    serve(app)
    serve(app)

    assert world.trace().number == 1
    assert sum(frame.finished for frame in world.frames) == 2


def test_recording_that_is_switched_off_keeps_nothing(world: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recorder, "drain", fails)
    app = Middleware(answering([b"x"]))
    serve(app)
    agent = world.agent
    until(lambda: not agent.active)
    serve(app)

    assert not agent.pending


def test_without_samples_requests_are_recorded(world: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sampler, "__init__", fails)
    serve(Middleware(answering([b"x"])))

    assert world.trace().status == 200
    totals = until(lambda: world.read().totals)
    assert [route.count for route in totals.routes] == [1]


def test_a_thread_that_ends_by_a_fault_stops_recording(world: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop.Loop, "run", fails)
    app = Middleware(answering([b"x"]))
    serve(app)
    agent = process.agent
    assert agent is not None
    until(lambda: not agent.active)

    assert serve(app).body == b"x"


STARTS: list[tuple[Any, str]] = [
    (runtime, "Server"),
    (runtime, "Recorder"),
    (runtime, "Journal"),
    (native, "start_thread"),
    (native, "poll"),
]


@pytest.mark.parametrize(("owner", "name"), STARTS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_start_that_fails_leaves_the_app_and_no_files(
    world: Box, directory: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, owner: Any, name: str
) -> None:
    monkeypatch.setattr(owner, name, fails)
    app = Flask("app")
    app.add_url_rule("/", view_func=lambda: "x")
    FlaskTop(app)

    assert [serve(app).body for _ in range(3)] == [b"x"] * 3
    assert list(directory.iterdir()) == []
    (warning,) = [record.message for record in caplog.records if record.name == "flasktop"]
    assert "flasktop is off in process" in warning
