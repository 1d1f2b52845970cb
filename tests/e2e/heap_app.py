"""An app under way while its heap is taken: eight threads that log and query, a leak, and a 1 ms ticker.

``/gap`` tells the longest time for which the ticker, a native thread, did not run since it was last asked, in ms.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from pathlib import Path

from flask import Flask

from flasktop import FlaskTop
from flasktop.agent.native import original, start_thread

THREADS = 8
TICK_S = 0.001
REST_S = 0.002

log = logging.getLogger("shop")
LEAK: list[dict[str, str]] = []
_gap = [0.0]
_busy: list[int] = []


def tick() -> None:
    sleep = original("time", "sleep")
    last = time.perf_counter()
    while True:
        sleep(TICK_S)
        now = time.perf_counter()
        _gap[0] = max(_gap[0], now - last)
        last = now


def keep_busy(scratch: Path, number: int) -> None:
    """Log and query for ever, on a connection of this thread's own."""
    local = threading.local()
    local.connection = sqlite3.connect(scratch / f"busy-{os.getpid()}-{number}.db", timeout=30)
    local.connection.execute("create table if not exists note (words text)")
    while True:
        log.warning("thread %d is busy", number)
        local.connection.execute("insert into note values (?)", (f"note of {number}",))
        local.connection.execute("select count(*) from note").fetchone()
        local.connection.commit()
        _busy[number] += 1
        time.sleep(REST_S)


def begin(scratch: Path) -> None:
    """Once a process, with its first request: a master that preloads starts no threads."""
    if _busy:
        return
    _busy.extend([0] * THREADS)
    log.addHandler(logging.FileHandler(scratch / f"busy-{os.getpid()}.log"))
    log.propagate = False
    for number in range(THREADS):
        threading.Thread(target=keep_busy, args=(scratch, number), daemon=True).start()
    start_thread(tick)


def create_app() -> Flask:
    app = Flask(__name__)
    app.config["FLASKTOP_NAME"] = "heap"
    scratch = Path(os.environ["E2E_SCRATCH"])

    @app.before_request
    def first() -> None:
        begin(scratch)

    @app.get("/simple")
    def simple() -> str:
        LEAK.append({"words": f"a request leaks {time.perf_counter_ns()}"})
        return "simple"

    @app.get("/gap")
    def gap() -> dict[str, float]:
        longest, _gap[0] = _gap[0], 0.0
        return {"pid": os.getpid(), "gap_ms": longest * 1000, "busy": sum(_busy)}

    FlaskTop(app)
    return app
