"""Exact counts since the start of the workers: their own cumulative totals, and what came since on top.

A worker's totals row is cumulative, so the newest value wins, and the newest is the one with the larger count
(frames may come in any order). ``Totals.traces`` says how many traces they include: traces received with a number
from there on are added on top until totals that include them arrive. Spans outside requests have no numbers: those of
live frames are added on top until a frame that is not older brings totals (history is always included already, since
whole totals come first).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from operator import sub
from typing import Final, Generic, Protocol, TypeVar

from flasktop.protocol.messages import Frame, Totals
from flasktop.protocol.records import Span, Trace
from flasktop.protocol.totals import RouteTotal, StatementTotal
from flasktop.stats.columns import COUNT, DURATION, ENDPOINT_COLUMNS, STATEMENT_COLUMNS
from flasktop.stats.rows import OUTSIDE
from flasktop.stats.sums import Columns, Sums, route_columns, span_columns, statement_columns, trace_columns

MAX_ON_TOP: Final = 2_000
"""So many traces per worker are kept apart until totals include them. An agent sends totals every second; were they
to stay away, the oldest are summed up and let go."""

MAX_IDS: Final = 1_000_000
"""A worker's own tables are bounded far below; an id beyond this is nonsense."""

_MAX_GROUPS: Final = 6

T = TypeVar("T")


class Resolver(Protocol):
    """Knows the rows of a worker's routes and statements."""

    def endpoint_row(self, route: int) -> int:
        """Return the row of a local route id."""

    def statement_row(self, statement: int) -> int:
        """Return the row of a local statement id."""


