"""Apps that do all that a WSGI app may do."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, redirect, request, send_file, stream_with_context
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

HERE = Path(__file__).parent


class Teapot(Exception):
    """Has an error handler."""


def flask_site(**config: Any) -> Flask:
    """One route for each thing that a view does."""
    app = Flask("site", static_folder=str(HERE), static_url_path="/static")
    app.config.update(config)
    app.logger.disabled = True
    answers(app)
    faults(app)
    bodies(app)
    return app


def answers(app: Flask) -> None:
    @app.before_request
    def short_cut() -> str | None:
        return "short" if request.path == "/short" else None

    @app.get("/plain")
    def plain() -> str:
        return "plain"

    @app.route("/item/<int:number>", methods=["GET", "POST"])
    def item(number: int) -> str:
        return str(number)

    @app.get("/short")
    def short() -> str:
        raise AssertionError

    @app.get("/redirect")
    def elsewhere() -> BaseResponse:
        return redirect("/plain")

    @app.get("/empty")
    def empty() -> tuple[str, int]:
        return "", 204

    @app.get("/cached")
    def cached() -> BaseResponse:
        response = Response("cached")
        response.set_etag("x")
        return response.make_conditional(request)

    @app.get("/async")
    async def asynchronous() -> str:
        return "async"

    @app.get("/nested")
    def nested() -> str:
        return "outer " + app.test_client().get("/plain").get_data(as_text=True)


def faults(app: Flask) -> None:
    @app.errorhandler(Teapot)
    def teapot(_error: Exception) -> tuple[str, int]:
        return "teapot", 418

    @app.get("/abort/<int:code>")
    def stop(code: int) -> str:
        abort(code)

    @app.get("/raises")
    def raises() -> str:
        raise ZeroDivisionError("on purpose")

    @app.get("/handled")
    def handled() -> str:
        raise Teapot

    @app.get("/exit")
    def leave() -> str:
        raise SystemExit(3)

    @app.get("/http")
    def http() -> str:
        raise HTTPException(response=Response("own", 499))


def bodies(app: Flask) -> None:
    @app.get("/stream")
    def stream() -> BaseResponse:
        return Response(str(number) * 10 for number in range(5))

    @app.get("/stream-context")
    def stream_context() -> BaseResponse:
        return Response(stream_with_context(request.path for _ in range(3)))

    @app.get("/breaks")
    def breaks() -> BaseResponse:
        def body() -> Iterator[bytes]:
            yield b"first"
            raise KeyError("midway")

        return Response(body())

    @app.get("/list")
    def several() -> BaseResponse:
        return Response([b"a", b"bc"])

    @app.get("/file")
    def file() -> BaseResponse:
        return send_file(__file__, mimetype="text/plain")

    @app.get("/ranges")
    def ranges() -> BaseResponse:
        return send_file(io.BytesIO(b"0123456789"), mimetype="text/plain", etag=False)

    @app.get("/direct")
    def direct() -> BaseResponse:
        return Response([b"x" * 100], direct_passthrough=True, headers={"Content-Length": "100"})


PATHS: list[tuple[str, str, dict[str, str]]] = [
    ("GET", path, {})
    for path in (
        "/plain", "/item/3?password=hunter2", "/short", "/redirect", "/empty", "/cached", "/async", "/nested",
        "/missing", "/item/x", "/abort/404", "/abort/503", "/raises", "/handled", "/exit", "/http", "/stream",
        "/stream-context", "/breaks", "/list", "/file", "/ranges", "/direct", "/static/sites.py",
    )
] + [
    ("HEAD", "/plain", {}), ("HEAD", "/file", {}), ("HEAD", "/stream", {}), ("OPTIONS", "/item/1", {}),
    ("POST", "/item/1", {}), ("POST", "/plain", {}), ("BREW", "/plain", {}), ("DELETE", "/missing", {}),
    ("GET", "/cached", {"HTTP_IF_NONE_MATCH": '"x"'}), ("GET", "/ranges", {"HTTP_RANGE": "bytes=2-4"}),
    ("GET", "/file", {"HTTP_RANGE": "bytes=0-9"}), ("GET", "/file", {"HTTP_RANGE": "bytes=999999-"}),
    ("HEAD", "/static/sites.py", {}),
]  # fmt: skip
"""Method, path and headers of requests that together take every route."""


class Closing:
    """A body whose close is counted, and may fail."""

    def __init__(self, chunks: list[bytes], fails: bool = False) -> None:
        self.chunks = chunks
        self.fails = fails
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.chunks)

    def close(self) -> None:
        self.closed += 1
        if self.fails:
            raise OSError("close failed")


def answering(result: Any, status: str = "200 OK", headers: Any = ()) -> Callable[..., Any]:
    """A WSGI app that returns ``result`` (made by it, where it can be called)."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response(status, [("Content-Type", "text/plain"), *headers])
        return result() if callable(result) else result

    return app


def writing(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Uses the callable that ``start_response`` returns."""
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"written ")
    return [b"returned"]


def restarting(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Begins one response and then another, as an error handler may."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    try:
        raise ValueError
    except ValueError as error:
        start_response("500 SORRY", [("Content-Type", "text/plain")], (type(error), error, None))
    return [b"sorry"]


def too_late(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Wants another response when the headers are out."""
    start_response("200 OK", [("Content-Type", "text/plain")])(b"out")
    try:
        raise ValueError("too late")
    except ValueError as error:
        start_response("500 SORRY", [], (type(error), error, None))
    return [b"never"]
