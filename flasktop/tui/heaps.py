"""The heaps that this reader takes and walks in: asked for in the background, kept while one looks elsewhere.

A frozen copy answers one question at a time, so questions to one worker wait for each other here; what was answered is
kept, so that coming back to a screen asks nothing again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar

from textual.app import App
from textual.worker import Worker

from flasktop.client.ask import CommandFailedError
from flasktop.errors import FlasktopError
from flasktop.protocol.commands import Command, Working
from flasktop.protocol.commands.heap import By, HeapHeld, HeapPart, HeapPaths, HeapTaken, Step, TakeHeap, WalkHeap
from flasktop.protocol.events import WorkerId
from flasktop.protocol.records import UNKNOWN, Message
from flasktop.stats.heaps import Heaps, Take
from flasktop.tui.source import Source
from flasktop.units import duration

A = TypeVar("A", bound=Message)

ROWS: Final = 200
"""Rows of a division that are asked for."""

KEPT: Final = 200
"""Answers that are kept, over all workers."""

COMPARED: Final[tuple[By, ...]] = ("module", "referrers")
"""How the whole heap is divided after each take, beside by type, so that a later one can be compared with it."""

PATIENCE_S: Final = 1.0
"""So long a person's own questions about a new take go before those."""

GIVES_WAY: Final = 3
"""So many times those give way to a person's questions; then the person waits for once."""


@dataclass(frozen=True, slots=True)
class Underway:
    """A question that is not answered yet: since when (reader's clock, seconds), what is done for it, and how long it
    may take in all (None: no idea; ``guessed``: as long as last time)."""

    since: float
    stage: str
    expected_s: float | None = None
    guessed: bool = False

    def words(self, now: float) -> str:
        """``counting objects, 1.2 s of ~3 s``."""
        told = f"{self.stage}, {max(0.0, now - self.since):.1f} s"
        if self.expected_s is None:
            return told
        short = f"{self.expected_s:.1f} s" if self.expected_s < 10 else duration(self.expected_s)
        return f"{told} of ~{short}"

    def told(self, working: Working) -> Underway:
        """What the worker says of it."""
        stage = working.stage or self.stage
        if working.expected_s == UNKNOWN:
            return replace(self, stage=stage)
        return replace(self, stage=stage, expected_s=working.expected_s, guessed=False)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a question was not answered, in words: what happened, what to do, and the worker's reason (empty: none)."""

    message: str
    hint: str
    reason: str = ""

    @staticmethod
    def of(error: FlasktopError) -> Trouble:
        """What an error says."""
        reason = error.reason if isinstance(error, CommandFailedError) else ""
        return Trouble(error.message, error.hint or "", reason)


OnTold = Callable[[Underway], None]


