"""An app of known shape, for profiles: a view that waits, computes and computes again, and tells how long each took.

``E2E_SHAPE`` is JSON: seconds of sleep, of CPU in one function, of CPU in another.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable

from flask import Flask

from flasktop import FlaskTop

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

    @app.get("/shape")
    def shape() -> dict[str, float]:
        return {work.__name__: measured(work) for work in (sleeps, heavy, light)}

    @app.get("/other")
    def other() -> str:
        burns(0.005)
        return "other"

    return app
