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
"""USS and PSS walk the whole address space: measured this often, and ten times more rarely where that took long."""
DEAR_LIMIT_S: Final = 0.05
SHORTEST_S: Final = 0.1
"""Over a shorter time the kernel's clock ticks say nothing of a percentage: it is None."""


class GcClock:
    """Counts garbage collections and the time that they take, through ``gc.callbacks``."""

    def __init__(self) -> None:
        self.collections = 0
        self.pause_ns = 0
        self._start_ns = 0

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._start_ns = time.perf_counter_ns()
        elif self._start_ns:
            self.collections += 1
            self.pause_ns += time.perf_counter_ns() - self._start_ns

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
        self._dear_every = DEAR_EVERY_S
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
            self._gc.collections,
            self._gc.pause_ns // 1000,
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
        )

    def _measure_dear(self, now: float) -> None:
        full = self._process.memory_full_info()
        self._uss, self._pss = full.uss, getattr(full, "pss", UNKNOWN)
        took = time.perf_counter() - now
        self._dear_every = DEAR_EVERY_S * (10 if took > DEAR_LIMIT_S else 1)
        self._dear_due = now + self._dear_every


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def pools() -> tuple[Pool, ...]:
    """The state of SQLAlchemy's connection pools, empty where SQLAlchemy is not in use."""
    if "sqlalchemy" not in sys.modules:
        return ()
    from flasktop.agent.sql import pools as sql_pools

    return tuple(Pool(*state) for state in sql_pools.states())
