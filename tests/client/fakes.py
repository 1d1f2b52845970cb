"""Workers that say what a test wants, over real sockets with the real codec, and a watcher that is waited for."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from flasktop.client.apps import RunningApp
from flasktop.client.watch import Watcher
from flasktop.protocol.codec import decoder_for_worker, encode
from flasktop.protocol.events import Event, StateChanged
from flasktop.protocol.messages import PROTOCOL_VERSION, Caught, Definitions, Frame, Hello, Subscribe, Totals
from flasktop.protocol.records import Message, RouteDef, StatementDef, Trace
from flasktop.rendezvous import WorkerFiles, bind

E = TypeVar("E")
Talk = Callable[["FakeWorker", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

PATIENCE_S = 50.0
"""Seconds to wait for anything at all before a test fails: long, since machines are busy; nothing waits so long."""

_births = itertools.count(int(time.time() * 1000))


def asynchronous(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test in a loop of its own."""

    @functools.wraps(test)
    def run(*arguments: Any, **fixtures: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*arguments, **fixtures), 2 * PATIENCE_S))

    return run


def hello(started_ms: int, **changes: Any) -> Hello:
    """The Hello of a worker of the app "shop" in this process."""
    usual = Hello(
        version=PROTOCOL_VERSION,
        pid=os.getpid(),
        started_at=started_ms / 1000 - 1,
        agent_started_at=started_ms / 1000,
        mono=time.monotonic(),
        at=time.time(),
        apps=("shop",),
        group=4242,
        server="gunicorn sync",
        directory="/srv/shop",
        flasktop="0.1.0",
        python="3.11.7",
        flask="3.1",
        sqlalchemy="2.1",
        grants=(),
    )
    return msgspec.structs.replace(usual, **changes)


def definitions(route: str = "/items", text: str = "SELECT 1") -> Definitions:
    """One route and one statement."""
    statement = StatementDef(0, "statement", "sqlite://", "sqlite", text, "/srv/shop/app.py", 7, "items", "")
    return Definitions((RouteDef(0, "shop", "GET", route, "items"),), (statement,))


def trace(number: int, path: str = "/items", error: str = "") -> Trace:
    """One finished request of 1 ms."""
    return Trace(number, 0, 1000, 1000, 900, 500, 0, 500, 200, 2, path, error=error)


def frame(seq: int, *traces: Trace) -> Frame:
    """A frame of now."""
    first = traces[0].number if traces else 0
    return Frame(seq, time.time(), time.monotonic(), first, len(traces), traces, (), 0, None, None)


def totals() -> Totals:
    """Nothing counted."""
    return Totals(0, (), (), True)


async def usual(worker: FakeWorker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What a well-behaved worker does: Hello, then for a subscriber one old and one live frame, then silence."""
    writer.write(encode(worker.hello))
    await worker.subscriber(reader)
    for message in (definitions(), totals(), frame(0, trace(0)), Caught(1, time.time()), frame(1, trace(1))):
        writer.write(encode(message))
    await reader.read()


def saying(*messages: Message | bytes) -> Talk:
    """A worker that says this at once and then holds the line."""

    async def talk(worker: FakeWorker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for message in messages:
            writer.write(message if isinstance(message, bytes) else encode(message))
        await reader.read()

    return talk


class FakeWorker:
    """A worker in this process; ``files`` can be those of another pid."""

    def __init__(self, place: Path, talk: Talk = usual, *, path: Path | None = None, **changes: Any) -> None:
        self.files = WorkerFiles(place, os.getpid(), next(_births))
        self.path = path or self.files.socket
        self.hello = hello(self.files.started_ms, **changes)
        self.subscriptions: list[Subscribe] = []
        self.connections: list[asyncio.StreamWriter] = []
        self._talk = talk

    async def subscriber(self, reader: asyncio.StreamReader) -> Subscribe:
        """Wait for the reader's one message."""
        decoder = decoder_for_worker()
        wishes: list[Subscribe] = []
        while not wishes:
            wishes = [said for said in decoder.feed(await reader.read(4096)) if isinstance(said, Subscribe)]
            if reader.at_eof():
                raise asyncio.CancelledError
        self.subscriptions += wishes
        return wishes[0]

    async def __aenter__(self) -> FakeWorker:
        self._server = await asyncio.start_unix_server(self._serve, sock=bind(self.path, socket.socket))
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await self._talk(self, reader, writer)
        writer.close()

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self.connections:
            writer.close()
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        await asyncio.sleep(0.01)


class Watching:
    """A running watcher and what it told."""

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher
        self.events: list[Event] = []
        self.task: asyncio.Task[None]

    def take(self, events: Sequence[Event]) -> None:
        self.events += events

    def of(self, kind: type[E]) -> list[E]:
        """The events of one kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def chosen(self) -> RunningApp:
        """The app that is followed."""
        assert self.watcher.chosen is not None
        return self.watcher.chosen

    def states(self) -> list[str]:
        """The states told so far."""
        return [event.state for event in self.of(StateChanged)]

    @property
    def state(self) -> str:
        """The newest state told, empty for none. A real worker on a busy machine may have been silent meanwhile."""
        return self.states()[-1] if self.states() else ""

    async def until(self, fact: Callable[[], object]) -> None:
        """Wait until ``fact`` holds; fail when it never does."""
        until = time.monotonic() + PATIENCE_S
        while not fact():
            assert time.monotonic() < until, f"did not happen in {PATIENCE_S} s; seen: {self.events}"
            if self.task.done():
                self.task.result()
            await asyncio.sleep(0.01)


@asynccontextmanager
async def watching(target: str | None, directory: Path | None, **options: Any) -> AsyncIterator[Watching]:
    """Run a watcher."""
    found = Watching(Watcher(target, directory=str(directory) if directory else None, **options))
    found.task = asyncio.create_task(found.watcher.run(found.take))
    try:
        yield found
    finally:
        found.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await found.task
