"""One request in, one trace out, nothing changed."""

from __future__ import annotations

import copy
import gc
import io
import wsgiref.handlers
import wsgiref.util
from collections.abc import Callable
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import pytest
from flask import Flask
from flask.sessions import SessionInterface
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.lint import LintMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import Rule

from flasktop import FlaskTop, Middleware
from flasktop.agent.process import process
from flasktop.agent.trace import current_trace
from flasktop.protocol.records import ASYNC_VIEW, CLOSED_EARLY, OFFLOADED, RAISED, UNKNOWN
from tests.agent import sites
from tests.agent.sites import PATHS, Closing, answering, flask_site
from tests.agent.support import Box, bare_environ, serve, until

WSGI_APPS: dict[str, Callable[[], Callable[..., Any]]] = {
    "list": lambda: answering([b"one"]),
    "two": lambda: answering([b"one", b"two"]),
    "tuple": lambda: answering((b"one",)),
    "empty": lambda: answering([]),
    "blanks": lambda: answering([b"", b"x", b""]),
    "generator": lambda: answering(lambda: (b"%d" % number for number in range(3))),
    "iterator": lambda: answering(lambda: iter([b"a", b"b"])),
    "bytes": lambda: answering(b"abc"),
    "none": lambda: answering(None),
    "text": lambda: answering(["no bytes"]),
    "number": lambda: answering(7),
    "close fails": lambda: answering(lambda: Closing([b"a"], fails=True)),
    "write": lambda: sites.writing,
    "restart": lambda: sites.restarting,
    "too late": lambda: sites.too_late,
    "odd status": lambda: answering([b"x"], "sorry"),
    "no status": lambda: answering([b"x"], ""),
    "short status": lambda: answering([b"x"], "2"),
    "odd length": lambda: answering([b"x"], headers=[("Content-Length", "9" * 30)]),
    "odd header": lambda: answering([b"x"], headers=[("Content-Length", 5)]),
    "odd headers": lambda: answering([b"x"], headers=[None]),
}


def wrapped(app: Flask) -> Flask:
    FlaskTop(app)
    return app


@pytest.mark.parametrize(("method", "path", "headers"), PATHS)
def test_a_flask_response_is_the_same_with_and_without(
    box: Box, method: str, path: str, headers: dict[str, Any]
) -> None:
    expected = serve(flask_site(), path, method, **headers)
    actual = serve(wrapped(flask_site()), path, method, **headers)

    assert actual == expected
    box.traces(1)


@pytest.mark.parametrize("path", ["/raises", "/handled", "/abort/503", "/breaks"])
def test_exceptions_that_are_propagated_are_the_same(box: Box, path: str) -> None:
    expected = serve(flask_site(PROPAGATE_EXCEPTIONS=True), path)

    assert serve(wrapped(flask_site(PROPAGATE_EXCEPTIONS=True)), path) == expected


@pytest.mark.parametrize("name", WSGI_APPS)
@pytest.mark.parametrize("most", [0, 1, 99])
def test_any_wsgi_app_is_the_same_with_and_without(world: Box, name: str, most: int) -> None:
    most = max(most, name == "number")  # a body that cannot be iterated says so with its first chunk
    expected = serve(WSGI_APPS[name](), most=most)
    actual = serve(Middleware(WSGI_APPS[name]()), most=most)

    assert actual == expected
    world.traces(1)


@pytest.mark.parametrize("name", [name for name in WSGI_APPS if name not in ("bytes", "none", "text", "number")])
def test_bytes_on_the_wire_are_the_same_under_wsgiref(world: Box, name: str) -> None:
    assert on_the_wire(Middleware(WSGI_APPS[name]())) == on_the_wire(WSGI_APPS[name]())


def on_the_wire(app: Callable[..., Any]) -> bytes:
    out = io.BytesIO()
    handler = wsgiref.handlers.SimpleHandler(io.BytesIO(), out, io.StringIO(), bare_environ())
    handler.http_version = "1.1"
    handler.origin_server = False
    handler.run(app)
    return out.getvalue()


def test_wsgiref_still_makes_a_content_length_of_a_list(box: Box) -> None:
    assert b"Content-Length: 3" in on_the_wire(Middleware(answering([b"one"])))


@pytest.mark.parametrize(("method", "path", "headers"), [one for one in PATHS if one[0] != "BREW"])
@pytest.mark.parametrize("outside", [validator, LintMiddleware])
def test_validators_find_no_fault(box: Box, outside: Any, method: str, path: str, headers: dict[str, Any]) -> None:
    with_us = serve(outside(wrapped(flask_site())), path, method, **headers)

    assert with_us.error == serve(outside(flask_site()), path, method, **headers).error


