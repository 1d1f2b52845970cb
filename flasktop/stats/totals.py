"""Exact counts since the start of the workers: their own cumulative totals, and what came since on top.

A worker's totals row is cumulative, so the newest value wins, and the newest is the one with the larger count
(frames may come in any order). ``Totals.traces`` says how many traces they include: traces received with a number
from there on are added on top until totals that include them arrive. Spans outside requests have no numbers: those of
live frames are added on top until a frame that is not older brings totals (history is always included already, since
whole totals come first).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

from flasktop.protocol.messages import Frame, RouteTotal, Span, StatementTotal, Totals, Trace
from flasktop.stats.columns import COUNT
from flasktop.stats.rows import OUTSIDE
from flasktop.stats.sums import Columns, Sums, route_columns, statement_columns, trace_columns

MAX_ON_TOP: Final = 10_000
"""So many traces per worker are kept apart until totals include them. An agent sends totals every second; were they
to stay away, the oldest are summed up and let go."""

_MAX_GROUPS: Final = 6


class Resolver(Protocol):
    """Knows the rows of a worker's routes and statements."""

    def endpoint_row(self, route: int) -> int:
        """Return the row of a local route id."""

    def statement_row(self, statement: int) -> int:
        """Return the row of a local statement id."""


class WorkerTotals:
    """What one worker said of its totals, and what it sent that they do not include yet."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._routes: dict[int, RouteTotal] = {}
        self._statements: dict[int, StatementTotal] = {}
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
            self._on_top.statement(self._resolver.statement_row(span.statement)).add(_span_columns(span), (OUTSIDE,))
        self._counted, self._outside_counted = len(self._traces), len(self._outside)
        return self._on_top

    def included(self) -> Sums:
        """Return the sums that the totals tell, since the worker's start or since ``set_base``."""
        sums = Sums()
        resolver = self._resolver
        for route, total in self._routes.items():
            row = resolver.endpoint_row(route)
            sums.endpoint(row).add(route_columns(total), total.statuses.items(), 0 if self._base else total.max_us)
        for number, statement in self._statements.items():
            row = resolver.statement_row(number)
            sums.statement(row).add(statement_columns(statement), map(self._endpoint, statement.routes))
        if self._base is not None:
            sums.subtract(self._base)
        return sums

    def set_base(self) -> None:
        """From here on count only what comes."""
        self._base = None
        base = self.included()
        base.add(self.on_top())
        self._base = base
        self._base_requests = self.requests()

    def requests(self) -> int:
        """Return how many requests the worker finished since its start, as far as this reader was told."""
        return self._finished + sum(sums.columns[COUNT] for sums in self.on_top().endpoints.values())

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
        known = self._routes.get(total.route)
        if known is not None and total.count <= known.count:
            return
        self._routes[total.route] = total
        before = 0 if known is None else known.count
        self._finished += total.count - before
        if groups:
            row = self._resolver.endpoint_row(total.route)
            columns: Columns = route_columns(total)
            statuses = total.statuses
            if known is not None:
                columns = tuple(new - old for new, old in zip(columns, route_columns(known), strict=True))
                statuses = {status: count - known.statuses.get(status, 0) for status, count in statuses.items()}
            for sums in groups:
                sums.endpoint(row).add(columns, statuses.items(), 0 if self._base else total.max_us)

    def _take_statement(self, total: StatementTotal, groups: list[Sums]) -> None:
        known = self._statements.get(total.statement)
        if known is not None and total.count <= known.count:
            return
        self._statements[total.statement] = total
        if groups:
            row = self._resolver.statement_row(total.statement)
            columns = statement_columns(total)
            if known is not None:
                columns = tuple(new - old for new, old in zip(columns, statement_columns(known), strict=True))
            new_routes = total.routes if known is None else set(total.routes).difference(known.routes)
            for sums in groups:
                sums.statement(row).add(columns, map(self._endpoint, new_routes))

    def _add_trace(self, trace: Trace) -> None:
        resolver, sums = self._resolver, self._on_top
        row = resolver.endpoint_row(trace.route)
        sums.endpoint(row).add(trace_columns(trace), ((trace.status, 1),), trace.duration_us)
        for span in trace.spans:
            sums.statement(resolver.statement_row(span.statement)).add(_span_columns(span), (row,))
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


def _span_columns(span: Span) -> Columns:
    return 1, 1 if span.error else 0, span.execute_us, span.fetch_us, max(span.rows, 0)
