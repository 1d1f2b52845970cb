"""The rounds of the agent's thread: serve readers, describe what has finished, look after the rest; faults are kept."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Final

from flasktop.agent import native
from flasktop.agent.guard import guard
from flasktop.agent.sampler import SamplerLoader
from flasktop.agent.slots import free_killed, look_after
from flasktop.agent.upkeep import Upkeep

if TYPE_CHECKING:
    from flasktop.agent.runtime import Agent

TICK_S: Final = 0.2
"""Finished requests wait at most so long before they are encoded."""
GRACE_S: Final = 0.05
"""For so long after that the thread waits for a request that ends and steps aside."""
SAMPLE_S: Final = 1.0


class Loop:
    """What an agent's thread does again and again."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._sleep = native.original("time", "sleep")

    def run(self, loader: SamplerLoader) -> None:
        """Go on until the agent is stopping."""
        agent = self._agent
        loader.begin()
        tick = sample = time.perf_counter()
        upkeep = Upkeep(agent, self._guarded)
        agent.turn.over(int(tick * 1e9))
        while not agent.stopping:
            now = time.perf_counter()
            self._guarded("serving readers", agent.server.step, tick + GRACE_S - now)
            now = time.perf_counter()
            if now < (tick if agent.turn.offered else tick + GRACE_S):
                continue
            tick = now + TICK_S
            due = loader.arrives() or now >= sample
            if due:
                sample = now + SAMPLE_S
            self._guarded("recording", agent.recorder.drain, loader.sampler, due)
            free_killed(agent, now)
            self._guarded("looking after requests", look_after, agent)
            upkeep.look(now)
            if agent.turn.offered:
                self._guarded("serving readers", agent.server.step, 0)  # send before others get their turn
            agent.turn.over(int(tick * 1e9))

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