def test_a_validator_inside_finds_no_fault(box: Box) -> None:
    answer = serve(validator(Middleware(validator(answering([b"one"])))))

    assert (answer.error, answer.body) == ("", b"one")


def test_the_environ_is_not_modified(box: Box) -> None:
    environ = bare_environ("/")
    before = copy.copy(environ)
    Middleware(answering([b"x"]))(environ, lambda *_: lambda _: None)

    assert environ == before


def test_the_environ_is_handed_on_as_the_same_object(box: Box) -> None:
    seen: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(environ)
        return answering([b"x"])(environ, start_response)  # type: ignore[no-any-return]

    environ = bare_environ("/")
    Middleware(app)(environ, lambda *_: lambda _: None)

    assert seen[0] is environ


# -- what is recorded --


@pytest.mark.parametrize(
    ("method", "path", "row", "status"),
    [
        ("GET", "/plain", "GET /plain", 200),
        ("HEAD", "/plain", "HEAD /plain", 200),
        ("OPTIONS", "/plain", "OPTIONS /plain", 200),
        ("POST", "/item/7", "POST /item/<int:number>", 200),
        ("GET", "/static/sites.py", "GET /static/<path:filename>", 200),
        ("GET", "/short", "GET /short", 200),
        ("GET", "/redirect", "GET /redirect", 302),
        ("GET", "/abort/503", "GET /abort/<int:code>", 503),
        ("GET", "/handled", "GET /handled", 418),
        ("GET", "/raises", "GET /raises", 500),
        ("GET", "/missing", "* <unmatched>", 404),
        ("POST", "/plain", "* <unmatched>", 405),
        ("BREW", "/plain", "* <unmatched>", 405),
        ("GET", "/http", "GET /http", 499),
    ],
)
def test_a_request_has_its_row_and_status(box: Box, method: str, path: str, row: str, status: int) -> None:
    serve(wrapped(flask_site()), path, method)

    assert box.rows(1) == [row]
    assert box.trace().status == status


def test_the_endpoint_is_flasks_name(box: Box) -> None:
    serve(wrapped(flask_site()), "/item/3")

    assert box.route(box.trace()).endpoint == "item"


@pytest.mark.parametrize(
    ("path", "error"), [("/raises", "ZeroDivisionError"), ("/handled", "Teapot"), ("/abort/503", "")]
)
def test_the_exception_of_a_view_is_named(box: Box, path: str, error: str) -> None:
    serve(wrapped(flask_site()), path)

    assert box.trace().error == error


def test_an_exception_that_leaves_the_app_is_flagged(box: Box) -> None:
    serve(wrapped(flask_site(PROPAGATE_EXCEPTIONS=True)), "/raises")
    trace = box.trace()

    assert trace.flags & RAISED
    assert (trace.status, trace.error) == (500, "ZeroDivisionError")


def test_an_exception_in_the_body_is_flagged(box: Box) -> None:
    serve(wrapped(flask_site()), "/breaks")
    trace = box.trace()

    assert trace.flags == RAISED
    assert (trace.status, trace.error, trace.bytes_sent) == (200, "KeyError", 5)


def test_an_exception_of_close_is_flagged(box: Box) -> None:
    serve(Middleware(answering(lambda: Closing([b"a"], fails=True))))

    assert (box.trace().flags, box.trace().error) == (RAISED, "OSError")


def test_system_exit_passes_and_is_recorded(box: Box) -> None:
    answer = serve(wrapped(flask_site()), "/exit")

    assert answer.error == "SystemExit(3)"
    assert box.trace().error == "SystemExit"


def test_a_session_that_cannot_be_opened_is_an_unmatched_error(box: Box) -> None:
    app = wrapped(flask_site())
    app.session_interface = BrokenSessions()
    serve(app, "/plain")

    assert box.rows(1) == ["* <unmatched>"]
    assert (box.trace().status, box.trace().error) == (500, "RuntimeError")


class BrokenSessions(SessionInterface):
    def open_session(self, app: Flask, request: Any) -> None:
        raise RuntimeError("broken")

    def save_session(self, app: Flask, session: Any, response: Any) -> None:
        pass


def test_an_async_view_has_no_cpu_time(box: Box) -> None:
    serve(wrapped(flask_site()), "/async")
    trace = box.trace()

    assert trace.flags & ASYNC_VIEW
    assert (trace.cpu_us, trace.sql_cpu_us, trace.wait_us) == (UNKNOWN, UNKNOWN, UNKNOWN)


