"""Stacks of requests that run, in real threads and greenlets."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flasktop import Middleware
from flasktop.agent import frames
from flasktop.agent.frames import Seen
from flasktop.agent.process import process
from flasktop.agent.trace import RequestTrace
from tests.agent.support import Box, serve, until

lock = threading.Lock()


def blocked(environ: Any, start_response: Any) -> list[bytes]:
    with lock:
        start_response("200 OK", [])
    return [b"x"]


def streaming(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [])
    with lock:
        yield b"x"


@contextmanager
def hanging(app: Callable[..., Any], count: int = 1) -> Iterator[list[RequestTrace]]:
    """Requests that wait for a lock, each in a thread of its own."""
    middleware = Middleware(app, name="shop")
    with lock:
        threads = [threading.Thread(target=serve, args=(middleware,)) for _ in range(count)]
        for thread in threads:
            thread.start()
        until(lambda: len(_running()) == count)
        yield _running()
    for thread in threads:
        thread.join()


def _running() -> list[RequestTrace]:
    agent = process.agent
    return [] if agent is None else [trace for trace in agent.running if trace is not None]


def look(traces: list[RequestTrace]) -> list[Seen]:
    assert process.agent is not None
    return frames.look(process.agent, traces)


def innermost(seen: Seen) -> str:
    assert seen.stack
    return frames.describe(seen.stack[0]).function


def until_in(traces: list[RequestTrace], function: str) -> list[Seen]:
    def there() -> list[Seen]:
        seen = look(traces)
        return seen if all(innermost(one) == function for one in seen) else []

    found: list[Seen] = until(there)
    return found


def test_the_stack_of_each_request_ends_in_its_own_line(box: Box) -> None:
    with hanging(blocked, 3) as traces:
        for seen in until_in(traces, "blocked"):
            assert seen.stack is not None
            place = frames.describe(seen.stack[0])
            line = Path(__file__).read_text().split("\n")[place.line - 1]

            assert (place.file, place.kind, line.strip()) == (__file__, "own", "with lock:")


def test_the_servers_frames_are_told_from_the_apps(box: Box) -> None:
    with hanging(blocked) as traces:
        (seen,) = until_in(traces, "blocked")
        assert seen.stack is not None
        inside = [frames.describe(spot) for spot in frames.inside_app(seen.stack)]

        assert [place.function for place in inside if place.kind != "flasktop"] == ["blocked"]
        assert frames.entered(seen.stack)
        assert "serve" in [frames.describe(spot).function for spot in seen.stack]


def test_a_body_that_hangs_is_seen_in_its_generator(box: Box) -> None:
    with hanging(streaming) as traces:
        (seen,) = until_in(traces, "streaming")
        assert seen.stack is not None

        assert [frames.describe(spot).function for spot in frames.inside_app(seen.stack)] == ["streaming"]


def test_a_request_whose_thread_went_on_to_another_has_no_stack(box: Box) -> None:
    def endless(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"x"

    middleware = Middleware(endless, name="shop")
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SERVER_NAME": "x", "SERVER_PORT": "80"}
    respond: Any = lambda status, headers: print  # noqa: E731
    bodies = [middleware(dict(environ), respond) for _ in range(2)]
    seen = look(_running())

    assert [one.stack is None for one in sorted(seen, key=lambda one: one.trace.start_ns)] == [True, False]
    for body in bodies:
        body.close()  # type: ignore[attr-defined]


def test_a_request_that_has_ended_has_no_stack(box: Box) -> None:
    with hanging(blocked) as traces:
        pass

    assert [seen.stack for seen in look(traces)] == [None]


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_is_left_as_it_was(enabled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "_PAUSE_GC", True)
    if not enabled:
        gc.disable()
    try:
        with frames.still():
            within = gc.isenabled()
        assert (within, gc.isenabled()) == (False, enabled)
    finally:
        gc.enable()


RESTLESS = """
import gc, os, sys, threading, time
from types import SimpleNamespace
from flasktop.agent import frames
from flasktop.agent.commands.profile import _Run
from flasktop.agent.commands.stack_table import StackTable

