"""A worker's life and death as the reader sees it, with the real agent in a real process."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from flasktop.client import connection, link
from flasktop.protocol.events import CaughtUp, Defined, Framed, Joined, StateChanged, Totalled
from flasktop.rendezvous import scan
from tests.client.fakes import FakeWorker, Watching, asynchronous, usual, watching
from tests.client.shop_worker import running_worker


def paths(seen: Watching) -> list[str]:
    return [trace.path for framed in seen.of(Framed) for trace in framed.frame.traces]


@asynchronous
async def test_a_killed_worker_leaves_what_it_was_doing(directory: Path) -> None:
    """kill -9: died, with the request in flight, its route and its age."""
    with running_worker(directory) as worker:
        async with watching(None, directory) as seen:
            await seen.until(lambda: seen.of(CaughtUp))
            told = time.monotonic()
            worker.tell("hang")
            # in the journal at once, whether or not a frame told of it
            worker.process.kill()
            worker.process.wait()
            longest_ms = (time.monotonic() - told) * 1000
            await seen.until(lambda: seen.state == "died")

            assert seen.states()[0] == "live"
            (died,) = seen.of(StateChanged)[-1].died
            assert (died.app, died.pid, died.method, died.route) == ("shop", worker.pid, "GET", "/hang/<name>")
            assert 0 <= died.age_ms <= longest_ms


@asynchronous
async def test_the_last_frames_of_a_killed_worker_are_read(directory: Path) -> None:
    """What finished right before the kill is in the journal, or was received."""
    with running_worker(directory) as worker:
        async with watching(None, directory) as seen:
            await seen.until(lambda: seen.of(CaughtUp))
            worker.tell("get /items/2")
            await seen.until(lambda: len(set(paths(seen))) == 2)
            worker.process.kill()
            await seen.until(lambda: "died" in seen.states())

            assert {path.partition("?")[0] for path in paths(seen)} == {"/items/1", "/items/2"}


@asynchronous
async def test_a_zombie_is_seen_as_died(directory: Path) -> None:
    """A master that does not reap its worker does not keep it alive on the screen."""
    with running_worker(directory) as worker:
        async with watching(None, directory) as seen:
            await seen.until(lambda: seen.of(CaughtUp))
            os.kill(worker.pid, signal.SIGKILL)
            os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)

            await seen.until(lambda: seen.state == "died")


@asynchronous
async def test_a_stopped_worker_is_silent_and_comes_back(directory: Path) -> None:
    """SIGSTOP: silent, not gone; SIGCONT: live again."""
    with running_worker(directory) as worker:
        async with watching(None, directory) as seen:
            await seen.until(lambda: seen.of(CaughtUp))
            worker.stop()
            await seen.until(lambda: seen.state == "silent")
            assert len(seen.watcher.apps()) == 1

            worker.go_on()
            await seen.until(lambda: seen.state == "live")
            assert set(seen.states()) == {"live", "silent"}


@asynchronous
async def test_a_worker_that_is_stopped_already_is_shown_from_its_journal(directory: Path) -> None:
    """It cannot answer, but its file says who it is and what it did; it goes live when it goes on."""
    with running_worker(directory) as worker:
        async with watching(None, directory) as seen:
            await seen.until(lambda: paths(seen))
        worker.stop()
        async with watching("shop", directory) as seen:
            await seen.until(lambda: paths(seen))
            assert seen.states() == ["silent"]

            worker.go_on()
            await seen.until(lambda: seen.state == "live")


@asynchronous
async def test_a_worker_that_is_slow_to_say_hello_is_waited_for_on_one_connection(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One whose interpreter is busy goes live in the end; a new connection would wait from the beginning."""
    monkeypatch.setattr(connection, "HELLO_TIMEOUT_S", 0.02)
    monkeypatch.setattr(link, "UNANSWERED_S", 0.02)
    said = asyncio.Event()

    async def talk(worker: FakeWorker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await said.wait()
        await usual(worker, reader, writer)

    async with FakeWorker(directory, talk) as worker, watching(None, directory) as seen:
        await seen.watcher.settled()
        assert seen.watcher.apps() == ()

        said.set()
        await seen.until(lambda: seen.of(CaughtUp))
        assert seen.states() == ["live"] and len(worker.connections) == 1


@asynchronous
async def test_a_clean_end_is_gone_and_leaves_nothing(directory: Path) -> None:
    """An exit is no death, and takes the files along."""
    with running_worker(directory) as worker:
        async with watching(None, directory) as seen:
            await seen.until(lambda: seen.of(CaughtUp))
            worker.tell("exit")
            await seen.until(lambda: seen.state == "gone")
            worker.process.wait()

            assert scan(directory) == []


@asynchronous
async def test_a_worker_that_died_before_is_told(directory: Path) -> None:
    """A reader that comes after the kill gets it all from the journal, beside the living."""
    with running_worker(directory) as living:
        with running_worker(directory) as worker:
            async with watching(None, directory, everything=True) as seen:
                await seen.until(lambda: len(seen.of(CaughtUp)) == 2)
                # Totals are written once a second.
                await seen.until(
                    lambda: {one.worker.pid for one in seen.of(Framed) if one.frame.totals} >= {worker.pid}
                )
            worker.tell("hang")
            worker.process.kill()
            worker.process.wait()
        async with watching(None, directory, everything=True) as seen:
            await seen.until(lambda: "died" in seen.states())

            (died,) = (event for event in seen.of(StateChanged) if event.state == "died")
            told = [type(event) for event in seen.events if event.worker == died.worker]
            assert (told[0], told[-1]) == (Joined, StateChanged)
            assert {Defined, Totalled, Framed} <= set(told)
            assert [request.route for request in died.died] == ["/hang/<name>"]
            assert not any(framed.live for framed in seen.of(Framed) if framed.worker == died.worker)
            assert living.pid in [joined.worker.pid for joined in seen.of(Joined)]


@asynchronous
async def test_an_old_black_box_is_not_told(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an hour nobody wants to know."""
    with running_worker(directory) as worker:
        worker.process.kill()
        worker.process.wait()
    later = time.time() + 3700
    monkeypatch.setattr("flasktop.client.link.time.time", lambda: later)
    async with watching(None, directory, everything=True) as seen:
        await seen.watcher.settled()

        assert (seen.watcher.dead_apps(), seen.events) == ((), [])


@asynchronous
async def test_a_cut_journal_is_no_fault(directory: Path) -> None:
    """A file that was cut or overwritten tells nothing, and nobody falls over it."""
    with running_worker(directory) as worker:
        worker.process.kill()
        worker.process.wait()
    (files,) = scan(directory)
    os.truncate(files.journal, 5000)
    async with watching(None, directory, everything=True) as seen:
        await seen.watcher.settled()
        await seen.until(lambda: seen.watcher.complete or not seen.watcher.dead_apps())

        assert seen.of(Framed) == []


@asynchronous
async def test_nothing_is_handed_on_while_something_else_goes_first(directory: Path) -> None:
    """A screen that answers a key press clears the way; what came meanwhile follows."""
    with running_worker(directory) as worker:
        async with watching(None, directory) as seen:
            await seen.until(lambda: seen.of(CaughtUp))
            seen.watcher.way.clear()
            before = len(seen.of(Framed))
            worker.tell("get /items/2")
            await seen.until(seen.watcher.turn.locked)
            assert len(seen.of(Framed)) == before
            seen.watcher.way.set()

            await seen.until(lambda: any("/items/2" in path for path in paths(seen)))
