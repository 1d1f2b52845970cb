"""What frames are made of: requests, spans, samples, sums, and the definitions that ids stand for.

The rules of all structs on the wire are those of ``protocol/messages.py``.
"""

from __future__ import annotations

from typing import Final

import msgspec

UNKNOWN: Final = -1
"""In an integer field: the value is not known (never a guess)."""

OUTSIDE_ROUTE: Final = "<outside requests>"
"""Stands for "no request" where a statement's endpoints are named."""

UNMATCHED_METHOD: Final = "*"
UNMATCHED_ROUTE: Final = "<unmatched>"
"""Everything without a URL rule (404, 405, odd methods) is this one row."""

OTHER_ROUTE: Final = "<other routes>"
OTHER_STATEMENT: Final = "<other statements>"
"""The rows that take what comes after a worker's bounded tables are full."""

# Trace.flags
CLOSED_EARLY: Final = 1
"""The body was closed before its end."""
ASYNC_VIEW: Final = 2
"""An async view ran: the thread's CPU clock says nothing about it."""
OFFLOADED: Final = 4
"""The body was given to the server as a file: the end of sending could not be observed."""
RAISED: Final = 8
"""An exception left the app (into the server)."""
PRIVATE: Final = 16
"""The answer is for one visitor: it sets a cookie, its Cache-Control says ``private`` or ``no-store``, it varies with
the cookie or the authorization (or with all), or the request was authorized. Told where there is a ``request_key``."""

# StatementDef.kind
STATEMENT: Final = "statement"
COMMIT: Final = "commit"
ROLLBACK: Final = "rollback"
CONNECT: Final = "connect"
POOL_WAIT: Final = "pool"
"""The kinds of database span; all but STATEMENT have their own name as text (``COMMIT``)."""

# InFlight.doing
SQL: Final = "sql"
"""It is in the database: a statement, its rows, a commit or rollback, a connect, or waiting for the pool."""
WAIT: Final = "wait"
"""Its thread or greenlet does not run: sleep, lock, socket, file."""
CPU: Final = "cpu"
"""Its thread or greenlet runs."""
DOING_UNKNOWN: Final = "unknown"

INTERPRETER: Final = "interpreter"
"""``RequestStack.kind`` of a request that waits for the interpreter's lock, which another thread holds."""


class Message(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Base of all that travels."""


class RouteDef(Message, frozen=True):
    """A row of the endpoint table: what an id in ``Trace.route`` stands for.

    ``endpoint`` is Flask's endpoint name, empty where there is none.
    """

    id: int
    app: str
    method: str
    route: str
    endpoint: str


class StatementDef(Message, frozen=True):
    """A row of the statement table: one engine, statement text, source line and relationship.

    ``text`` is masked (no literals) and bounded; ``engine`` is dialect and database without credentials, such as
    ``postgresql://db/shop``; ``file`` is the absolute path of the user's own source file, empty where unknown;
    ``function`` is the qualified name of the function there; ``relationship`` is ``Order.items`` for a lazy load.
    """

    id: int
    kind: str
    engine: str
    dialect: str
    text: str
    file: str
    line: int
    function: str
    relationship: str


class Span(Message, frozen=True):
    """One database span of a trace. ``start_us`` counts from the start of its trace.

    ``rows`` is the number of rows fetched (UNKNOWN for what returns none); ``batch`` the number of parameter sets
    of an ``executemany`` (0: not one); ``error`` the class name of the exception, empty for none.

    ``parameters`` tells repeated work: the ordinal of the span's parameter set among those that its statement's text
    ran with in this trace, by first appearance. Of one statement in one trace, spans with the same number ran with
    the same parameters. UNKNOWN in traces that are not sampled for it, for batches, and for what is no plain value.
    """

    statement: int
    start_us: int
    execute_us: int
    fetch_us: int
    rows: int
    batch: int = 0
    error: str = ""
    parameters: int = UNKNOWN


class Folded(Message, frozen=True):
    """What remains of the spans of one statement beyond the cap of spans in one trace: exact counts and times."""

    statement: int
    count: int
    errors: int
    execute_us: int
    fetch_us: int
    rows: int


class Trace(Message, frozen=True):
    """One finished request.

    ``number`` counts the worker's traces from 0 without gaps. ``start_us`` is how long before ``Frame.mono`` (and
    ``Frame.at``) the request began. ``duration_us`` runs to the end of the body: when it was sent, or, where it is one
    short piece, when the server got that. ``cpu_us`` is the thread's CPU time in the whole request, ``sql_cpu_us`` the
    part of it inside SQL, both UNKNOWN where the thread's clock cannot tell (gevent, async views). ``wait_us`` is wall
    minus SQL minus the CPU outside SQL, never negative.
    ``execute_us``, ``fetch_us`` and ``other_us`` (commit, rollback, connect, pool) are sums over all spans, folded
    ones included; ``commit_us`` is the part of ``other_us`` that was commit and rollback; ``statements`` and ``rows``
    count only spans of kind STATEMENT. ``error`` is the exception's class name; ``status`` is 0 when no response was
    started.

    ``request_key`` and ``body_key`` tell whether a cache would have answered: equal for the same path and query, and
    for the same body, within one worker (the hashes' key is random and stays there). Both are UNKNOWN for all but GET
    answered 200, slow enough for the hashes to cost no more than a hundredth, in one piece of bounded size.

    The fields that have a default come last: of a request that did nothing but answer, quickly and briefly, they need
    not travel.
    """

    number: int
    route: int
    start_us: int
    duration_us: int
    first_byte_us: int
    cpu_us: int
    sql_cpu_us: int
    wait_us: int
    status: int
    bytes_sent: int
    path: str
    flags: int = 0
    error: str = ""
    execute_us: int = 0
    fetch_us: int = 0
    other_us: int = 0
    commit_us: int = 0
    statements: int = 0
    rows: int = 0
    spans: tuple[Span, ...] = ()
    folded: tuple[Folded, ...] = ()
    request_key: int = UNKNOWN
    body_key: int = UNKNOWN


class OutsideSpan(Message, frozen=True):
    """A span outside any request. ``start_us`` is how long before ``Frame.mono`` it began."""

    span: Span
    start_us: int


class InFlight(Message, frozen=True):
    """A request that runs now: ``age_us`` old at ``Frame.mono``. ``route`` is UNKNOWN before routing.

    ``begun_us`` is its start on the worker's monotonic clock; with the worker it is its identity. ``thread_id`` is the
    system's (UNKNOWN: not known), ``thread`` its name. ``doing`` is one of the constants above, since ``doing_us``
    (UNKNOWN: not known; of waiting and CPU to about a second); ``kind`` is, while it is in the database, a
    StatementDef's kind, and ``statement`` the id of a statement. ``statements`` and ``cpu_us`` (UNKNOWN as in
    ``Trace``) are so far.
    """

    method: str
    route: int
    path: str
    age_us: int
    app: str = ""
    begun_us: int = UNKNOWN
    thread_id: int = UNKNOWN
    thread: str = ""
    statements: int = 0
    cpu_us: int = UNKNOWN
    doing: str = DOING_UNKNOWN
    doing_us: int = UNKNOWN
    kind: str = ""
    statement: int = UNKNOWN


class Pool(Message, frozen=True):
    """The state of one connection pool. UNKNOWN where the pool's class does not count."""

    engine: str
    size: int
    checked_out: int
    overflow: int
    checked_in: int