def test_a_plain_view_has_cpu_time(box: Box) -> None:
    serve(wrapped(flask_site()), "/plain")
    trace = box.trace()

    assert 0 < trace.cpu_us <= trace.duration_us + 1000
    assert trace.wait_us >= 0


def test_bytes_and_first_byte_of_a_stream(box: Box) -> None:
    serve(wrapped(flask_site()), "/stream")
    trace = box.trace()

    assert trace.bytes_sent == 50
    assert 0 < trace.first_byte_us <= trace.duration_us
    assert trace.flags == 0


def test_written_bytes_count(box: Box) -> None:
    serve(Middleware(sites.writing))

    assert box.trace().bytes_sent == len(b"written returned")


def test_a_restarted_response_has_the_second_status(box: Box) -> None:
    serve(Middleware(sites.restarting))

    assert box.trace().status == 500


def test_a_response_that_is_out_keeps_its_status(box: Box) -> None:
    serve(Middleware(sites.too_late))

    assert (box.trace().status, box.trace().error) == (200, "ValueError")


def test_a_body_closed_before_its_end_is_flagged(box: Box) -> None:
    serve(wrapped(flask_site()), "/stream", most=2)

    assert box.trace().flags == CLOSED_EARLY
    assert box.trace().bytes_sent == 20


@pytest.mark.parametrize(
    ("path", "method", "most"),
    [("/plain", "HEAD", 0), ("/empty", "GET", 0), ("/plain", "GET", 1), ("/direct", "GET", 1)],
)
def test_a_server_that_stops_where_the_body_is_complete_closes_nothing_early(
    box: Box, path: str, method: str, most: int
) -> None:
    serve(wrapped(flask_site()), path, method, most=most)

    assert box.trace().flags == 0


def test_close_is_called_exactly_once(box: Box) -> None:
    body = Closing([b"a"])
    result: Any = Middleware(answering(body))(bare_environ(), lambda *_: lambda _: None)
    list(result)
    result.close()
    result.close()

    assert body.closed == 1
    box.traces(1)


def test_a_body_that_nobody_closes_ends_when_it_is_dropped(box: Box) -> None:
    body = Closing([b"a"])
    result: Any = Middleware(answering(body))(bare_environ(), lambda *_: lambda _: None)
    assert list(result) == [b"a"]
    del result
    gc.collect()

    assert box.trace().flags == 0
    assert body.closed == 0
    assert len(box.agent.journal.free_slots) == 512


def test_a_body_in_use_is_in_flight(box: Box) -> None:
    result: Any = wrapped(flask_site())(bare_environ("/stream"), lambda *_: lambda _: None)
    sample = box.sample(lambda sample: sample.in_flight == 1)
    result.close()

    assert [(one.method, one.path) for one in sample.running] == [("GET", "/stream")]
    box.sample(lambda sample: sample.in_flight == 0)


# -- files --


def test_a_file_wrapper_class_gets_its_own_object_back(box: Box) -> None:
    environ = {**bare_environ("/file"), "wsgi.file_wrapper": wsgiref.util.FileWrapper}
    result: Any = wrapped(flask_site())(environ, lambda *_: lambda _: None)

    assert type(result) is wsgiref.util.FileWrapper
    result.close()
    assert result.filelike.closed
    assert box.trace().flags == OFFLOADED
    assert box.trace().bytes_sent == Path(sites.__file__).stat().st_size


def test_a_file_wrapper_is_freed_without_the_collector(box: Box) -> None:
    environ = {**bare_environ("/file"), "wsgi.file_wrapper": wsgiref.util.FileWrapper}
    result: Any = wrapped(flask_site())(environ, lambda *_: lambda _: None)
    result.close()

    assert "close" not in vars(result)


def test_a_file_wrapper_function_that_returns_the_file_gets_it_back(box: Box) -> None:
    """uWSGI's is one."""
    environ = {**bare_environ("/file"), "wsgi.file_wrapper": lambda file, size=0: file}
    result: Any = wrapped(flask_site())(environ, lambda *_: lambda _: None)

    assert isinstance(result, io.BufferedReader)
    result.close()
    assert box.trace().flags == OFFLOADED


def test_a_file_that_is_no_file_wrappers_is_a_body_like_others(box: Box) -> None:
    environ = {**bare_environ(), "wsgi.file_wrapper": wsgiref.util.FileWrapper}
    result: Any = Middleware(answering(io.BytesIO(b"a\nb")))(environ, lambda *_: lambda _: None)
    assert list(result) == [b"a\n", b"b"]
    result.close()

    assert (box.trace().flags, box.trace().bytes_sent) == (0, 3)


