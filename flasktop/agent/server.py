"""The worker's socket: serves the journal to readers, each a cursor into it.

Runs in the agent's thread, never blocks, never logs. A reader costs one frame of buffer: a slow one loses the oldest
frames instead of slowing anybody, and learns from the numbers in the next frame how many.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from flasktop import rendezvous
from flasktop.agent import native
from flasktop.agent.journal import Journal
from flasktop.agent.reader import DEFINITIONS_CHUNK, Reader
from flasktop.errors import FlasktopError
from flasktop.protocol.codec import MAX_TO_READER, encode
from flasktop.protocol.commands import Ask, Cancel
from flasktop.protocol.messages import Bye, Hello, Refusal, Subscribe, Totals
from flasktop.protocol.talk import ToWorker

PATIENCE_S: Final = 5.0
"""A reader that has not said what it wants after so long is cut; one that takes nothing for so long may be replaced."""
REPLIES_BYTES: Final = 2 * MAX_TO_READER
"""A reader that asks for more than so much without taking it is cut: it must not fill the app's memory."""
DEAF_S: Final = 1.0
"""For how long no reader is accepted after the system refused us one."""
_READ: Final = 1
_WRITE: Final = 4


class Orders(Protocol):
    """What the server needs of whoever carries out commands (``commands.desk.Desk``)."""

    def submit(self, reader: Reader, ask: Ask) -> None: ...
    def cancel(self, reader: Reader, number: int) -> None: ...
    def left(self, reader: Reader) -> None: ...
    def busy(self, reader: Reader) -> bool: ...
    def outgoing(self) -> list[tuple[Reader, bytes]]: ...
    def close(self) -> None: ...


