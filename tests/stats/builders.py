"""Builders of events by hand: a worker that says what a real one would, without a socket.

``Source`` keeps the counters that a real worker keeps (frame and trace numbers, exact totals), so that tests and
demo data need to say only what they are about::

    source = Source(pid=11)
    route = source.route("GET", "/orders")
    select = source.statement("SELECT 1", line=7)
    trace = source.trace(route, ms=12, spans=[make_span(select)])
    events = [source.joined(), source.defined(), source.frame([trace])]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from flasktop.protocol.events import (
    CaughtUp,
    Defined,
    DiedRequest,
    Framed,
    Joined,
    StateChanged,
    Totalled,
    WorkerId,
    WorkerState,
)
from flasktop.protocol.messages import PROTOCOL_VERSION, Definitions, Frame, Hello, Totals
from flasktop.protocol.records import (
    RAISED,
    STATEMENT,
    UNKNOWN,
    Folded,
    OutsideSpan,
    Pool,
    RouteDef,
    Sample,
    Span,
    StatementDef,
    Trace,
)
from flasktop.protocol.totals import RouteTotal, StatementTotal

NOW = 10_000.0
"""A moment on the monotonic clock to build around."""

AT = 1_760_000_000.0
"""The wall clock at ``NOW``."""


def make_hello(
    pid: int = 11,
    *,
    apps: tuple[str, ...] = ("shop",),
    mono: float = NOW,
    at: float = AT,
    age_s: float = 600.0,
    server: str = "gunicorn 23.0",
) -> Hello:
    """Return the greeting of a worker that began ``age_s`` seconds before ``at``."""
    return Hello(
        version=PROTOCOL_VERSION,
        pid=pid,
        started_at=at - age_s,
        agent_started_at=at - age_s,
        mono=mono,
        at=at,
        apps=apps,
        group=1,
        server=server,
        directory="/srv/shop",
        flasktop="0.1.0",
        python="3.12.4",
        flask="3.1.0",
        sqlalchemy="2.0.41",
        grants=("heap", "stacks", "profile", "explain"),
    )


def make_route(id: int, method: str = "GET", route: str = "/", *, app: str = "shop", endpoint: str = "") -> RouteDef:  # noqa: A002
    """Return the definition of a route."""
    return RouteDef(id=id, app=app, method=method, route=route, endpoint=endpoint or route.strip("/") or "index")


def make_statement(
    id: int,  # noqa: A002
    text: str = "SELECT 1",
    *,
    kind: str = STATEMENT,
    engine: str = "sqlite:///shop.db",
    file: str = "/srv/shop/views.py",
    line: int = 10,
    function: str = "view",
    relationship: str = "",
) -> StatementDef:
    """Return the definition of a statement."""
    return StatementDef(
        id=id,
        kind=kind,
        engine=engine,
        dialect=engine.partition(":")[0],
        text=text,
        file=file,
        line=line,
        function=function,
        relationship=relationship,
    )


def make_definitions(routes: Iterable[RouteDef] = (), statements: Iterable[StatementDef] = ()) -> Definitions:
    """Return definitions."""
    return Definitions(routes=tuple(routes), statements=tuple(statements))


def make_span(
    statement: int = 0,
    *,
    start_ms: float = 1.0,
    execute_ms: float = 2.0,
    fetch_ms: float = 1.0,
    rows: int = 1,
    batch: int = 0,
    error: str = "",
) -> Span:
    """Return one span."""
    return Span(
        statement=statement,
        start_us=_us(start_ms),
        execute_us=_us(execute_ms),
        fetch_us=_us(fetch_ms),
        rows=rows,
        batch=batch,
        error=error,
    )


def make_trace(
    number: int = 0,
    route: int = 0,
    *,
    ms: float = 10.0,
    ended_ms_ago: float = 0.0,
    first_byte_ms: float | None = 5.0,
    cpu_ms: float | None = 2.0,
    sql_cpu_ms: float = 0.0,
    other_ms: float = 0.0,
    commit_ms: float | None = None,
    status: int = 200,
    error: str = "",
    raised: bool = False,
    flags: int = 0,
    path: str = "/",
    bytes_sent: int = 1_000,
    spans: Sequence[Span] = (),
    folded: Sequence[Folded] = (),
) -> Trace:
    """Return a trace that ended ``ended_ms_ago`` before its frame; its sums follow from its spans."""
    parts: list[Span | Folded] = [*spans, *folded]
    execute = sum(part.execute_us for part in parts)
    fetch = sum(part.fetch_us for part in parts)
    other = _us(other_ms)
    cpu = UNKNOWN if cpu_ms is None else _us(cpu_ms)
    sql_cpu = UNKNOWN if cpu_ms is None else _us(sql_cpu_ms)
    wait = UNKNOWN if cpu_ms is None else max(_us(ms) - execute - fetch - other - (cpu - sql_cpu), 0)
    return Trace(
        number=number,
        route=route,
        start_us=_us(ms + ended_ms_ago),
        duration_us=_us(ms),
        first_byte_us=UNKNOWN if first_byte_ms is None else _us(first_byte_ms),
        cpu_us=cpu,
        sql_cpu_us=sql_cpu,
        wait_us=wait,
        execute_us=execute,
        fetch_us=fetch,
        other_us=other,
        statements=len(spans) + sum(part.count for part in folded),
        rows=sum(max(part.rows, 0) for part in parts),
        status=status,
        bytes_sent=bytes_sent,
        flags=flags | (RAISED if raised else 0),
        path=path,
        error=error,
        spans=tuple(spans),
        folded=tuple(folded),
        commit_us=other if commit_ms is None else _us(commit_ms),
    )


def make_sample(
    *,
    rss_mb: float = 80.0,
    cpu_percent: float = 5.0,
    in_flight: int = 0,
    requests: int = 0,
    apps: tuple[str, ...] = ("shop",),
    pools: tuple[Pool, ...] = (),
) -> Sample:
    """Return a process sample."""
    return Sample(
        rss_bytes=int(rss_mb * 1_048_576),
        uss_bytes=UNKNOWN,
        pss_bytes=UNKNOWN,
        cpu_percent=cpu_percent,
        threads=4,
        open_files=20,
        gc_collections=3,
        gc_pause_us=1_500,
        context_switches=100,
        uptime_s=600.0,
        requests=requests,
        in_flight=in_flight,
        agent_cpu_percent=0.2,
        agent_bytes=4_000_000,
        guard_errors=0,
        apps=apps,
        running=(),
        pools=pools,
    )


def make_frame(
    seq: int = 0,
    traces: Sequence[Trace] = (),
    *,
    mono: float = NOW,
    at: float | None = None,
    first_number: int | None = None,
    finished: int | None = None,
    outside: Sequence[OutsideSpan] = (),
    sample: Sample | None = None,
    totals: Totals | None = None,
) -> Frame:
    """Return a frame that holds all that finished in it, unless told otherwise."""
    number = first_number if first_number is not None else min((trace.number for trace in traces), default=0)
    return Frame(
        seq=seq,
        at=AT + (mono - NOW) if at is None else at,
        mono=mono,
        first_number=number,
        finished=len(traces) if finished is None else finished,
        traces=tuple(traces),
        outside=tuple(outside),
        outside_dropped=0,
        sample=sample,
        totals=totals,
    )


@dataclass
class Source:
    """A worker by hand: its definitions, its numbers and its exact totals."""

    pid: int = 11
    apps: tuple[str, ...] = ("shop",)
    mono: float = NOW
    age_s: float = 600.0
    offset: float = 0.0
    routes: list[RouteDef] = field(default_factory=list)
    statements: list[StatementDef] = field(default_factory=list)
    made: list[Trace] = field(default_factory=list)
    outside_made: list[OutsideSpan] = field(default_factory=list)
    seq: int = 0
    next_number: int = 0

    @property
    def id(self) -> WorkerId:
        return WorkerId(self.pid, int((AT - self.age_s) * 1_000))

    def route(self, method: str = "GET", route: str = "/", *, app: str = "") -> int:
        """Define a route and return its id."""
        self.routes.append(make_route(len(self.routes), method, route, app=app or self.apps[0]))
        return len(self.routes) - 1

    def statement(
        self, text: str = "SELECT 1", *, line: int = 10, kind: str = STATEMENT, relationship: str = ""
    ) -> int:
        """Define a statement and return its id."""
        definition = make_statement(len(self.statements), text, line=line, kind=kind, relationship=relationship)
        self.statements.append(definition)
        return definition.id

    def hello(self) -> Hello:
        """Return the worker's greeting at its ``mono``."""
        return make_hello(self.pid, apps=self.apps, mono=self.mono, at=AT + self.mono - NOW, age_s=self.age_s)

    def joined(self) -> Joined:
        """Return the event of its greeting."""
        return Joined(self.id, self.hello(), self.offset)

    def defined(self) -> Defined:
        """Return the event of all definitions so far."""
        return Defined(self.id, make_definitions(self.routes, self.statements))

    def caught_up(self, next_number: int | None = None) -> CaughtUp:
        """Return the event of having caught up."""
        return CaughtUp(self.id, len(self.made) if next_number is None else next_number, AT)

    def state(self, state: WorkerState, *, died: tuple[DiedRequest, ...] = ()) -> StateChanged:
        """Return the event of a new state."""
        return StateChanged(self.id, state, AT, died)

    def trace(self, route: int = 0, **how: object) -> Trace:
        """Make the worker's next trace (see ``make_trace``)."""
        trace = make_trace(len(self.made), route, **how)  # type: ignore[arg-type]
        self.made.append(trace)
        return trace

    def frame(
        self,
        traces: Sequence[Trace] = (),
        *,
        mono: float | None = None,
        live: bool = True,
        totals: bool = False,
        first_number: int | None = None,
        finished: int | None = None,
        outside: Sequence[OutsideSpan] = (),
        sample: Sample | None = None,
    ) -> Framed:
        """Return the event of the worker's next frame, with its exact totals where ``totals``."""
        self.outside_made.extend(outside)
        frame = make_frame(
            self.seq,
            traces,
            mono=self.mono if mono is None else mono,
            first_number=len(self.made) - len(traces) if first_number is None else first_number,
            finished=finished,
            outside=outside,
            sample=sample,
            totals=self.totals(complete=False) if totals else None,
        )
        self.seq += 1
        return Framed(self.id, frame, live)

    def totalled(self) -> Totalled:
        """Return the event of the worker's whole totals."""
        return Totalled(self.id, self.totals())

    def totals(self, *, complete: bool = True) -> Totals:
        """Return the exact totals of all that was made."""
        by_route = {route.id: [trace for trace in self.made if trace.route == route.id] for route in self.routes}
        return Totals(
            traces=len(self.made),
            routes=tuple(route_total(route, traces) for route, traces in by_route.items() if traces),
            statements=tuple(total for total in map(self._statement_total, self.statements) if total.count),
            complete=complete,
        )

    def _statement_total(self, definition: StatementDef) -> StatementTotal:
        spans = [(t.route, s) for t in self.made for s in t.spans if s.statement == definition.id]
        spans += [(UNKNOWN, o.span) for o in self.outside_made if o.span.statement == definition.id]
        folded = [(t.route, f) for t in self.made for f in t.folded if f.statement == definition.id]
        parts: list[Span | Folded] = [*(s for _, s in spans), *(f for _, f in folded)]
        return StatementTotal(
            statement=definition.id,
            count=len(spans) + sum(f.count for _, f in folded),
            errors=sum(1 for _, s in spans if s.error) + sum(f.errors for _, f in folded),
            execute_us=sum(part.execute_us for part in parts),
            fetch_us=sum(part.fetch_us for part in parts),
            rows=sum(max(part.rows, 0) for part in parts),
            routes=tuple(sorted({route for route, _ in spans} | {route for route, _ in folded})),
        )


