"""What the process costs, sampled in the agent's thread about once a second."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from flasktop.protocol.records import UNKNOWN, InFlight, Pool, Sample

if TYPE_CHECKING:
    import psutil

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

    ``last_full_ns`` is what the newest collection of the oldest generation took, 0 before the first one.
    """

    def __init__(self) -> None:
        self.counts = [0] * GENERATIONS
        self.pauses_ns = [0] * GENERATIONS
        self.longest_ns = [0] * GENERATIONS
        self.last_full_ns = 0
        self._start_ns = 0

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._start_ns = time.perf_counter_ns()
        elif self._start_ns:
            took = time.perf_counter_ns() - self._start_ns
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

    Made in the agent's thread, because loading psutil takes some 30 ms that no request should wait for.
    """

    def __init__(self, gc_clock: GcClock, held_bytes: Callable[[], int]) -> None:
        import psutil

        self._process: psutil.Process = psutil.Process()
        self._gc = gc_clock
        self._held_bytes = held_bytes
        self.started_at = self._process.create_time()
        self._last = time.perf_counter()
        self._last_cpu = _cpu_seconds(self._process)
        self._last_own_cpu = time.thread_time()
        self._dear_due = time.perf_counter() + 1.0
        self._dear_at = 0.0
        self._blocks_due = 0.0
        self._uss = self._pss = UNKNOWN

    def sample(
        self, *, requests: int, in_flight: int, running: tuple[InFlight, ...], apps: tuple[str, ...], faults: int
    ) -> Sample:
        """Measure the process now; percentages are since the last call."""
        now, cpu, own = time.perf_counter(), _cpu_seconds(self._process), time.thread_time()
        elapsed = max(now - self._last, 1e-6)
        cpu_percent = max(cpu - self._last_cpu, 0.0) / elapsed * 100 if elapsed > SHORTEST_S else None
        own_percent = max(own - self._last_own_cpu, 0.0) / elapsed * 100 if elapsed > SHORTEST_S else None
        self._last, self._last_cpu, self._last_own_cpu = now, cpu, own
        if now >= self._dear_due:
            self._measure_dear(now)
        process = self._process
        switches = process.num_ctx_switches()
        return Sample(
            process.memory_info().rss,
            self._uss,
            self._pss,
            cpu_percent,
            process.num_threads(),
            process.num_fds(),
            sum(self._gc.counts),
            sum(self._gc.pauses_ns) // 1000,
            switches.voluntary + switches.involuntary,
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
            tuple(self._gc.counts),
            tuple(ns // 1000 for ns in self._gc.pauses_ns),
            tuple(ns // 1000 for ns in self._gc.longest_ns),
            self._count_blocks(),
        )

    def _measure_dear(self, now: float) -> None:
        begun = time.perf_counter()
        self._dear_due = now + DEAR_EVERY_S
        full = self._process.memory_full_info()
        self._uss, self._pss = full.uss, getattr(full, "pss", UNKNOWN)
        self._dear_at = now
        self._dear_due = now + max(DEAR_EVERY_S, (time.perf_counter() - begun) * DEAR_SHARE)

    def _count_blocks(self) -> int:
        begun = time.perf_counter()
        if begun < self._blocks_due:
            return UNKNOWN
        blocks = sys.getallocatedblocks()
        self._blocks_due = begun + (time.perf_counter() - begun) * BLOCKS_SHARE
        return blocks or UNKNOWN  # 0: another allocator is in use, which does not count


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def pools() -> tuple[Pool, ...]:
    """The state of SQLAlchemy's connection pools, empty where SQLAlchemy is not in use."""
    if "sqlalchemy" not in sys.modules:
        return ()
    from flasktop.agent.sql import pools as sql_pools

    return tuple(Pool(*state) for state in sql_pools.states())