def test_a_range_has_its_own_length(box: Box) -> None:
    answer = serve(wrapped(flask_site()), "/ranges", HTTP_RANGE="bytes=2-4")

    assert answer.body == b"234"
    assert (box.trace().status, box.trace().bytes_sent) == (206, 3)


# -- several apps --


def test_two_apps_of_one_worker_have_rows_of_their_own(box: Box) -> None:
    shop, admin = Flask("shop"), Flask("admin")
    for app in (shop, admin):
        app.add_url_rule("/", view_func=lambda: "x")
        FlaskTop(app)
    both = DispatcherMiddleware(shop, {"/admin": admin})
    serve(both, "/")
    serve(both, "/admin/")

    apps = {trace.path: box.route(trace).app for trace in box.traces(2)}
    assert apps == {"/": "shop", "/admin/": "admin"}
    assert box.sample().apps == ("shop", "admin")


def test_two_apps_of_one_name_are_two_apps(box: Box) -> None:
    """A factory called twice: the second is told apart by a number."""
    first, second = Flask("shop"), Flask("shop")
    for app in (first, second):
        app.add_url_rule("/", view_func=lambda: "x")
        FlaskTop(app)
    both = DispatcherMiddleware(first, {"/admin": second})
    serve(both, "/")
    serve(both, "/admin/")

    assert {trace.path: box.route(trace).app for trace in box.traces(2)} == {"/": "shop", "/admin/": "shop-2"}


def test_an_app_within_an_app_is_one_request_with_the_inner_rule(box: Box) -> None:
    shop, admin = Flask("shop"), Flask("admin")
    admin.add_url_rule("/<name>", view_func=lambda name: name)
    FlaskTop(admin)
    shop.wsgi_app = DispatcherMiddleware(shop.wsgi_app, {"/admin": admin})  # type: ignore[method-assign]
    FlaskTop(shop)
    serve(shop, "/admin/x")

    route = box.route(box.trace())
    assert (route.app, route.route) == ("admin", "/<name>")


def test_a_test_client_in_a_view_is_part_of_its_request(box: Box) -> None:
    serve(wrapped(flask_site()), "/nested")

    assert box.rows(1) == ["GET /nested"]


def by_hand(app: Flask) -> Any:
    app.wsgi_app = Middleware(app.wsgi_app)  # type: ignore[method-assign]
    return app


def around_a_proxy_fix(app: Flask) -> Any:
    return Middleware(ProxyFix(app.wsgi_app))


def after_a_plain_function(app: Flask) -> Any:
    inner = app.wsgi_app
    app.wsgi_app = lambda environ, start_response: inner(environ, start_response)  # type: ignore[method-assign]
    FlaskTop(app)
    return app


def before_a_proxy_fix(app: Flask) -> Any:
    FlaskTop(app)
    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    return app


@pytest.mark.parametrize("wrap", [by_hand, around_a_proxy_fix, after_a_plain_function, before_a_proxy_fix, Middleware])
def test_rules_are_known_however_the_app_is_wrapped(box: Box, wrap: Callable[[Flask], Any]) -> None:
    serve(wrap(flask_site()), "/item/3")

    assert box.rows(1) == ["GET /item/<int:number>"]


def test_a_wsgi_app_that_is_no_flask_app_is_unmatched(box: Box) -> None:
    serve(Middleware(answering([b"x"]), name="bare"), "/x")

    assert box.rows(1) == ["* <unmatched>"]
    assert box.route(box.trace()).app == "bare"


def test_names_of_apps_are_made_fit_to_travel(box: Box) -> None:
    serve(Middleware(answering([b"x"]), name="a\udcff" + "b" * 500))

    assert box.route(box.trace()).app == "a?" + "b" * 78


# -- paths --


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("/a\xff", "/a�"),
        ("/gr\xc3\xb6\xc3\x9fe", "/größe"),
        ("/a\0b", "/a\0b"),
        ("/a\udcffb", "/a?b"),
        ("/" + "a" * 100_000, "/" + "a" * 511 + "…"),
    ],
)
def test_odd_bytes_in_paths_do_no_harm(box: Box, raw: str, shown: str) -> None:
    answer = serve(Middleware(answering([b"x"])), PATH_INFO=raw)

    assert answer.error == ""
    assert box.trace().path == shown


