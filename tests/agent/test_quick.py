"""The way that most requests go: quick, told as any other, and left where something is to be looked at."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from flask import Flask
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection
from sqlalchemy.pool import QueuePool

from flasktop import FlaskTop
from flasktop.agent import clock, middleware
from flasktop.agent.finished import QuickRequest
from flasktop.protocol.records import UNKNOWN
from tests.agent.support import Box, bare_environ, serve

NEVER_NS = 60_000_000_000


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[QuickRequest]:
    """The records of quick requests; on a machine so busy that none is quick, too. Not those of the rehearsal that
    tells the agent what they cost."""
    made: list[QuickRequest] = []

    def noting(*fields: Any) -> QuickRequest:
        record = QuickRequest(*fields)
        if record.app.name != "rehearsal":
            made.append(record)
        return record

    monkeypatch.setattr(middleware, "QuickRequest", noting)
    monkeypatch.setattr(middleware, "SLOW_NS", NEVER_NS)
    return made


def site(view: Callable[..., Any], **config: Any) -> Flask:
    app = Flask("site")
    app.config.update(config)
    app.add_url_rule("/<word>", "said", view)
    for error in (404, ZeroDivisionError):  # an answer of the app's own may be quick, an error page of Flask's is not
        app.register_error_handler(error, lambda _: ("sorry", 500))
    FlaskTop(app)
    return app


def settle(app: Flask, box: Box, quick: list[QuickRequest]) -> None:
    """Serve one request, and have the next find nothing that only some requests need."""
    serve(app, "/plain")
    quick.clear()
    ours: Any = app.extensions["flasktop"]
    ours.early, ours.special, box.agent.special = 0, False, False
    for rule in app.url_map.iter_rules():
        if (known := getattr(rule, "_flasktop_known", None)) is not None:
            known.change(0, False)


@pytest.mark.parametrize("masked", [False, True], ids=["shown", "masked"])
@pytest.mark.parametrize("path", ["/plain", "/empty", "/pl%C3%A4in", "/" + "long" * 200])
def test_it_is_told_as_any_other(
    box: Box, monkeypatch: pytest.MonkeyPatch, quick: list[QuickRequest], path: str, masked: bool
) -> None:
    app = site(lambda word: ("" if word == "empty" else word, 202), FLASKTOP_MASK_PATHS=masked)
    environ = {**bare_environ(unquote(path, "latin-1")), "SCRIPT_NAME": "/under", "QUERY_STRING": "q=secret"}
    for short_body in (-1, middleware.SHORT_BODY):
        settle(app, box, quick)
        monkeypatch.setattr(middleware, "SHORT_BODY", short_body)
        result: Any = app(dict(environ), lambda *_: lambda _: None)
        result.close()
    _, long, _, short = box.traces(4)

    assert len(quick) == 1
    said = ("route", "status", "bytes_sent", "flags", "path", "error", "spans", "folded", "statements", "rows")
    assert [getattr(long, name) for name in said] == [getattr(short, name) for name in said]
    assert short.status == 202 and "secret" not in short.path
    assert short.first_byte_us == (UNKNOWN if path == "/empty" else short.duration_us)
    for one in (long, short):
        assert (one.cpu_us, one.wait_us) in ((one.duration_us, 0), (UNKNOWN, UNKNOWN))
        assert (one.sql_cpu_us == UNKNOWN) == (one.cpu_us == UNKNOWN)


def asks(word: str) -> str:
    """On a connection that was there before the request."""
    lent[0].execute(text("SELECT 1")).all()
    return word


def takes(word: str) -> str:
    with engine.connect():
        return word


def fails(word: str) -> str:
    raise ZeroDivisionError


def keeps(word: str) -> str:
    """Takes a connection that is there, and gives it back to nobody: no span tells of it."""
    kept.append(engine.connect())
    return word


engine = create_engine("sqlite://", poolclass=QueuePool, connect_args={"check_same_thread": False})
lent: list[Connection] = []
kept: list[Connection] = []


@pytest.fixture(autouse=True)
def given_back() -> Iterator[None]:
    lent.append(engine.connect())
    engine.connect().close()  # so that there is one
    yield
    for connections in (lent, kept):
        while connections:
            connections.pop().close()


@pytest.mark.parametrize("view", [asks, takes, keeps, fails])
def test_one_that_did_more_keeps_its_record(box: Box, quick: list[QuickRequest], view: Callable[..., Any]) -> None:
    app = site(lambda word: view(word) if word == "more" else word)
    settle(app, box, quick)
    serve(app, "/more")
    told = box.traces(2)[-1]

    assert quick == []
    assert told.error == ("ZeroDivisionError" if view is fails else "")
    assert told.status == (500 if view is fails else 200)
    assert told.statements == (1 if view is asks else 0)


def test_what_no_rule_matches_keeps_its_record(box: Box, quick: list[QuickRequest]) -> None:
    app = site(lambda word: word)
    settle(app, box, quick)
    serve(app, "/no/such")

    assert quick == []
    assert box.route(box.traces(2)[-1]).method == "*"


def test_one_whose_clock_is_read_is_quick_too(box: Box, quick: list[QuickRequest]) -> None:
    """So are nearly all where the interpreter is fought over: each takes long, and has the next ones read it."""
    nap_s = 0.05

    def naps(word: str) -> str:
        if word == "nap":
            time.sleep(nap_s)
        return word

    app = site(naps)
    settle(app, box, quick)
    (rule,) = [one._flasktop_known for one in app.url_map.iter_rules() if hasattr(one, "_flasktop_known")]
    rule.change(1, False)
    app.extensions["flasktop"].read_early(True)  # on a busy machine it may be dispatched late
    serve(app, "/nap")
    told = box.traces(2)[-1]

    assert len(quick) == 1 and rule.credit > 1
    assert told.wait_us >= nap_s * 0.9e6
    assert 0 <= told.cpu_us == told.duration_us - told.wait_us
    assert told.sql_cpu_us == 0


def test_reading_the_clock_early_is_no_way_of_its_own(
    box: Box, quick: list[QuickRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine it is done for half of all requests, or more."""
    app = site(lambda word: word)
    settle(app, box, quick)
    ours = app.extensions["flasktop"]
    monkeypatch.setattr(clock, "before", lambda _: 0)
    monkeypatch.setattr(middleware.Middleware, "_prepared", lambda *_: pytest.fail("not the way of most"))
    ours.early = 2
    serve(app, "/plain")

    assert len(quick) == 1
    assert ours.early == 1


def test_requests_one_after_the_other_are_quick(box: Box, quick: list[QuickRequest]) -> None:
    """But for those that follow one whose end was timed, or that wake the agent's thread."""
    app = site(lambda word: word)
    settle(app, box, quick)
    for _ in range(200):
        serve(app, "/plain")

    assert len(quick) > 100
    assert len(box.traces(201)) == 201
    assert len(box.agent.journal.free_slots) == 512 and not any(box.agent.running)
