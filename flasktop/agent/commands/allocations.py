"""Traces allocations for a while and says which source lines' blocks stay.

A traced allocation takes several times as long (``tests/benchmarks/bench_allocations.py``), and a snapshot copies all
traces in one call that lets no other thread run: 0.2 to 0.4 us a traced block. Tracing begins empty, so what lives is
what was allocated since; it ends early before that becomes too much.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import flasktop
from flasktop.agent import native
from flasktop.agent.commands.job import CommandError
from flasktop.protocol.commands import BUSY
from flasktop.protocol.commands.memory import (
    MAX_TRACE_S,
    MAX_TRACED_BLOCKS,
    AllocationSite,
    AllocationSites,
    TraceAllocations,
)

if TYPE_CHECKING:
    from flasktop.agent.commands.job import Job
    from flasktop.agent.runtime import Agent
    from flasktop.protocol.commands import Answer, Command

LINES: Final = 200
"""So many lines are answered, those that grew most."""
POLL_S: Final = 0.02
CALM_S: Final = 2.0
"""A snapshot waits so long for a moment in which no request runs."""
WORD_S: Final = 0.5
"""How often the reader is told how far it is."""
BYTES_A_TRACE: Final = 50
"""What tracemalloc holds of its own for each traced block, at least (measured: 50 to 60)."""
SLICE: Final = 5_000
"""Traces that are added up before other threads may run: some 2 ms."""

HERE: Final = os.path.dirname(os.path.abspath(flasktop.__file__)) + os.sep
DEMO: Final = os.path.join(HERE, "demo") + os.sep

Place = tuple[str, int]
Sums = dict[Place, list[int]]


class _Ours:
    """Whether the tracing that goes on is ours: a child that is forked meanwhile must not go on tracing."""

    pid = 0
    hooked = False


class Tracing:
    """Traces allocations."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._sleep: Callable[[float], None] = native.original("time", "sleep")

    def run(self, command: Command, job: Job) -> Answer:
        assert isinstance(command, TraceAllocations)
        if not 0 < command.seconds <= MAX_TRACE_S:
            raise CommandError("Allocations cannot be traced for that long.", f"At most {MAX_TRACE_S:.0f} seconds.")
        tracer = _tracemalloc()
        if tracer.is_tracing():
            raise CommandError(
                "The app traces its allocations itself (tracemalloc is on).",
                "Stop it there, or start the app without PYTHONTRACEMALLOC.",
                BUSY,
            )
        _stop_in_children()
        _Ours.pid = os.getpid()
        tracer.start(1)
        try:
            return self._trace(tracer, command.seconds, job)
        finally:
            if _Ours.pid:
                _Ours.pid = 0
                tracer.stop()

    def close(self) -> None: ...

    def _trace(self, tracer: Any, seconds: float, job: Job) -> AllocationSites:
        start, finished = time.perf_counter(), self._agent.recorder.next_number
        self._wait(tracer, start, start + seconds / 4, MAX_TRACED_BLOCKS // 2, seconds, job)
        flying = [self._calm(job)]
        traces, first_stall = self._snapshot(tracer, seconds, job)
        since, before = time.perf_counter(), self._agent.recorder.next_number
        first = self._sums(traces, job)
        early = self._wait(tracer, start, start + seconds, MAX_TRACED_BLOCKS, seconds, job)
        flying.append(self._calm(job) if not early else self._in_flight())
        traces, second_stall = self._snapshot(tracer, seconds, job)
        begun = time.perf_counter()
        tracer.stop()  # at once: what is left to do is not slowed down any more, nor is the app
        _Ours.pid = 0
        ended = time.perf_counter()
        if begun - since < (since - start) / 2:  # it grew so fast that the snapshots say too little apart
            first, since, before = {}, start, finished
        lasted, requests = begun - since, self._agent.recorder.next_number - before
        traced = len(traces)
        job.working("adding up", job.elapsed_s)
        stalls = (first_stall, second_stall, ended - begun)
        return _grown(first, self._sums(traces, job), lasted, requests, stalls, traced, early, tuple(flying))

    def _wait(self, tracer: Any, start: float, until: float, blocks: int, seconds: float, job: Job) -> bool:
        """Wait, unless so many blocks are traced before; return whether they were."""
        word = 0.0
        while (now := time.perf_counter()) < until:
            if not tracer.is_tracing():
                raise CommandError("The app stopped the tracing itself.", "Try again when it does not.")
            if tracer.get_tracemalloc_memory() >= blocks * BYTES_A_TRACE:
                return True
            if now >= word:
                word = now + WORD_S
                job.working("tracing allocations", seconds)
            job.check()
            self._sleep(min(POLL_S, until - now))
        return False

    def _calm(self, job: Job) -> int:
        """Wait a little for a moment without requests, whose working sets would seem to grow; return how many run."""
        until = time.perf_counter() + CALM_S
        while (flying := self._in_flight()) and time.perf_counter() < until:
            job.check()
            self._sleep(0.001)
        return flying

    def _in_flight(self) -> int:
        return sum(trace is not None for trace in self._agent.running)

    def _snapshot(self, tracer: Any, seconds: float, job: Job) -> tuple[list[Any], float]:
        """All traces of blocks that live, and for how long all others stood still for it."""
        job.working("taking a snapshot", seconds)
        self._sleep(0)
        begun = time.perf_counter()
        traces = tracer._get_traces()
        return traces, time.perf_counter() - begun

    def _sums(self, traces: list[Any], job: Job) -> Sums:
        """Blocks and bytes of each line; ``traces`` is emptied on the way."""
        sums: Sums = {}
        while traces:
            for trace in traces[-SLICE:]:
                entry = sums.setdefault(trace[2][0], [0, 0])
                entry[0] += 1
                entry[1] += trace[1]
            del traces[-SLICE:]
            job.check()
            self._sleep(0)
        return sums


def _grown(
    first: Sums,
    second: Sums,
    seconds: float,
    requests: int,
    stalls: tuple[float, ...],
    traced: int,
    early: bool,
    flying: tuple[int, ...],
) -> AllocationSites:
    sites, own, everyone = [], [0, 0], [0, 0]
    for place in {**first, **second}:
        (was_blocks, was_bytes), (blocks, size) = first.get(place, (0, 0)), second.get(place, (0, 0))
        whose = own if is_own(place[0]) else everyone
        whose[0] += blocks - was_blocks
        whose[1] += size - was_bytes
        if whose is everyone and size > was_bytes:
            sites.append(AllocationSite(place[0], place[1], blocks - was_blocks, size - was_bytes, blocks, size))
    sites.sort(key=lambda site: (-site.bytes, site.file, site.line))
    return AllocationSites(
        at=time.time(),
        seconds=seconds,
        requests=requests,
        sites=tuple(sites[:LINES]),
        total_sites=len(sites),
        blocks=everyone[0],
        bytes=everyone[1],
        own_blocks=own[0],
        own_bytes=own[1],
        stalls_us=tuple(round(stall * 1e6) for stall in stalls),
        traced_blocks=traced,
        early=early,
        in_flight=flying,
    )


def is_own(file: str) -> bool:
    """Whether a line is flasktop's own (the demo's shop is an app like any other)."""
    return file.startswith(HERE) and not file.startswith(DEMO)


def _tracemalloc() -> Any:
    try:
        import _tracemalloc
    except ImportError:
        raise CommandError("This Python cannot trace allocations.", "It has no tracemalloc.") from None
    return _tracemalloc


def _stop_in_children() -> None:
    if not _Ours.hooked and hasattr(os, "register_at_fork"):
        _Ours.hooked = True
        os.register_at_fork(after_in_child=_stop_in_child)


def _stop_in_child() -> None:
    if _Ours.pid:
        _Ours.pid = 0
        _tracemalloc().stop()
