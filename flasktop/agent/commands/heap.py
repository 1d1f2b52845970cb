"""Takes heaps: weighs frozen copies of this worker, and answers questions about the newest."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

from flasktop.agent import native
from flasktop.agent.commands.job import CommandError
from flasktop.agent.heap import fork, headroom, support
from flasktop.protocol.commands import BUSY, GONE, TIMED_OUT
from flasktop.protocol.commands.heap import (
    DropHeap,
    HeapDropped,
    HeapHeld,
    HeapPart,
    HeapPaths,
    HeapTaken,
    TakeHeap,
    WalkHeap,
)
from flasktop.protocol.records import UNKNOWN

if TYPE_CHECKING:
    from flasktop.agent.commands.job import Job
    from flasktop.agent.heap.session import Copy
    from flasktop.agent.heap.wire import Weighed
    from flasktop.agent.runtime import Agent
    from flasktop.protocol.commands import Answer, Command

TRIES: Final = 3
"""Copies made for one take, where one hangs (see ``session.START_S``)."""
ROWS: Final = 1000
"""Types listed in an answer; what is smaller is in its sums alone."""
BEAT_S: Final = 0.2
"""How often a reader that waits for its turn is told so."""
TAKE_S: Final = 240.0
WALK_S: Final = 120.0
PATHS_S: Final = 100.0
"""How long the copy may take to answer; then it is killed."""
BLOCK_US: Final = 1.2
"""Microseconds that guppy3 takes in all for each block that Python has allocated: for estimates."""

RESTING: Final = 100
"""Takes let the app stand still for one part in so many of the time at most: the next one waits."""
MOST_REST_S: Final = 2.0
"""No take waits for longer: what took so long was the machine's other work."""
MOVING: Final = 10
"""After an app stood still to be weighed, it does not again for so many times as long."""

THREAD_LOCALS: Final = "objects that only other threads' thread-local variables refer to"
NATIVE: Final = "memory outside Python objects: what C extensions hold, and free space that Python keeps"
CALLS: Final = "objects that only running calls refer to"
KEYS: Final = "strings that are nothing but keys of a dictionary"
"""CPython does not tell walkers of those where all keys of the dictionary are strings: they cannot be in a cycle."""


