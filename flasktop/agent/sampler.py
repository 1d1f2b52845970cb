"""What the process costs, sampled in the agent's thread about once a second."""

from __future__ import annotations

import gc
import resource
import sys
import time
from collections.abc import Callable
from typing import Final

from flasktop.agent import figures, native
from flasktop.agent.cost import HotCost
from flasktop.agent.guard import guard
from flasktop.protocol.records import UNKNOWN, HeldConnection, InFlight, Pool, Sample

DEAR_EVERY_S: Final = 30.0
DEAR_SHARE: Final = 6000
"""USS and PSS walk the whole address space (9 ms at 400 MB, 25 ms at 2 GB), and whoever maps or unmaps memory meanwhile
waits as long: measured this often, and where it takes long only for so small a part of the time."""
BLOCKS_SHARE: Final = 1000
"""Counting allocated blocks walks the allocator's pools and holds the GIL (0.6 ms at 800 MB, 2 ms at 2 GB): where it
takes longer than a thousandth of the time between samples, it is done more rarely."""
SHORTEST_S: Final = 0.1
"""Over a shorter time the kernel's clock ticks say nothing of a percentage: it is None."""

GENERATIONS: Final = 3
OLDEST: Final = GENERATIONS - 1


class GcClock:
    """Counts garbage collections and the time that they take by generation, through ``gc.callbacks``.

    ``cpu_ns`` is the CPU time of all of them: a pause is longer where others had the processor meanwhile.
    ``last_full_ns`` is what the newest collection of the oldest generation took, 0 before the first one.
    """

    def __init__(self) -> None:
        self.counts = [0] * GENERATIONS
        self.pauses_ns = [0] * GENERATIONS
        self.longest_ns = [0] * GENERATIONS
        self.last_full_ns = 0
        self.cpu_ns = 0
        self._start_ns = self._start_cpu = 0

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._start_ns, self._start_cpu = time.perf_counter_ns(), time.thread_time_ns()
        elif self._start_ns:
            took = time.perf_counter_ns() - self._start_ns
            self.cpu_ns += time.thread_time_ns() - self._start_cpu
            generation = info["generation"]
            self.counts[generation] += 1
            self.pauses_ns[generation] += took
            if took > self.longest_ns[generation]:
                self.longest_ns[generation] = took
            if generation == OLDEST:
                self.last_full_ns = took

    def install(self) -> None:
        gc.callbacks.append(self)

    def remove(self) -> None:
        if self in gc.callbacks:
            gc.callbacks.remove(self)