@lru_cache(maxsize=16_384)
def _shared(routes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the same tuple for the same routes, since most statements of most workers are run by the same few."""
    return routes


class Table(Generic[T]):
    """Columns by local id, in one flat array (a worker's ids are dense; one is kept per worker, and a server has many),
    each with something ``beside``."""

    __slots__ = ("_beside", "_columns", "_none", "_nothing", "_values")

    def __init__(self, columns: int, nothing: T) -> None:
        self._columns = columns
        self._nothing = nothing
        self._none: Columns = (0,) * columns
        self._values = array("q")
        self._beside: list[T | None] = []

    def get(self, number: int) -> tuple[Columns, T]:
        """Return what is kept of an id, zeros and nothing at first."""
        beside = self._beside[number] if 0 <= number < len(self._beside) else None
        if beside is None:
            return self._none, self._nothing
        start = number * self._columns
        return tuple(self._values[start : start + self._columns]), beside

    def count(self, number: int) -> int:
        """Return the first column of an id."""
        return self._values[number * self._columns] if 0 <= number < len(self._beside) else 0

    def set(self, number: int, columns: Columns, beside: T) -> None:
        """Keep columns of an id; one beyond any table's bound is not kept."""
        if not 0 <= number < MAX_IDS:
            return
        missing = number + 1 - len(self._beside)
        if missing > 0:
            self._beside.extend([None] * missing)
            self._values.extend(array("q", bytes(8 * self._columns * missing)))
        self._beside[number] = beside
        start = number * self._columns
        self._values[start : start + self._columns] = array("q", columns)

    def items(self) -> Iterator[tuple[int, Columns, T]]:
        """Yield (id, columns, beside) of every id that is kept."""
        columns, values = self._columns, self._values
        for number, beside in enumerate(self._beside):
            if beside is not None:
                yield number, tuple(values[number * columns : (number + 1) * columns]), beside


class WorkerTotals:
    """What one worker said of its totals, and what it sent that they do not include yet."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._routes: Table[Mapping[int, int]] = Table(ENDPOINT_COLUMNS + 1, {})
        self._statements: Table[tuple[int, ...]] = Table(STATEMENT_COLUMNS, ())
        self._included = 0
        self._included_seq = -1
        self._traces: list[Trace] = []
        self._outside: list[tuple[int, Span]] = []
        self._counted = 0
        self._outside_counted = 0
        self._on_top = Sums()
        self._base: Sums | None = None
        self._base_requests = 0
        self._finished = 0

    def take(self, totals: Totals, seq: int | None, groups: Iterable[Sums]) -> None:
        """Take totals, of the frame ``seq`` (None: whole totals); what they add is added to ``groups`` as well."""
        groups = list(groups)
        for route in totals.routes:
            self._take_route(route, groups)
        for statement in totals.statements:
            self._take_statement(statement, groups)
        self._include(totals.traces, seq)

    def frame(self, frame: Frame, live: bool) -> None:
        """Take what a frame's own totals and earlier ones do not include."""
        traces, included = frame.traces, self._included
        if traces and traces[-1].number >= included:
            self._traces.extend(trace for trace in traces if trace.number >= included)
        if live and frame.outside and frame.seq > self._included_seq:
            self._outside.extend((frame.seq, outside.span) for outside in frame.outside)
        if len(self._traces) + len(self._outside) > MAX_ON_TOP:
            self.on_top()
            self._traces.clear()
            self._outside.clear()
            self._counted = self._outside_counted = 0

    def on_top(self) -> Sums:
        """Return the sums of what totals do not include yet."""
        for trace in self._traces[self._counted :]:
            self._add_trace(trace)
        for _, span in self._outside[self._outside_counted :]:
            self._on_top.statement(self._resolver.statement_row(span.statement)).add(span_columns(span), (OUTSIDE,))
        self._counted, self._outside_counted = len(self._traces), len(self._outside)
        return self._on_top

    def included(self) -> Sums:
        """Return the sums that the totals tell, since the worker's start or since ``set_base``."""
        sums = Sums()
        resolver = self._resolver
        for route, (*columns, max_us), statuses in self._routes.items():
            row = resolver.endpoint_row(route)
            sums.endpoint(row).add(columns, statuses.items(), 0 if self._base else max_us)
        for statement, totals, routes in self._statements.items():
            sums.statement(resolver.statement_row(statement)).add(totals, map(self._endpoint, routes))
        if self._base is not None:
            sums.subtract(self._base)
        return sums

    def durations(self) -> dict[int, tuple[int, int]]:
        """Return count and summed duration (us) by endpoint row, since the worker's start or since ``set_base``."""
        found: dict[int, tuple[int, int]] = {}
        for route, columns, _ in self._routes.items():
            row = self._resolver.endpoint_row(route)
            count, duration = found.get(row, (0, 0))
            found[row] = count + columns[COUNT], duration + columns[DURATION]
        signed = [(1, self.on_top()), *([(-1, self._base)] if self._base is not None else [])]
        for sign, sums in signed:
            for row, endpoint in sums.endpoints.items():
                count, duration = found.get(row, (0, 0))
                found[row] = count + sign * endpoint.columns[COUNT], duration + sign * endpoint.columns[DURATION]
        return found

    def set_base(self) -> None:
        """From here on count only what comes."""
        self._base = None
        base = self.included()
        base.add(self.on_top())
        self._base = base
        self._base_requests = self.requests()

    def requests(self) -> int:
        """Return how many requests the worker finished since its start, as far as this reader was told."""
        summed = sum(sums.columns[COUNT] for sums in self._on_top.endpoints.values())
        return self._finished + summed + len(self._traces) - self._counted

    def requests_since_base(self) -> int:
        """Return how many requests the worker finished since ``set_base``, else since its start."""
        return self.requests() - self._base_requests

    def _include(self, traces: int, seq: int | None) -> None:
        self._included = included = max(self._included, traces)
        if seq is not None and seq > self._included_seq:
            self._included_seq = seq
        last = self._included_seq
        self._traces = [trace for trace in self._traces if trace.number >= included]
        self._outside = [entry for entry in self._outside if seq is not None and entry[0] > last]
        self._counted = self._outside_counted = 0
        self._on_top = Sums()

    def _take_route(self, total: RouteTotal, groups: list[Sums]) -> None:
        counted = self._routes.count(total.route)
        if total.count <= counted:
            return
        known = self._routes.get(total.route) if groups else None
        columns = route_columns(total)
        self._routes.set(total.route, (*columns, total.max_us), total.statuses)
        self._finished += total.count - counted
        if known is not None:
            before, statuses_before = known
            row = self._resolver.endpoint_row(total.route)
            added = tuple(map(sub, columns, before))
            statuses = [(status, count - statuses_before.get(status, 0)) for status, count in total.statuses.items()]
            for sums in groups:
                sums.endpoint(row).add(added, statuses, 0 if self._base else total.max_us)

    def _take_statement(self, total: StatementTotal, groups: list[Sums]) -> None:
        if total.count <= self._statements.count(total.statement):
            return
        known = self._statements.get(total.statement) if groups else None
        columns = statement_columns(total)
        routes = _shared(total.routes)
        self._statements.set(total.statement, columns, routes)
        if known is not None:
            before, routes_before = known
            row = self._resolver.statement_row(total.statement)
            added = tuple(map(sub, columns, before))
            new_routes = set(routes).difference(routes_before)
            for sums in groups:
                sums.statement(row).add(added, map(self._endpoint, new_routes))

    def _add_trace(self, trace: Trace) -> None:
        resolver, sums = self._resolver, self._on_top
        row = resolver.endpoint_row(trace.route)
        sums.endpoint(row).add(trace_columns(trace), ((trace.status, 1),), trace.duration_us)
        for span in trace.spans:
            sums.statement(resolver.statement_row(span.statement)).add(span_columns(span), (row,))
        for part in trace.folded:
            columns = part.count, part.errors, part.execute_us, part.fetch_us, max(part.rows, 0)
            sums.statement(resolver.statement_row(part.statement)).add(columns, (row,))

    def _endpoint(self, route: int) -> int:
        return OUTSIDE if route < 0 else self._resolver.endpoint_row(route)


class Exact:
    """The exact sums of groups of workers, kept up to date by what totals add (never summed up anew at a refresh)."""

    def __init__(self) -> None:
        self._groups: dict[tuple[int, ...], Sums] = {}

    def take(self, number: int, totals: WorkerTotals, message: Totals, seq: int | None) -> None:
        """Take totals of the worker ``number``."""
        totals.take(message, seq, [sums for members, sums in self._groups.items() if number in members])

    def of(self, members: dict[int, WorkerTotals]) -> Sums:
        """Return the sums of some workers, by number."""
        key = tuple(members)
        sums = self._groups.pop(key, None)
        if sums is None:
            sums = Sums()
            for totals in members.values():
                sums.add(totals.included())
        self._groups[key] = sums
        while len(self._groups) > _MAX_GROUPS:
            del self._groups[next(iter(self._groups))]
        on_top = [totals.on_top() for totals in members.values()]
        return sums.with_(part for part in on_top if part.endpoints or part.statements)

    def forget(self) -> None:
        """Sum up anew when next asked: a base was set."""
        self._groups.clear()
