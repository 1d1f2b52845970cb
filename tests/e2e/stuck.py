"""An app whose requests hang, each in its own way, until the file ``E2E_SCRATCH/go`` is there.

Lines where they hang end in ``# at: NAME``; ``line_of`` finds them again.
"""

from __future__ import annotations

import os
import threading
import time
import urllib.request
from pathlib import Path

from flask import Flask
from sqlalchemy import create_engine, text

from flasktop import FlaskTop


def line_of(name: str) -> int:
    """The number of the line of this file that is marked ``# at: name``."""
    lines = Path(__file__).read_text().splitlines()
    (number,) = (number for number, line in enumerate(lines, 1) if line.endswith(f"# at: {name}"))
    return number


def create_app() -> Flask:
    """The application factory."""
    app = Flask(__name__)
    app.config["FLASKTOP_NAME"] = "stuck"
    go = Path(os.environ["E2E_SCRATCH"]) / "go"
    engine = create_engine(os.environ["E2E_DATABASE"])
    FlaskTop(app)

    @app.get("/")
    def quick() -> str:
        return "quick"

    @app.get("/few")
    def few() -> str:
        time.sleep(0.002)
        return "few"

    add_waiting_routes(app, go)

    @app.get("/sql")
    def sql() -> str:
        with engine.connect() as connection:
            while not go.exists():
                connection.execute(text("SELECT pg_sleep(0.7)"))  # at: sql
                time.sleep(0.01)  # psycopg2 holds up gevent's hub while it waits: the others need a turn
        return "queried"

    @app.get("/http")
    def http() -> str:
        with urllib.request.urlopen(os.environ["E2E_ELSEWHERE"]) as answer:  # at: http
            body: bytes = answer.read()
        return body.decode()

    return app


def add_waiting_routes(app: Flask, go: Path) -> None:
    gate = threading.Lock()

    @app.get("/sleep")
    def sleep() -> str:
        while not go.exists():
            time.sleep(0.4)  # at: sleep
        return "slept"

    @app.get("/lock")
    def lock() -> str:
        gate.acquire()

        def release() -> None:
            while not go.exists():
                time.sleep(0.05)
            gate.release()

        threading.Thread(target=release).start()
        with gate:  # at: lock
            return "locked"

    @app.get("/cpu")
    def cpu() -> str:
        number = 0
        while not go.exists():
            for _ in range(20_000):
                number = (number * 31 + 7) % 1_000_003  # at: cpu
        return str(number)