class Sampler:
    """Samples this process.

    Asks for as few figures as it can: each lets go of the interpreter's lock, and where other threads compute, it may
    be a while until it is ours again.
    """

    def __init__(self, gc_clock: GcClock, held_bytes: Callable[[], int]) -> None:
        self._figures = figures.made()
        self._gc = gc_clock
        self._held_bytes = held_bytes
        self.started_at = self._figures.created_at
        self._last = time.perf_counter()
        self._last_cpu = time.process_time()
        self._last_own_cpu = time.thread_time()
        self._last_counts = (0, 0)
        self._hot = HotCost()
        self._dear_due = time.perf_counter() + 1.0
        self._dear_at = 0.0
        self._blocks_due = 0.0
        self._uss = self._pss = UNKNOWN

    def sample(
        self,
        *,
        requests: int,
        in_flight: int,
        running: tuple[InFlight, ...],
        apps: tuple[str, ...],
        faults: int,
        held: tuple[tuple[HeldConnection, ...], int] = ((), 0),
        capacity: int = UNKNOWN,
        statements: int = 0,
    ) -> Sample:
        """Measure the process now; percentages are since the last call. ``held`` is what ``Held.tell`` says,
        ``statements`` those since the agent began."""
        now, cpu, own = time.perf_counter(), time.process_time(), time.thread_time()
        elapsed = max(now - self._last, 1e-6)
        cpu_percent = max(cpu - self._last_cpu, 0.0) / elapsed * 100 if elapsed > SHORTEST_S else None
        own_percent = max(own - self._last_own_cpu, 0.0) / elapsed * 100 if elapsed > SHORTEST_S else None
        hot_percent = None
        if elapsed > SHORTEST_S:
            hot_percent = self._hot.percent(requests - self._last_counts[0], statements - self._last_counts[1], elapsed)
            self._last_counts = requests, statements
        self._last, self._last_cpu, self._last_own_cpu = now, cpu, own
        if now >= self._dear_due:
            self._measure_dear(now)
        rss, threads = self._figures.rss_and_threads()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        collections, pauses_ns = tuple(self._gc.counts), tuple(self._gc.pauses_ns)  # once: one may begin at any moment
        return Sample(
            rss,
            self._uss,
            self._pss,
            cpu_percent,
            threads,
            self._figures.descriptors(),
            sum(collections),
            sum(pauses_ns) // 1000,
            usage.ru_nvcsw + usage.ru_nivcsw,
            max(time.time() - self.started_at, 0.0),
            requests,
            in_flight,
            own_percent,
            self._held_bytes(),
            faults,
            apps,
            running,
            pools(),
            now - self._dear_at if self._dear_at else UNKNOWN,
            collections,
            tuple(ns // 1000 for ns in pauses_ns),
            tuple(ns // 1000 for ns in self._gc.longest_ns),
            self._count_blocks(),
            *held,
            capacity,
            self._gc.cpu_ns // 1000,
            hot_percent,
        )

    def _measure_dear(self, now: float) -> None:
        begun = time.perf_counter()
        self._dear_due = now + DEAR_EVERY_S
        self._uss, self._pss = self._figures.unshared()
        self._dear_at = now
        self._dear_due = now + max(DEAR_EVERY_S, (time.perf_counter() - begun) * DEAR_SHARE)

    def _count_blocks(self) -> int:
        begun = time.perf_counter()
        if begun < self._blocks_due:
            return UNKNOWN
        blocks = sys.getallocatedblocks()
        self._blocks_due = begun + (time.perf_counter() - begun) * BLOCKS_SHARE
        return blocks or UNKNOWN  # 0: another allocator is in use, which does not count


class SamplerLoader:
    """Makes the sampler of this process; where that needs psutil, as soon as a thread of its own has loaded it: that
    takes some 30 ms, for which no request should wait, and seconds where other threads compute, for which no reader
    should.

    ``sampler`` is None until then, and where psutil cannot be used.
    """

    def __init__(self, gc_clock: GcClock, held_bytes: Callable[[], int]) -> None:
        self.sampler: Sampler | None = None
        self._arguments = (gc_clock, held_bytes)
        self._loaded = self._made = False

    def begin(self) -> None:
        """Load what is not loaded yet."""
        if not figures.need_psutil() or _is_loaded("psutil"):
            self._loaded = True
        else:
            native.start_thread(self._load)

    def arrives(self) -> bool:
        """Make the sampler if it can be made; True only when that has happened now."""
        if self._made or not self._loaded:
            return False
        self._made = True
        try:
            self.sampler = Sampler(*self._arguments)
        except Exception as error:  # noqa: BLE001 - the guard's: without psutil, or /proc, requests are still shown
            guard.report("sampling the process", error)
        return self.sampler is not None

    def _load(self) -> None:
        try:
            __import__("psutil")
        except Exception as error:  # noqa: BLE001 - the guard's: requests are still shown
            guard.report("sampling the process", error)
        else:
            self._loaded = True


def _is_loaded(module: str) -> bool:
    """Whether importing ``module`` takes no time: another thread may be at it."""
    found = sys.modules.get(module)
    return found is not None and not getattr(found.__spec__, "_initializing", False)


def pools() -> tuple[Pool, ...]:
    """The state of SQLAlchemy's connection pools, empty where SQLAlchemy is not in use."""
    if "sqlalchemy" not in sys.modules:
        return ()
    from flasktop.agent.sql import pools as sql_pools

    return tuple(Pool(*state) for state in sql_pools.states())
