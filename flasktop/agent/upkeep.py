"""What the agent's thread looks after now and then: SQLAlchemy that was loaded since, its paths, its files' age."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from flasktop.agent.libraries import install_sql

if TYPE_CHECKING:
    from flasktop.agent.runtime import Agent

UPKEEP_S: Final = 2.0
"""How often the socket and journal paths are checked (temporary folders are swept)."""
TOUCH_S: Final = 600.0


class Upkeep:
    """When each of it is due. ``guarded`` takes a place, what to call and its arguments, and lets no fault out."""

    def __init__(self, agent: Agent, guarded: Callable[..., None]) -> None:
        self._agent = agent
        self._guarded = guarded
        self._next = time.perf_counter()
        self._touch = self._next + TOUCH_S

    def look(self, now: float) -> None:
        """Do what is due at ``now`` (``perf_counter``)."""
        agent = self._agent
        if now >= self._next:
            self._next = now + UPKEEP_S
            self._guarded("hooking SQLAlchemy", install_sql, agent.roots)
            self._guarded("keeping the journal", agent.paths.keep_journal, agent.journal, agent.running)
            self._guarded("keeping the socket", agent.paths.keep_socket, agent.server)
        if now >= self._touch:
            self._touch = now + TOUCH_S
            self._guarded("keeping the files", agent.paths.touch)