class Server:
    """Accepts readers and feeds them.

    Args:
        journal: what is served.
        hello: makes the first message, with the clocks of now.
        totals: makes the whole totals, in parts, after draining what has finished (a new reader misses nothing).
        next_number: the number that the next finished trace will get.
        limit: readers at once.
        desk: makes whoever takes the readers' commands, given what wakes ``step`` up.
        patience_s: see ``PATIENCE_S``.
    """

    def __init__(
        self,
        journal: Journal,
        hello: Callable[[], Hello],
        totals: Callable[[], list[Totals]],
        next_number: Callable[[], int],
        limit: int,
        desk: Callable[[Callable[[], None]], Orders],
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._journal = journal
        self._hello = hello
        self._totals = totals
        self._next_number = next_number
        self._limit = limit
        self._patience = patience_s
        self._deaf_until = 0.0
        self._closed = False
        self._readers: dict[int, Reader] = {}
        self._listener: Any = None
        self._poll = native.poll()
        self.wake_read, self._wake_write = os.pipe()
        for descriptor in (self.wake_read, self._wake_write):
            os.set_blocking(descriptor, False)
        self._poll.register(self.wake_read, _READ)
        self._desk = desk(self.wake)

    # -- the listening socket --

    def listen(self, listener: Any) -> None:
        """Serve on ``listener`` (bound, non-blocking), in place of the one before."""
        self._close_listener()
        self._listener = listener
        self._poll.register(listener.fileno(), _READ)

    def _close_listener(self) -> None:
        if self._listener is not None:
            if not self._deaf_until:
                self._poll.unregister(self._listener.fileno())
            self._deaf_until = 0.0
            self._listener.close()
            self._listener = None

    @property
    def readers(self) -> int:
        return len(self._readers)

    def wake(self) -> None:
        """End the wait in ``step``; called from other threads."""
        if self._closed:
            return
        with contextlib.suppress(OSError):  # full: it is awake already
            os.write(self._wake_write, b"!")

    # -- one round --

    def step(self, timeout_s: float) -> None:
        """Wait for something to do, at most ``timeout_s``, and do it."""
        now = time.perf_counter()
        if self._deaf_until and now >= self._deaf_until and self._listener is not None:
            self._deaf_until = 0.0
            self._poll.register(self._listener.fileno(), _READ)
        self._take_replies(now)
        for reader in list(self._readers.values()):
            reader.fill(self._journal)
            self._watch(reader)
        for descriptor, events in self._poll.poll(max(timeout_s, 0) * 1000):
            self._handle(descriptor, events, time.perf_counter())
        for reader in list(self._readers.values()):
            heard = max(reader.since, reader.progress)  # where the interpreter is busy, our Hello goes out late
            if not reader.subscribed and now - heard > self._patience and not self._desk.busy(reader):
                self._cut(reader)

    def _take_replies(self, now: float) -> None:
        for reader, data in self._desk.outgoing():
            if self._readers.get(reader.descriptor) is reader:
                reader.reply(data)
                reader.since = now
                if reader.replies_bytes > REPLIES_BYTES:
                    self._cut(reader)

    def _handle(self, descriptor: int, events: int, now: float) -> None:
        if descriptor == self.wake_read:
            os.read(self.wake_read, 4096)
        elif self._listener is not None and descriptor == self._listener.fileno():
            self._accept(now)
        elif (reader := self._readers.get(descriptor)) is not None:
            if events & ~_WRITE:
                self._receive(reader)
            if events & _WRITE and descriptor in self._readers:
                self._send(reader, now)

    def _accept(self, now: float) -> None:
        try:
            # _accept of the C socket: gevent's accept() would make a hub in this thread
            descriptor, _ = self._listener._accept()
        except BlockingIOError:
            return
        except OSError:
            # Out of descriptors, it may be: the caller stays in the queue, and must not keep us running in circles.
            self._poll.unregister(self._listener.fileno())
            self._deaf_until = now + DEAF_S
            return
        connection = native.socket(fileno=descriptor)
        connection.setblocking(False)
        reader = Reader(connection, now)
        try:
            rendezvous.check_peer(rendezvous.peer_uid(connection), os.geteuid(), root=True)
            self._make_room(now)
        except FlasktopError as refusal:
            self._refuse(connection, refusal)
            return
        self._readers[descriptor] = reader
        reader.pid = rendezvous.peer_pid(connection)
        reader.out = memoryview(encode(self._hello()))
        self._watch(reader)

    def _make_room(self, now: float) -> None:
        if len(self._readers) < self._limit:
            return
        waiting = [reader for reader in self._readers.values() if reader.out]
        slowest = min(waiting, key=lambda reader: reader.progress, default=None)
        if slowest is None or now - slowest.progress < self._patience:
            raise FlasktopError(
                f"This worker already serves {self._limit} readers.",
                "Close one of them, or raise FLASKTOP_MAX_READERS.",
            )
        self._cut(slowest)

    def _refuse(self, connection: Any, refusal: FlasktopError) -> None:
        with contextlib.suppress(OSError):
            connection.send(encode(Refusal(refusal.message, refusal.hint)))
        connection.close()

    def _receive(self, reader: Reader) -> None:
        try:
            data = reader.connection.recv(65536)
            messages = reader.decoder.feed(data)
        except BlockingIOError:
            return
        except (OSError, FlasktopError):
            self._cut(reader)
            return
        if not data:
            self._cut(reader)
        for message in messages:
            if not self._obey(reader, message):
                self._cut(reader)
                return

    def _obey(self, reader: Reader, message: ToWorker) -> bool:
        """Do what a reader says; False where it must not say that (twice)."""
        if isinstance(message, Ask):
            self._desk.submit(reader, message)
        elif isinstance(message, Cancel):
            self._desk.cancel(reader, message.id)
        elif reader.subscribed:
            return False
        else:
            self._subscribe(reader, message)
        return True

    def _subscribe(self, reader: Reader, wish: Subscribe) -> None:
        totals = self._totals()
        reader.follow(wish, self._journal, totals, self._next_number())

    # -- sending --

    def _send(self, reader: Reader, now: float) -> None:
        """Send until the socket is full or, for this round, enough has gone."""
        budget = 4 * DEFINITIONS_CHUNK
        try:
            while reader.out and budget > 0:
                sent = reader.connection.send(reader.out)
                reader.out = reader.out[sent:]
                reader.progress = now
                budget -= sent
                reader.fill(self._journal)
        except BlockingIOError:
            pass
        except OSError:
            self._cut(reader)
            return
        self._watch(reader)

    def _watch(self, reader: Reader) -> None:
        self._poll.register(reader.connection.fileno(), _READ | (_WRITE if reader.out else 0))

    def _cut(self, reader: Reader) -> None:
        descriptor = reader.connection.fileno()
        if self._readers.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)
            reader.connection.close()
            self._desk.left(reader)

    # -- the end --

    def close(self, reason: str) -> None:
        """Say good-bye to whoever takes it at once, and close everything."""
        if self._closed:
            return
        self._closed = True
        self._desk.close()
        for reader in list(self._readers.values()):
            reader.back = -1
            for _ in range(64):
                reader.fill(self._journal)
                if not reader.out:
                    break
                self._send(reader, time.perf_counter())
            if not reader.out and reader.connection.fileno() >= 0:
                reader.put(encode(Bye(reason)))
                self._send(reader, time.perf_counter())
            self._cut(reader)
        self._close_listener()
        os.close(self.wake_read)
        os.close(self._wake_write)

    def abandon(self) -> None:
        """Close what a forked child has inherited, and tell nobody."""
        if self._closed:
            return
        self._closed = True
        sockets = [self._listener] if self._listener is not None else []
        # By the objects: closed by number, they would close that number once more when they are freed.
        for one in sockets + [reader.connection for reader in self._readers.values()]:
            with contextlib.suppress(OSError):
                one.close()
        for descriptor in (self.wake_read, self._wake_write):
            with contextlib.suppress(OSError):
                os.close(descriptor)
