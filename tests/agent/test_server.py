"""Readers on a real socket: the good, the slow, the stuck and the bad."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from flasktop import Middleware
from flasktop.agent import runtime
from flasktop.agent.server import PATIENCE_S
from flasktop.protocol.codec import decoder_for_reader, encode
from flasktop.protocol.commands import GRANTS
from flasktop.protocol.messages import Bye, Caught, Definitions, Frame, Hello, Refusal, Subscribe, Totals
from flasktop.protocol.records import Trace
from flasktop.protocol.talk import ToReader
from tests.agent.sites import answering
from tests.agent.support import Box, serve, until
from tests.rendezvous.users import NOBODY, needs_root


class Client:
    """A reader with the real codec."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise
        self.socket.settimeout(10)
        self.decoder = decoder_for_reader()
        self.seen: list[ToReader] = []

    def subscribe(self, history_s: float = 3600.0, backfill: bool = False) -> Client:
        with contextlib.suppress(BrokenPipeError):  # refused already
            self.socket.sendall(encode(Subscribe(history_s, backfill)))
        return self

    def receive(self) -> bool:
        """Take what there is; False at the end."""
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            return False
        self.seen += self.decoder.feed(data)
        return bool(data)

    def until(self, fact: Callable[[], Any]) -> Any:
        while not (found := fact()):
            assert self.receive(), f"it ended; seen: {self.seen[-3:]}"
        return found

    def of(self, kind: type) -> list[Any]:
        return [message for message in self.seen if isinstance(message, kind)]

    @property
    def traces(self) -> list[Trace]:
        return [trace for frame in self.of(Frame) for trace in frame.traces]

    def is_cut(self) -> bool:
        while self.receive():
            pass
        return True


App = Callable[..., Any]


@pytest.fixture
def app(box: Box) -> App:
    """An app that has served one request."""
    made = Middleware(answering([b"x"]), name="shop")
    serve(made)
    box.traces(1)
    return made


@pytest.fixture
def connect(app: App, box: Box) -> Iterator[Callable[[], Client]]:
    made: list[Client] = []

    def one() -> Client:
        made.append(Client(str(box.agent.files.socket)))
        return made[-1]

    yield one
    for client in made:
        client.socket.close()


Connect = Callable[[], Client]


def test_the_first_message_says_who_it_is(connect: Connect) -> None:
    client = connect()
    client.until(lambda: client.seen)
    (hello,) = client.seen

    assert isinstance(hello, Hello)
    assert (hello.pid, hello.apps, hello.grants) == (os.getpid(), ("shop",), GRANTS)


def test_history_then_caught_up_then_live(connect: Connect, app: App) -> None:
    client = connect().subscribe()
    client.until(lambda: client.of(Caught))
    history = len(client.traces)
    serve(app, "/live")
    client.until(lambda: len(client.traces) == 2)

    assert history == 1
    assert client.traces[1].path == "/live"
    assert client.of(Caught)[0].next_number == 1


def test_definitions_and_totals_come_before_what_they_explain(connect: Connect) -> None:
    client = connect().subscribe()
    client.until(lambda: client.of(Caught))
    kinds = [type(message) for message in client.seen]

    assert kinds[:4] == [Hello, Definitions, Totals, Frame]
    assert client.of(Totals)[0].complete
    assert client.of(Totals)[0].routes[0].count == 1


def test_no_history_where_none_is_wished(connect: Connect, app: App) -> None:
    client = connect().subscribe(0.0)
    client.until(lambda: client.of(Caught))
    assert client.traces == []

    serve(app, "/live")
    client.until(lambda: client.traces)
    assert [trace.number for trace in client.traces] == [1]


def test_backfill_is_newest_first_after_the_live_frames(connect: Connect, app: App, box: Box) -> None:
    for number in range(5):
        serve(app)
        box.traces(number + 2)
    client = connect().subscribe(0.0, backfill=True)
    client.until(lambda: client.of(Caught))
    client.until(lambda: len(client.traces) == 6)

    assert [trace.number for trace in client.traces] == [5, 4, 3, 2, 1, 0]


