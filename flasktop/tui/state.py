"""How the connection to the app is, in one word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from flasktop.stats.views import WorkerRow

Connection = Literal["waiting", "live", "silent", "reconnecting"]


@dataclass(frozen=True, slots=True)
class Status:
    """What the summary says beside the numbers.

    ``connection``: ``waiting`` before any worker answered, ``silent`` when those that live do not answer,
    ``reconnecting`` when all went away. ``interval`` is seconds between refreshes, ``died`` how many requests were
    lost with their workers, ``frozen_at`` the Unix time at which the picture was frozen.
    """

    connection: Connection
    interval: float
    died: int = 0
    frozen_at: float | None = None


def connection_of(workers: Sequence[WorkerRow]) -> Connection:
    """The state of the whole from the states of its workers."""
    states = {worker.state for worker in workers}
    if "live" in states:
        return "live"
    if "silent" in states:
        return "silent"
    return "reconnecting" if states else "waiting"
