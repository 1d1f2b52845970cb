"""Exact counts since the start of the workers: their own cumulative totals, and what came since on top.

A worker's totals row is cumulative, so the newest value wins, and the newest is the one with the larger count
(frames may come in any order). ``Totals.traces`` says how many traces they include: traces received with a number
from there on are added on top until totals that include them arrive. Spans outside requests have no numbers: those of
live frames are added on top until a frame that is not older brings totals (history is always included already, since
whole totals come first).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import sub
from typing import Final, Protocol

from flasktop.protocol.messages import Frame, Totals
from flasktop.protocol.records import Span, Trace
from flasktop.protocol.totals import RouteTotal, StatementTotal
from flasktop.stats.columns import COUNT, DURATION
from flasktop.stats.encoded import decoded, duration_of
from flasktop.stats.rows import OUTSIDE
from flasktop.stats.sums import Sums, route_columns, span_columns, statement_columns, trace_columns
from flasktop.stats.told import RouteTable, StatementTable, statuses_of

MAX_ON_TOP: Final = 2_000
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
        self._routes = RouteTable()
        self._statements = StatementTable()
        self._included = 0
        self._included_seq = -1
        self._traces: list[tuple[int, bytes]] = []
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
        if groups:
            for route in totals.routes:
                self._add_route(route, groups)
            for statement in totals.statements:
                self._add_statement(statement, groups)
        self._finished += self._routes.take(totals.routes)
        self._statements.take(totals.statements)
        self._include(totals.traces, seq)

    def frame(self, frame: Frame, encoded: Sequence[bytes], live: bool) -> None:
        """Take what a frame's own totals and earlier ones do not include; ``encoded`` are its traces."""
        traces, included = frame.traces, self._included
        if traces and traces[-1].number >= included:
            numbers = [trace.number for trace in traces]
            self._traces.extend(one for one in zip(numbers, encoded, strict=True) if one[0] >= included)
        if live and frame.outside and frame.seq > self._included_seq:
            self._outside.extend((frame.seq, outside.span) for outside in frame.outside)
        if len(self._traces) + len(self._outside) > MAX_ON_TOP:
            self.on_top()
            self._traces.clear()
            self._outside.clear()
            self._counted = self._outside_counted = 0

    def on_top(self) -> Sums:
        """Return the sums of what totals do not include yet."""
        for _, data in self._traces[self._counted :]:
            self._add_trace(decoded(data))
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
            sums.endpoint(row).add(columns, statuses_of(statuses), 0 if self._base else max_us)
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
        for _, data in self._traces[self._counted :]:  # what else they add to the sums on top is not asked for here
            trace = duration_of(data)
            row = self._resolver.endpoint_row(trace.route)
            count, duration = found.get(row, (0, 0))
            found[row] = count + 1, duration + trace.duration_us
        signed = [(1, self._on_top), *([(-1, self._base)] if self._base is not None else [])]
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
        self._traces = [one for one in self._traces if one[0] >= included]
        self._outside = [entry for entry in self._outside if seq is not None and entry[0] > last]
        self._counted = self._outside_counted = 0
        self._on_top = Sums()

    def _add_route(self, total: RouteTotal, groups: list[Sums]) -> None:
        """Add what a total adds to what is known to ``groups``."""
        if total.count <= self._routes.count(total.route):
            return
        before, statuses_before = self._routes.get(total.route)
        counted = dict(statuses_of(statuses_before))
        row = self._resolver.endpoint_row(total.route)
        added = tuple(map(sub, route_columns(total), before))
        statuses = [(status, count - counted.get(status, 0)) for status, count in total.statuses.items()]
        for sums in groups:
            sums.endpoint(row).add(added, statuses, 0 if self._base else total.max_us)

    def _add_statement(self, total: StatementTotal, groups: list[Sums]) -> None:
        if total.count <= self._statements.count(total.statement):
            return
        before, routes_before = self._statements.get(total.statement)
        row = self._resolver.statement_row(total.statement)
        added = tuple(map(sub, statement_columns(total), before))
        new_routes = set(total.routes).difference(routes_before)
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