class Heaps:
    """The heap commands of one worker. At most one frozen copy lives at a time; several readers may walk in it."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        if agent.hub is not None:
            fork.HUB[:] = [agent.hub]
        self._taking = native.original("_thread", "allocate_lock")()
        self._number = 0
        self._copy: Copy | None = None
        self._last: tuple[int, float] | None = None
        self._closed = False
        self._may_stand_still = 0.0
        self._may_freeze = 0.0

    def run(self, command: Command, job: Job) -> Answer:
        if isinstance(command, TakeHeap):
            return self._take_alone(command, job)
        if isinstance(command, WalkHeap):
            return self._named(command.take).ask(command, HeapPart, job, WALK_S)
        if isinstance(command, HeapPaths):
            return self._named(command.take).ask(command, HeapHeld, job, PATHS_S)
        assert isinstance(command, DropHeap)
        if self._copy is not None and self._copy.number == command.take:
            self._drop("it was dropped")
        return HeapDropped(command.take)

    def close(self) -> None:
        self._closed = True
        if self._copy is not None:
            self._copy.kill("the worker ended")

    def _named(self, number: int) -> Copy:
        copy = self._copy
        if copy is not None and copy.number == number:
            return copy
        why = "a newer one was taken" if copy is not None else "it was dropped"
        raise CommandError(f"This copy of the heap is gone: {why}.", "Take a new one.", GONE)

    # -- taking --

    def _take_alone(self, command: TakeHeap, job: Job) -> HeapTaken:
        if not self._taking.acquire(False):
            raise CommandError(
                "The heap of this worker is being taken already, for another reader.",
                "Try again when it is done.",
                BUSY,
            )
        try:
            job.working("loading guppy3")
            support.check_weighing()
            return self._take_here(job) if command.in_process else self._take(job)
        finally:
            self._taking.release()

    def _take(self, job: Job) -> HeapTaken:
        from flasktop.agent.heap import child
        from flasktop.agent.heap.session import Copy
        from flasktop.agent.heap.wire import Weigh, Weighed

        self._rest(job)
        rss = headroom.rss_bytes()
        self._check(rss)
        self._drop("a newer one was taken")
        expected = self._last[1] * rss / self._last[0] if self._last else UNKNOWN
        job.check()
        job.working("freezing a copy", expected)
        self._number += 1
        taken_at = time.time()
        requests = self._agent.recorder.next_number + len(self._agent.pending)
        values = self._agent.settings.show_values
        for left in range(TRIES - 1, -1, -1):
            copy = self._copy = Copy(self._number, child.Terms(values, child.IDLE_S, child.LIFE_S, child.REQUEST_S))
            self._may_freeze = time.perf_counter() + min(copy.pause_us / 1e6 * RESTING, MOST_REST_S)
            try:
                if self._closed:
                    raise CommandError("The worker ends.")
                weighed = copy.ask(Weigh(ROWS), Weighed, job, TAKE_S, expected)
                break
            except BaseException as error:
                self._drop("its weighing was given up")
                if not left or job.cancelled or getattr(error, "reason", "") != TIMED_OUT:
                    raise
        self._last = (rss, job.elapsed_s)
        return self._taken(
            copy.number, weighed, taken_at, copy.pause_us, job, requests, rss, (THREAD_LOCALS, KEYS, NATIVE)
        )

    def _rest(self, job: Job) -> None:
        """Let the app run before it is made to stand still again."""
        while (left := self._may_freeze - time.perf_counter()) > 0:
            job.check()
            job.working("letting the app run after the last take")
            native.original("time", "sleep")(min(left, BEAT_S))

    def _take_here(self, job: Job) -> HeapTaken:
        from flasktop.agent.heap.child import weigh
        from flasktop.agent.heap.weigh import Weighing

        job.check()
        if (left := self._may_stand_still - time.perf_counter()) > 0:
            raise CommandError(
                "The app stood still for its heap just now.", f"Try again in {left:.0f} s: it has work to do.", BUSY
            )
        job.working("weighing the app while it stands still", _stall_s())
        requests = self._agent.recorder.next_number + len(self._agent.pending)
        rss, taken_at, started = headroom.rss_bytes(), time.time(), time.perf_counter_ns()
        weighed = weigh(Weighing(), ROWS)
        pause_us = (time.perf_counter_ns() - started) // 1000
        self._may_stand_still = time.perf_counter() + pause_us / 1e6 * MOVING
        return self._taken(UNKNOWN, weighed, taken_at, pause_us, job, requests, rss, (CALLS, KEYS, NATIVE))

    def _taken(
        self,
        number: int,
        weighed: Weighed,
        taken_at: float,
        pause_us: int,
        job: Job,
        requests: int,
        rss: int,
        unseen: tuple[str, ...],
    ) -> HeapTaken:
        return HeapTaken(
            take=number,
            pid=self._agent.pid,
            taken_at=taken_at,
            pause_us=pause_us,
            seconds=job.elapsed_s,
            objects=weighed.objects,
            bytes=weighed.bytes,
            requests=requests,
            rss_bytes=rss,
            types=weighed.types,
            by_type=weighed.by_type,
            unseen=unseen,
        )

    def _check(self, rss: int) -> None:
        """Make sure that a copy may be made; a copy that is there makes room where it is needed."""
        try:
            support.check_forking()
            try:
                headroom.check_headroom(rss)
            except CommandError:
                if not self._drop("its memory was needed for a newer one"):
                    raise
                headroom.check_headroom(rss)
        except CommandError as refusal:
            instead = (
                "It can be weighed in the running process instead, in which the app stands still for about "
                f"{_stall_s():.1f} s (an estimate)."
            )
            raise CommandError(refusal.message, f"{refusal.hint} {instead}".strip(), refusal.reason) from None

    def _drop(self, why: str) -> bool:
        """End the copy, if there is one, and wait for its end; whether there was one."""
        copy, self._copy = self._copy, None
        if copy is None:
            return False
        copy.kill(why)
        copy.wait()
        return True


def _stall_s() -> float:
    """For how long the app would stand still, were it weighed itself: an estimate from how much it holds."""
    return sys.getallocatedblocks() * BLOCK_US / 1e6
