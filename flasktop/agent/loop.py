"""The rounds of the agent's thread: serve readers, describe what has finished, look after the rest; faults are kept.

A thread that has slept finds the processor's caches cold: a look then takes a millisecond, and a sample two. So where
no reader is and nothing runs, it looks seldom; the first request, or statement outside any, wakes it, as does a reader.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Final

from flasktop.agent import native
from flasktop.agent.guard import guard
from flasktop.agent.sampler import SamplerLoader
from flasktop.agent.slots import free_killed, look_after
from flasktop.agent.trace import sink
from flasktop.agent.upkeep import Upkeep

if TYPE_CHECKING:
    from flasktop.agent.runtime import Agent

TICK_S: Final = 0.2
"""Finished requests wait at most so long before they are encoded."""
GRACE_S: Final = 0.05
"""For so long after that the thread waits for a request that ends and steps aside."""
SAMPLE_S: Final = 1.0
REST_S: Final = 5.0
"""How often a process is looked at, and sampled, that does nothing and is read by nobody."""


class Loop:
    """What an agent's thread does again and again."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._sleep = native.original("time", "sleep")

    def run(self, loader: SamplerLoader) -> None:
        """Go on until the agent is stopping."""
        agent = self._agent
        loader.begin()
        looked = sampled = time.perf_counter() - SAMPLE_S  # the first look, and sample, are due at once
        upkeep = Upkeep(agent, self._guarded)
        agent.turn.over(int(looked * 1e9))
        while not agent.stopping:
            self._guarded("serving readers", agent.server.step, self._next_look(looked) - time.perf_counter())
            now = time.perf_counter()
            if now < self._next_look(looked):
                continue
            looked = now
            sampling = loader.arrives() or now >= sampled + SAMPLE_S
            if sampling:
                sampled = now
            self._guarded("recording", agent.recorder.drain, loader.sampler, sampling)
            free_killed(agent, now)
            self._guarded("looking after requests", look_after, agent)
            upkeep.look(now)
            if agent.turn.offered:
                self._guarded("serving readers", agent.server.step, 0)  # send before others get their turn
            self._over(int((looked + TICK_S) * 1e9))

    def _next_look(self, looked: float) -> float:
        """When the thread, which has ``looked`` last, looks again."""
        turn = self._agent.turn
        if not turn.resting or self._agent.server.readers:
            return looked + (TICK_S if turn.offered else TICK_S + GRACE_S)
        if turn.offered:
            return looked
        return turn.roused_s + TICK_S if turn.roused_s else looked + REST_S

    def _over(self, due_ns: int) -> None:
        """Leave the interpreter to the app until ``due_ns``, or until it does something."""
        agent = self._agent
        sink.rouse = None
        agent.turn.over(due_ns)
        if agent.recorder.found_nothing and not agent.killed:
            agent.turn.rest()
            sink.rouse = agent.turn.rouse
            agent.special = True  # the next request rouses the thread when it begins
            if agent.pending or sink.outside or any(agent.running):  # came before it was known that the thread rests
                sink.rouse = None
                agent.turn.over(due_ns)

    def _guarded(self, place: str, work: Any, *arguments: Any) -> None:
        if guard.off(place):
            if work == self._agent.server.step:
                self._sleep(TICK_S)
            return
        try:
            work(*arguments)
        except Exception as error:  # noqa: BLE001 - the guard of the agent's thread
            guard.report(place, error)
            if guard.off(place):
                self._give_up(work)

    def _give_up(self, work: Any) -> None:
        """After its last fault, what a part of ours leaves behind must not grow or keep others waiting."""
        if work == self._agent.recorder.drain:
            self._agent.switch_off()
        elif work == self._agent.server.step:
            with contextlib.suppress(Exception):
                self._agent.server.close("serving readers failed again and again")