def route_total(route: int, traces: Sequence[Trace]) -> RouteTotal:
    """Return the exact total of a route's traces."""
    statuses: dict[int, int] = {}
    for trace in traces:
        statuses[trace.status] = statuses.get(trace.status, 0) + 1
    known = [trace for trace in traces if trace.cpu_us != UNKNOWN]
    first_bytes = [trace.first_byte_us for trace in traces if trace.first_byte_us != UNKNOWN]
    return RouteTotal(
        route=route,
        count=len(traces),
        errors=sum(1 for trace in traces if trace.status >= 500 or trace.flags & RAISED),
        duration_us=sum(trace.duration_us for trace in traces),
        max_us=max(trace.duration_us for trace in traces),
        first_byte_us=sum(first_bytes),
        first_byte_known=len(first_bytes),
        cpu_us=sum(trace.cpu_us for trace in known),
        sql_cpu_us=sum(trace.sql_cpu_us for trace in known),
        wait_us=sum(trace.wait_us for trace in known),
        cpu_known=len(known),
        execute_us=sum(trace.execute_us for trace in traces),
        fetch_us=sum(trace.fetch_us for trace in traces),
        other_us=sum(trace.other_us for trace in traces),
        statements=sum(trace.statements for trace in traces),
        rows=sum(trace.rows for trace in traces),
        bytes_sent=sum(trace.bytes_sent for trace in traces),
        statuses=statuses,
        commit_us=sum(trace.commit_us for trace in traces),
        body_us=sum(t.duration_us - t.first_byte_us for t in traces if t.first_byte_us != UNKNOWN),
    )


def _us(ms: float) -> int:
    return round(ms * 1_000)
