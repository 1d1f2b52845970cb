"""One command under way, as the code that carries it out sees it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from flasktop.errors import FlasktopError
from flasktop.protocol.commands import CANCELLED, IMPOSSIBLE, Answer, Command
from flasktop.protocol.records import UNKNOWN

if TYPE_CHECKING:
    from flasktop.agent.runtime import Agent


class CommandError(FlasktopError):
    """A command that cannot be carried out. ``reason`` is one of ``protocol.commands``' reasons."""

    def __init__(self, message: str, hint: str = "", reason: str = IMPOSSIBLE) -> None:
        super().__init__(message, hint)
        self.reason = reason


class Job:
    """A command under way. Its thread says how far it is; ``cancelled`` turns True when nobody waits for it; ``asker``
    is the pid of who asked (0: not known)."""

    def __init__(self, say: Callable[[str, float, float], None], asker: int = 0) -> None:
        self.started = time.perf_counter()
        self.cancelled = False
        self.asker = asker
        self._say = say
        self._undo: list[Callable[[], None]] = []

    @property
    def elapsed_s(self) -> float:
        """Seconds since the command was taken."""
        return time.perf_counter() - self.started

    def working(self, stage: str, expected_s: float = UNKNOWN) -> None:
        """Tell the reader what is being done, and for how long it will take in all (an estimate), if that is known."""
        self._say(stage, self.elapsed_s, expected_s)

    def check(self) -> None:
        """Raise CommandError when nobody waits for the answer any more."""
        if self.cancelled:
            raise CommandError("It was cancelled.", "", CANCELLED)

    def on_cancel(self, undo: Callable[[], None]) -> None:
        """Call ``undo`` (quick, never raising; from the agent's thread) when the command is cancelled."""
        self._undo.append(undo)
        if self.cancelled:
            undo()

    def cancel(self) -> None:
        """Nobody waits for it any more. Called from the agent's thread."""
        if not self.cancelled:
            self.cancelled = True
            for undo in tuple(self._undo):
                undo()


class Service(Protocol):
    """Carries out some commands of one worker; made when the first of them is asked for, in that command's thread."""

    def __init__(self, agent: Agent) -> None: ...

    def run(self, command: Command, job: Job) -> Answer:
        """Carry out ``command``, in a native thread of its own (never the agent's, never the app's).

        Raises:
            CommandError: it cannot be done; the reader is told.
        """

    def close(self) -> None:
        """The worker ends: let go of everything that would outlive it. From the agent's thread; quick."""
