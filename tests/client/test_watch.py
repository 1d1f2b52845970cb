"""The watcher against workers that say what they like."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from flasktop.client import link
from flasktop.client.watch import Watcher
from flasktop.errors import AmbiguousTargetError, NotRunningError, ProtocolError, RefusedError
from flasktop.protocol.codec import encode
from flasktop.protocol.events import CaughtUp, Defined, Event, Framed, Joined, StateChanged, Totalled
from flasktop.protocol.messages import Bye, Caught, Refusal
from tests.client.fakes import (
    PATIENCE_S,
    FakeWorker,
    Watching,
    asynchronous,
    definitions,
    frame,
    hello,
    saying,
    totals,
    trace,
    watching,
)
from tests.rendezvous.users import NOBODY, as_user, needs_root


@asynchronous
async def test_a_worker_is_told_in_order(directory: Path) -> None:
    """Joined, live, definitions, totals, history, caught up, live frames."""
    async with FakeWorker(directory), watching(None, directory) as seen:
        await seen.until(lambda: len(seen.of(Framed)) == 2)

        kinds = [type(event) for event in seen.events]
        assert kinds == [Joined, StateChanged, Defined, Totalled, Framed, CaughtUp, Framed]
        assert [framed.live for framed in seen.of(Framed)] == [False, True]


@asynchronous
async def test_history_and_backfill_are_asked_for(directory: Path) -> None:
    """What the watcher was told to ask for reaches the worker."""
    async with FakeWorker(directory) as worker, watching(None, directory, history_s=7.0, backfill=False) as seen:
        await seen.until(lambda: worker.subscriptions)

        assert [(wish.history_s, wish.backfill) for wish in worker.subscriptions] == [(7.0, False)]


@asynchronous
async def test_backfill_is_not_live(directory: Path) -> None:
    """Older frames that come while the live stream idles are history."""

    async def talk(worker: FakeWorker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode(worker.hello))
        await worker.subscriber(reader)
        for message in (frame(5), Caught(0, 0.0), frame(6), frame(4), frame(7), frame(3)):
            writer.write(encode(message))
        await reader.read()

    async with FakeWorker(directory, talk), watching(None, directory) as seen:
        await seen.until(lambda: len(seen.of(Framed)) == 5)

        live = [framed.frame.seq for framed in seen.of(Framed) if framed.live]
        assert live == [6, 7]


class Stages:
    """Two workers whose histories come when a test says so: ``quick`` tells its newest as soon as the other has been
    asked for its own, and its older when told to go on; ``slow`` tells its newest when released."""

    def __init__(self) -> None:
        self.asked, self.go_on, self.released = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def watched(self, directory: Path) -> AsyncIterator[Watching]:
        """Both, and who watches them."""
        async with (
            FakeWorker(directory, self.quick),
            FakeWorker(directory, self.slow),
            watching(None, directory) as seen,
        ):
            yield seen

    async def quick(self, worker: FakeWorker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode(worker.hello))
        await worker.subscriber(reader)
        await self.asked.wait()
        writer.write(encode(frame(5)) + encode(Caught(0, 0.0)))
        await self.go_on.wait()
        writer.write(encode(frame(4)))
        await reader.read()

    async def slow(self, worker: FakeWorker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode(worker.hello))
        await worker.subscriber(reader)
        self.asked.set()
        await self.released.wait()
        writer.write(encode(frame(9)) + encode(Caught(0, 0.0)))
        await reader.read()


@asynchronous
async def test_older_history_waits_until_all_have_sent_their_newest(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first picture is of all workers, however much one of them has to tell of earlier."""
    monkeypatch.setattr("flasktop.client.turns.TOGETHER_S", PATIENCE_S)
    told = Stages()
    async with told.watched(directory) as seen:
        await seen.until(lambda: seen.of(CaughtUp))
        told.go_on.set()
        told.released.set()
        await seen.until(lambda: len(seen.of(Framed)) == 3)

        assert [framed.frame.seq for framed in seen.of(Framed)] == [5, 9, 4]


