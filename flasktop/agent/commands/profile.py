"""Profiles an endpoint: looks, some times a second and for a bounded time, at where its requests are.

Only while asked; it ends by itself, when it is cancelled, and when the reader leaves. What a tick that comes late
missed is counted, and the tick stands for that time, too: else code that keeps the interpreter's lock, which is what
makes ticks late, would be seen too seldom. Ticks are spread at random around their time, so that they never walk in
step with the app.
"""

from __future__ import annotations

import sys
import time
from random import Random
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from flasktop.agent import clock, coroutines, cpu, native
from flasktop.agent.commands.interval import Interval, Shares
from flasktop.agent.commands.job import CommandError, Job
from flasktop.agent.commands.profile_answer import Counts, made
from flasktop.agent.commands.stack_table import StackTable, Tally
from flasktop.agent.frames import still
from flasktop.agent.tables import key_of
from flasktop.protocol.commands import GONE
from flasktop.protocol.commands.profile import MAX_RATE, MAX_SECONDS, Profiled, ProfileEndpoint, stage
from flasktop.protocol.records import ASYNC_VIEW

if TYPE_CHECKING:
    from flasktop.agent.runtime import Agent
    from flasktop.agent.tables import RouteKey
    from flasktop.agent.trace import RequestTrace
    from flasktop.protocol.commands import Answer, Command

NAP_S: Final = 0.1
"""The longest sleep: so soon it is noticed that nobody waits any more."""
SAY_S: Final = 0.25
"""How often the reader is told how far it is."""
LOOKS: Final = 16
"""Requests that are looked at in one tick; where more run, so many of them, at random, stand for all."""
SPREAD: Final = 0.25
"""How far a tick lies from its time at most, in ticks."""


