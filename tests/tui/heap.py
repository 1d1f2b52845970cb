"""An invented heap of the invented shop: a module global that grows with every quote."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flasktop.client.ask import CommandFailedError, OnWorking
from flasktop.protocol.commands import GONE, IMPOSSIBLE, NOT_GRANTED, Command, Working
from flasktop.protocol.commands.heap import (
    By,
    HeapHeld,
    HeapPart,
    HeapPaths,
    HeapRow,
    HeapTaken,
    PathNode,
    Step,
    TakeHeap,
    WalkHeap,
)
from flasktop.protocol.events import WorkerId
from flasktop.protocol.records import UNKNOWN
from tests.stats.builders import AT

QUOTE = "dict of shop.views.quotes.Quote"
UNSEEN = ("what only the thread-locals of other threads refer to",)

TYPES: tuple[tuple[str, int, int, int], ...] = (
    (QUOTE, 1_600, 1840, 1),
    ("str", 410_000, 60, 3),
    ("shop.views.quotes.QuoteLine", 128_000, 56, 80),
    ("int", 152_000, 28, 2),
    ("list", 9_340, 620, 1),
    ("types.CodeType", 21_444, 178, 0),
    ("function", 30_018, 136, 0),
    ("tuple", 60_080, 64, 0),
    ("type", 3_692, 1060, 0),
    ("dict of module", 812, 3_120, 0),
    ("shop.views.quotes.Quote", 1_600, 56, 1),
    ("sqlalchemy.sql.elements.BindParameter", 2_400, 96, 0),
    ("weakref.ReferenceType", 9_211, 72, 0),
    ("set", 1_880, 700, 0),
)
"""Name, objects at the start, bytes of one, and how many more each quote leaves."""

MODULES = (("builtins", 0.6), ("shop.views.quotes", 0.27), ("types", 0.08), ("sqlalchemy.sql", 0.05))
REFERRERS = (("shop.views.quotes.Quote", 0.4), ("list", 0.3), ("dict of module", 0.2), ("<Nothing>", 0.1))


@dataclass
class Heap:
    """Answers what a worker would: ``quotes`` is how many more quotes it has kept at each new take."""

    quotes: int = 640
    requests: int = 51_210
    taken: int = 0
    dropped: set[int] = field(default_factory=set)

    def answers(self) -> dict[type, Any]:
        """What ``Feeding.answers`` needs."""
        return {TakeHeap: self.take, WalkHeap: self.walk, HeapPaths: self.paths}

    def rows(self, take: int) -> list[HeapRow]:
        kept = self.quotes * (take - 1)
        rows = [(name, count + each * kept, (count + each * kept) * size) for name, count, size, each in TYPES]
        rows.sort(key=lambda row: -row[2])
        return [HeapRow(i, *row) for i, row in enumerate(rows)]

    def take(self, worker: WorkerId, command: Command) -> HeapTaken:
        self.taken += 1
        rows = self.rows(self.taken)
        return HeapTaken(
            take=self.taken, pid=worker.pid, taken_at=AT + 1320.0 * self.taken, pause_us=11_240, seconds=1.24,
            objects=sum(row.count for row in rows), bytes=sum(row.bytes for row in rows),
            requests=80_000 + self.requests * (self.taken - 1), rss_bytes=226_000_000, types=612, by_type=tuple(rows),
            unseen=UNSEEN,
        )  # fmt: skip

    def walk(self, worker: WorkerId, command: WalkHeap) -> HeapPart:
        if command.take in self.dropped:
            raise CommandFailedError("The frozen copy is gone.", "h takes the heap again.", GONE)
        name, count, size = self._set(command.take, command.steps)
        rows = self._divided(command.take, command.steps, command.by, name, count, size)
        total = len(rows) if command.by != "object" else count
        return HeapPart(command.take, command.by, count, size, total, tuple(rows))

    def _set(self, take: int, steps: tuple[Step, ...]) -> tuple[str, int, int]:
        rows = self.rows(take)
        name, count, size = "", sum(row.count for row in rows), sum(row.bytes for row in rows)
        for at, step in enumerate(steps):
            row = self._divided(take, steps[:at], step.by, name, count, size)[step.index]
            name, count, size = row.name, row.count, row.bytes
        return name, count, size

    def _divided(self, take: int, steps: tuple[Step, ...], by: By, name: str, count: int, size: int) -> list[HeapRow]:
        if by == "type" and not steps:
            return self.rows(take)
        if by == "object":
            many = min(count, 200)
            return [HeapRow(i, f"{name}, {size // count} B", 1, size // count) for i in range(many)]
        if by == "type":
            return [HeapRow(0, name or "object", count, size)]
        shares = REFERRERS if by == "referrers" else MODULES
        return [
            HeapRow(i, each, max(1, int(count * share)), int(size * share)) for i, (each, share) in enumerate(shares)
        ]

    def paths(self, worker: WorkerId, command: HeapPaths) -> HeapHeld:
        if command.take in self.dropped:
            raise CommandFailedError("The frozen copy is gone.", "h takes the heap again.", GONE)
        name, count, size = self._set(command.take, command.steps)
        if "quotes" in name or name == "str":
            return quotes_held(command.take, name, count if "quotes" in name else count // 3, size, self._kept(command))
        if name == "types.CodeType":
            return HeapHeld(command.take, name, (), "", UNKNOWN, UNKNOWN, True)
        path = (
            PathNode("module sqlalchemy.sql", "module", "module", UNKNOWN, 0),
            PathNode("[...]", "index", name, UNKNOWN, 64),
        )
        return HeapHeld(command.take, name, (path,), "", UNKNOWN, UNKNOWN, False)

    def _kept(self, command: HeapPaths) -> int:
        return 1_600 + self.quotes * (command.take - 1)


def quotes_held(take: int, target: str, count: int, size: int, kept: int) -> HeapHeld:
    """The path through the global that grows."""
    path = (
        PathNode("module shop.views.quotes", "module", "module", UNKNOWN, 0),
        PathNode("QUOTES", "global", "dict", kept, 147_552),
        PathNode("[...]", "key", "shop.views.quotes.Quote", UNKNOWN, 56),
        PathNode(".__dict__", "attribute", "dict", 2, 1_840),
    )
    other = (
        PathNode("local 'quote' of shop.views.quotes.quote", "local", "shop.views.quotes.Quote", UNKNOWN, 56),
        PathNode(".__dict__", "attribute", "dict", 2, 1_840),
    )
    return HeapHeld(take, target, (path, other), "shop.views.quotes.QUOTES", count, size, True)


def refused(worker: WorkerId, command: Command) -> HeapTaken:
    """The app's owner does not allow it."""
    raise CommandFailedError(
        "This app does not allow its heap to be taken.", "Its FLASKTOP_GRANTS leaves heap out.", NOT_GRANTED
    )


def cannot_fork(heap: Heap) -> Callable[[WorkerId, TakeHeap], HeapTaken]:
    """A worker that must be weighed in process."""

    def take(worker: WorkerId, command: TakeHeap) -> HeapTaken:
        if not command.in_process:
            raise CommandFailedError(
                "A running process cannot be copied safely on darwin.",
                "It can be weighed in the running process instead, in which the app stands still for about 2.1 s "
                "(an estimate).",
                IMPOSSIBLE,
            )
        return heap.take(worker, command)

    return take


class Slow:
    """An answer that waits until it is let go, and says how far it is."""

    def __init__(self, then: Callable[[Any, Any], Any]) -> None:
        self.gate, self.then, self.cancelled = asyncio.Event(), then, 0

    def answer(self) -> Callable[..., Any]:
        async def wait(worker: WorkerId, command: Command, on_working: OnWorking | None) -> Any:
            if on_working is not None:
                on_working(Working(1, "counting objects", 0.4, 3.0))
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            return self.then(worker, command)

        return wait
