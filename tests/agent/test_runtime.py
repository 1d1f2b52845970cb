"""One agent a process: started by its first request, never shared over a fork, gone when the process is."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from flask import Flask

from flasktop import FlaskTop, Middleware, rendezvous
from flasktop.agent import native
from flasktop.agent.guard import guard
from flasktop.agent.process import process
from flasktop.protocol.blackbox import parse
from tests.agent.sites import answering
from tests.agent.support import Box, bare_environ, serve, until

REPOSITORY = Path(__file__).parents[2]


def test_first_requests_that_come_together_are_all_recorded(box: Box) -> None:
    app = Middleware(answering([b"x"]))
    together = threading.Barrier(8)

    def one(_: int) -> bytes:
        together.wait()
        return serve(app).body

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(8))) == [b"x"] * 8
    assert sorted(trace.number for trace in box.traces(8)) == list(range(8))


def test_one_thread_two_files_whatever_the_traffic(box: Box) -> None:
    threads = psutil.Process().num_threads()
    app = Middleware(answering([b"x"]))
    for _ in range(50):
        serve(app)

    assert psutil.Process().num_threads() <= threads + 1
    assert len(list(box.agent.files.directory.iterdir())) == 2


def test_a_clean_stop_leaves_nothing(box: Box) -> None:
    serve(Middleware(answering([b"x"])))
    directory = box.agent.files.directory
    box.agent.stop()

    until(lambda: not list(directory.iterdir()))


def test_a_stop_with_a_request_in_flight_leaves_the_journal(world: Box) -> None:
    result: Any = Middleware(answering(lambda: iter([b"x"])))(bare_environ("/held"), lambda *_: lambda _: None)
    files = world.agent.files
    world.agent.stop()
    until(lambda: not files.socket.exists())

    assert [one.path for one in parse(files.journal.read_bytes()).in_flight] == ["/held"]
    result.close()


def test_what_dead_workers_left_is_swept_at_the_start(box: Box, directory: Path) -> None:
    place = rendezvous.server_directory(str(directory))
    dead = rendezvous.WorkerFiles(place, 4194303, 1)
    for path in (dead.socket, dead.journal):
        path.touch()
    dead.socket.unlink()
    rendezvous.bind(dead.socket, native.socket).close()
    os.utime(dead.journal, (1, 1))
    serve(Middleware(answering([b"x"])))

    assert not dead.socket.exists()
    assert not dead.journal.exists()


def test_an_unknown_system_is_one_warning(
    world: Box, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, directory: Path
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    app = Middleware(answering([b"x"]))

    assert [serve(app).body for _ in range(3)] == [b"x"] * 3
    monkeypatch.undo()
    (warning,) = [record.message for record in caplog.records if record.name == "flasktop"]
    assert "flasktop does not run on win32. It runs on Linux and macOS." in warning
    assert not directory.exists()


def test_a_directory_that_cannot_be_made_is_one_warning(
    world: Box, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FLASKTOP_DIR", "/proc/nowhere")
    app = Middleware(answering([b"x"]))

    assert [serve(app).body for _ in range(3)] == [b"x"] * 3
    (warning,) = [record.message for record in caplog.records if record.name == "flasktop"]
    assert "/proc/nowhere" in warning


def test_a_deleted_working_directory_does_no_harm(box: Box, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    serve(Middleware(answering([b"x"])))

    assert box.read().hello.directory == ""


def test_uwsgi_without_threads_is_refused_with_the_remedy(
    world: Box, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class NoThreads:
        has_threads = 0

    monkeypatch.setitem(sys.modules, "uwsgi", NoThreads())

    assert serve(Middleware(answering([b"x"]))).body == b"x"
    assert "--enable-threads" in caplog.text


# -- forks --


def forking_app(child: Callable[[Any], None]) -> Flask:
    """A view that forks; ``child`` is what its child does before it is gone."""
    app = Flask("forks")
    FlaskTop(app)
    app.add_url_rule("/plain", view_func=lambda: "plain")

    @app.get("/fork")
    def fork() -> str:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                child(app)
                code = 0
            finally:
                os._exit(code)
        return str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    return app


def serves_with_an_agent_of_its_own(app: Any) -> None:
    parent = os.getppid()
    assert process.agent is None
    assert serve(app, "/plain").body == b"plain"
    mine = Box()
    assert mine.agent.pid == os.getpid() != parent
    assert [trace.path for trace in mine.traces(1)] == ["/plain"]
    mine.agent.stop()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_in_a_view_leaves_parent_and_child_well(box: Box) -> None:
    app = forking_app(serves_with_an_agent_of_its_own)

    assert serve(app, "/fork").body == b"0"
    serve(app, "/plain")
    assert box.rows(2) == ["GET /fork", "GET /plain"]


def closes_what_it_inherited(app: Any) -> None:
    links = [
        os.readlink(f"/proc/self/fd/{entry}")
        for entry in os.listdir("/proc/self/fd")
        if entry.isdecimal()
        if os.path.exists(f"/proc/self/fd/{entry}") or os.path.islink(f"/proc/self/fd/{entry}")
    ]
    assert sum(link.startswith("socket:") for link in links) <= BEFORE["sockets"]


BEFORE = {"sockets": 0}


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_holds_no_socket_of_ours(box: Box) -> None:
    BEFORE["sockets"] = sum(
        os.readlink(f"/proc/self/fd/{entry}").startswith("socket:")
        for entry in os.listdir("/proc/self/fd")
        if os.path.islink(f"/proc/self/fd/{entry}")
    )

    assert serve(forking_app(closes_what_it_inherited), "/fork").body == b"0"


def in_a_child(app: Any, answers: Any) -> None:
    answers.put((serve(app, "/plain").body, Box().agent.pid, len(Box().traces(1))))
    Box().agent.stop()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_multiprocessing_child_has_an_agent_of_its_own(box: Box) -> None:
    app = Flask("forks")
    app.add_url_rule("/plain", view_func=lambda: "plain")
    FlaskTop(app)
    serve(app, "/plain")
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=in_a_child, args=(app, answers))
    child.start()
    body, pid, count = answers.get()
    child.join()

    assert (body, pid, count) == (b"plain", child.pid, 1)
    serve(app, "/plain")
    assert len(box.traces(2)) == 2


# -- ends of whole processes --

APP = """
import os, sys, threading, time
from flask import Flask
from flasktop import FlaskTop
app = Flask("dies")
FlaskTop(app)
held = threading.Event()
@app.get("/held/<name>")
def hold(name):
    held.set()
    time.sleep(60)
