"""The messages of the journal and the socket.

All structs travel as msgpack arrays (``array_like``): a field is appended, never moved or removed, within one
``PROTOCOL_VERSION``. Durations are whole microseconds (``_us``); ``UNKNOWN`` (-1) stands where a value is not
known. ``at`` is wall-clock Unix seconds, for display only; ``mono`` is seconds of the host's monotonic clock, by
which windows are cut. Routes and statements are named by ids of the worker's definition table (``Definitions``).
"""

from __future__ import annotations

from typing import Final

from flasktop.protocol.records import (
    Message,
    OutsideSpan,
    RouteDef,
    Sample,
    StatementDef,
    Trace,
)
from flasktop.protocol.totals import RouteTotal, StatementTotal

PROTOCOL_VERSION: Final = 3
"""Both ends must speak the same version; the first field of ``Hello`` tells it."""


class Hello(Message, frozen=True, tag="hello"):
    """The worker's first message. ``mono`` is the worker's monotonic clock now, ``started_at`` the process's start.

    ``agent_started_at`` with ``pid`` is the worker's identity; ``group`` is the same for the workers of one server
    (its master's pid, else the worker's own); ``grants`` names the commands that this worker would carry out.
    """

    version: int
    pid: int
    started_at: float
    agent_started_at: float
    mono: float
    at: float
    apps: tuple[str, ...]
    group: int
    server: str
    directory: str
    flasktop: str
    python: str
    flask: str
    sqlalchemy: str
    grants: tuple[str, ...]


class Subscribe(Message, frozen=True, tag="subscribe"):
    """What a reader wants to follow, said at most once: begin with the frames of the newest ``history_s`` seconds.

    After those come live frames, and where ``backfill`` is set older frames, newest first, while the live stream idles.
    """

    history_s: float
    backfill: bool


class Definitions(Message, frozen=True, tag="definitions"):
    """Definitions that the reader has not seen, sent before the first frame that names them."""

    routes: tuple[RouteDef, ...]
    statements: tuple[StatementDef, ...]


class Totals(Message, frozen=True, tag="totals"):
    """Cumulative sums. Whole (``complete``) on subscribing; within a frame only the rows that changed."""

    traces: int
    routes: tuple[RouteTotal, ...]
    statements: tuple[StatementTotal, ...]
    complete: bool


class Frame(Message, frozen=True, tag="frame"):
    """What happened in one worker in one interval.

    ``seq`` counts frames without gaps. ``first_number`` is ``Trace.number`` of the first trace that finished in the
    interval, ``finished`` how many did; those of them not in ``traces`` were dropped before they were encoded.
    """

    seq: int
    at: float
    mono: float
    first_number: int
    finished: int
    traces: tuple[Trace, ...]
    outside: tuple[OutsideSpan, ...]
    outside_dropped: int
    sample: Sample | None
    totals: Totals | None


class Caught(Message, frozen=True, tag="caught"):
    """The newest history asked for has been sent; what follows is live (or backfill). ``next_number`` is the
    number of the first trace that this reader has a right to; ``history_from`` the oldest detail held, Unix seconds."""

    next_number: int
    history_from: float


class Bye(Message, frozen=True, tag="bye"):
    """The worker ends cleanly; nothing more comes."""

    reason: str


class Refusal(Message, frozen=True, tag="refusal"):
    """The worker will not serve this reader: what happened, and what to do."""

    message: str
    hint: str
