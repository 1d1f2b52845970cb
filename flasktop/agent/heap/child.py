"""The life of the frozen copy: it answers the worker that it was copied from, and nothing else.

It dies with the worker: the worker holds the other end of the lifeline, a pipe, and when that is closed, however the
worker ended, the kernel kills the copy, also inside guppy3's C code and also when it is stopped. Every request has a
time limit set by an alarm that kills likewise; so has the copy's whole life.
"""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType
from typing import Final

from flasktop.agent import native
from flasktop.agent.commands.job import CommandError
from flasktop.agent.heap import frames, wire
from flasktop.agent.heap.paths import held
from flasktop.agent.heap.weigh import Weighing, no_collecting
from flasktop.protocol.commands import CANCELLED, FAULT
from flasktop.protocol.commands.heap import HeapHeld, HeapPart, HeapPaths, WalkHeap

IDLE_S: Final = 300.0
"""A copy that is asked nothing for so long ends: it holds memory."""
LIFE_S: Final = 3600.0
"""No copy lives longer, whatever it is asked."""
REQUEST_S: Final = 300.0
"""A request that takes longer is stuck: the copy is killed by its own alarm (the worker gives up earlier)."""
NICENESS: Final = 10
MAX_ROWS: Final = 1000
STEPS: Final = 32
READABLE: Final = 1
INTERRUPT: Final = signal.SIGUSR1
"""Sent by the worker: give up the request under way."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How the copy is to live: ``values``: single objects may be represented; its limits, in seconds."""

    values: bool
    idle_s: float
    life_s: float
    request_s: float


def weigh(weighing: Weighing, limit: int) -> wire.Weighed:
    """The whole heap with its ``limit`` largest types; also in the app's own process, where that is asked for."""
    total, rows = weighing.rows((), "type", min(limit, MAX_ROWS), values=False)
    size = sum(row.bytes for row in weighing.divide((), "type"))
    return wire.Weighed(len(weighing.whole), size, total, tuple(rows))


class _Interrupted(BaseException):
    """The worker does not want the answer any more."""


def live(channel: int, lifeline: int, terms: Terms) -> None:
    """Settle, answer until there is nothing more to answer, and return (to ``os._exit``)."""
    copy = _Copy(channel, terms)
    _settle(lifeline, copy.interrupt)
    copy.answer_all()


def _settle(lifeline: int, interrupt: Callable[[int, FrameType | None], None]) -> None:
    """Be harmless: no handler and no mask of the app's, nobody's terminal, first to be killed when memory is short."""
    handle = native.original("signal", "signal")
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with suppress(OSError, ValueError):
            handle(number, signal.SIG_DFL)
    handle(INTERRUPT, interrupt)
    signal.alarm(int(REQUEST_S))
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())  # its signal is set by fork._tie
    with suppress(BlockingIOError):
        os.read(lifeline, 1)  # returns only where the worker is gone already
        os._exit(0)
    no_collecting()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        os.nice(NICENESS)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")
    os.chdir("/")


class _Copy:
    """Answers requests, one at a time."""

    def __init__(self, channel: int, terms: Terms) -> None:
        self._channel = channel
        self._terms = terms
        self._ends = time.monotonic() + terms.life_s
        self._weighing: Weighing | None = None
        self._busy = False

    def interrupt(self, _number: int, _frame: FrameType | None) -> None:
        """The handler of ``INTERRUPT``; guppy3 looks for signals on its walks."""
        if self._busy:
            self._busy = False
            raise _Interrupted

    def answer_all(self) -> None:
        """Answer until the worker hangs up, or asks nothing for too long."""
        incoming = wire.Incoming(self._channel, wire.asked_decoder)
        waiting = native.poll()
        waiting.register(self._channel, READABLE)
        while (left := self._ends - time.monotonic()) > 0:
            asked = incoming.next()
            if asked is None:
                signal.alarm(0)
                if not waiting.poll(min(left, self._terms.idle_s) * 1000):
                    return
                try:
                    asked = incoming.read()
                except EOFError:
                    return
            if asked is not None:
                signal.setitimer(signal.ITIMER_REAL, min(left, self._terms.request_s))
                wire.send(self._channel, self._answer(asked))

    def _answer(self, asked: wire.Asked) -> wire.Told:
        try:
            return self._answer_or_stop(asked)
        except _Interrupted:
            if self._weighing is not None:
                self._weighing.forget()
            return wire.Fault(CANCELLED, "It was cancelled.", "")

    def _answer_or_stop(self, asked: wire.Asked) -> wire.Told:
        try:
            self._busy = True
            if isinstance(asked, wire.Weigh):
                return self._weigh(asked.limit)
            if self._weighing is None:
                self._weigh(0)
            weighing = self._weighing
            assert weighing is not None
            if len(asked.steps) > STEPS:
                raise CommandError(f"A way has at most {STEPS} steps.")
            if isinstance(asked, WalkHeap):
                return self._walk(weighing, asked)
            return self._paths(weighing, asked)
        except CommandError as error:
            return wire.Fault(error.reason, error.message, error.hint)
        except Exception as error:  # noqa: BLE001 - the copy's guard: the worker is told
            # Without its words: what they quote may be the app's, and runs its code to be written.
            said = f"flasktop failed in the copy of the heap: {type(error).__name__}{_place(error)}."
            return wire.Fault(FAULT, said[:500], "The app is not affected.")
        finally:
            self._busy = False

    def _say(self, stage: str) -> None:
        wire.send(self._channel, wire.Stage(stage))

    def _weigh(self, limit: int) -> wire.Weighed:
        self._say("walking all objects")
        frames.hold_greenlets()
        weighing = self._weighing = Weighing()
        self._say("dividing them by type")
        return weigh(weighing, limit)

    def _walk(self, weighing: Weighing, asked: WalkHeap) -> HeapPart:
        nodes = weighing.at(asked.steps)
        limit = max(min(asked.limit, MAX_ROWS), 0)
        total, rows = weighing.rows(asked.steps, asked.by, limit, self._terms.values)
        return HeapPart(asked.take, asked.by, len(nodes), weighing.size(nodes), total, tuple(rows))

    def _paths(self, weighing: Weighing, asked: HeapPaths) -> HeapHeld:
        return held(weighing, asked, values=self._terms.values)


def _place(error: BaseException) -> str:
    """Where it was raised, in words."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return "" if at is None else f" in {os.path.basename(at.tb_frame.f_code.co_filename)}, line {at.tb_lineno}"