@asynchronous
async def test_older_history_does_not_wait_for_ever(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is stopped while it tells its history holds up nobody's for long."""
    monkeypatch.setattr("flasktop.client.turns.TOGETHER_S", 0.05)
    told = Stages()
    async with told.watched(directory) as seen:
        await seen.until(lambda: seen.of(CaughtUp))
        told.go_on.set()

        await seen.until(lambda: [framed.frame.seq for framed in seen.of(Framed)] == [5, 4])


@asynchronous
async def test_a_worker_on_this_host_has_our_clock(directory: Path) -> None:
    """The offset of the monotonic clocks is exactly 0 on one host, whatever the delay."""
    async with FakeWorker(directory), watching(None, directory) as seen:
        await seen.until(lambda: seen.of(Joined))

        assert seen.of(Joined)[0].mono_offset == 0.0


@asynchronous
async def test_a_worker_of_another_clock_gets_an_offset(directory: Path) -> None:
    """A forwarded socket: its monotonic clock is another one."""
    async with FakeWorker(directory, mono=17.0), watching(None, directory) as seen:
        await seen.until(lambda: seen.of(Joined))

        assert abs(17.0 + seen.of(Joined)[0].mono_offset - asyncio.get_running_loop().time()) < 1.0


@asynchronous
async def test_messages_may_come_in_pieces(directory: Path) -> None:
    """Bytes that dribble in are put together."""

    async def talk(worker: FakeWorker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in encode(worker.hello):
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        await worker.subscriber(reader)
        data = encode(frame(0, trace(0)))
        writer.write(data[:9])
        await asyncio.sleep(0.05)
        writer.write(data[9:])
        await reader.read()

    async with FakeWorker(directory, talk), watching(None, directory) as seen:
        await seen.until(lambda: seen.of(Framed))


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xff\xff\xff",
        b"\0\0\0\3abc",
        b"\0\0\0\x40" + b"\x91" * 64,
        encode(frame(0)),
    ],
    ids=["http", "huge", "no-msgpack", "nested", "no-hello"],
)
@asynchronous
async def test_garbage_is_a_problem_and_nothing_else(directory: Path, garbage: bytes) -> None:
    """A worker that speaks something else is told as a problem; the others go on."""
    async with FakeWorker(directory, saying(garbage)), FakeWorker(directory), watching(None, directory) as seen:
        await seen.until(lambda: seen.of(Framed) and seen.watcher.problems)

        assert [type(problem) for problem in seen.watcher.problems] == [ProtocolError]
        assert len(seen.of(Joined)) == 1


@asynchronous
async def test_garbage_in_the_stream_makes_the_worker_silent(directory: Path) -> None:
    """A worker that turns to nonsense later stays visible, as silent, with its problem."""

    async def talk(worker: FakeWorker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode(worker.hello))
        await worker.subscriber(reader)
        writer.write(encode(frame(0)) + b"\xff" * 100)
        await reader.read()

    async with FakeWorker(directory, talk), watching(None, directory) as seen:
        await seen.until(lambda: seen.states() == ["live", "silent"])

        assert isinstance(seen.watcher.problems[0], ProtocolError)


@pytest.mark.parametrize(("version", "words"), [(0, "older"), (99, "newer")])
@asynchronous
async def test_another_version_is_said_clearly(directory: Path, version: int, words: str) -> None:
    """An app with another protocol is not read, and the person learns which side to update."""
    async with FakeWorker(directory, version=version, flasktop="7.7"), watching(None, directory) as seen:
        await seen.until(lambda: seen.watcher.problems)

        problem = seen.watcher.problems[0]
        assert words in problem.message and "7.7" in problem.message and "Update flasktop" in problem.hint
        assert seen.watcher.apps() == ()


@asynchronous
async def test_a_refusal_is_passed_on(directory: Path) -> None:
    """What the worker says against us reaches the person, neutralised."""
    async with (
        FakeWorker(directory, saying(Refusal("Full\x1b[2J.", "Close one."))),
        watching(None, directory) as seen,
    ):
        await seen.until(lambda: seen.watcher.problems)

        assert [str(problem) for problem in seen.watcher.problems] == ["Full␛[2J.\nClose one."]


