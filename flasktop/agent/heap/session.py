"""The worker's end of a frozen copy: makes it, asks it, ends it, and leaves no zombie and no descriptor behind."""

from __future__ import annotations

import os
import signal
import time
from _socket import socketpair
from contextlib import suppress
from typing import Final, TypeVar

from flasktop.agent import native
from flasktop.agent.commands.job import CommandError, Job
from flasktop.agent.heap import child, wire
from flasktop.agent.heap.fork import fork
from flasktop.protocol.commands import GONE, IMPOSSIBLE, TIMED_OUT
from flasktop.protocol.commands.heap import HeapPaths, WalkHeap
from flasktop.protocol.records import UNKNOWN, Message
from flasktop.rendezvous import process_alive

A = TypeVar("A", bound=Message)

BEAT_S: Final = 0.5
"""How often a reader that waits is told that work goes on."""
READABLE: Final = 1
START_S: Final = 8.0
"""A new copy says its first word at once. One that does not was caught before our first line: in a destructor of a
thread-local, by a lock of a C library's (SQLite's allocator) that another thread held at the fork. It is made anew."""
DEAF_S: Final = 3.0
"""A copy that is interrupted and goes on for so long is killed."""
LOOK_S: Final = 1.0
"""How often it is looked whether those who asked a copy are still there."""
ENDED_S: Final = 5.0
"""A process that was killed has ended after so long."""

_live: set[Copy] = set()
"""The copies whose descriptors are open in this process: a worker that the app forks must not keep them."""
_hooked: list[int] = []


