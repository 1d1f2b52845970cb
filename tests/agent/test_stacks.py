"""The command for stacks, over a real socket: what it tells of requests that hang, and what it refuses."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from flasktop import Middleware
from flasktop.agent import source
from flasktop.agent.process import process
from flasktop.agent.source import Sources
from flasktop.agent.trace import RequestTrace
from flasktop.protocol.codec import encode
from flasktop.protocol.commands import GONE, NOT_GRANTED, Answered, Ask, Failed
from flasktop.protocol.commands.stacks import IN_APP, IN_SERVER, NOT_FOUND, RequestStack, StacksTaken, TakeStacks
from flasktop.protocol.records import INTERPRETER, SQL, WAIT
from tests.agent.support import Box, serve, until
from tests.agent.test_server import Client

go = threading.Event()


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    go.clear()
    yield
    go.set()


@contextmanager
def serving(view: Callable[[], object], **config: Any) -> Iterator[Client]:
    """A request that is in ``view`` until ``go`` is set, and a connection to its worker."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        view()
        start_response("200 OK", [])
        return [b"x"]

    thread = threading.Thread(target=serve, args=(Middleware(app, name="shop", config=config),), name="one")
    thread.start()
    until(lambda: process.agent is not None and any(process.agent.running))
    assert process.agent is not None
    client = Client(str(process.agent.files.socket))
    try:
        yield client
    finally:
        client.socket.close()
        go.set()
        thread.join()


def ask(client: Client, number: int, begun_us: int = -1) -> Answered | Failed:
    client.socket.sendall(encode(Ask(number, TakeStacks(begun_us))))

    def found() -> Answered | Failed | None:
        return next((said for said in client.of(Answered) + client.of(Failed) if said.id == number), None)

    answered: Answered | Failed = client.until(found)
    return answered


def taken(client: Client, number: int = 1, begun_us: int = -1) -> StacksTaken:
    answer = ask(client, number, begun_us)
    assert isinstance(answer, Answered) and isinstance(answer.answer, StacksTaken), answer
    return answer.answer


def lines(taken: StacksTaken, stack: RequestStack) -> list[tuple[str, bool, str]]:
    frames = [taken.frames[number] for number in stack.frames]
    return [(frame.function.rpartition(".")[2], frame.own, frame.source) for frame in frames]


def test_a_stack_tells_line_source_and_whose_code_it_is(box: Box) -> None:
    def waits() -> None:
        go.wait(60)

    with serving(waits) as client:
        until(lambda: trace().thread)
        answer = taken(client)
        (stack,) = answer.stacks

        told = lines(answer, stack)
        assert ("waits", True, "go.wait(60)") in told
        assert told[-1] == ("app", True, "view()")
        assert told[0][1] is False
        assert (stack.where, stack.doing, stack.app, stack.method, stack.path) == (IN_APP, WAIT, "shop", "GET", "/")
        assert stack.thread == "one" and stack.thread_id > 0 and stack.cpu_us >= 0
        assert stack.begun_us == trace().start_ns // 1000 and answer.in_flight == 1


def trace() -> RequestTrace:
    assert process.agent is not None
    return next(trace for trace in process.agent.running if trace is not None)


def test_one_request_is_named_by_when_it_began(box: Box) -> None:
    with serving(lambda: go.wait(60)) as client:
        begun_us = trace().start_ns // 1000

        assert len(taken(client, 1, begun_us).stacks) == 1
        gone = ask(client, 2, begun_us + 1)
        assert isinstance(gone, Failed) and gone.reason == GONE


def test_the_statement_that_runs_is_told_masked(box: Box) -> None:
    engine = sqlalchemy.create_engine("sqlite://")

    def query() -> None:
        with engine.connect() as connection:
            connection.connection.create_function("hang", 0, lambda: int(go.wait(60)))
            connection.execute(sqlalchemy.text("select hang() where 7 = 7")).all()
        engine.dispose()

    with serving(query) as client:
        numbers = iter(range(1, 1000))

        def running() -> RequestStack | None:
            (stack,) = taken(client, next(numbers)).stacks
            return stack if stack.statement.startswith("select hang") else None

        stack = until(running)
        assert (stack.doing, stack.statement, stack.engine) == (SQL, "select hang() where ? = ?", "sqlite:///:memory:")


def test_a_body_that_the_server_holds_is_said_to_be_in_the_server(box: Box) -> None:
    with serving(lambda: go.wait(60)) as client:
        other = Middleware(lambda environ, start_response: [b"x"], name="held")
        respond: Any = lambda status, headers: print  # noqa: E731
        body: Any = other(
            {"REQUEST_METHOD": "GET", "PATH_INFO": "/held", "SERVER_NAME": "x", "SERVER_PORT": "80"}, respond
        )
        held = taken(client).stacks[1]
        body.close()

        assert held.path == "/held" and held.where == IN_SERVER


