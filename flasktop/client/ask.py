"""One command to one worker, over a connection of its own: hanging up is how it is cancelled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from flasktop.client.connection import Connection
from flasktop.errors import FlasktopError, NotRunningError, ProtocolError, RefusedError
from flasktop.protocol.commands import Answered, Ask, Command, Failed, Working
from flasktop.protocol.messages import Bye, Refusal
from flasktop.protocol.records import Message
from flasktop.rendezvous import process_alive, process_stopped

A = TypeVar("A", bound=Message)

SILENCE_S: Final = 5.0
"""After so long without a word the worker is looked at: is there still a process behind the socket, and does it run?"""

STOPPED: Final = "waiting: the worker's process is stopped (SIGSTOP)"
"""The stage that is told then."""

PATIENCE_S: Final = 20.0
"""How long a worker whose process runs may take to say Hello. A request that computes and lets go of the interpreter's
lock often, but for moments only (a loop over small files), has it back before a thread that waits for it is awake, and
CPython then lets that one wait its 5 ms anew: on an idle machine one turn of the agent's thread may take seconds."""

OnWorking = Callable[[Working], None]


class CommandFailedError(FlasktopError):
    """A worker did not carry out a command. ``reason`` is one of ``protocol.commands``' reasons."""

    def __init__(self, message: str, hint: str, reason: str) -> None:
        super().__init__(message, hint)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Address:
    """Where a worker listens: its socket, the uid that must own it, its pid (None: not of this host)."""

    socket: Path
    owner: int
    pid: int | None
    started_ms: int = 0


async def ask(address: Address, command: Command, answer: type[A], on_working: OnWorking | None = None) -> A:
    """Carry out ``command`` and return its answer, an ``answer``.

    Cancelling this task cancels the command. ``on_working`` is told how far it is, and that the worker is stopped
    meanwhile. A worker that hangs up while its process runs is asked once more: it does so where it did not hear from
    us for some seconds, as when the reader's host is busy or its laptop was closed.

    Raises:
        CommandFailedError: the worker did not; says why and what to do.
        NotRunningError: nobody answers there (any more).
        RefusedError, ProtocolError: it is not ours to ask, or of another version.
    """
    try:
        connection = await Connection.open(address.socket, address.owner)
    except OSError as error:
        raise NotRunningError("The worker does not answer.", "It may have ended just now.") from error
    try:
        return await _carried_out(connection, address, command, answer, on_working)
    except (OSError, EOFError) as error:
        if address.pid is None or not process_alive(address.pid, address.started_ms):
            raise _gone() from error
    try:
        connection = await Connection.open(address.socket, address.owner)
        return await _carried_out(connection, address, command, answer, on_working)
    except (OSError, EOFError) as error:
        raise _gone() from error


async def _carried_out(
    connection: Connection, address: Address, command: Command, answer: type[A], on_working: OnWorking | None
) -> A:
    """The answer over a connection, which is closed then; OSError or EOFError where the worker hung up."""
    try:
        await connection.hello(_patience(address))
        connection.send(Ask(1, command))
        return await _answer(connection, address, answer, on_working)
    finally:
        connection.close()


def _gone() -> NotRunningError:
    return NotRunningError(
        "The worker went away before it answered.", "It may have ended or been killed. Where it still runs, ask again."
    )


def _patience(address: Address) -> Callable[[], Awaitable[None]]:
    """What decides whether a Hello is waited for: for as long as it may yet come."""
    begun = time.monotonic()

    async def decide() -> None:
        if address.pid is not None and process_stopped(address.pid):
            raise NotRunningError(
                "The worker does not answer: its process is stopped (SIGSTOP, or a debugger).",
                f"Let it go on: kill -CONT {address.pid}",
            )
        _look_at(address, None, 0.0)
        if time.monotonic() - begun >= PATIENCE_S:
            raise NotRunningError(
                f"The worker has not answered for {PATIENCE_S:.0f} s.",
                "It may hang in C code that keeps the interpreter to itself, or its host may be overloaded.",
            )

    return decide


async def _answer(connection: Connection, address: Address, answer: type[A], on_working: OnWorking | None) -> A:
    begun = time.monotonic()
    while True:
        try:
            messages = await connection.receive(SILENCE_S)
        except asyncio.TimeoutError:
            _look_at(address, on_working, time.monotonic() - begun)
            continue
        for message in messages:
            if isinstance(message, Working):
                if on_working is not None:
                    on_working(message)
            elif isinstance(message, Failed):
                raise CommandFailedError(message.message, message.hint, message.reason)
            elif isinstance(message, Answered):
                if isinstance(message.answer, answer):
                    return message.answer
                raise ProtocolError("The worker answered something else.", "Update flasktop on both sides.")
            elif isinstance(message, Refusal):
                raise RefusedError(message.message, message.hint)
            elif isinstance(message, Bye):
                raise _gone()


def _look_at(address: Address, on_working: OnWorking | None, elapsed_s: float) -> None:
    """The worker has been silent: raise EOFError where it has ended, tell where it is stopped."""
    if address.pid is None:
        return
    if not process_alive(address.pid, address.started_ms):
        raise EOFError
    if on_working is not None and process_stopped(address.pid):
        on_working(Working(1, STOPPED, elapsed_s))
