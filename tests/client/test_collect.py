"""Collecting for some seconds: all history first, nobody waited for without end, the dead where nobody lives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from flasktop.client import collect as collecting
from flasktop.client import link
from flasktop.client.collect import collect, collect_everything, find, watching
from flasktop.client.watch import Watcher
from flasktop.errors import NotRunningError
from flasktop.protocol.codec import encode
from flasktop.protocol.events import Event, Framed
from flasktop.protocol.messages import Caught
from flasktop.stats.store import Store
from flasktop.stats.views import Window
from tests.client.fakes import FakeWorker, Talk, asynchronous, definitions, frame, totals, trace
from tests.client.fakes import watching as looking_at
from tests.client.shop_worker import running_worker


def with_history(frames: int) -> Talk:
    """A worker whose history has so many frames of one request each; it asks for patience between them."""

    async def talk(worker: FakeWorker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode(worker.hello))
        await worker.subscriber(reader)
        for message in (definitions(), totals()):
            writer.write(encode(message))
        for number in range(frames):
            writer.write(encode(frame(number, trace(number))))
            await asyncio.sleep(0)
        writer.write(encode(Caught(frames, 0.0)))
        await reader.read()

    return talk


async def never_caught_up(worker: FakeWorker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A worker that is stopped in the midst of its history."""
    writer.write(encode(worker.hello))
    await worker.subscriber(reader)
    writer.write(encode(definitions()) + encode(totals()) + encode(frame(0, trace(0))))
    await reader.read()


async def die(directory: Path) -> None:
    """Let a real worker serve a request, tell of it, and be killed."""
    with running_worker(directory) as worker:
        async with looking_at(None, directory) as seen:
            await seen.until(lambda: any(framed.frame.traces for framed in seen.of(Framed)))
        worker.process.kill()
        worker.process.wait()


def requests(store: Store, window: Window = Window.MINUTE) -> int:
    return store.summary(time.monotonic(), window).requests


@asynchronous
async def test_all_history_has_come_before_the_seconds_begin(directory: Path) -> None:
    async with FakeWorker(directory, with_history(30)), FakeWorker(directory, with_history(40)):
        collected = await collect(None, directory=str(directory), seconds=0.0)

    assert requests(collected.store) == 70


@asynchronous
async def test_the_history_of_a_stopped_worker_is_not_waited_for(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came of it counts, and the others' is whole."""
    async with FakeWorker(directory, never_caught_up), FakeWorker(directory, with_history(5)):
        monkeypatch.setattr(collecting, "HISTORY_TIMEOUT_S", 0.5)
        collected = await collect(None, directory=str(directory), seconds=0.0)

    assert requests(collected.store) >= 5
    assert collected.app is not None and collected.app.alive


@asynchronous
async def test_history_comes_whole_whatever_there_is_of_it(directory: Path) -> None:
    async with FakeWorker(directory, with_history(1)) as worker:
        await collect(None, directory=str(directory), seconds=0.0)

    assert [(wish.history_s >= 1e9, wish.backfill) for wish in worker.subscriptions] == [(True, False)]


@asynchronous
async def test_nothing_that_runs_is_an_error(directory: Path) -> None:
    with pytest.raises(NotRunningError):
        await collect(None, directory=str(directory), seconds=0.0)


@asynchronous
async def test_journals_of_the_dead_are_read_where_nobody_lives(directory: Path) -> None:
    await die(directory)
    collected = await collect(None, directory=str(directory), seconds=0.0)

    assert collected.app is not None and not collected.app.alive
    assert requests(collected.store, Window.ALL) == 1


@asynchronous
async def test_a_journal_is_handed_on_in_small_parts(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A screen stays awake while it reads what a killed worker left."""
    monkeypatch.setattr(link, "BATCH", 2)
    await die(directory)
    parts: list[Sequence[Event]] = []
    watcher = Watcher(None, directory=str(directory), everything=True)
    task = asyncio.create_task(watcher.run(parts.append))
    await watcher.settled()
    while not (watcher.complete and any(isinstance(event, Framed) for part in parts for event in part)):
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])

    assert max(map(len, parts)) == 2


@asynchronous
async def test_everything_means_all_apps(directory: Path) -> None:
    async with FakeWorker(directory, with_history(2)), FakeWorker(directory, with_history(3), apps=("b",), group=7):
        collected = await collect_everything(directory=str(directory))

    assert (collected.app, sorted(app.name for app in collected.running)) == (None, ["b", "shop"])
    assert requests(collected.store) == 5


@asynchronous
async def test_commands_begin_when_definitions_have_come(directory: Path) -> None:
    """An id that a command names must mean something."""
    async with FakeWorker(directory, with_history(0)), watching(None, directory=str(directory)) as (_, store):
        assert store._rows.endpoints[0].key.route == "/items"


@asynchronous
async def test_finding_asks_for_no_history(directory: Path) -> None:
    async with FakeWorker(directory) as worker:
        app = await find("shop", directory=str(directory))

    assert app.name == "shop"
    assert all(wish.history_s == 0.0 for wish in worker.subscriptions)


@asynchronous
async def test_a_worker_that_says_nothing_keeps_nobody_from_settling(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "SETTLE_S", 0.5)

    async def mute(worker: FakeWorker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with FakeWorker(directory, mute), FakeWorker(directory, with_history(3)):
        collected = await collect_everything(directory=str(directory))

    assert requests(collected.store) == 3