class Copy:
    """One frozen copy of this process.

    Args:
        number: what it is called.
        terms: how it is to live.

    Raises:
        CommandError: it cannot be made.
    """

    def __init__(self, number: int, terms: child.Terms) -> None:
        self.number = number
        self.why_gone = ""
        """In words, once it was ended from here."""
        self._asking = native.original("_thread", "allocate_lock")()
        self._state = native.original("_thread", "allocate_lock")()
        self._gone = native.original("_thread", "allocate_lock")()
        self._gone.acquire()
        self._status: int | None = None
        self._ended = False
        self._askers: dict[int, int] = {}
        _hook()
        self._open: list[int] = []
        _live.add(self)  # before there is anything to close: the app may fork at any moment
        try:
            self._open += (end.detach() for end in socketpair())
            self._open += os.pipe()
            self._channel, theirs, stay, _ = self._open
            self.pid, self.pause_us = fork(lambda mine, life: child.live(mine, life, terms), theirs, stay)
        except BaseException:
            self.forget()
            raise
        self._close(theirs)
        self._close(stay)
        self._incoming = wire.Incoming(self._channel, wire.told_decoder)
        native.start_thread(self._await_end)
        native.start_thread(self._await_askers)

    # -- asking --

    def ask(self, asked: wire.Asked, answer: type[A], job: Job, limit_s: float, expected_s: float = UNKNOWN) -> A:
        """Let the copy answer; requests of several readers wait for each other.

        Cancelling ``job`` while the copy works for it interrupts the copy, or kills it where it does not listen.

        Raises:
            CommandError: it could not, took longer than ``limit_s`` (and was killed for it), or is gone.
        """
        self._askers[job.asker] = int(time.time() * 1000)
        while not self._asking.acquire(True, BEAT_S):
            job.check()
            job.working("waiting for another question to the copy")
        try:
            job.check()
            return self._ask(asked, answer, job, time.monotonic() + limit_s, expected_s)
        finally:
            self._asking.release()

    def _ask(self, asked: wire.Asked, answer: type[A], job: Job, ends: float, expected_s: float) -> A:
        under_way = True
        job.on_cancel(lambda: self._interrupt() if under_way else None)
        stage, begun = "asking the copy", isinstance(asked, WalkHeap | HeapPaths)
        starts = time.monotonic() + START_S
        waiting = native.poll()
        try:
            if self._ended:
                raise EOFError
            waiting.register(self._channel, READABLE)
            wire.send(self._channel, asked)
            while True:
                if job.cancelled:
                    ends = min(ends, time.monotonic() + DEAF_S) if under_way else ends
                    under_way = False
                if (left := (ends if begun else min(ends, starts)) - time.monotonic()) <= 0:
                    raise self._stuck(stage)
                told = self._incoming.read() if waiting.poll(min(left, BEAT_S) * 1000) else self._incoming.next()
                while isinstance(told, wire.Stage):
                    stage, begun = told.text, True
                    job.working(stage, expected_s)
                    told = self._incoming.next()
                if isinstance(told, answer):
                    return told
                if isinstance(told, wire.Fault):
                    raise CommandError(told.message, told.hint, told.reason)
                job.working(stage, expected_s)
        except (EOFError, OSError):
            job.check()
            raise self._why() from None
        finally:
            under_way = False

    def _stuck(self, stage: str) -> CommandError:
        self.kill("it did not answer in time")
        return CommandError(
            f"The frozen copy of this worker did not answer in time (while {stage}) and was ended.",
            "The app is not affected. Take a new one, when the machine has more time for it.",
            TIMED_OUT,
        )

    def _why(self) -> CommandError:
        """Why it is not there any more."""
        if self._gone.acquire(True, ENDED_S):
            self._gone.release()
        if self.why_gone:
            return CommandError(f"This copy of the heap is gone: {self.why_gone}.", "Take a new one.", GONE)
        how = self._how()
        if self._status == 0:
            idle = f"{child.IDLE_S / 60:.0f} minutes without a question, or {child.LIFE_S / 60:.0f} in all"
            return CommandError(f"This copy of the heap is gone: it ends after {idle}.", "Take a new one.", GONE)
        return CommandError(
            f"The frozen copy of this worker died{how}.",
            "The app is not affected. Where memory is short, the kernel kills the copy first.",
            IMPOSSIBLE,
        )

    def _how(self) -> str:
        status = self._status
        if status is None:
            return ""
        if status == -signal.SIGALRM:
            return ": it took too long"
        if status < 0:
            return f" of {signal.Signals(-status).name}" if -status in set(signal.Signals) else f" of signal {-status}"
        return f" with exit code {status}"

    # -- ending --

    @property
    def ended(self) -> bool:
        """Whether its process is gone."""
        return self._ended

    def kill(self, why: str) -> None:
        """End it, saying why (words that follow "is gone:"); quick, from any thread."""
        with self._state:
            if not self._ended:
                self.why_gone = self.why_gone or why
                with suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)

    def _interrupt(self) -> None:
        """Let it give up what it does now; it lives on."""
        with self._state:
            if not self._ended:
                with suppress(ProcessLookupError):
                    os.kill(self.pid, child.INTERRUPT)

    def wait(self, seconds: float = ENDED_S) -> bool:
        """Wait until it is gone for good; whether it is."""
        gone: bool = self._gone.acquire(True, seconds)
        if gone:
            self._gone.release()
        return gone

    def _await_end(self) -> None:
        """A thread that does nothing but wait for the end of the process, so that no zombie is left."""
        wait, reap = native.original("os", "waitid"), native.original("os", "waitpid")
        with suppress(ChildProcessError):  # under gevent, its loop reaps all children
            wait(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._state:  # nobody kills a pid that may be another process's by now
            with suppress(ChildProcessError):
                _, status = reap(self.pid, os.WNOHANG)
                self._status = os.waitstatus_to_exitcode(status)
            self._ended = True
        self._gone.release()
        with self._asking:
            self.forget()

    def _await_askers(self) -> None:
        """A thread that ends the copy when all readers that asked it something are gone, however they went: it holds
        as much memory as the app."""
        while not self.wait(LOOK_S):
            askers = tuple(self._askers.items())
            if askers and not any(pid == 0 or process_alive(pid, since_ms) for pid, since_ms in askers):
                self.kill("who had asked for it left")

    def forget(self) -> None:
        """Close what is open of it in this process."""
        if self in _live:
            _live.discard(self)
            for one in tuple(self._open):
                self._close(one)

    def _close(self, one: int) -> None:
        with suppress(OSError):  # a frozen copy is born without any of them
            os.close(one)
        self._open.remove(one)


def _hook() -> None:
    if not _hooked and hasattr(os, "register_at_fork"):
        _hooked.append(os.getpid())
        os.register_at_fork(after_in_child=_forget_all)


def _forget_all() -> None:
    for copy in tuple(_live):
        copy.forget()