def test_a_request_whose_thread_serves_another_is_not_given_its_stack(box: Box) -> None:
    held = []

    def keep() -> None:
        respond: Any = lambda status, headers: print  # noqa: E731
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/held", "SERVER_NAME": "x", "SERVER_PORT": "80"}
        other = Middleware(lambda environ, start_response: [b"x"], name="held")
        held.extend([other(dict(environ), respond), other(dict(environ), respond)])

    thread = threading.Thread(target=keep)
    thread.start()
    thread.join()
    with serving(lambda: go.wait(60)) as client:
        stacks = taken(client).stacks

    assert NOT_FOUND in [stack.where for stack in stacks[:2]] and stacks[2].where == IN_APP
    for body in held:
        body.close()  # type: ignore[attr-defined]


def test_deep_stacks_are_told_from_both_ends(box: Box) -> None:
    def deep(depth: int) -> None:
        go.wait(60) if depth == 0 else deep(depth - 1)

    with serving(lambda: deep(700)) as client:
        until(lambda: len(taken(client, next(asked)).stacks[0].frames) > 150)
        answer = taken(client, next(asked))
        told = lines(answer, answer.stacks[0])

    assert any("frames left out" in function for function, _, _ in told) and told[-1][0] == "app"


asked = iter(range(10, 10_000))


def test_it_is_refused_where_it_is_not_granted(box: Box) -> None:
    with serving(lambda: go.wait(60), FLASKTOP_GRANTS="heap") as client:
        refused = ask(client, 1)

    assert isinstance(refused, Failed) and refused.reason == NOT_GRANTED and "stacks" in refused.hint


def test_no_source_is_read_but_of_bounded_regular_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = Sources()
    file = tmp_path / "views.py"
    file.write_text("first\n    second = 1\n")

    assert [sources.line(str(file), number) for number in (0, 1, 2, 3)] == ["", "first", "second = 1", ""]
    assert sources.line(str(tmp_path), 1) == sources.line("/dev/zero", 1) == sources.line("<string>", 1) == ""
    file.write_text("x" * 1000)
    assert sources.line(str(file), 1) == "x" * source.LINE_LIMIT
    monkeypatch.setattr(source, "SIZE_LIMIT", 10)
    file.write_text("y" * 999)
    assert sources.line(str(file), 1) == ""


def test_an_async_view_is_shown_by_its_coroutine(box: Box) -> None:
    pytest.importorskip("asgiref")
    import asyncio

    from flask import Flask

    from flasktop import FlaskTop

    app = Flask("shop")
    FlaskTop(app)

    async def waits() -> None:
        while not go.is_set():
            await asyncio.sleep(0.05)

    @app.get("/")
    async def view() -> str:
        await waits()
        return "x"

    thread = threading.Thread(target=serve, args=(app.wsgi_app,))
    thread.start()
    until(lambda: process.agent is not None and any(process.agent.running))
    client = Client(str(box.agent.files.socket))
    try:
        answers: list[StacksTaken] = []

        def found() -> bool:
            answers[:] = [taken(client, next(asked))]
            return any(stack.coroutine for stack in answers[0].stacks)

        until(found)
        told = lines(answers[0], answers[0].stacks[0])
    finally:
        client.socket.close()
        go.set()
        thread.join()

    names = [name for name, _, _ in told]
    assert answers[0].stacks[0].doing == WAIT
    assert names.index("sleep") < names.index("waits") < names.index("view")


@pytest.mark.skipif(sys.platform != "linux", reason="told from what Linux says of a thread")
def test_waiting_for_the_interpreters_lock_is_told_from_other_waiting(box: Box) -> None:
    def compute() -> None:
        while not go.is_set():
            sum(range(1000))

    rivals = [threading.Thread(target=compute) for _ in range(8)]
    for rival in rivals:
        rival.start()
    try:
        with serving(compute) as client:
            kinds: list[str] = []

            def seen() -> bool:
                (stack,) = taken(client, next(asked)).stacks
                kinds.append(f"{stack.doing} {stack.kind}")
                return stack.kind == INTERPRETER or len(kinds) > 40

            until(seen, 60.0)
            assert f"{WAIT} {INTERPRETER}" in kinds or "cpu " in kinds, kinds
    finally:
        go.set()
        for rival in rivals:
            rival.join()
    go.clear()
    with serving(lambda: go.wait(60)) as client:
        assert [stack.kind for stack in taken(client, next(asked)).stacks] == [""]
