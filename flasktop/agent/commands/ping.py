"""Answers pings."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flasktop.protocol.commands.ping import Pong

if TYPE_CHECKING:
    from flasktop.agent.commands.job import Job
    from flasktop.agent.runtime import Agent
    from flasktop.protocol.commands import Answer, Command


class Answering:
    """Says what time it is."""

    def __init__(self, agent: Agent) -> None: ...

    def run(self, command: Command, job: Job) -> Answer:
        return Pong(time.perf_counter())

    def close(self) -> None: ...
