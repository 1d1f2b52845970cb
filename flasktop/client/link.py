"""One worker as the reader sees it: connecting, live, silent, gone or died; connects again by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from flasktop.client import journal
from flasktop.client.ask import Address
from flasktop.client.connection import Connection
from flasktop.client.hub import Hub
from flasktop.client.neutral import neutral_hello
from flasktop.client.timing import within
from flasktop.errors import FlasktopError
from flasktop.protocol.blackbox import BlackBox
from flasktop.protocol.events import (
    CaughtUp,
    Defined,
    Event,
    Framed,
    Joined,
    StateChanged,
    Totalled,
    WorkerId,
    WorkerState,
)
from flasktop.protocol.messages import Bye, Caught, Definitions, Frame, Hello, Totals
from flasktop.protocol.talk import ToReader
from flasktop.rendezvous import WorkerFiles, listening, process_alive

SILENT_AFTER_S: Final = 2.5
"""A worker sends a sample a second; without a word for this long it is silent."""
UNANSWERED_S: Final = 2.0
"""For how long a connection may be lost before the worker counts as silent."""
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 1.0
REFUSED_PAUSE_S: Final = 5.0
DECISION_S: Final = 0.5
"""How long a connection is held while it is not yet decided whether its app is watched."""
POLL_S: Final = 0.5
BATCH: Final = 20
"""How many events of a journal are handed on at a time, so that a screen stays awake."""


class WorkerLink:
    """The reader's end for one worker.

    ``files`` is None for a socket that was forwarded from elsewhere: its pid means nothing here. ``run`` ends when
    the worker has ended and everything about it has been told.
    """

    def __init__(self, hub: Hub, socket: Path, owner: int, files: WorkerFiles | None) -> None:
        self.socket, self.files = socket, files
        self.watched = asyncio.Event()
        self.hello: Hello | None = None
        self.worker: WorkerId | None = WorkerId(files.pid, files.started_ms) if files else None
        self.state: WorkerState = "connecting"
        self.problem: FlasktopError | None = None
        self.reported = False
        self.complete = False
        """Whether the history asked for has come, as far as there is any: for readers that wait for it."""
        self.requests: int | None = None
        """How many requests the worker has served, as far as it was watched."""
        self.born = self._answered = time.monotonic()
        self._hub, self._owner, self._foreign = hub, owner, files is None
        self._joined = self._caught = False
        self._newest: int | None = None
        self._told: WorkerState = "connecting"

    @property
    def running(self) -> bool:
        """Whether the worker is known to serve an app now, answering or not."""
        return self.hello is not None and self.state in ("live", "silent", "connecting")

    @property
    def address(self) -> Address:
        """Where commands for this worker go."""
        pid = self.files.pid if self.files is not None and not self._foreign else None
        return Address(self.socket, self._owner, pid, self.files.started_ms if self.files is not None else 0)

    async def run(self) -> None:
        """Follow the worker until its end."""
        pause = FIRST_PAUSE_S
        goodbye = False
        while not goodbye:
            try:
                goodbye = await self._connect()
                pause = FIRST_PAUSE_S
                continue
            except FlasktopError as problem:
                self._refused(problem)
                pause = REFUSED_PAUSE_S
            except (OSError, EOFError, asyncio.TimeoutError):
                await self._unanswered()
            if not self.alive():
                break
            self._hub.changed()
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)
        await self._end(goodbye)
        self.complete = True

    def alive(self) -> bool:
        """Whether the worker's process lives, as far as can be told from here."""
        if self.files is not None and process_alive(self.files.pid, self.files.started_ms):
            return True
        return self._foreign and (self.files is None or listening(self.socket))

    # -- a connection --------------------------------------------------------------------------------------------

    async def _connect(self) -> bool:
        """Connect and listen for as long as it lasts; True when the worker said goodbye.

        Returns when the app is not watched (any more), once it is.
        """
        connection = await Connection.open(self.socket, self._owner)
        try:
            if await self._session(connection):
                return True
        finally:
            self._hub.turns.caught_up(self)
            connection.close()
        while not await self._decided(POLL_S):
            if not self.alive():
                raise EOFError
        return False

    async def _session(self, connection: Connection) -> bool:
        hello = await connection.hello(self._no_hello)
        if self.files is None:
            self.worker = WorkerId(hello.pid, round(hello.agent_started_at * 1000))
        elif not process_alive(self.files.pid, self.files.started_ms):
            self._foreign = True  # it answers, so its pid is one of another namespace
        self.hello, self.problem, self.state = hello, None, "live"
        self._answered = time.monotonic()
        self._report()
        if not await self._decided(DECISION_S):
            return False
        connection.send(self._hub.subscription)
        self._hub.turns.behind(self)
        self._caught, self._told = False, "connecting"
        self._join(hello, received=True)
        self._become("live")
        return await self._pump(connection)

    async def _pump(self, connection: Connection) -> bool:
        while self.watched.is_set():
            try:
                messages = await connection.receive(SILENT_AFTER_S)
            except asyncio.TimeoutError:
                if not self.alive():
                    raise EOFError from None
                self._become("silent")
                continue
            self._answered = time.monotonic()
            self._become("live")
            behind = not self._caught
            await self._hub.turns.take(lambda said=messages: self._emit(map(self._event, said)))  # type: ignore[misc]
            if any(isinstance(message, Bye) for message in messages):
                return True
            if behind and self._caught and self._hub.subscription.backfill:
                await self._hub.turns.together()
        return False

    def _emit(self, events: Iterable[Event | None]) -> None:
        self._hub.emit([event for event in events if event is not None])

    def _event(self, message: ToReader) -> Event | None:
        worker = self._identity
        if isinstance(message, Frame):
            fresh = self._newest is None or message.seq > self._newest
            if fresh:
                self._newest = message.seq
                self.requests = message.first_number + message.finished
            return Framed(worker, message, live=self._caught and fresh)
        if isinstance(message, Definitions):
            return Defined(worker, message)
        if isinstance(message, Totals):
            return Totalled(worker, message)
        if isinstance(message, Caught):
            self._caught = self.complete = True
            self._hub.turns.caught_up(self)
            return CaughtUp(worker, message.next_number, message.history_from)
        return None

    async def _no_hello(self) -> None:
        if not self.alive():
            raise EOFError
        await self._unanswered()

    async def _unanswered(self) -> None:
        """Nobody listens, or nobody answers: silent when that lasts, provided that the process lives."""
        if time.monotonic() - self._answered < UNANSWERED_S or not self.alive():
            return
        if self.hello is None:
            self._introduce_from_journal()
        await self._fall_silent()

    def _refused(self, problem: FlasktopError) -> None:
        self.problem = problem
        self._become("silent")
        self._report()

    async def _fall_silent(self) -> None:
        """Silent; a worker that never answered shows what its journal holds meanwhile."""
        self._become("silent")
        self._report()
        if self.hello is None or not await self._decided(DECISION_S):
            return
        if not self._joined:
            self._become("silent")
            box = await asyncio.to_thread(self._read_journal)
            if box is not None:
                await self._emit_slowly(journal.contents(self._identity, box, None))
        self.complete = True

    async def _decided(self, seconds: float) -> bool:
        """Wait until the app is watched; False when it is not for ``seconds``."""
        try:
            await within(seconds, self.watched.wait())
        except asyncio.TimeoutError:
            return False
        return True

    # -- the end -------------------------------------------------------------------------------------------------

    async def _end(self, goodbye: bool) -> None:
        """The worker said goodbye or its process is no more: tell which, and what its journal still holds."""
        if goodbye:
            self._become("gone")
        while self.alive():  # its journal is final only after it
            await asyncio.sleep(POLL_S)
        remains = self._introduce_from_journal()
        self.state = "died" if remains and not goodbye else "gone"
        self._report()
        if not remains:
            self._become("gone")
            return
        await self.watched.wait()
        box = await asyncio.to_thread(self._read_journal)
        if box is not None:
            await self._bury(box, goodbye)
        elif self._joined:
            self._become(self.state)

    def _read_journal(self) -> BlackBox | None:
        return None if self.files is None else journal.read_journal(self.files.journal, self._owner)

    async def _bury(self, box: BlackBox, goodbye: bool) -> None:
        if not self._joined:
            self._join(neutral_hello(box.hello), received=False)
        await self._emit_slowly(journal.contents(self._identity, box, self._newest if self._caught else None))
        died = journal.victims(self._identity, box)
        # A worker that was killed by an exception in a request (a time-out under gunicorn) says goodbye and still dies.
        self.state = self._told = "gone" if goodbye and not died else "died"
        self._hub.emit([StateChanged(self._identity, self.state, journal.last_seen(box.hello, box.at), died)])
        self._hub.changed()

    def _introduce_from_journal(self) -> bool:
        """Take the Hello of the journal where none was received; whether there is a journal worth reading."""
        found = None if self.files is None else journal.introduction(self.files.journal, self._owner)
        self.hello = self.hello or found
        return found is not None

    async def _emit_slowly(self, events: list[Event]) -> None:
        for start in range(0, len(events), BATCH):
            await self._hub.turns.take(lambda at=start: self._emit(events[at : at + BATCH]))  # type: ignore[misc]

    # -- telling -------------------------------------------------------------------------------------------------

    @property
    def _identity(self) -> WorkerId:
        assert self.worker is not None
        return self.worker

    def _join(self, hello: Hello, *, received: bool) -> None:
        self._joined = True
        self._hub.emit([Joined(self._identity, hello, journal.mono_offset(hello, received=received))])

    def _become(self, state: WorkerState) -> None:
        """Enter ``state``; told once, and only of a watched worker."""
        changed, self.state = self.state != state, state
        if changed:
            self._hub.changed()
        if self._told == state or not self.watched.is_set():
            return
        if not self._joined:
            if self.hello is None:
                return
            self._join(self.hello, received=False)
        self._told = state
        self._hub.emit([StateChanged(self._identity, state, time.time())])

    def _report(self) -> None:
        self.reported = True
        self._hub.changed()
