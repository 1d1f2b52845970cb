"""Would a cache have answered? What is told of slow GETs, and of which nothing is told."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, Response, make_response, request, session
from flask.sessions import SecureCookieSessionInterface

from flasktop import FlaskTop
from flasktop.agent import answers
from flasktop.agent.answers import Secret
from flasktop.protocol.records import PRIVATE, UNKNOWN, Trace
from flasktop.stats.views import EndpointKey
from tests.agent.support import Box, serve

SLOW_S = answers.SLOW_NS / 1e9 * 1.2


def shop(view: Callable[[], Any], *, slow: bool = True, **config: Any) -> Flask:
    """An app whose only view takes long."""
    app = Flask("shop")
    app.config.update(config)
    app.secret_key = "tests"

    @app.route("/list", methods=["GET", "POST"])
    def listing() -> Any:
        if slow:
            time.sleep(SLOW_S)
        return view()

    FlaskTop(app)
    return app


def traces_of(box: Box, app: Flask, *paths: str, method: str = "GET", **environ: Any) -> list[Trace]:
    """The traces of requests to those paths, each answered whole."""
    for path in paths:
        assert serve(app, path, method, **environ).error == ""
    return box.traces(len(paths))


def keyed(trace: Trace) -> bool:
    assert (trace.request_key == UNKNOWN) == (trace.body_key == UNKNOWN)
    return trace.request_key != UNKNOWN


def private(trace: Trace) -> bool:
    assert keyed(trace)
    return bool(trace.flags & PRIVATE)


def test_the_same_path_query_and_body_have_the_same_keys(box: Box) -> None:
    first, again, other = traces_of(box, shop(lambda: "all"), "/list?page=1", "/list?page=1", "/list?page=2")

    assert (first.request_key, first.body_key) == (again.request_key, again.body_key)
    assert other.request_key != first.request_key
    assert other.body_key == first.body_key


def test_another_body_has_another_key(box: Box) -> None:
    counted = iter(range(9))

    first, again = traces_of(box, shop(lambda: str(next(counted))), "/list", "/list")

    assert first.request_key == again.request_key
    assert first.body_key != again.body_key


def test_a_fast_request_is_not_looked_at(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flasktop.agent.body.SLOW_NS", 10**12)

    (trace,) = traces_of(box, shop(lambda: "all"), "/list")

    assert not keyed(trace)


@pytest.mark.parametrize(
    ("view", "why"),
    [
        (lambda: "x" * (answers.MOST_BYTES + 1), "large"),
        (lambda: Response(iter([b"one", b"two"])), "streamed"),
        (lambda: ("gone", 404), "not a success"),
        (lambda: Response(), "no body"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nothing_is_told_of(box: Box, view: Callable[[], Any], why: str) -> None:
    """Large, streamed and empty bodies, and what is no success."""
    (trace,) = traces_of(box, shop(view), "/list")

    assert not keyed(trace), why


def test_a_body_is_not_looked_at_where_that_would_cost_more_than_a_hundredth(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "NS_PER_BYTE", 10**9)

    (trace,) = traces_of(box, shop(lambda: "all of it"), "/list")

    assert not keyed(trace)


def test_nothing_is_told_of_other_methods(box: Box) -> None:
    (trace,) = traces_of(box, shop(lambda: "all"), "/list", method="POST")

    assert not keyed(trace)


def test_a_body_that_was_not_taken_whole_has_no_key(box: Box) -> None:
    app = shop(lambda: Response(iter([b"one", b"two"])))

    assert serve(app, "/list", most=1).chunks == [b"one"]

    assert not keyed(box.trace())


@pytest.mark.parametrize(
    "headers",
    [
        {"Cache-Control": "private, max-age=60"},
        {"Cache-Control": "No-Store"},
        {"Vary": "Accept-Encoding, Cookie"},
        {"Vary": "*"},
        {"Vary": "Authorization"},
    ],
    ids=lambda headers: "; ".join(f"{name} {value}" for name, value in headers.items()),
)
def test_an_answer_is_private_by_its_headers(box: Box, headers: dict[str, str]) -> None:
    (trace,) = traces_of(box, shop(lambda: ("mine", headers)), "/list")

    assert private(trace)


@pytest.mark.parametrize("headers", [{}, {"Cache-Control": "public, max-age=60"}, {"Vary": "Accept-Encoding"}])
def test_other_answers_are_not_private(box: Box, headers: dict[str, str]) -> None:
    (trace,) = traces_of(box, shop(lambda: ("ours", headers)), "/list")

    assert not private(trace)


def test_an_answer_that_sets_a_cookie_is_private(box: Box) -> None:
    def view() -> Response:
        response = make_response("mine")
        response.set_cookie("cart", "7")
        return response

    (trace,) = traces_of(box, shop(view), "/list")

    assert private(trace)


def test_a_view_that_reads_the_session_answers_privately(box: Box) -> None:
    """Flask then says that the answer varies with the cookie."""
    app = shop(lambda: session["name"])
    signer: Any = SecureCookieSessionInterface().get_signing_serializer(app)

    (trace,) = traces_of(box, app, "/list", HTTP_COOKIE=f"session={signer.dumps({'name': 'me'})}")

    assert trace.status == 200
    assert private(trace)


def test_the_answer_to_an_authorized_request_is_private(box: Box) -> None:
    app = shop(lambda: str(request.authorization))

    (trace,) = traces_of(box, app, "/list", HTTP_AUTHORIZATION="Bearer tests")

    assert private(trace)


def test_odd_headers_are_no_fault_of_ours() -> None:
    assert not answers.is_private([None, ("Vary",), ("Vary", 5), 7])


def test_another_process_has_another_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of two workers say nothing of each other, also where one was forked from the other."""
    secret = Secret()
    mine = secret.of_now()
    assert secret.of_now() == mine

    monkeypatch.setattr(os, "getpid", lambda: 1)

    assert secret.of_now() != mine


def test_the_reader_counts_what_a_cache_would_have_answered(box: Box) -> None:
    """From the app to the view: two paths, one of them asked for three times."""
    traces = traces_of(box, shop(lambda: "all"), "/list?a", "/list?b", "/list?a", "/list?a")
    repeats_ms = sum(trace.duration_us for trace in traces[2:]) / 1000

    seen = box.store().cacheability(EndpointKey("shop", "GET", "/list"), time.perf_counter())

    assert seen is not None
    assert (seen.keyed, seen.distinct, seen.repeats, seen.same, seen.private) == (4, 2, 2, 2, 0)
    assert seen.repeat_ms == seen.same_ms == pytest.approx(repeats_ms)
    assert seen.hit_ratio == 0.5


def test_the_reader_shows_that_an_answer_is_private(box: Box) -> None:
    traces_of(box, shop(lambda: ("mine", {"Cache-Control": "private"})), "/list")
    store = box.store()

    (shown,) = store.log()

    assert shown.private
    seen = store.cacheability(EndpointKey("shop", "GET", "/list"), time.perf_counter())
    assert seen is not None
    assert seen.private == 1
