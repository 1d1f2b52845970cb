"""The day's report, printed by a slow service."""

from __future__ import annotations

import queue
import threading
import time
from typing import Any

from flask import Blueprint
from sqlalchemy import func, select
from sqlalchemy.engine import Engine

from flasktop.demo.shop.database import db
from flasktop.demo.shop.models import Item

pages = Blueprint("reports", __name__)

PRINT_SECONDS = 3.0
"""How long the print service takes to answer."""

_jobs: queue.Queue[Engine] = queue.Queue(maxsize=100)
_printer_lock = threading.Lock()
_printer: threading.Thread | None = None


@pages.post("/report")
def report() -> tuple[dict[str, Any], int]:
    """FAULT: the visitor, and the worker's thread, wait for the print service."""
    return {"printed": True, "turnover": print_report(db.engine)}, 200


@pages.post("/report/queued")
def report_queued() -> tuple[dict[str, Any], int]:
    """The same work handed to a thread of its own; the visitor is told that it will be done."""
    _start_printer()
    try:
        _jobs.put_nowait(db.engine)
    except queue.Full:
        return {"queued": False}, 503
    return {"queued": True}, 202


def print_report(engine: Engine) -> int:
    """Add up the turnover and wait for the print service; returns cents."""
    with engine.connect() as connection:
        turnover = connection.execute(select(func.sum(Item.price_cents * Item.quantity))).scalar_one()
    time.sleep(PRINT_SECONDS)  # stands for the call to the print service
    return int(turnover)


def _start_printer() -> None:
    global _printer
    with _printer_lock:
        if _printer is None:
            _printer = threading.Thread(target=_print_queued, name="printer", daemon=True)
            _printer.start()


def _print_queued() -> None:
    while True:
        print_report(_jobs.get())