class Profiling:
    """Carries out ``ProfileEndpoint``."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def run(self, command: Command, job: Job) -> Answer:
        assert isinstance(command, ProfileEndpoint)
        if not (0 < command.seconds <= MAX_SECONDS and 1 <= command.rate <= MAX_RATE):
            raise CommandError(
                f"A profile takes more than 0 and at most {MAX_SECONDS:.0f} seconds, at 1 to {MAX_RATE} samples a "
                "second.",
                "Ask for less.",
            )
        keys = self._agent.recorder.routes.keys(command.routes)
        if not keys:
            raise CommandError("This worker does not know that endpoint.", "It may have restarted: try again.", GONE)
        return _Run(self._agent, keys, command, job).take()

    def close(self) -> None:
        """Nothing outlives a profile; the desk cancels the one under way."""


class _Run:
    """One profile while it is taken."""

    def __init__(self, agent: Agent, keys: frozenset[RouteKey], command: ProfileEndpoint, job: Job) -> None:
        self._agent = agent
        self._keys = keys
        self._command = command
        self._job = job
        self._table = StackTable()
        self._known: dict[int, Interval] = {}
        self._counts = Counts()
        self._random = Random()
        self._asynchronous = False
        self._sleep = native.original("time", "sleep")

    def take(self) -> Profiled:
        """Sample until the time is over; raises CommandError when it is cancelled."""
        counts = self._counts
        cpu_ns, started = time.thread_time_ns(), time.perf_counter_ns()
        finished = self._finished()
        self._sample_until(started, started + int(self._command.seconds * 1e9))
        self._known.clear()
        counts.seconds = (time.perf_counter_ns() - started) / 1e9
        counts.finished = max(0, self._finished() - finished)
        answer = made(self._table, counts, self._command.rate, self._unseen())
        counts.sampler_ns = time.thread_time_ns() - cpu_ns
        return answer(counts)

    def _sample_until(self, started: int, end: int) -> None:
        period = 1e9 / self._command.rate
        random, counts = self._random, self._counts
        number, last, say = 1, started, 0
        due = started + int(period * (1 + random.uniform(-SPREAD, SPREAD)))
        while (now := time.perf_counter_ns()) < end:
            self._job.check()
            if now >= say:
                say = now + int(SAY_S * 1e9)
                self._job.working(stage(counts.samples, counts.requests), self._command.seconds)
            if now < due:
                self._sleep(min((min(due, end) - now) / 1e9, NAP_S))
                continue
            self._tick(now - last)
            last = now
            after = max(number + 1, int((now - started) / period) + 1)
            counts.ticks += 1
            counts.missed += after - number - 1
            number = after
            due = started + int(period * (number + random.uniform(-SPREAD, SPREAD)))

    def _tick(self, wall_ns: int) -> None:
        """Look at every request of the endpoint that runs now; each look stands for ``wall_ns``."""
        traces = [trace for trace in self._agent.running if trace is not None and self._is_wanted(trace)]
        known, self._known = self._known, {}
        if not traces:
            return
        for trace in traces:
            state = known.get(id(trace))
            if state is None:
                self._counts.requests += 1
                state = Interval(trace)
                clock.wanted(trace)  # for those that come after it
            self._known[id(trace)] = state
        states = list(self._known.values())
        if self._agent.greenlet_now is None:
            states = _newest_of_threads(states)
        if len(states) > LOOKS:
            wall_ns = wall_ns * len(states) // LOOKS
            states = self._random.sample(states, LOOKS)
        with still():
            if self._agent.greenlet_now is None:
                self._look_at_threads(states, wall_ns)
            else:
                self._look_at_greenlets(states, wall_ns)

    def _is_wanted(self, trace: RequestTrace) -> bool:
        return not trace.end_ns and key_of(trace) in self._keys

    def _look_at_threads(self, states: list[Interval], wall_ns: int) -> None:
        frames = sys._current_frames()
        for state in states:
            frame = frames.get(state.trace.thread)
            if state.trace.flags & ASYNC_VIEW:
                self._look_at_coroutine(state, frame, wall_ns)
            elif frame is not None:
                tally = self._table.find(frame)
                self._count(tally, wall_ns, state.shares(cpu.thread_cpu_ns(state.trace.thread), tally.sql))

    def _look_at_coroutine(self, state: Interval, frame: FrameType | None, wall_ns: int) -> None:
        """An async view runs in a thread of its own: what it awaits can be seen; what it computes, nobody knows."""
        self._asynchronous = True
        spots = coroutines.stack_of(state.trace)
        if spots:
            self._count(self._table.find_spots(spots), wall_ns, (0.0, 0.0))
        elif frame is not None:
            self._count(self._table.find(frame), wall_ns, (0.0, None))

    def _look_at_greenlets(self, states: list[Interval], wall_ns: int) -> None:
        """The greenlet that runs is on the CPU, the others wait. One that still runs at the next tick either computes
        or blocks its whole hub: the thread's clock tells which."""
        agent = self._agent
        cpu_ns = cpu.thread_cpu_ns(agent.hub_thread, agent.hub_native)
        for state in states:
            greenlet: Any = state.trace.greenlet() if state.trace.greenlet is not None else None
            if greenlet is None or greenlet.dead:
                continue
            frame = greenlet.gr_frame
            runs = frame is None
            if runs:
                frame = sys._current_frames().get(agent.hub_thread)
                if frame is None or greenlet.dead or greenlet.gr_frame is not None:
                    continue  # it was just switched, or ended
            tally = self._table.find(frame)
            sql, share = state.shares(cpu_ns, tally.sql)
            if not runs:
                share = 0.0
            elif not state.ran or share is None:
                share = 1.0 - sql
            state.ran = runs
            self._count(tally, wall_ns, (sql, share))

    def _count(self, tally: Tally, wall_ns: int, shares: Shares) -> None:
        """Add a sample of ``wall_ns``, divided by ``shares``."""
        sql, on_cpu = shares
        self._counts.samples += 1
        tally.samples += 1
        tally.wall_ns += wall_ns
        tally.sql_ns += int(wall_ns * sql)
        if on_cpu is None:
            tally.unknown_ns += int(wall_ns * (1.0 - sql))
        else:
            tally.cpu_ns += int(wall_ns * on_cpu)

    def _finished(self) -> int:
        pending = sum(key_of(trace) in self._keys for trace in list(self._agent.pending))
        return pending + self._agent.recorder.totals.requests(self._command.routes)

    def _unseen(self) -> tuple[str, ...]:
        interval = sys.getswitchinterval() * 1000
        words = [
            f"CPU bursts shorter than {interval:g} ms (the interpreter's switch interval) are seen in the call that "
            "follows them, not where they are.",
            "Waiting includes waiting for a core, and for the interpreter's lock while another thread computes.",
        ]
        if self._agent.greenlet_now is None and not cpu.supported():
            words.append("This system does not tell the CPU time of other threads: CPU and waiting are not told apart.")
        if self._asynchronous:
            words.append("Async views are seen where they wait; while they compute, in the call that waits for them.")
        if self._agent.greenlet_now is not None:
            words.append("Greenlets that a request starts, and the threads of gevent's pool, are not followed.")
        if not self._agent.journal.free_slots:
            words.append("More requests were in flight than FLASKTOP_MAX_IN_FLIGHT: those beyond are not seen.")
        return tuple(words)


def _newest_of_threads(states: list[Interval]) -> list[Interval]:
    """One request a thread: a body that nobody closes leaves one open whose thread has long gone on to the next."""
    newest: dict[int, Interval] = {}
    for state in states:
        other = newest.get(state.trace.thread)
        if other is None or other.trace.start_ns < state.trace.start_ns:
            newest[state.trace.thread] = state
    return list(newest.values())
