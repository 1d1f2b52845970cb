"""An app whose time goes where its routes say: each spends ``SPENT`` seconds in one way."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Iterator

from flask import Flask, Response
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine

from flasktop import FlaskTop
from tests.e2e.shape import burns

SPENT = 0.2


def create_app() -> Flask:
    """The application factory."""
    app = Flask(__name__)
    app.config["FLASKTOP_NAME"] = "split"
    FlaskTop(app)
    add_blocking_routes(app)
    add_database_routes(app, create_engine(os.environ["E2E_DATABASE"], future=True))

    @app.get("/burns")
    def computes() -> str:
        burns(SPENT)
        return "burnt"

    @app.get("/async")
    async def asynchronous() -> str:
        await asyncio.sleep(SPENT)
        return "slept"

    return app


def add_blocking_routes(app: Flask) -> None:
    @app.get("/sleeps")
    def sleeps() -> str:
        time.sleep(SPENT)
        return "slept"

    @app.get("/locked")
    def locked() -> str:
        lock = threading.Lock()
        lock.acquire()
        threading.Timer(SPENT, lock.release).start()
        with lock:
            return "unlocked"

    @app.get("/listens")
    def listens() -> str:
        one, other = socket.socketpair()
        one.settimeout(SPENT)
        with one, other:
            try:
                one.recv(1)
            except TimeoutError:
                return "nothing came"
        raise AssertionError("nobody sent anything")

    @app.get("/streamed")
    def streamed() -> Response:
        def parts() -> Iterator[str]:
            yield "first"
            time.sleep(SPENT)
            yield "last"

        return Response(parts(), mimetype="text/plain")


def add_database_routes(app: Flask, engine: Engine) -> None:
    pause = text(f"SELECT pg_sleep({SPENT})")

    @app.get("/queries")
    def queries() -> str:
        with engine.begin() as connection:
            connection.execute(pause)
        return "slept"

    @app.get("/queries/streamed")
    def queries_in_the_body() -> Response:
        def parts() -> Iterator[str]:
            yield "first"
            with engine.begin() as connection:
                connection.execute(pause)
            yield "last"

        return Response(parts(), mimetype="text/plain")
