"""Commands as the reader asks them: of a real worker where it can, of one that says what the test wants elsewhere."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from flasktop.client import ask as module
from flasktop.client import connection
from flasktop.client.ask import Address, CommandFailedError, ask
from flasktop.errors import NotRunningError, ProtocolError, RefusedError
from flasktop.protocol.codec import decoder_for_worker, encode
from flasktop.protocol.commands import GONE, NOT_GRANTED, Answered, Ask, Failed, Working
from flasktop.protocol.commands.heap import HeapDropped
from flasktop.protocol.commands.ping import Ping, Pong
from flasktop.protocol.commands.profile import Profiled, ProfileEndpoint
from flasktop.protocol.messages import Bye, Refusal
from flasktop.protocol.records import Message
from flasktop.rendezvous import scan
from tests.client.fakes import FakeWorker, Talk, asynchronous, saying, watching
from tests.client.shop_worker import Worker, running_worker

LONG = ProfileEndpoint((0,), seconds=60.0)
"""A command that says how far it is, and takes longer than any test. It names the endpoint of the first request, which
a ``ready_worker`` has recorded."""


@contextmanager
def ready_worker(directory: Path) -> Iterator[Worker]:
    """A real worker whose first request has been recorded."""
    with running_worker(directory) as worker:
        worker.tell("recorded")
        yield worker


def address(directory: Path, worker: Worker) -> Address:
    """Where a real worker listens."""
    (files,) = (files for files in scan(directory) if files.pid == worker.pid)
    return Address(files.socket, os.geteuid(), files.pid, files.started_ms)


def fake(worker: FakeWorker) -> Address:
    return Address(worker.path, os.geteuid(), os.getpid(), worker.files.started_ms)


def answering(*messages: Message) -> Talk:
    """A worker that says Hello, waits for a command, says this and then holds the line until the reader hangs up."""

    async def talk(worker: FakeWorker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode(worker.hello))
        decoder = decoder_for_worker()
        while not any(isinstance(said, Ask) for said in decoder.feed(await reader.read(4096))):
            pass
        for message in messages:
            writer.write(encode(message))
        await reader.read()

    return talk


@asynchronous
async def test_a_command_is_answered(directory: Path) -> None:
    """By a real worker, as often as it is asked."""
    with running_worker(directory) as worker:
        first = await ask(address(directory, worker), Ping(), Pong)
        second = await ask(address(directory, worker), Ping(), Pong)

        assert 0 < first.mono < second.mono


@asynchronous
async def test_how_far_it_is_is_told_in_order(directory: Path) -> None:
    """Everything that the worker says of it before it answers."""
    stages = [Working(1, "forking", 0.1, 2.0), Working(1, "counting", 0.9, 2.0)]
    told: list[Working] = []
    async with FakeWorker(directory, answering(*stages, Answered(1, Pong(7.0)))) as worker:
        answer = await ask(fake(worker), Ping(), Pong, told.append)

    assert answer == Pong(7.0)
    assert told == stages


@asynchronous
async def test_a_failure_comes_with_its_reason(directory: Path) -> None:
    """What happened, what to do, and the word that programs look at."""
    failed = Failed(1, GONE, "There is no such route.", "Reload.")
    async with FakeWorker(directory, answering(failed)) as worker:
        with pytest.raises(CommandFailedError) as caught:
            await ask(fake(worker), Ping(), Pong)

    assert (caught.value.message, caught.value.hint, caught.value.reason) == (failed.message, failed.hint, GONE)


@asynchronous
async def test_what_is_not_granted_says_which_key_allows_it(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real worker whose owner allows stacks only."""
    monkeypatch.setenv("FLASKTOP_GRANTS", "stacks")
    with running_worker(directory) as worker, pytest.raises(CommandFailedError) as caught:
        await ask(address(directory, worker), LONG, Profiled)

    assert caught.value.reason == NOT_GRANTED
    assert "FLASKTOP_GRANTS=stacks,profile" in caught.value.hint


