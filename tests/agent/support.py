"""A server in miniature, and a look into the journal of the agent that runs in this process."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from werkzeug.test import create_environ

from flasktop.agent.process import process
from flasktop.agent.runtime import Agent
from flasktop.protocol.blackbox import BlackBox, parse
from flasktop.protocol.events import Defined, Framed, Joined, StateChanged, WorkerId
from flasktop.protocol.messages import Frame
from flasktop.protocol.records import RouteDef, Sample, StatementDef, Trace
from flasktop.stats.store import Store


def until(fact: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait until ``fact`` holds and return it; fail when it does not in time."""
    end = time.monotonic() + seconds
    while not (found := fact()):
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.002)
    return found


@dataclass
class Answer:
    """All that a server gets to see of one request. ``error`` is what left the app, or its body, or its close."""

    status: list[str] = field(default_factory=list)
    headers: list[list[tuple[str, str]]] = field(default_factory=list)
    restarts: int = 0
    written: list[bytes] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    length: int | None = None
    error: str = ""

    @property
    def body(self) -> bytes:
        return b"".join(self.written + self.chunks)


def serve(
    app: Callable[..., Any],
    path: str = "/",
    method: str = "GET",
    *,
    most: int = 1 << 30,
    **more: Any,
) -> Answer:
    """Do what a server does: call, take up to ``most`` chunks, close."""
    answer = Answer()
    environ = {**create_environ(path, method=method), **more}

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        if exc_info is not None:
            answer.restarts += 1
            if answer.written:
                raise exc_info[1]
        answer.status.append(status)
        answer.headers.append([one for one in headers if one[0] != "Date"])  # the same second only by luck
        return answer.written.append

    try:
        result = app(environ, start_response)
        try:
            answer.length = len(result) if hasattr(result, "__len__") else None
            chunks = iter(result)
            while len(answer.chunks) < most and (chunk := next(chunks, None)) is not None:
                answer.chunks.append(chunk)
        finally:
            if hasattr(result, "close"):
                result.close()
    except BaseException as error:  # noqa: BLE001 - what a server would see is what is compared
        answer.error = repr(error)
    return answer


def bare_environ(path: str = "/", method: str = "GET", **more: Any) -> dict[str, Any]:
    """The least that an environ must have."""
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **more,
    }


class Box:
    """What the journal file of this process's agent holds."""

    @property
    def agent(self) -> Agent:
        assert process.agent is not None and process.agent.active
        return process.agent

    def read(self) -> BlackBox:
        return parse(self.agent.files.journal.read_bytes())

    @property
    def frames(self) -> tuple[Frame, ...]:
        return self.read().frames

    def traces(self, count: int) -> list[Trace]:
        """All finished requests, as soon as there are ``count``."""
        seen: list[Trace] = []

        def enough() -> bool:
            seen[:] = [trace for frame in self.frames for trace in frame.traces]
            return len(seen) >= count

        until(enough)
        assert len(seen) == count
        return seen

    def trace(self) -> Trace:
        """The only finished request."""
        (trace,) = self.traces(1)
        return trace

    def route(self, trace: Trace) -> RouteDef:
        return self.routes[trace.route]

    @property
    def routes(self) -> dict[int, RouteDef]:
        return {route.id: route for part in self.read().definitions for route in part.routes}

    @property
    def statements(self) -> dict[int, StatementDef]:
        return {one.id: one for part in self.read().definitions for one in part.statements}

    def rows(self, count: int) -> list[str]:
        """``METHOD /rule`` of all finished requests, as soon as there are ``count``."""
        traces = self.traces(count)
        routes = self.routes
        return [f"{routes[trace.route].method} {routes[trace.route].route}" for trace in traces]

    def sample(self, fact: Callable[[Sample], Any] = lambda sample: True) -> Sample:
        """The newest sample, as soon as ``fact`` holds for it."""

        def newest() -> Sample | None:
            samples = [frame.sample for frame in self.frames if frame.sample is not None]
            return samples[-1] if samples and fact(samples[-1]) else None

        found: Sample = until(newest)
        return found

    def store(self) -> Store:
        """What a reader makes of all that was written so far."""
        content = self.read()
        worker = WorkerId(content.hello.pid, int(content.hello.agent_started_at * 1000))
        store = Store()
        store.apply(Joined(worker, content.hello, 0.0))
        for definitions in content.definitions:
            store.apply(Defined(worker, definitions))
        for frame in content.frames:
            store.apply(Framed(worker, frame, True))
        store.apply(StateChanged(worker, "live", content.at))
        return store
