"""The cheap live tier: objects by type, and which source lines allocate what stays."""

from __future__ import annotations

from typing import Final

from flasktop.protocol.records import Message

MAX_TRACE_S: Final = 60.0
"""Allocations are traced for so many seconds at most."""

MAX_TRACED_BLOCKS: Final = 100_000
"""Tracing ends early when about so many traced blocks live: a snapshot of them stops the app for some 40 ms."""


class CountTypes(Message, frozen=True, tag="types.count"):
    """Count the objects that the garbage collector tracks by type, where listing them stops the app for 5 ms at most.
    The ``limit`` most frequent types are wanted."""

    limit: int = 500


class TypeCount(Message, frozen=True):
    """``count`` objects of the type ``name`` (with its module)."""

    name: str
    count: int


class TypeCounts(Message, frozen=True, tag="types.counted"):
    """The objects of a worker at ``at`` (Unix seconds): ``objects`` of ``types`` types, the most frequent in ``rows``.

    ``stall_us`` is the longest time for which the worker's threads stood still for it, measured around each call that
    lets no other thread run; ``seconds`` what it took in all. ``requests`` is how many requests had finished, and
    ``blocks`` how many blocks were allocated.
    """

    at: float
    objects: int
    types: int
    rows: tuple[TypeCount, ...]
    stall_us: int
    seconds: float
    requests: int
    blocks: int


class TraceAllocations(Message, frozen=True, tag="allocations.trace"):
    """Trace all allocations for ``seconds`` (at most ``MAX_TRACE_S``). Only after a person was told what it costs."""

    seconds: float


class AllocationSite(Message, frozen=True):
    """A source line: ``file`` as Python names it, by how many ``blocks`` and ``bytes`` what it allocated and what lives
    has grown, and ``live_blocks`` and ``live_bytes`` of it at the end (since tracing began)."""

    file: str
    line: int
    blocks: int
    bytes: int
    live_blocks: int
    live_bytes: int


class AllocationSites(Message, frozen=True, tag="allocations.sites"):
    """What grew between two snapshots ``seconds`` apart, in which ``requests`` requests finished.

    ``sites`` are the lines that grew most, by bytes, of ``total_sites`` that grew. ``blocks`` and ``bytes`` are the
    growth of all lines together (what shrank counts too), without flasktop's own lines, which are ``own_blocks`` and
    ``own_bytes``. ``stalls_us`` are the times for which the app stood still: first snapshot, second, stopping.
    ``traced_blocks`` lived at the end; ``early``: tracing ended before its time because that were too many.
    ``in_flight`` requests ran at each snapshot: what they work with counts as grown, too.
    """

    at: float
    seconds: float
    requests: int
    sites: tuple[AllocationSite, ...]
    total_sites: int
    blocks: int
    bytes: int
    own_blocks: int
    own_bytes: int
    stalls_us: tuple[int, ...]
    traced_blocks: int
    early: bool
    in_flight: tuple[int, ...] = ()