@asynchronous
async def test_a_worker_that_is_killed_meanwhile_is_said_to_be_gone(directory: Path) -> None:
    """kill -9 while it carries out a command."""
    with ready_worker(directory) as worker, pytest.raises(NotRunningError, match="went away before it answered"):
        await ask(address(directory, worker), LONG, Profiled, lambda working: worker.process.kill())


@asynchronous
async def test_a_worker_that_ends_meanwhile_is_said_to_be_gone(directory: Path) -> None:
    """A goodbye instead of an answer."""
    async with FakeWorker(directory, answering(Bye("the worker ended"))) as worker:
        with pytest.raises(NotRunningError, match="went away before it answered"):
            await ask(fake(worker), Ping(), Pong)


def hanging_up(times: int) -> tuple[Talk, list[int]]:
    """A worker that hangs up without an answer so many times, as on a reader that it did not hear from; and how often
    it was called."""
    calls: list[int] = []

    async def talk(worker: FakeWorker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(len(calls))
        if len(calls) > times:
            await answering(Answered(1, Pong(1.0)))(worker, reader, writer)
            return
        writer.write(encode(worker.hello))
        await writer.drain()
        writer.close()

    return talk, calls


@asynchronous
async def test_a_worker_that_hangs_up_while_it_runs_is_asked_once_more(directory: Path) -> None:
    talk, calls = hanging_up(1)
    async with FakeWorker(directory, talk) as worker:
        answer = await ask(fake(worker), Ping(), Pong)

    assert (answer, len(calls)) == (Pong(1.0), 2)


@asynchronous
async def test_a_worker_that_hangs_up_again_and_again_is_not_asked_for_ever(directory: Path) -> None:
    talk, calls = hanging_up(10)
    async with FakeWorker(directory, talk) as worker:
        with pytest.raises(NotRunningError, match="went away before it answered"):
            await ask(fake(worker), Ping(), Pong)

    assert len(calls) == 2


@asynchronous
async def test_a_worker_that_has_ended_is_said_to_be_gone(directory: Path) -> None:
    """Nobody listens at its socket any more."""
    with running_worker(directory) as worker:
        place = address(directory, worker)
        worker.tell("exit")
        worker.process.wait()
        with pytest.raises(NotRunningError, match="does not answer"):
            await ask(place, Ping(), Pong)


@asynchronous
async def test_a_worker_that_is_stopped_is_waited_for_and_said_to_be(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGSTOP under way: told as a stage, again and again, until it goes on or the reader gives up."""
    monkeypatch.setattr(module, "SILENCE_S", 0.05)
    told: asyncio.Queue[str] = asyncio.Queue()
    with ready_worker(directory) as worker:
        asked = asyncio.create_task(
            ask(address(directory, worker), LONG, Profiled, lambda working: told.put_nowait(working.stage))
        )
        assert await told.get() != module.STOPPED
        worker.stop()
        for _ in range(3):
            while await told.get() != module.STOPPED:
                pass
        assert not asked.done()
        worker.go_on()
        while await told.get() == module.STOPPED:
            pass
        asked.cancel()
        await asyncio.wait([asked])

        assert asked.cancelled()


@asynchronous
async def test_a_worker_that_is_stopped_already_does_not_answer(directory: Path) -> None:
    """Nothing was begun, so nothing is waited for: the reader learns why, and what helps."""
    with running_worker(directory) as worker:
        worker.stop()
        with pytest.raises(NotRunningError) as caught:
            await ask(address(directory, worker), Ping(), Pong)

    assert "is stopped (SIGSTOP" in caught.value.message
    assert caught.value.hint == f"Let it go on: kill -CONT {worker.pid}"


@asynchronous
async def test_a_worker_that_is_slow_to_say_hello_is_waited_for(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One whose interpreter is busy answers in the end, on the connection that it was asked on first."""
    monkeypatch.setattr(connection, "HELLO_TIMEOUT_S", 0.02)

    async def talk(worker: FakeWorker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)  # what is tested: several time-outs long
        await answering(Answered(1, Pong(7.0)))(worker, reader, writer)

    async with FakeWorker(directory, talk) as worker:
        answer = await ask(fake(worker), Ping(), Pong)

        assert answer == Pong(7.0) and len(worker.connections) == 1


@asynchronous
async def test_a_worker_that_runs_and_says_nothing_is_not_waited_for_without_end(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What hangs in C code with the interpreter's lock in its hand may never answer."""
    monkeypatch.setattr(connection, "HELLO_TIMEOUT_S", 0.02)
    monkeypatch.setattr(module, "PATIENCE_S", 0.1)
    async with FakeWorker(directory, saying()) as worker:
        with pytest.raises(NotRunningError, match="has not answered for") as caught:
            await ask(fake(worker), Ping(), Pong)

    assert "C code" in caught.value.hint


@asynchronous
async def test_giving_up_hangs_up(directory: Path) -> None:
    """Cancelling closes the connection, by which the worker learns that nobody waits any more."""
    began, hung_up = asyncio.Event(), asyncio.Event()

    async def talk(worker: FakeWorker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering(Working(1, "counting", 0.1))(worker, reader, writer)
        hung_up.set()

    async with FakeWorker(directory, talk) as worker:
        asked = asyncio.create_task(ask(fake(worker), Ping(), Pong, lambda working: began.set()))
        await began.wait()
        asked.cancel()
        await hung_up.wait()

        assert asked.cancelled()


@asynchronous
async def test_giving_up_cancels_it_in_the_worker(directory: Path) -> None:
    """A real one takes the next of its kind at once, which it would refuse while the first is under way."""
    with ready_worker(directory) as worker:
        for _ in range(2):
            began = asyncio.Event()
            asked = asyncio.create_task(_until_free(address(directory, worker), began))
            await _begun(began, asked)
            asked.cancel()
            await asyncio.wait([asked])

            assert asked.cancelled()


async def _begun(began: asyncio.Event, asked: asyncio.Task[None]) -> None:
    """Wait until the command is under way; raise what ended it before."""
    waiting = asyncio.create_task(began.wait())
    await asyncio.wait([waiting, asked], return_when=asyncio.FIRST_COMPLETED)
    if asked.done():
        waiting.cancel()
        await asked
    assert began.is_set()


async def _until_free(place: Address, began: asyncio.Event) -> None:
    """Ask again while the worker is busy: it ends what was cancelled within a moment."""
    while True:
        with pytest.raises(CommandFailedError) as refusal:
            await ask(place, LONG, Profiled, lambda working: began.set())
        assert refusal.value.reason == "busy"


@asynchronous
async def test_the_wrong_answer_is_the_protocols_fault(directory: Path) -> None:
    """Not something to be shown as if it had been asked for."""
    async with FakeWorker(directory, answering(Answered(1, Pong(1.0)))) as worker:
        with pytest.raises(ProtocolError):
            await ask(fake(worker), Ping(), HeapDropped)


@asynchronous
async def test_a_worker_that_serves_enough_refuses(directory: Path) -> None:
    """With its own words."""
    async with FakeWorker(directory, answering(Refusal("It serves 16 readers.", "Close one."))) as worker:
        with pytest.raises(RefusedError, match="16 readers"):
            await ask(fake(worker), Ping(), Pong)


@asynchronous
async def test_a_watcher_asks_the_workers_that_it_follows(directory: Path) -> None:
    """By their identity; a stranger's is not running."""
    with running_worker(directory) as worker:
        async with watching(None, directory) as seen:
            await seen.until(lambda: seen.state == "live")
            identity = seen.events[0].worker
            answer = await seen.watcher.ask(identity, Ping(), Pong)

            assert identity.pid == worker.pid
            assert answer.mono > 0
            with pytest.raises(NotRunningError):
                await seen.watcher.ask(replace(identity, pid=1), Ping(), Pong)
