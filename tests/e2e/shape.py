"""An app of known shape, for profiles: a view that waits, computes and computes again, and tells how long each took.

``E2E_SHAPE`` is JSON: seconds of sleep, of CPU in one function, of CPU in another.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable

from flask import Flask
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool

from flasktop import FlaskTop
from flasktop.agent import native

SLEEP, HEAVY, LIGHT = json.loads(os.environ.get("E2E_SHAPE", "[0.12, 0.06, 0.02]"))


def sleeps() -> None:
    time.sleep(SLEEP)


def burns(seconds: float) -> None:
    """Compute for so many seconds of this thread's CPU, however long that takes."""
    end = time.thread_time() + seconds
    number = 0
    while time.thread_time() < end:
        for _ in range(200):
            number = (number * 31 + 7) % 1_000_003


def heavy() -> None:
    burns(HEAVY)


def light() -> None:
    burns(LIGHT)


def measured(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def create_app() -> Flask:
    """The application factory."""
    app = Flask(__name__)
    app.config["FLASKTOP_NAME"] = "shape"
    FlaskTop(app)
    engine = engine_that_sleeps()

    @app.get("/shape")
    def shape() -> dict[str, float]:
        return {work.__name__: measured(work) for work in (sleeps, heavy, light)}

    @app.get("/other")
    def other() -> str:
        burns(0.005)
        return "other"

    @app.get("/sql")
    def sql() -> str:
        with engine.connect() as connection:
            connection.execute(text("SELECT snooze(0.2)"))
        burns(0.02)
        return "sql"

    @app.get("/blocks")
    def blocks() -> str:
        """Sleeps so that under gevent nobody else runs, as a driver in C does that knows nothing of greenlets."""
        native.original("time", "sleep")(0.3)
        return "blocked"

    return app


def engine_that_sleeps() -> Engine:
    """A database with a function ``snooze(seconds)``."""
    engine = create_engine("sqlite://", poolclass=NullPool)
    event.listen(engine, "connect", lambda connection, _: connection.create_function("snooze", 1, time.sleep))
    return engine