class HeapDesk:
    """Takes heaps of workers and asks about them. ``heaps`` is what was taken, ``changed`` is called when that or what
    is under way changes; ``clock`` is the reader's, in seconds."""

    def __init__(self, app: App[None], source: Source, clock: Callable[[], float], changed: Callable[[], None]) -> None:
        self.heaps = Heaps()
        self._app, self._source, self._clock, self._changed = app, source, clock, changed
        self._takes: dict[WorkerId, Underway] = {}
        self._tasks: dict[WorkerId, Worker[None]] = {}
        self._troubles: dict[WorkerId, Trouble] = {}
        self._mark_next: set[WorkerId] = set()
        self._locks: dict[WorkerId, asyncio.Lock] = {}
        self._asking: dict[WorkerId, int] = {}
        self._background: dict[WorkerId, asyncio.Future[HeapPart]] = {}
        self._gave_way: set[WorkerId] = set()
        self._answers: OrderedDict[Hashable, Message] = OrderedDict()

    # What is known

    def underway(self, worker: WorkerId) -> Underway | None:
        """The take of ``worker`` that is under way."""
        return self._takes.get(worker)

    def trouble(self, worker: WorkerId) -> Trouble | None:
        """Why the last take of ``worker`` came to nothing, until the next one."""
        return self._troubles.get(worker)

    def known(self, worker: WorkerId, take: Take, steps: Sequence[Step], by: By) -> HeapPart | None:
        """How a set of a take divides, where it was asked for before."""
        found = self._answers.get((worker, take.number, tuple(steps), by))
        return found if isinstance(found, HeapPart) else None

    def known_held(self, worker: WorkerId, take: Take, steps: Sequence[Step]) -> HeapHeld | None:
        """Who holds a set of a take, where it was asked for before."""
        found = self._answers.get((worker, take.number, tuple(steps)))
        return found if isinstance(found, HeapHeld) else None

    def can_walk(self, worker: WorkerId, take: Take) -> bool:
        """Whether the frozen copy of ``take`` may still be there: the newest of its worker, and a copy at all."""
        newest = self.heaps.newest(worker)
        return newest is not None and newest.number == take.number and take.taken.take != UNKNOWN

    # Taking

    def take(self, worker: WorkerId, *, in_process: bool = False, mark: bool = False) -> bool:
        """Take the heap of ``worker`` in the background, and ``mark`` it when it is there; False: one is under way."""
        if mark:
            self._mark_next.add(worker)
        if worker in self._takes:
            return False
        last = self.heaps.newest(worker)
        expected = last.taken.seconds if last is not None else None
        self._takes[worker] = Underway(self._clock(), "asking", expected, guessed=True)
        self._troubles.pop(worker, None)
        self._tasks[worker] = self._app.run_worker(
            self._take(worker, in_process), group=f"heap {worker}", exclusive=True
        )
        self._changed()
        return True

    def stop(self, worker: WorkerId) -> bool:
        """Give up the take of ``worker`` that is under way; False where none is."""
        if worker not in self._takes:
            return False
        self._tasks[worker].cancel()
        self._ended(worker)
        self._mark_next.discard(worker)
        self._changed()
        return True

    async def _take(self, worker: WorkerId, in_process: bool) -> None:
        try:
            told = partial(self._working, worker)
            taken = await self._source.ask(worker, TakeHeap(in_process), HeapTaken, told)
        except FlasktopError as error:
            self._troubles[worker] = Trouble.of(error)
            self._ended(worker)
            self._changed()
            return
        take = self.heaps.add(worker, taken)
        if worker in self._mark_next:
            self._mark_next.discard(worker)
            self.heaps.mark(worker, take.number)
        self._ended(worker)
        self._changed()
        await self._divide(worker, take)

    def _working(self, worker: WorkerId, working: Working) -> None:
        if worker in self._takes:
            self._takes[worker] = self._takes[worker].told(working)
            self._changed()

    def _ended(self, worker: WorkerId) -> None:
        self._takes.pop(worker, None)

    async def _divide(self, worker: WorkerId, take: Take) -> None:
        """Divide a new heap as it will be compared, while nobody asks anything; what fails is not compared so."""
        given_way = 0
        missing = list(COMPARED) if take.taken.take != UNKNOWN else []
        while missing:
            await asyncio.sleep(PATIENCE_S)
            if self._asking.get(worker):
                continue
            task = asyncio.ensure_future(self.walk(worker, take, (), missing[0], background=True))
            if given_way < GIVES_WAY:
                self._background[worker] = task
            try:
                await task
                missing.pop(0)
            except FlasktopError:
                return
            except asyncio.CancelledError:
                if worker not in self._gave_way:
                    raise
                self._gave_way.discard(worker)
                given_way += 1
            finally:
                self._background.pop(worker, None)

    # Asking

    async def walk(
        self,
        worker: WorkerId,
        take: Take,
        steps: Sequence[Step],
        by: By,
        told: OnTold | None = None,
        *,
        background: bool = False,
    ) -> HeapPart:
        """Divide a set of ``take``; of the whole heap it is kept with the take. What nobody waits for is asked in the
        ``background``, and gives way to what somebody does.

        Raises:
            FlasktopError: it was not done; says why.
        """
        command = WalkHeap(take.taken.take, tuple(steps), by, ROWS)
        key = (worker, take.number, tuple(steps), by)
        with nullcontext() if background else self._in_front(worker):
            part = await self._ask(worker, key, command, HeapPart, told)
        if not steps:
            self.heaps.divided(worker, take.number, part)
            self._changed()
        return part

    async def paths(self, worker: WorkerId, take: Take, steps: Sequence[Step], told: OnTold | None = None) -> HeapHeld:
        """Find who holds a set of ``take``.

        Raises:
            FlasktopError: it was not done; says why.
        """
        command = HeapPaths(take.taken.take, tuple(steps))
        with self._in_front(worker):
            return await self._ask(worker, (worker, take.number, tuple(steps)), command, HeapHeld, told)

    @contextmanager
    def _in_front(self, worker: WorkerId) -> Iterator[None]:
        """Somebody waits for an answer: what nobody waits for gives way."""
        self._asking[worker] = self._asking.get(worker, 0) + 1
        background = self._background.pop(worker, None)
        if background is not None and background.cancel():
            self._gave_way.add(worker)
        try:
            yield
        finally:
            self._asking[worker] -= 1

    async def _ask(self, worker: WorkerId, key: Hashable, command: Command, answer: type[A], told: OnTold | None) -> A:
        doing = Underway(self._clock(), "waiting for another question to its heap")

        def working(said: Working) -> None:
            nonlocal doing
            doing = doing.told(said)
            if told is not None:
                told(doing)

        if told is not None:
            told(doing)
        async with self._locks.setdefault(worker, asyncio.Lock()):
            found = self._answers.get(key)
            if isinstance(found, answer):
                return found
            working(Working(0, "asking", 0.0))
            made = await self._source.ask(worker, command, answer, working)
        self._answers[key] = made
        while len(self._answers) > KEPT:
            self._answers.popitem(last=False)
        return made