def test_a_slow_reader_knows_exactly_what_it_lost(connect: Connect, app: App, box: Box) -> None:
    client = connect().subscribe()
    client.until(lambda: client.of(Caught))
    count = 0

    def pushed_out() -> bool:
        nonlocal count
        for _ in range(500):
            serve(app, "/" + "x" * 400)
        count += 500
        return bool(box.agent.journal.oldest_seq > client.of(Frame)[-1].seq + 50)

    until(pushed_out)
    last = count  # the first request was number 0
    client.until(lambda: client.traces and client.traces[-1].number == last)
    received = {trace.number for trace in client.traces}
    gaps = sum(
        max(0, after.first_number - before.first_number - before.finished)
        for before, after in zip(client.of(Frame), client.of(Frame)[1:], strict=False)
    )

    assert gaps > 0
    assert len(received) + gaps == last + 1


def test_more_readers_than_the_limit_are_refused(connect: Connect) -> None:
    clients = [connect().subscribe() for _ in range(16)]
    for client in clients:
        client.until(lambda client=client: client.of(Caught))  # type: ignore[misc]
    late = connect()
    assert late.is_cut()

    (refusal,) = late.seen
    assert isinstance(refusal, Refusal)
    assert "16 readers" in refusal.message
    assert "FLASKTOP_MAX_READERS" in refusal.hint


def test_a_stuck_reader_makes_room_for_a_new_one(world: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASKTOP_MAX_READERS", "1")
    app = Middleware(answering([b"x"]))
    serve(app)
    world.agent.server._patience = 0.1
    stuck = Client(str(world.agent.files.socket)).subscribe()
    stuck.until(lambda: stuck.of(Caught))

    def replaced() -> bool:
        for _ in range(200):
            serve(app, "/" + "x" * 400)
        fresh = Client(str(world.agent.files.socket)).subscribe()
        while not (fresh.of(Caught) or fresh.of(Refusal)) and fresh.receive():
            pass
        fresh.socket.close()
        return bool(fresh.of(Caught))

    with contextlib.closing(stuck.socket):
        until(replaced)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xff\xff\xff",
        bytes(4),
        b"\x00\x00\x00\x05hello",
        struct.pack(">I", 900) + b"\x91" * 900,
        encode(Bye("me")),
        encode(Subscribe(1.0, False)) * 2,
        random.Random(1).randbytes(5000),
    ],
)
def test_garbage_is_cut(connect: Connect, app: App, data: bytes) -> None:
    client = connect()
    with contextlib.suppress(OSError):
        client.socket.sendall(data)

    assert client.is_cut()
    fine = connect().subscribe()
    fine.until(lambda: fine.of(Caught))


def test_a_second_message_is_cut(connect: Connect) -> None:
    client = connect().subscribe()
    client.until(lambda: client.of(Caught))
    client.subscribe()

    assert client.is_cut()


def test_half_a_message_is_cut_when_patience_ends(connect: Connect, box: Box) -> None:
    box.agent.server._patience = 0.05
    client = connect()
    client.socket.sendall(encode(Subscribe(1.0, False))[:5])

    assert client.is_cut()
    until(lambda: box.agent.server.readers == 0)