def deep(depth):
    if depth:
        deep(depth - 1)
    else:
        time.sleep(0.0005)

def visitors():
    while True:
        thread = threading.Thread(target=deep, args=(40,))
        thread.start()
        thread.join()

class Trace(SimpleNamespace):
    __hash__ = object.__hash__

gc.callbacks.append(lambda phase, info: time.sleep(0.0005))  # a destructor that lets other threads run does the same
gc.set_threshold(5)
for _ in range(4):
    threading.Thread(target=visitors, daemon=True).start()
worker = SimpleNamespace(hub_thread=0, roots=[])
table = StackTable()
end = time.monotonic() + 3.0
while time.monotonic() < end:
    threads = [thread.ident for thread in list(threading._active.values())]
    traces = [Trace(thread=ident, end_ns=0, greenlet=None, start_ns=0, flags=0) for ident in threads]
    frames.look(worker, traces)
    looked = SimpleNamespace(_table=table, _count=lambda *_: None)
    states = [SimpleNamespace(trace=trace, shares=lambda *_: (0.0, None)) for trace in traces]
    with frames.still():
        _Run._look_at_threads(looked, states, 1)
print("well", flush=True)
os._exit(0)  # daemon threads that go on while the interpreter ends may crash it
"""


def test_threads_that_end_while_they_are_looked_at_do_no_harm() -> None:
    """On 3.11 a collection within ``f_back`` may let a thread end whose frame is just being made: the app crashed."""
    done = subprocess.run(
        [sys.executable, "-c", RESTLESS], cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=100
    )

    assert (done.returncode, done.stdout) == (0, "well\n"), done.stderr


def test_a_deep_recursion_is_walked_to_the_servers_end(box: Box) -> None:
    def deep(depth: int) -> list[bytes]:
        return deep(depth - 1) if depth else blocked({}, lambda status, headers: print)

    with hanging(lambda environ, start_response: deep(800)) as traces:
        (seen,) = until_in(traces, "blocked")
        assert seen.stack is not None

        assert frames.entered(seen.stack) and len(frames.inside_app(seen.stack)) > 800


GEVENT = """
import gevent.monkey
gevent.monkey.patch_all()
import gevent, threading, time
from gevent.event import Event
from flasktop import Middleware
from flasktop.agent import frames, native
from flasktop.agent.process import process
from tests.agent.support import serve

gate = Event()
seen = []

def waiting(environ, start_response):
    gate.wait()
    start_response("200 OK", [])
    return [b"x"]

def burning(environ, start_response):
    end = time.monotonic() + 20
    while not seen and time.monotonic() < end:
        pass
    start_response("200 OK", [])
    return [b"x"]

def said(one):
    places = [frames.describe(spot) for spot in frames.inside_app(one.stack)]
    return [place.function for place in places if place.kind != "flasktop"][-1], one.running

def look():
    while len(running := [t for t in process.agent.running if t is not None]) < 3:
        native.original("time", "sleep")(0.01)
    while not all(one.stack for one in frames.look(process.agent, running)):
        pass
    seen.extend(sorted(map(said, frames.look(process.agent, running))))

greenlets = [gevent.spawn(serve, Middleware(waiting, name="shop")) for _ in range(2)]
gevent.sleep(0.01)
native.start_thread(look)
greenlets.append(gevent.spawn(serve, Middleware(burning, name="hot")))
greenlets[2].join()
gate.set()
gevent.joinall(greenlets)
print(seen)
"""


def test_each_greenlet_has_its_own_stack_also_the_one_that_runs(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASKTOP_DIR", str(directory))
    ran = subprocess.run([sys.executable, "-c", GEVENT], capture_output=True, text=True, timeout=60)

    assert ran.stdout.strip() == str([("burning", True), ("waiting", False), ("waiting", False)]), ran.stderr
