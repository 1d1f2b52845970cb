"""What the reading side hands on: the messages of many workers as one stream of events.

Events are produced by ``flasktop.client`` (live workers, dead workers' files) and consumed by ``flasktop.stats``;
every string in them is already neutralised (see ``flasktop.protocol.text``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flasktop.protocol.messages import Definitions, Frame, Hello, Totals

WorkerState = Literal["connecting", "live", "silent", "gone", "died"]
"""``silent``: the process is alive and does not answer; ``gone``: it ended cleanly; ``died``: it was killed."""


@dataclass(frozen=True, slots=True)
class WorkerId:
    """One process: its pid and when its agent began (milliseconds since the epoch), since pids are used again."""

    pid: int
    started_ms: int


@dataclass(frozen=True, slots=True)
class Joined:
    """A worker answered. ``mono_offset`` added to the worker's ``mono`` gives the reader's monotonic clock."""

    worker: WorkerId
    hello: Hello
    mono_offset: float


@dataclass(frozen=True, slots=True)
class Defined:
    """New definitions of a worker."""

    worker: WorkerId
    definitions: Definitions


@dataclass(frozen=True, slots=True)
class Framed:
    """A frame; ``live`` is False for history (before ``Caught``, backfill, or a dead worker's file)."""

    worker: WorkerId
    frame: Frame
    live: bool


@dataclass(frozen=True, slots=True)
class Totalled:
    """A worker's whole totals."""

    worker: WorkerId
    totals: Totals


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """The worker's newest history has arrived; from here on a gap in trace numbers is a loss."""

    worker: WorkerId
    next_number: int
    history_from: float


@dataclass(frozen=True, slots=True)
class DiedRequest:
    """A request that was in flight when its worker died; ``age_ms`` at the worker's last sign of life."""

    app: str
    pid: int
    method: str
    route: str
    path: str
    age_ms: float


@dataclass(frozen=True, slots=True)
class StateChanged:
    """A worker's state changed; ``at`` is Unix seconds, ``died`` its requests in flight when it was killed."""

    worker: WorkerId
    state: WorkerState
    at: float
    died: tuple[DiedRequest, ...] = ()


Event = Joined | Defined | Framed | Totalled | CaughtUp | StateChanged