def test_a_reader_is_given_its_time_from_the_hello_on(
    connect: Connect, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the interpreter is busy, the Hello may come later than a reader may take to say what it wants."""
    server = box.agent.server
    greet = server._hello

    def late() -> Hello:
        time.sleep(1.5)
        return greet()

    monkeypatch.setattr(server, "_hello", late)
    server._patience = 1.0
    client = connect()
    client.until(lambda: client.of(Hello))
    client.subscribe()

    client.until(lambda: client.of(Caught))


def test_a_hundred_half_open_clients_keep_nobody_out_for_long(connect: Connect, box: Box) -> None:
    box.agent.server._patience = 0.05
    crowd = [connect() for _ in range(100)]
    until(lambda: box.agent.server.readers == 0)
    assert all(client.is_cut() for client in crowd)
    box.agent.server._patience = PATIENCE_S

    client = connect().subscribe()
    client.until(lambda: client.of(Caught))


def test_clients_killed_in_the_middle_of_a_frame_leave_nothing(connect: Connect, app: App, box: Box) -> None:
    descriptors = psutil.Process().num_fds()
    for _ in range(200):
        client = connect()
        client.subscribe().socket.recv(10)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.socket.close()
    until(lambda: box.agent.server.readers == 0)

    assert psutil.Process().num_fds() <= descriptors
    client = connect().subscribe()
    client.until(lambda: client.of(Caught))


STOPPED = """
import socket, sys, os
from flasktop.protocol.codec import encode
from flasktop.protocol.messages import Subscribe
one = socket.socket(socket.AF_UNIX)
one.connect(sys.argv[1])
one.sendall(encode(Subscribe(3600.0, True)))
one.recv(10)
print("reading", flush=True)
while one.recv(65536): pass
"""


def test_a_stopped_reader_costs_one_frame(app: App, box: Box) -> None:
    command = [sys.executable, "-c", STOPPED, str(box.agent.files.socket)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.kill(process.pid, signal.SIGSTOP)

        def evicted() -> bool:
            for _ in range(500):
                serve(app, "/" + "x" * 400)
            return bool(box.agent.journal.oldest_seq > 100)

        until(evicted)
        held = [len(reader.out) for reader in box.agent.server._readers.values()]
        process.kill()

    assert held
    assert max(held) <= 1 << 19


FOREIGN = """
import os, socket, sys
os.setuid(int(sys.argv[2]))
one = socket.socket(socket.AF_UNIX)
one.connect(sys.argv[1])
data = b""
while piece := one.recv(65536):
    data += piece
os.write(1, data)
"""


@needs_root
def test_another_user_is_refused(app: App, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where the permissions of the path would let them in."""
    path = box.agent.files.socket
    for opened in (path.parent.parent, path.parent, path):
        opened.chmod(0o777)
    data = subprocess.run(
        ["/usr/bin/env", sys.executable, "-c", FOREIGN, str(path), str(NOBODY)], capture_output=True, check=False
    )
    path.parent.chmod(0o700)
    (refusal,) = decoder_for_reader().feed(data.stdout)

    assert isinstance(refusal, Refusal), data.stderr
    assert f"uid {NOBODY}" in refusal.message


def test_a_deleted_socket_is_bound_again(app: App, box: Box) -> None:
    path = box.agent.files.socket
    path.unlink()

    def connected() -> Client | None:
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):  # not bound yet, or not listening yet
            return Client(str(path))
        return None

    client: Client = until(connected)
    client.subscribe()

    with contextlib.closing(client.socket):
        client.until(lambda: client.of(Caught))


def test_a_deleted_journal_is_made_again_with_its_content(app: App, box: Box) -> None:
    journal = box.agent.files.journal
    journal.unlink()
    until(lambda: journal.exists() and journal.stat().st_size)  # made, and given its size
    serve(app, "/after")

    assert [trace.path for trace in box.traces(2)] == ["/", "/after"]


def test_a_deleted_directory_is_made_again(app: App, box: Box) -> None:
    for path in (box.agent.files.socket, box.agent.files.journal):
        path.unlink()
    box.agent.files.directory.rmdir()

    until(lambda: box.agent.files.socket.exists() and box.agent.files.journal.exists())


def test_readers_are_told_of_a_clean_end(connect: Connect, box: Box) -> None:
    client = connect().subscribe()
    client.until(lambda: client.of(Caught))
    box.agent.stop()

    assert client.until(lambda: client.of(Bye))
    assert client.is_cut()


def test_what_finished_last_is_sent_before_the_end(connect: Connect, app: App, box: Box) -> None:
    client = connect().subscribe()
    client.until(lambda: client.of(Caught))
    serve(app, "/last")
    box.agent.stop()
    client.until(lambda: client.of(Bye))

    assert client.traces[-1].path == "/last"


def test_an_end_with_a_stalled_reader_is_quick_and_leaves_nothing(connect: Connect, app: App, box: Box) -> None:
    client = connect().subscribe(3600.0, backfill=True)
    client.receive()
    for _ in range(2000):
        serve(app, "/" + "x" * 400)
    agent = box.agent
    begun = time.thread_time()
    agent.stop()

    assert time.thread_time() - begun < 0.1, "it works"  # CPU, whatever else the machine does
    assert runtime.STOP_WAIT_S <= 0.1, "and it waits"
    until(lambda: not list(agent.files.directory.iterdir()))