def test_query_values_are_masked(box: Box) -> None:
    serve(wrapped(flask_site()), "/item/3?password=hunter2&token&x=1=2")

    assert box.trace().path == "/item/3?password=…&…&x=…"
    assert b"hunter2" not in box.agent.files.journal.read_bytes()


def test_paths_are_masked_where_wished(box: Box) -> None:
    serve(wrapped(flask_site(FLASKTOP_MASK_PATHS=True)), "/item/4711")

    assert box.trace().path == "/item/<int:number>"
    assert b"4711" not in box.agent.files.journal.read_bytes()


def test_paths_are_masked_where_a_rule_needs_nothing_else(box: Box) -> None:
    site = flask_site(FLASKTOP_MASK_PATHS=True)
    app = wrapped(site)
    serve(app, "/item/3")
    (known,) = [rule._flasktop_known for rule in site.url_map.iter_rules() if hasattr(rule, "_flasktop_known")]
    known.change(0, False)  # no clock is to be read for it, and no parameters are to be told apart
    serve(app, "/item/4711")

    assert {trace.path for trace in box.traces(2)} == {"/item/<int:number>"}
    assert b"4711" not in box.agent.files.journal.read_bytes()


def test_the_path_is_masked_where_an_app_behind_wishes_it(box: Box) -> None:
    inner = flask_site(FLASKTOP_MASK_PATHS=True)
    FlaskTop(inner)
    serve(Middleware(DispatcherMiddleware(answering([]), {"/in": inner}), name="out"), "/in/item/4711")

    box.trace()
    assert b"4711" not in box.agent.files.journal.read_bytes()


@pytest.mark.parametrize("entry", ["/plain", "/item/<int:number>", "/item/*", "/größe*"])
def test_ignored_requests_leave_no_trace(box: Box, entry: str) -> None:
    app = wrapped(flask_site(FLASKTOP_IGNORE=[entry]))
    ignored = {"/plain": "/plain", "/größe*": "/größe/7"}.get(entry, "/item/3")
    assert serve(app, ignored).error == ""
    serve(app, "/redirect")

    assert box.rows(1) == ["GET /redirect"]
    assert box.trace().number == 0
    assert len(box.agent.journal.free_slots) == 512


def test_an_ignored_rule_is_not_in_flight(box: Box) -> None:
    app = wrapped(flask_site(FLASKTOP_IGNORE="/stream"))
    result: Any = app(bare_environ("/stream"), lambda *_: lambda _: None)

    assert box.read().in_flight == ()
    result.close()


def test_a_rule_that_takes_any_method_has_one_row_for_invented_ones(box: Box) -> None:
    app = wrapped(Flask("any"))
    app.url_map.add(Rule("/any", endpoint="any"))
    app.view_functions["any"] = lambda: "x"
    for method in ("GET", "BREW", "STEW"):
        serve(app, "/any", method)

    assert box.rows(3) == ["GET /any", "* /any", "* /any"]


# -- bounds --


def test_a_hundred_thousand_urls_are_one_row(box: Box) -> None:
    middleware = Middleware(answering([]), name="bare")
    count = 0

    def start_response(*_: Any) -> Any:
        return None

    for number in range(100_000):
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": f"/{number}"}
        result: Any = middleware(environ, start_response)
        result.close()
        count += 1
    sample = box.sample(lambda sample: sample.requests == count)

    assert len(box.routes) == 1
    assert sample.agent_bytes < 2 << 20


def test_more_requests_in_flight_than_slots_are_recorded_when_they_end(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASKTOP_MAX_IN_FLIGHT", "3")
    app = wrapped(flask_site())
    results: list[Any] = [app(bare_environ("/stream"), lambda *_: lambda _: None) for _ in range(5)]
    assert len(box.read().in_flight) == 3
    for result in results:
        result.close()

    assert box.rows(5) == ["GET /stream"] * 5
    assert box.read().in_flight == ()


def test_a_thread_is_outside_any_request_when_its_request_has_ended(box: Box) -> None:
    serve(wrapped(flask_site()), "/plain")

    trace = current_trace.get()
    assert trace is None or trace.end_ns
    assert until(lambda: process.agent)


def test_a_dispatcher_wrapped_by_hand_is_none_of_its_apps(box: Box) -> None:
    """Its default app must stay free to be watched by itself."""
    inner = Flask("inner")
    serve(Middleware(DispatcherMiddleware(inner, {}), name="outer"), "/")
    FlaskTop(inner)

    assert box.route(box.trace()).app == "outer"
