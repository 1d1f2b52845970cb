"""The frozen view models: what a screen, a table or a snapshot shows.

Times are milliseconds, sizes bytes, shares 0 to 1, ``at`` wall-clock Unix seconds. ``None`` means not known, never
zero. Means (``*_ms`` of a row) are per request for endpoints and per call for statements, unless named total.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from flasktop.protocol.events import WorkerId, WorkerState
from flasktop.protocol.messages import Hello
from flasktop.protocol.records import Pool
from flasktop.stats.latencies import Latencies, WithLatencies
from flasktop.stats.split import Phases, TimeSplit

if TYPE_CHECKING:
    from flasktop.stats.held import HeldRow


class Window(Enum):
    """A stretch of time that ends now; the value is its length in seconds, None for all since the workers' start."""

    TEN_SECONDS = 10
    MINUTE = 60
    FIVE_MINUTES = 300
    ALL = None

    @property
    def label(self) -> str:
        """How the window is written on the screen and given on the command line."""
        return {10: "10s", 60: "1m", 300: "5m", None: "all"}[self.value]


class EndpointKey(NamedTuple):
    """A row of endpoints over all workers."""

    app: str
    method: str
    route: str


class StatementKey(NamedTuple):
    """A row of queries over all workers: one engine, statement, source line and relationship."""

    engine: str
    kind: str
    text: str
    file: str
    line: int
    relationship: str


class EndpointRow(WithLatencies, Struct, frozen=True, gc=False):
    """One endpoint in one window. ``trend`` is requests a second per interval, oldest first; ``share`` its part of
    the time of all endpoints in the window; ``cpu_ms`` the thread's CPU, SQL's included. Percentiles are None
    where the window holds no detail. ``split`` and ``phases`` are means per request."""

    key: EndpointKey
    endpoint: str
    count: int
    errors: int
    rate: float
    mean_ms: float | None
    latencies: Latencies
    first_byte_ms: float | None
    sql_per_request: float
    rows_per_request: float
    sql_ms: float
    fetch_ms: float
    cpu_ms: float | None
    wait_ms: float | None
    bytes_per_request: float
    share: float
    split: TimeSplit
    phases: Phases
    statuses: Mapping[int, int]
    trend: tuple[float, ...]


class QueryRow(WithLatencies, Struct, frozen=True, gc=False):
    """One statement in one window. ``total_ms`` is execute plus fetch of all calls; ``fetch_ms`` the mean fetch a call;
    ``fetch_share`` fetch's part of ``total_ms``. ``endpoints`` are sorted by how often they ran it."""

    key: StatementKey
    dialect: str
    function: str
    count: int
    errors: int
    rate: float
    rows: int
    mean_ms: float | None
    latencies: Latencies
    total_ms: float
    fetch_ms: float
    fetch_share: float
    share: float
    endpoints: tuple[str, ...]
    trend: tuple[float, ...]

    @property
    def source(self) -> str:
        """``path:line`` of the user's code, empty where unknown."""
        return f"{self.key.file}:{self.key.line}" if self.key.file else ""


class WorkerRow(Struct, frozen=True, gc=False):
    """One worker. ``sample`` values are None until the first came. Trends are one value an interval, oldest first;
    ``rss_slope`` is bytes an hour (None before it can be told).

    ``held`` are connections out after their request's end, the longest first, and ``held_beyond`` how many more there
    are. ``capacity`` is how many requests it can run at once (None: not certain), ``saturated`` the share of the last
    minute's samples in which at least so many ran (None: unknown capacity, or no samples)."""

    worker: WorkerId
    state: WorkerState
    hello: Hello | None
    state_since: float
    started_at: float | None
    uptime_s: float | None
    rss_bytes: int | None
    uss_bytes: int | None
    pss_bytes: int | None
    cpu_percent: float | None
    threads: int | None
    open_files: int | None
    in_flight: int | None
    requests: int | None
    rate: float
    gc_collections: int | None
    gc_pause_ms: float | None
    context_switches: int | None
    agent_cpu_percent: float | None
    agent_bytes: int | None
    pools: tuple[Pool, ...]
    lost: int
    rss_trend: tuple[float, ...]
    cpu_trend: tuple[float, ...]
    rss_slope: float | None = None
    held: tuple[HeldRow, ...] = ()
    held_beyond: int = 0
    capacity: int | None = None
    saturated: float | None = None


