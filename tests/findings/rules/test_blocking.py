from __future__ import annotations

import os
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from flask import Response, request
from sqlalchemy import text
from sqlalchemy.engine import Engine

from flasktop.agent import loop
from flasktop.client import evidence
from flasktop.findings.rules import blocking
from tests.agent.support import serve
from tests.findings.watched import Watched, of

N = blocking.NAME
PAUSE = 0.2
LIMIT = f"{N}.wait=100"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second of samples is enough here."""
    monkeypatch.setattr(evidence, "SAMPLE_S", 1.0)


def line_of(mark: str) -> int:
    """The number of the line of this file that ends in ``# at: mark``."""
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(f"# at: {mark}"))


@pytest.fixture
def slow_service() -> Iterator[str]:
    """The address of a service that takes its time."""

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(PAUSE)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"done")

        def log_message(self, *_said: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_sleep_is_named_with_its_line_its_share_and_a_background_task(watched: Watched) -> None:
    def print_report() -> None:
        time.sleep(PAUSE)  # at: sleep

    @watched.app.post("/report")
    def report() -> str:
        print_report()
        return "printed"

    with watched.visited("/report", method="POST"):
        found = watched.finding(N, LIMIT)

    assert found.title.startswith("POST /report waits ")
    assert "in time.sleep before it answers" in found.title
    assert f"test_blocking.py:{line_of('sleep')}, in print_report(), in time.sleep" in found.evidence[1]
    assert (found.fix.file, found.fix.line) == (__file__, line_of("sleep"))
    assert "def print_report(...)" in found.fix.code
    assert "print_report.delay(...)" in found.fix.code
    assert found.saves_ms == pytest.approx(PAUSE * 1000, rel=0.25)


def test_a_call_of_another_service_gets_a_time_out_and_a_cache(watched: Watched, slow_service: str) -> None:
    @watched.app.get("/weather")
    def weather() -> bytes:
        with urllib.request.urlopen(slow_service) as answer:  # at: http
            return bytes(answer.read())

    with watched.visited("/weather"):
        found = watched.finding(N, LIMIT)

    assert "in urllib.request.urlopen" in found.title
    assert found.fix.line == line_of("http")
    assert "timeout=3" in found.fix.code


def test_waiting_for_the_result_of_another_thread_is_found(watched: Watched) -> None:
    pool = ThreadPoolExecutor(1)

    @watched.app.get("/result")
    def result() -> str:
        pool.submit(time.sleep, PAUSE).result()
        return "done"

    with watched.visited("/result"):
        found = watched.finding(N, LIMIT)
    pool.shutdown()

    assert "in concurrent.futures." in found.title
    assert "result before it answers" in found.title


def test_a_lock_is_told_from_slow_work(watched: Watched) -> None:
    lock, stop = threading.Lock(), threading.Event()

    def hold() -> None:
        while not stop.is_set():
            with lock:
                time.sleep(PAUSE)
            time.sleep(0.0005)

    @watched.app.get("/locked")
    def locked() -> str:
        with lock:
            pass
        time.sleep(0.005)  # the holder takes it again
        return "mine"

    holder = threading.Thread(target=hold)
    holder.start()
    with watched.visited("/locked"):
        found = watched.finding(N, LIMIT)
    stop.set()
    holder.join()

    assert "at “with lock”" in found.title
    assert "lock is held" in found.fix.text


def test_waiting_for_the_interpreter_is_no_finding(watched: Watched) -> None:
    """Four threads compute in turns: each waits three quarters of the time."""

    @watched.app.get("/compute")
    def compute() -> str:
        end = time.thread_time() + 0.1
        while time.thread_time() < end:
            pass
        return "computed"

    with watched.visited("/compute", visitors=4):
        assert watched.findings(N, LIMIT) == []


def test_what_comes_after_the_first_byte_is_no_finding(watched: Watched) -> None:
    @watched.app.get("/stream")
    def stream() -> Response:
        def lines() -> Iterator[str]:
            yield "first"
            time.sleep(PAUSE)
            yield "last"

        return Response(lines())

    with watched.visited("/stream"):
        assert watched.findings(N, LIMIT) == []


def test_work_of_another_thread_is_no_finding(watched: Watched) -> None:
    pool = ThreadPoolExecutor(1)

    @watched.app.post("/queued")
    def queued() -> str:
        pool.submit(time.sleep, PAUSE)
        return "queued"

    watched.visit("/queued", method="POST")

    assert watched.findings(N, LIMIT) == []
    pool.shutdown(cancel_futures=True)


def test_a_slow_statement_is_no_finding(watched: Watched, sqlite: Engine) -> None:
    @watched.app.get("/slow")
    def slow() -> str:
        with sqlite.connect() as connection:
            raw: Any = connection.connection
            raw.create_function("pause", 0, lambda: time.sleep(PAUSE))
            connection.execute(text("SELECT pause()")).all()
        return "slow"

    with watched.visited("/slow"):
        assert watched.findings(N, LIMIT) == []


def test_waiting_for_an_event_is_no_finding(watched: Watched) -> None:
    """Long polling is made of it."""
    never = threading.Event()

    @watched.app.get("/poll")
    def poll() -> str:
        never.wait(PAUSE)
        return "nothing new"

    with watched.visited("/poll"):
        assert watched.findings(N, LIMIT) == []


def test_the_reading_of_an_upload_is_no_finding(watched: Watched) -> None:
    """The visitor's line is slow, not the app."""

    @watched.app.post("/upload")
    def upload() -> str:
        return str(len(request.get_data()))

    stop = threading.Event()

    def visit() -> None:
        read, write = os.pipe()
        late = threading.Timer(PAUSE, os.write, (write, b"body"))
        late.start()
        with open(read, "rb") as body:
            environ: dict[str, Any] = {"CONTENT_LENGTH": "4", "wsgi.input": body}
            serve(watched.app, "/upload", "POST", **environ)
        late.join()
        os.close(write)

    def visit_on() -> None:
        while not stop.is_set():
            visit()

    visit()
    visitor = threading.Thread(target=visit_on)
    visitor.start()
    try:
        watched.await_traces(5)
        assert watched.findings(N, LIMIT) == []
    finally:
        stop.set()
        visitor.join()


def test_without_samples_an_idle_worker_is_believed_and_it_is_said(
    watch: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASKTOP_GRANTS", "stacks")
    monkeypatch.setattr(loop, "SAMPLE_S", 0.3)  # over less no CPU is told
    watched = watch()

    @watched.app.get("/nap")
    def nap() -> str:
        time.sleep(PAUSE)
        return "rested"

    watched.visit("/nap")
    monkeypatch.setattr(blocking, "CALM_PERCENT", 1000.0)  # the tests' own machine is never idle
    (found,) = of(N, watched.collected(LIMIT, seconds=1.0).report.findings)  # its CPU has to be heard of

    assert found.title.startswith("GET /nap waits ")
    assert "There are no samples that show the line" in found.evidence[1]
    monkeypatch.setattr(blocking, "CALM_PERCENT", 0.0)
    assert of(N, watched.collected(LIMIT, seconds=1.0).report.findings) == []


def test_nothing_is_said_while_there_are_too_few_samples(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be an event that is waited for; a busy machine takes few samples, and takes them again."""
    monkeypatch.setattr(loop, "SAMPLE_S", 0.3)
    monkeypatch.setattr(evidence, "LEAST_SAMPLES", 1_000_000)
    monkeypatch.setattr(blocking, "CALM_PERCENT", 1000.0)

    @watched.app.get("/nap")
    def nap() -> str:
        time.sleep(PAUSE)
        return "rested"

    with watched.visited("/nap"):
        assert of(N, watched.collected(LIMIT, seconds=1.0).report.findings) == []


def test_short_waits_are_no_finding(watched: Watched) -> None:
    @watched.app.get("/nap")
    def nap() -> str:
        time.sleep(0.02)
        return "rested"

    watched.visit("/nap", 10)

    assert watched.findings(N) == []