class HeldConnection(Message, frozen=True):
    """A connection that a request took from its pool and that is still out although the request has ended.

    ``age_us`` is how long ago the request ended, at ``Frame.mono``; ``route`` is the request's. ``file`` (absolute),
    ``line`` and ``function`` are where the user's code took it, and ``by_session`` says that an ORM session did so for
    it; the line is looked for only once an engine has been seen to leak: ``file`` is empty and ``by_session`` says
    nothing for a connection taken before that.
    """

    engine: str
    route: int
    age_us: int
    file: str = ""
    line: int = 0
    function: str = ""
    by_session: bool = False


class Sample(Message, frozen=True):
    """What the process costs, about once a second.

    ``*_bytes`` in bytes; ``cpu_percent`` of one core since the last sample, and ``agent_cpu_percent`` the agent
    thread's own part of it (both None in the first sample). ``gc_collections``, ``gc_pause_us`` and ``requests``
    since the agent began, ``context_switches`` since the process began. ``agent_bytes``: what journal and tables
    hold. ``uss_bytes`` and ``pss_bytes`` are measured rarely (UNKNOWN until then), ``full_age_s`` seconds ago.
    ``in_flight`` counts all requests that run, ``running`` lists the oldest of them.

    ``gc_counts``, ``gc_pauses_us`` and ``gc_longest_us`` are collections, the time they took and the longest of them
    by generation, youngest first, since the agent began (empty: not said). ``allocated_blocks`` are the blocks that
    Python's own allocator has given out (UNKNOWN where it was not counted this time).

    ``held`` are connections that are still out a second and more after their request ended, the longest first;
    ``held_beyond`` counts those that found no room there. ``capacity`` is how many requests the worker can run at the
    same time (UNKNOWN where that is not certain). ``gc_cpu_us`` is the CPU time of all collections since the agent
    began, which a busy machine does not lengthen as it does the pauses.

    ``hot_cpu_percent`` is what watching cost the app's own threads since the last sample, of one core: an estimate,
    from what a request and a statement cost in a rehearsal, scaled by parts of them that are timed in the app (None:
    not known, or not yet).
    """

    rss_bytes: int
    uss_bytes: int
    pss_bytes: int
    cpu_percent: float | None
    threads: int
    open_files: int
    gc_collections: int
    gc_pause_us: int
    context_switches: int
    uptime_s: float
    requests: int
    in_flight: int
    agent_cpu_percent: float | None
    agent_bytes: int
    guard_errors: int
    apps: tuple[str, ...]
    running: tuple[InFlight, ...]
    pools: tuple[Pool, ...]
    full_age_s: float = UNKNOWN
    gc_counts: tuple[int, ...] = ()
    gc_pauses_us: tuple[int, ...] = ()
    gc_longest_us: tuple[int, ...] = ()
    allocated_blocks: int = UNKNOWN
    held: tuple[HeldConnection, ...] = ()
    held_beyond: int = 0
    capacity: int = UNKNOWN
    gc_cpu_us: int = UNKNOWN
    hot_cpu_percent: float | None = None