class Summary(Struct, frozen=True, gc=False):
    """The first line: how is my app? ``rss_slope`` is bytes an hour (None before it can be told)."""

    app: str
    apps: tuple[str, ...]
    workers: int
    silent: int
    server: str
    uptime_s: float | None
    requests: int
    rate: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    error_rate: float
    in_flight: int
    cpu_percent: float | None
    rss_bytes: int | None
    rss_slope: float | None
    rate_trend: tuple[float, ...]
    rss_trend: tuple[float, ...]
    lost: int
    history_from: float | None
    agent_cpu_percent: float | None
    agent_bytes: int | None
    hot_cpu_percent: float | None = None
    """What watching costs the app's own threads, of one core: an estimate."""


class TraceId(NamedTuple):
    """One request: its worker and the worker's number of it."""

    worker: WorkerId
    number: int


class SpanView(Struct, frozen=True, gc=False):
    """One span of a waterfall; ``start_ms`` from the request's start. ``rows`` None where none are returned. Spans of
    a statement with the same number in ``parameters`` ran with the same ones (None: not sampled)."""

    statement: StatementKey
    dialect: str
    function: str
    start_ms: float
    execute_ms: float
    fetch_ms: float
    rows: int | None
    batch: int
    error: str
    parameters: int | None = None

    @property
    def duration_ms(self) -> float:
        return self.execute_ms + self.fetch_ms


class FoldedView(Struct, frozen=True, gc=False):
    """Spans of one statement beyond the cap of spans in one request: exact count and times, no positions."""

    statement: StatementKey
    dialect: str
    function: str
    count: int
    errors: int
    execute_ms: float
    fetch_ms: float
    rows: int


class TraceView(Struct, frozen=True, gc=False):
    """One finished request. ``error`` is an exception's class name; ``is_error``: status >= 500, or it left the app.
    ``private``: the answer was seen to be for one visitor (looked for only in slow GETs)."""

    id: TraceId
    key: EndpointKey
    endpoint: str
    at: float
    path: str
    status: int
    duration_ms: float
    first_byte_ms: float | None
    cpu_ms: float | None
    wait_ms: float | None
    sql_ms: float
    statements: int
    rows: int
    bytes_sent: int
    error: str
    is_error: bool
    closed_early: bool
    offloaded: bool
    split: TimeSplit
    phases: Phases
    spans: tuple[SpanView, ...]
    folded: tuple[FoldedView, ...]
    private: bool = False


class Bar(NamedTuple):
    """One bar of a latency distribution: how many lay in [low_ms, high_ms)."""

    low_ms: float
    high_ms: float
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody needs of a bar


class StatementUse(Struct, frozen=True, gc=False):
    """A statement as one endpoint uses it, or an endpoint as it uses one statement."""

    endpoint: str
    endpoint_key: EndpointKey | None
    statement: StatementKey
    dialect: str
    function: str
    count: int
    per_request: float
    mean_ms: float
    total_ms: float
    rows: int
    share: float


class EndpointDetail(Struct, frozen=True, gc=False):
    """The drill-down of an endpoint. ``statements`` by total time; ``share`` there is of the endpoint's wall time."""

    row: EndpointRow
    slowest: tuple[TraceView, ...]
    recent: tuple[TraceView, ...]
    failed: tuple[TraceView, ...]
    distribution: tuple[Bar, ...]
    statements: tuple[StatementUse, ...]


class StatementDetail(Struct, frozen=True, gc=False):
    """The drill-down of a statement. ``endpoints`` by count; ``slowest`` are requests that ran it."""

    row: QueryRow
    distribution: tuple[Bar, ...]
    endpoints: tuple[StatementUse, ...]
    slowest: tuple[TraceView, ...]
