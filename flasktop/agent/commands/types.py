"""Counts live objects by type without stopping the app for longer than it would notice.

``gc.get_objects()`` is one call that lets no other thread run: about 15 ns an object where they lie beside each other,
60 to 90 where they are scattered as in an app that has run for a while (measured: 70,000 objects of Flask and
SQLAlchemy 4.4 to 6.3 ms). So what it will take is estimated first, and where that is too long nothing is done.
"""

from __future__ import annotations

import gc
import sys
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flasktop.agent import native
from flasktop.agent.commands.job import CommandError
from flasktop.protocol.commands.memory import CountTypes, TypeCount, TypeCounts

if TYPE_CHECKING:
    from flasktop.agent.commands.job import Job
    from flasktop.agent.runtime import Agent
    from flasktop.protocol.commands import Answer, Command

STALL_S: Final = 0.005
"""The app's threads may stand still for so long at a time."""
SLICE: Final = 5_000
"""Objects whose types are looked at before other threads may run: some 0.3 ms."""
FULL_COLLECTION: Final = 5.0
"""A full garbage collection takes 4.7 to 6.5 times what listing its objects takes (measured on 3.11 to 3.13)."""
BLOCK_S: Final = 18e-9
"""Listing takes up to so long an allocated block (measured: 4 to 20 ns, the most in an app as it is)."""

_module: Final[Any] = type.__dict__["__module__"].__get__
_name: Final[Any] = type.__dict__["__qualname__"].__get__


class Known(NamedTuple):
    """What a listing has taken: so many objects, seconds, and blocks allocated then."""

    objects: int
    seconds: float
    blocks: int


class Counting:
    """Counts objects by type."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._known: Known | None = None
        self._sleep = native.original("time", "sleep")

    def run(self, command: Command, job: Job) -> Answer:
        assert isinstance(command, CountTypes)
        begun = time.perf_counter()
        blocks = sys.getallocatedblocks()
        stall = time.perf_counter() - begun
        self._refuse_if_long(blocks)
        job.working("listing objects")
        self._sleep(0)
        start = time.perf_counter()
        listed = gc.get_objects()
        took = time.perf_counter() - start
        self._known = Known(len(listed), took, blocks)
        counts, slowest = self._count(listed, job)
        rows = _named(counts)
        return TypeCounts(
            at=time.time(),
            objects=self._known.objects,
            types=len(rows),
            rows=tuple(rows[: max(command.limit, 0)]),
            stall_us=round(max(stall, took, slowest) * 1e6),
            seconds=time.perf_counter() - begun,
            requests=self._agent.recorder.next_number,
            blocks=blocks,
        )

    def close(self) -> None: ...

    def expected_s(self, blocks: int) -> float:
        """How long listing would take: what it took last, grown with the heap; else from the last full collection, or
        from the number of blocks, whichever says less."""
        known = self._known
        if known is not None:
            return known.seconds * blocks / max(known.blocks, 1)
        by_blocks = blocks * BLOCK_S
        full = self._agent.gc_clock.last_full_ns / 1e9
        return min(by_blocks, full / FULL_COLLECTION) if full else by_blocks

    def _refuse_if_long(self, blocks: int) -> None:
        seconds = self.expected_s(blocks)
        if seconds <= STALL_S:
            return
        known = self._known
        if known is not None:
            what = f"{known.objects * blocks // max(known.blocks, 1):,} objects"
        else:
            what = f"the objects among {blocks:,} allocated blocks"
        raise CommandError(
            f"Listing {what} would stop the app for about {seconds * 1e3:.0f} ms; {STALL_S * 1e3:.0f} ms is the limit.",
            "Take a heap instead (h): it weighs a frozen copy.",
        )

    def _count(self, listed: list[object], job: Job) -> tuple[dict[int, list[Any]], float]:
        """Count the types of ``listed``, emptying it on the way; return the counts by the type's id, and the slowest
        step. An object that nobody else holds any more ends here (or in gevent's hub): so the youngest, which are
        listed first, go first, before other threads have run."""
        counts: dict[int, list[Any]] = {}
        slowest = 0.0
        while listed:
            start = time.perf_counter()
            some = listed[:SLICE]
            kinds = list(map(type, some))
            del listed[:SLICE]
            native.let_go(some, self._agent.hub)
            slowest = max(slowest, time.perf_counter() - start)
            for kind in kinds:  # by id: a metaclass may have a __hash__ of the app's own
                entry = counts.get(id(kind))
                if entry is None:
                    counts[id(kind)] = [kind, 1]
                else:
                    entry[1] += 1
            self._sleep(0)
            if job.cancelled:
                native.let_go(listed[:], self._agent.hub)
                listed.clear()
        job.check()
        return counts, slowest


def _named(counts: dict[int, list[Any]]) -> list[TypeCount]:
    """The types by name, the most frequent first; classes of one name are one row."""
    named: dict[str, int] = {}
    for kind, count in counts.values():
        name = type_name(kind)
        named[name] = named.get(name, 0) + count
    rows = [TypeCount(name, count) for name, count in named.items()]
    rows.sort(key=lambda row: (-row.count, row.name))
    return rows


def type_name(kind: type) -> str:
    """``shop.models.Order``; ``dict`` for a builtin. Runs no code of the class or its metaclass."""
    module, name = _text(_module, kind), _text(_name, kind)
    return name if module in ("builtins", "") else f"{module}.{name}"


def _text(read: Any, kind: type) -> str:
    try:
        found = read(kind)
    except AttributeError:
        return ""
    return found[:300] if type(found) is str else ""