@needs_root
@asynchronous
async def test_a_socket_file_of_another_user_is_refused(directory: Path) -> None:
    """Somebody who could plant a socket in the directory is not believed."""
    async with FakeWorker(directory) as worker:
        os.chown(worker.path, NOBODY, -1)
        async with watching(None, directory) as seen:
            await seen.until(lambda: seen.watcher.problems)

            assert isinstance(seen.watcher.problems[0], RefusedError)
            assert worker.connections == []


@needs_root
@asynchronous
async def test_a_server_of_another_user_is_refused(directory: Path) -> None:
    """A socket file that looks ours but is served by somebody else is refused before a byte is sent."""
    worker = FakeWorker(directory)
    directory.chmod(0o777)
    with as_user(), socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(worker.path))
        listener.listen()
        os.seteuid(0)
        os.chown(worker.path, 0, -1)
        directory.chmod(0o700)
        async with watching(None, directory) as seen:
            await seen.until(lambda: seen.watcher.problems)

            assert f"uid {NOBODY}" in seen.watcher.problems[0].message
            assert seen.events == []


@asynchronous
async def test_a_planted_symlink_is_not_followed(directory: Path) -> None:
    """A link with a worker's name is no socket."""
    outside = directory.parent / "other.sock"
    async with FakeWorker(directory, path=outside) as worker:
        worker.files.socket.symlink_to(outside)
        async with watching(None, directory) as seen:
            await seen.until(lambda: seen.watcher.problems)

            assert isinstance(seen.watcher.problems[0], RefusedError)
            assert worker.connections == []


