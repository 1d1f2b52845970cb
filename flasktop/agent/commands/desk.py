"""Takes the commands of readers: checks grants and limits, runs each in a native thread, hands the answers back.

``submit``, ``cancel``, ``left`` and ``outgoing`` are called by the agent's thread only; what commands say reaches it
through a deque and a wake-up, so that neither side ever waits for the other.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from flasktop.agent import native
from flasktop.agent.commands.job import CommandError, Job, Service
from flasktop.agent.commands.services import SERVICES, Registration
from flasktop.agent.guard import guard, words_of
from flasktop.protocol.codec import HEADER, MAX_TO_READER, encode
from flasktop.protocol.commands import (
    BUSY,
    FAULT,
    IMPOSSIBLE,
    NOT_GRANTED,
    Answered,
    Ask,
    Failed,
    Working,
)
from flasktop.protocol.records import Message

if TYPE_CHECKING:
    from flasktop.agent.runtime import Agent

EACH: Final = 4
"""Commands that one reader may have under way."""
ALL: Final = 16
"""Commands that all readers together may have under way in one worker."""

Reader = Any
"""Whoever asked: an object of the server's, compared by identity."""


class _Entry:
    """A registered service, its instance once there is one, and what of it is under way."""

    def __init__(self, registration: Registration) -> None:
        self.registration = registration
        self.making = native.original("_thread", "allocate_lock")()
        self.service: Service | None = None
        self.running = 0
        self.begun: deque[float] = deque(maxlen=registration.per_second)


