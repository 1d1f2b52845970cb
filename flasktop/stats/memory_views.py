"""What is known of a worker's memory while it runs: the frozen view models of the cheap live tier.

``None`` means not known, never zero. Slopes are per hour, robust against single jumps, and None before half a minute of
samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from flasktop.protocol.events import WorkerId, WorkerState
from flasktop.stats.views import EndpointKey


class Moment(NamedTuple):
    """What one sample said of memory, ``at`` on the reader's clock. ``blocks`` UNKNOWN where they were not counted
    then; ``agent`` is what of ``rss`` flasktop's journal and tables hold, in bytes; ``requests`` had finished;
    ``gc_cpu_us`` of CPU were spent in garbage collection (UNKNOWN: not said), both since the worker's agent began."""

    at: float
    rss: int
    blocks: int
    gc_counts: tuple[int, ...]
    gc_pauses_us: tuple[int, ...]
    requests: int
    agent: int
    gc_cpu_us: int


@dataclass(frozen=True, slots=True)
class GcGeneration:
    """The garbage collections of one generation in a window; ``share`` is the part of the time that they took (0 to
    1), ``longest_ms`` the longest since the agent began."""

    generation: int
    count: int
    mean_ms: float | None
    longest_ms: float
    share: float


@dataclass(frozen=True, slots=True)
class EndpointGrowth:
    """What a request of an endpoint leaves behind, from intervals in which only it ran.

    ``blocks`` (of Python's allocator) and ``rss_bytes`` are per request, None where it cannot be told: ``why`` says in
    a few words why not, or what to mind. ``intervals`` and ``requests`` are what it was told from.
    """

    key: EndpointKey
    blocks: float | None
    rss_bytes: float | None
    intervals: int
    requests: int
    why: str


@dataclass(frozen=True, slots=True)
class MemoryRow:
    """The memory of one worker. ``*_trend`` are one value an interval of the window, oldest first; USS and PSS are
    measured rarely: ``full_age_s`` ago, and their trends hold every measurement there was. ``gc_share_trend`` is the
    part of the time spent in garbage collection. ``moments`` are all that are kept, up to an hour, oldest first."""

    worker: WorkerId
    state: WorkerState
    rss_bytes: int | None
    uss_bytes: int | None
    pss_bytes: int | None
    full_age_s: float | None
    blocks: int | None
    rss_trend: tuple[float, ...]
    uss_trend: tuple[float, ...]
    pss_trend: tuple[float, ...]
    blocks_trend: tuple[float, ...]
    gc_share_trend: tuple[float, ...]
    rss_slope: float | None
    uss_slope: float | None
    pss_slope: float | None
    blocks_slope: float | None
    gc: tuple[GcGeneration, ...]
    gc_share: float | None
    growth: tuple[EndpointGrowth, ...]
    moments: tuple[Moment, ...] = ()