@asynchronous
async def test_a_lost_connection_comes_back_without_a_fuss(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker lives: connect again, subscribe again; a hiccup is no state."""
    for limit in ("SILENT_AFTER_S", "UNANSWERED_S"):
        monkeypatch.setattr(link, limit, PATIENCE_S)
    async with FakeWorker(directory) as worker, watching(None, directory) as seen:
        await seen.until(lambda: len(seen.of(Framed)) == 2)
        worker.connections[-1].close()
        await seen.until(lambda: len(worker.subscriptions) == 2)
        await seen.until(lambda: len(seen.of(Framed)) == 4)

        assert "silent" not in seen.states()
        assert [framed.live for framed in seen.of(Framed)[2:]] == [False, False], "the frames were seen before"


@asynchronous
async def test_a_worker_that_says_nothing_is_silent(directory: Path) -> None:
    """Nothing comes although the line is open: silent, not gone; live again with the next message."""
    assert link.SILENT_AFTER_S < 3.0, "a worker that hangs is seen as silent within three seconds"
    async with FakeWorker(directory) as worker, watching(None, directory) as seen:
        await seen.until(lambda: len(seen.of(Framed)) == 2)
        await seen.until(lambda: seen.states() == ["live", "silent"])
        worker.connections[-1].write(encode(frame(2)))
        await seen.until(lambda: seen.states()[:3] == ["live", "silent", "live"])


@asynchronous
async def test_a_worker_that_never_answers_does_not_hold_up_the_others(directory: Path) -> None:
    """Discovery settles although one worker accepts and says nothing."""
    async with FakeWorker(directory, saying()), FakeWorker(directory), watching(None, directory) as seen:
        await seen.watcher.settled()
        await seen.until(lambda: seen.of(Framed))

        assert len(seen.watcher.apps()) == 1


@asynchronous
async def test_goodbye_is_gone(directory: Path) -> None:
    """A worker that ended cleanly is gone, not dead, and its app runs no more."""

    async def talk(worker: FakeWorker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode(worker.hello))
        await worker.subscriber(reader)
        writer.write(encode(Bye("the worker ended")))
        await writer.drain()
        worker.path.unlink()

    async with FakeWorker(directory, talk), watching(None, directory) as seen:
        await seen.until(lambda: seen.states() == ["live", "gone"])

        assert seen.watcher.apps() == ()


@asynchronous
async def test_strings_are_neutral(directory: Path) -> None:
    """No text from the app can do anything to a terminal; statements keep their lines."""

    async def talk(worker: FakeWorker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode(worker.hello))
        await worker.subscriber(reader)
        writer.write(encode(definitions("/\x1b]0;x\x07", "SELECT 1\n-- \x9b2J")))
        writer.write(encode(frame(0, trace(0, "/\u202efdp", "\x1bError"))))
        await reader.read()

    async with FakeWorker(directory, talk, apps=("sh\rop",)), watching(None, directory) as seen:
        await seen.until(lambda: seen.of(Framed))

        defined, framed = seen.of(Defined)[0].definitions, seen.of(Framed)[0].frame
        assert seen.of(Joined)[0].hello.apps == ("sh␍op",)
        assert defined.routes[0].route == "/␛]0;x␇"
        assert defined.statements[0].text == "SELECT 1\n-- �2J"
        assert (framed.traces[0].path, framed.traces[0].error) == ("/�fdp", "␛Error")


@asynchronous
async def test_a_new_worker_is_seen(directory: Path) -> None:
    """A worker that was spawned later joins by itself."""
    async with FakeWorker(directory), watching(None, directory) as seen:
        await seen.until(lambda: seen.of(Joined))
        async with FakeWorker(directory):
            await seen.until(lambda: len(seen.of(Joined)) == 2)


@asynchronous
async def test_several_apps_are_left_to_choose(directory: Path) -> None:
    """Nothing is chosen of two apps until somebody does, and only that one is subscribed to."""
    async with (
        FakeWorker(directory) as shop,
        FakeWorker(directory, apps=("blog",), group=77) as blog,
        watching(None, directory) as seen,
    ):
        await seen.watcher.settled()
        assert (seen.watcher.chosen, seen.events) == (None, [])

        seen.watcher.choose(next(app for app in seen.watcher.apps() if app.name == "blog"))
        await seen.until(lambda: len(seen.of(Framed)) == 2)

        assert (len(shop.subscriptions), len(blog.subscriptions)) == (0, 1)
        assert seen.chosen.name == "blog"


@asynchronous
async def test_workers_of_one_server_are_one_app(directory: Path) -> None:
    """Same master, same name: one app; another master: another app."""
    async with (
        FakeWorker(directory),
        FakeWorker(directory),
        FakeWorker(directory, group=77),
        watching(None, directory) as seen,
    ):
        await seen.watcher.settled()

        assert sorted(len(app.workers) for app in seen.watcher.apps()) == [1, 2]


@asynchronous
async def test_apps_of_one_worker_are_one(directory: Path) -> None:
    """Two apps in one process, of which another worker has only met one so far."""
    async with (
        FakeWorker(directory, apps=("shop", "admin")),
        FakeWorker(directory, apps=("admin",)),
        watching("admin", directory) as seen,
    ):
        await seen.until(lambda: len(seen.of(Joined)) == 2)

        assert [app.names for app in seen.watcher.apps()] == [("admin", "shop")]


@pytest.mark.parametrize("how", ["name", "group", "path"])
@asynchronous
async def test_a_target_names_an_app(directory: Path, how: str) -> None:
    """A name, a pid or a socket's path finds the one of two apps."""
    async with FakeWorker(directory) as shop, FakeWorker(directory, apps=("blog",), group=77):
        target = {"name": "shop", "group": "4242", "path": str(shop.path)}[how]
        async with watching(target, directory if how != "path" else None) as seen:
            await seen.until(lambda: seen.of(Framed))

            assert seen.chosen.name == "shop"


@asynchronous
async def test_an_ambiguous_target_is_a_problem_with_choices(directory: Path) -> None:
    """A pid of this process is that of two apps here."""
    async with (
        FakeWorker(directory),
        FakeWorker(directory, apps=("blog",), group=77),
        watching(str(os.getpid()), directory) as seen,
    ):
        await seen.until(lambda: seen.watcher.problems)

        problem = seen.watcher.problems[0]
        assert isinstance(problem, AmbiguousTargetError)
        assert "shop" in problem.hint and "blog" in problem.hint


@asynchronous
async def test_a_target_that_does_not_run_is_waited_for(directory: Path) -> None:
    """The problem is told, and it goes away by itself."""
    async with watching("shop", directory) as seen:
        await seen.until(lambda: seen.watcher.problems)
        assert isinstance(seen.watcher.problems[0], NotRunningError)
        async with FakeWorker(directory):
            await seen.until(lambda: seen.of(Framed))

            assert seen.watcher.problems == ()


@asynchronous
async def test_a_forwarded_socket_can_be_attached_to(directory: Path) -> None:
    """A socket with any name (``ssh -L``) works by its path, though its pid lives elsewhere."""
    forwarded = directory.parent / "forwarded"
    async with FakeWorker(directory, path=forwarded, pid=2**22 + 1), watching(str(forwarded), None) as seen:
        await seen.until(lambda: seen.of(Framed))

        assert seen.of(Joined)[0].worker.pid == 2**22 + 1


@asynchronous
async def test_a_restarted_app_is_followed(directory: Path) -> None:
    """The server is started anew: same name and place, another group."""
    async with watching("shop", directory) as seen:
        async with FakeWorker(directory, saying(hello(1), Bye(""))):
            await seen.until(lambda: seen.watcher.chosen)
        await seen.until(lambda: not seen.watcher.apps())
        async with FakeWorker(directory, group=5):
            await seen.until(lambda: seen.watcher.chosen and seen.watcher.chosen.group == 5)
            await seen.until(lambda: seen.of(Framed))


@asynchronous
async def test_another_app_is_not_taken_for_a_restart(directory: Path) -> None:
    """Same name elsewhere is somebody else's."""
    async with watching("shop", directory) as seen:
        async with FakeWorker(directory, saying(hello(1), Bye(""))):
            await seen.until(lambda: seen.watcher.chosen)
        async with FakeWorker(directory, group=5, directory="/elsewhere"):
            await seen.until(lambda: [app.group for app in seen.watcher.apps()] == [5])

            assert seen.chosen.group == 4242


@asynchronous
async def test_many_messages_come_through(directory: Path) -> None:
    """A burst of frames larger than any buffer arrives whole and in order."""

    async def talk(worker: FakeWorker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode(worker.hello))
        await worker.subscriber(reader)
        for message in (definitions(), totals(), Caught(0, 0.0)):
            writer.write(encode(message))
        for seq in range(300):
            writer.write(encode(frame(seq, *(trace(seq * 100 + each) for each in range(100)))))
            await writer.drain()
        await reader.read()

    async with FakeWorker(directory, talk), watching(None, directory) as seen:
        await seen.until(lambda: len(seen.of(Framed)) == 300)

        assert [framed.frame.seq for framed in seen.of(Framed)] == list(range(300))


@asynchronous
async def test_a_fault_of_the_consumer_is_not_hidden(directory: Path) -> None:
    """What ``on_events`` raises ends the watcher, instead of a screen that stands still."""

    def faulty(events: Sequence[Event]) -> None:
        raise ZeroDivisionError

    async with FakeWorker(directory):
        with pytest.raises(ZeroDivisionError):
            await Watcher(None, directory=str(directory)).run(faulty)


@needs_root
@asynchronous
async def test_root_reads_the_app_of_another_user(directory: Path) -> None:
    """A service runs as its own user: root follows it, and expects that user at the other end."""
    os.chown(directory, NOBODY, -1)
    worker = FakeWorker(directory)
    os.seteuid(NOBODY)
    try:
        await worker.__aenter__()
    finally:
        os.seteuid(0)
    async with watching(None, directory) as seen:
        await seen.until(lambda: seen.of(Framed))

        assert seen.watcher.problems == ()
    await worker.__aexit__()
