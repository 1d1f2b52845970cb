"""Exact sums per route and per statement since the worker's start, whatever detail is evicted."""

from __future__ import annotations

from collections.abc import Iterable
from operator import add
from typing import Any, Final

from flasktop.protocol.messages import Totals
from flasktop.protocol.records import RAISED, UNKNOWN, Folded, Span, Trace
from flasktop.protocol.totals import RouteTotal, StatementTotal

PART_BYTES: Final = 128 * 1024
"""Totals are told in parts of about this size: a message is bounded, and must fit into the smallest ring."""
ROUTE_BYTES: Final = 140
STATEMENT_BYTES: Final = 48
STATUS_BYTES: Final = 8
ID_BYTES: Final = 4
"""Estimates from above of what rows take when encoded."""


def is_error(trace: Trace) -> bool:
    """The house's rule: a response of status 500 or more, or an exception that left the app."""
    return trace.status >= 500 or bool(trace.flags & RAISED)


class _Route:
    """The sums of one route: ``sums`` are the fields of ``RouteTotal`` in their order, without route and statuses."""

    __slots__ = ("route", "statuses", "sums")

    def __init__(self, route: int) -> None:
        self.route = route
        self.sums = [0] * (len(RouteTotal.__struct_fields__) - 2)
        self.statuses: dict[int, int] = {}

    @property
    def count(self) -> int:
        return self.sums[0]

    def add(self, trace: Trace) -> None:
        sums = self.sums
        largest = max(sums[_MAX], trace.duration_us)
        sums[:] = map(add, sums, _columns(trace))
        sums[_MAX] = largest
        self.statuses[trace.status] = self.statuses.get(trace.status, 0) + 1

    def message(self) -> RouteTotal:
        fields: list[Any] = [self.route, *self.sums]
        fields.insert(_STATUSES, self.statuses)
        return RouteTotal(*fields)


_MAX: Final = RouteTotal.__struct_fields__.index("max_us") - 1
_STATUSES: Final = RouteTotal.__struct_fields__.index("statuses")


def _columns(trace: Trace) -> tuple[int, ...]:
    """What a trace adds to the sums of its route."""
    first_byte, body, first_byte_known = trace.first_byte_us, trace.duration_us - trace.first_byte_us, 1
    if first_byte == UNKNOWN:
        first_byte = body = first_byte_known = 0
    cpu, sql_cpu, wait, cpu_known = trace.cpu_us, trace.sql_cpu_us, trace.wait_us, 1
    if cpu == UNKNOWN:
        cpu = sql_cpu = wait = cpu_known = 0
    return (
        1, is_error(trace), trace.duration_us, 0, first_byte, first_byte_known, cpu, sql_cpu, wait, cpu_known,
        trace.execute_us, trace.fetch_us, trace.other_us, trace.statements, trace.rows, trace.bytes_sent,
        trace.commit_us, max(body, 0),
    )  # fmt: skip


class _Statement:
    __slots__ = ("count", "errors", "execute_us", "fetch_us", "routes", "rows", "statement")

    def __init__(self, statement: int) -> None:
        self.statement = statement
        self.count = self.errors = self.execute_us = self.fetch_us = self.rows = 0
        self.routes: set[int] = set()

    def message(self) -> StatementTotal:
        routes = tuple(self.routes)
        return StatementTotal(
            self.statement, self.count, self.errors, self.execute_us, self.fetch_us, self.rows, routes
        )


class TotalsTable:
    """The worker's sums; ``changed`` gives the rows touched since it was last asked."""

    def __init__(self) -> None:
        self.traces = 0
        self._routes: dict[int, _Route] = {}
        self._statements: dict[int, _Statement] = {}
        self._changed_routes: set[int] = set()
        self._changed_statements: set[int] = set()

    def add(self, trace: Trace) -> None:
        """Count a finished trace and its spans."""
        route = self._routes.get(trace.route)
        if route is None:
            route = self._routes[trace.route] = _Route(trace.route)
        route.add(trace)
        self._changed_routes.add(trace.route)
        for span in trace.spans:
            self.add_span(span, trace.route)
        for folded in trace.folded:
            self._add_folded(folded, trace.route)

    def add_span(self, span: Span, route: int) -> None:
        """Count one span of ``route`` (UNKNOWN: outside any request)."""
        row = self._statement(span.statement, route)
        row.count += 1
        row.errors += span.error != ""
        row.execute_us += span.execute_us
        row.fetch_us += span.fetch_us
        if span.rows > 0:
            row.rows += span.rows

    def _add_folded(self, folded: Folded, route: int) -> None:
        row = self._statement(folded.statement, route)
        row.count += folded.count
        row.errors += folded.errors
        row.execute_us += folded.execute_us
        row.fetch_us += folded.fetch_us
        row.rows += folded.rows

    def _statement(self, number: int, route: int) -> _Statement:
        row = self._statements.get(number)
        if row is None:
            row = self._statements[number] = _Statement(number)
        row.routes.add(route)
        self._changed_statements.add(number)
        return row

    def requests(self, routes: Iterable[int]) -> int:
        """How many requests of those routes were counted; from any thread."""
        return sum(row.count for number in routes if (row := self._routes.get(number)) is not None)

    def changed(self) -> list[Totals]:
        """The rows that changed since the last call, in parts of bounded size; none where nothing did."""
        routes = [self._routes[number] for number in self._changed_routes]
        statements = [self._statements[number] for number in self._changed_statements]
        self._changed_routes.clear()
        self._changed_statements.clear()
        return [Totals(self.traces, *part, False) for part in _parts(routes, statements)]

    def complete(self) -> Totals:
        """All rows, for the journal file."""
        routes = tuple(row.message() for row in self._routes.values())
        return Totals(self.traces, routes, tuple(row.message() for row in self._statements.values()), True)

    def complete_parts(self) -> list[Totals]:
        """All rows, in parts each of which fits into a message; at least one."""
        parts = _parts(self._routes.values(), self._statements.values()) or [((), ())]
        return [Totals(self.traces, *part, True) for part in parts]


def _parts(
    routes: Iterable[_Route], statements: Iterable[_Statement]
) -> list[tuple[tuple[RouteTotal, ...], tuple[StatementTotal, ...]]]:
    """Divide rows so that no part is much longer than ``PART_BYTES`` when encoded."""
    parts: list[tuple[list[RouteTotal], list[StatementTotal]]] = []
    room = 0
    for route in routes:
        if room <= 0:
            parts.append(([], []))
            room = PART_BYTES
        parts[-1][0].append(route.message())
        room -= ROUTE_BYTES + STATUS_BYTES * len(route.statuses)
    for statement in statements:
        if room <= 0:
            parts.append(([], []))
            room = PART_BYTES
        parts[-1][1].append(statement.message())
        room -= STATEMENT_BYTES + ID_BYTES * len(statement.routes)
    return [(tuple(first), tuple(second)) for first, second in parts]