@app.get("/quick")
def quick(): return "quick"
client = lambda path: app.test_client().get(path, buffered=True)
client("/quick")
for number in range(int(sys.argv[1])):
    threading.Thread(target=client, args=(f"/held/{number}?secret=1",), daemon=True).start()
if int(sys.argv[1]): held.wait()
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def running(directory: Path, held: int) -> Iterator[subprocess.Popen[str]]:
    """A process with so many requests in flight."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "FLASKTOP_DIR": str(directory)}
    command = [sys.executable, "-c", APP, str(held)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            yield child
        finally:
            child.kill()


def test_a_killed_process_leaves_its_requests_in_flight(directory: Path) -> None:
    with running(directory, held=3) as child:
        (journal,) = directory.glob("*.journal")
        until(lambda: len(parse(journal.read_bytes()).in_flight) == 3)
        until(lambda: all(one.route for one in parse(journal.read_bytes()).in_flight))
        until(lambda: all(one.age_ms > 0 for one in parse(journal.read_bytes()).in_flight))
        until(lambda: any(frame.traces for frame in parse(journal.read_bytes()).frames))
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    box = parse(journal.read_bytes())

    assert box.hello.pid == child.pid
    assert sorted((one.method, one.route, one.path) for one in box.in_flight) == [
        ("GET", "/held/<name>", f"/held/{number}") for number in range(3)
    ]
    assert [trace.path for frame in box.frames for trace in frame.traces] == ["/quick"]


def test_a_process_that_ends_leaves_no_files(directory: Path) -> None:
    with running(directory, held=0) as child:
        assert len(list(directory.iterdir())) == 2
        child.communicate("")

        assert child.returncode == 0
        assert list(directory.iterdir()) == []


def test_two_agents_of_one_app_are_two_workers(directory: Path) -> None:
    with running(directory, 0) as one, running(directory, 0) as other:
        pids = {files.pid for files in rendezvous.scan(directory)}

        assert pids == {one.pid, other.pid}


def test_no_warning_where_nothing_is_wrong(box: Box) -> None:
    serve(Middleware(answering([b"x"])))

    assert not guard.unsaid