class Desk:
    """One worker's commands.

    Args:
        agent: handed to the services.
        grants: what this worker allows.
        wake: ends the wait of the agent's thread; called from the commands' threads.
    """

    def __init__(self, agent: Agent, grants: tuple[str, ...], wake: Callable[[], None]) -> None:
        self._agent = agent
        self._grants = grants
        self._wake = wake
        self._entries = [_Entry(registration) for registration in SERVICES]
        self._by_command = {kind: entry for entry in self._entries for kind in entry.registration.commands}
        self._jobs: dict[tuple[int, int], tuple[Reader, Job, _Entry]] = {}
        self._said: deque[tuple[Reader, Working | Answered | Failed, bool]] = (
            deque()
        )  # True: it ends the command that it names
        self._closed = False

    def submit(self, reader: Reader, ask: Ask) -> None:
        """Carry out a command, or refuse it; either is told through ``outgoing``."""
        entry = self._by_command.get(type(ask.command))
        if entry is None:
            said = "This worker's flasktop does not know that command."
            self._refuse(reader, Failed(ask.id, IMPOSSIBLE, said, "Update flasktop where the app runs."))
            return
        refusal = self._refusal(reader, ask, entry)
        if refusal is not None:
            self._refuse(reader, Failed(ask.id, refusal.reason, refusal.message, refusal.hint))
            return
        entry.running += 1
        entry.begun.append(time.perf_counter())
        asker = getattr(reader, "pid", 0)
        job = Job(lambda stage, elapsed, expected: self._say(reader, Working(ask.id, stage, elapsed, expected)), asker)
        self._jobs[id(reader), ask.id] = (reader, job, entry)
        try:
            native.start_thread(lambda: self._run(reader, ask, entry, job))
        except RuntimeError as error:  # "can't start new thread"
            self._end(reader, Failed(ask.id, IMPOSSIBLE, f"The worker cannot start a thread: {error}.", "Try later."))

    def cancel(self, reader: Reader, number: int) -> None:
        """Stop a command of ``reader``; nothing happens where there is none (it was answered just now)."""
        found = self._jobs.get((id(reader), number))
        if found is not None:
            found[1].cancel()

    def left(self, reader: Reader) -> None:
        """``reader`` hung up: nobody waits for its commands any more."""
        for owner, job, _ in tuple(self._jobs.values()):
            if owner is reader:
                job.cancel()

    def busy(self, reader: Reader) -> bool:
        """Whether a command of ``reader`` is under way."""
        return any(owner is reader for owner, _, _ in self._jobs.values())

    def outgoing(self) -> list[tuple[Reader, bytes]]:
        """What is to be sent, oldest first."""
        made: list[tuple[Reader, bytes]] = []
        while self._said:
            reader, message, ends = self._said.popleft()
            if ends:
                found = self._jobs.pop((id(reader), message.id), None)
                if found is not None:
                    found[2].running -= 1
            made.append((reader, _encoded(message)))
        return made

    def close(self) -> None:
        """The worker ends."""
        self._closed = True
        for _, job, _ in tuple(self._jobs.values()):
            job.cancel()
        for entry in self._entries:
            if entry.service is not None:
                entry.service.close()

    # -- checks --

    def _refusal(self, reader: Reader, ask: Ask, entry: _Entry) -> CommandError | None:
        grant = entry.registration.grant
        if grant is not None and grant not in self._grants:
            allowed = ",".join((*self._grants, grant))
            return CommandError(
                f"This app does not allow {grant!r}.",
                f"Set FLASKTOP_GRANTS={allowed} (in app.config or the environment) and restart it.",
                NOT_GRANTED,
            )
        if guard.off(_place(ask)):
            said = "This command failed again and again in this worker and is switched off."
            return CommandError(said, "The app's log says why. Restart the worker to try again.", FAULT)
        mine = sum(owner is reader for owner, _, _ in self._jobs.values())
        if self._closed or (id(reader), ask.id) in self._jobs or mine >= EACH or len(self._jobs) >= ALL:
            return CommandError("The worker has too many commands under way.", "Try again in a moment.", BUSY)
        if entry.running >= entry.registration.at_once:
            return CommandError("The worker does this already, for another reader.", "Try again when it is done.", BUSY)
        begun = entry.begun
        if len(begun) == begun.maxlen and time.perf_counter() - begun[0] < 1.0:
            return CommandError("The worker is asked this too often.", "Ask less often.", BUSY)
        return None

    # -- in a command's thread --

    def _run(self, reader: Reader, ask: Ask, entry: _Entry, job: Job) -> None:
        try:
            job.check()
            answer = self._service(entry).run(ask.command, job)
            job.check()
            said: Answered | Failed = Answered(ask.id, answer)
        except CommandError as error:
            said = Failed(ask.id, error.reason, error.message, error.hint)
        except BaseException as error:  # noqa: BLE001 - the guard's: a thread of ours must never end with a traceback
            guard.report(_place(ask), error)
            said = Failed(ask.id, FAULT, f"flasktop failed: {words_of(error)}.", "The app is not affected.")
        self._end(reader, said)

    def _service(self, entry: _Entry) -> Service:
        with entry.making:
            if entry.service is None:
                module, _, name = entry.registration.factory.partition(":")
                entry.service = getattr(import_module(module), name)(self._agent)
            return entry.service

    def _say(self, reader: Reader, message: Working) -> None:
        self._said.append((reader, message, False))
        self._wake()

    def _end(self, reader: Reader, message: Answered | Failed) -> None:
        self._said.append((reader, message, True))
        self._wake()

    def _refuse(self, reader: Reader, failed: Failed) -> None:
        """It was never begun: a command that is under way by the same number goes on."""
        self._said.append((reader, failed, False))


def _place(ask: Ask) -> str:
    return f"the command {type(ask.command).__name__}"


def _encoded(message: Message) -> bytes:
    try:
        data = encode(message)
        if len(data) - HEADER <= MAX_TO_READER:
            return data
        reason, said = IMPOSSIBLE, "The answer is too long to send."
    except Exception as error:  # noqa: BLE001 - the guard's: what cannot be said is said to be so
        guard.report("encoding an answer", error)
        reason, said = FAULT, f"The answer cannot be sent: {type(error).__name__}."
    return encode(Failed(getattr(message, "id", 0), reason, said, "Ask for less."))
