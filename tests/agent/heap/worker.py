"""An app in a process of its own whose heap is looked at, driven by lines on stdin; every line is answered by one.

Arguments of the form ``module:NAME=value`` set what stands in ``module`` before the first request. Lines: ``fork``
(fork as an app would, and answer with what descriptors that process has), ``exit`` (a clean end).
"""

from __future__ import annotations

import atexit
import importlib
import os
import sys
import threading
from pathlib import Path
from typing import Any, ClassVar

from flask import Flask

from flasktop import FlaskTop

WAIT_S = 120


class Quote:
    """What leaks."""

    def __init__(self, number: int) -> None:
        self.buyer = f"buyer {number}"
        self.lines = [number, number + 1]


class Local:
    """What only a running call refers to."""


class Shelf:
    """A class whose attribute leaks."""

    SECRETS: ClassVar[list[Hidden]] = []


class Hidden:
    """What hangs on a class."""


QUOTES: dict[str, Quote] = {}
QUOTE_COUNT = 3000


def call_that_waits(ready: threading.Event, end: threading.Event) -> None:
    rows = [Local() for _ in range(70)]
    ready.set()
    end.wait(WAIT_S)
    rows.clear()


def fill() -> None:
    QUOTES.update((f"secret key {number}", Quote(number)) for number in range(QUOTE_COUNT))
    Shelf.SECRETS.extend(Hidden() for _ in range(20))


def forked_descriptors() -> str:
    """Fork, as an app may, and tell which sockets and pipes the new process has."""
    read, write = os.pipe()
    if os.fork() == 0:
        links = [os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if int(name) != read]
        os.write(write, " ".join(link for link in links if link.startswith(("socket:", "pipe:"))).encode())
        os._exit(0)
    os.close(write)
    told = os.read(read, 1 << 16).decode()
    os.close(read)
    os.wait()
    return told


def set_up(assignment: str) -> None:
    place, _, value = assignment.partition("=")
    module, _, name = place.partition(":")
    if module == "sys.modules":
        sys.modules[name] = None  # type: ignore[assignment]
        return
    setattr(importlib.import_module(module), name, type(getattr(importlib.import_module(module), name))(float(value)))


def main() -> None:
    for assignment in sys.argv[1:]:
        set_up(assignment)
    app = Flask(__name__)
    FlaskTop(app)
    atexit.register(lambda: Path(os.environ["HEAP_SCRATCH"], f"exit-{os.getpid()}").touch())

    @app.get("/")
    def index() -> str:
        return "shop"

    fill()
    ready, end = threading.Event(), threading.Event()
    threading.Thread(target=call_that_waits, args=(ready, end), daemon=True).start()
    ready.wait(WAIT_S)
    answer: Any = app.test_client().get("/")
    assert answer.status_code == 200
    answer.close()
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() == "exit":
            break
        print(forked_descriptors() if line.strip() == "fork" else "ok", flush=True)


if __name__ == "__main__":
    main()
