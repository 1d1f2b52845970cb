"""Exact sums per route and per statement since the worker's start, whatever detail is evicted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import chain
from operator import add, itemgetter
from typing import Any, Final

from msgspec.structs import astuple

from flasktop.agent.encode import QUICK, SpanRow, TraceRow
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


class _Route:
    """The sums of one route: ``sums`` are the fields of ``RouteTotal`` in their order, without route and statuses."""

    __slots__ = ("route", "statuses", "sums")

    def __init__(self, route: int) -> None:
        self.route = route
        self.sums = [0] * (len(RouteTotal.__struct_fields__) - 2)
        self.statuses: Counter[int] = Counter()

    @property
    def count(self) -> int:
        return self.sums[0]

    def add(self, more: tuple[int, ...], statuses: Iterable[int]) -> None:
        """Add the sums of finished requests of this route, and their statuses."""
        sums = self.sums
        largest = max(sums[_MAX], more[_MAX])
        sums[:] = map(add, sums, more)
        sums[_MAX] = largest
        self.statuses.update(statuses)

    def message(self) -> RouteTotal:
        fields: list[Any] = [self.route, *self.sums]
        fields.insert(_STATUSES, dict(self.statuses))
        return RouteTotal(*fields)


_MAX: Final = RouteTotal.__struct_fields__.index("max_us") - 1
_STATUSES: Final = RouteTotal.__struct_fields__.index("statuses")
ROUTE: Final = Trace.__struct_fields__.index("route")
STATEMENTS: Final = Trace.__struct_fields__.index("statements")
_SPANS: Final = Trace.__struct_fields__.index("spans")
_FOLDED: Final = Trace.__struct_fields__.index("folded")
_STATUS: Final = Trace.__struct_fields__.index("status")
_status = itemgetter(_STATUS)
_spans = itemgetter(_SPANS)
_folded = itemgetter(_FOLDED)


def _columns(traces: list[TraceRow]) -> tuple[int, ...]:
    """What traces of one route add to its sums, column by column: a sum of a column is one call."""
    (
        _, _, _, durations, first_bytes, cpus, sql_cpus, waits, statuses, sent, _, flags, _,
        executes, fetches, others, commits, statements, rows, _, _, _, _,
    ) = zip(*traces, strict=True)  # fmt: skip
    count = len(traces)
    # The house's rule of an error: a response of status 500 or more, or an exception that left the app.
    errors = 0
    if max(statuses) >= 500 or any(flags):
        errors = sum([status >= 500 or bool(flag & RAISED) for status, flag in zip(statuses, flags, strict=True)])
    if min(first_bytes) == UNKNOWN:
        known = [(whole, first) for whole, first in zip(durations, first_bytes, strict=True) if first != UNKNOWN]
        first_byte, first_byte_known = sum([first for _, first in known]), len(known)
        body = sum([max(whole - first, 0) for whole, first in known])
    else:
        first_byte, first_byte_known = sum(first_bytes), count
        body = max(sum(durations) - first_byte, 0)
    if min(cpus) == UNKNOWN:
        read = [three for three in zip(cpus, sql_cpus, waits, strict=True) if three[0] != UNKNOWN]
        cpu, sql_cpu, wait = map(sum, zip(*read, strict=True)) if read else (0, 0, 0)
        cpu_known = len(read)
    else:
        cpu, sql_cpu, wait, cpu_known = sum(cpus), sum(sql_cpus), sum(waits), count
    return (
        count, errors, sum(durations), max(durations), first_byte, first_byte_known, cpu, sql_cpu, wait, cpu_known,
        sum(executes), sum(fetches), sum(others), sum(statements), sum(rows), sum(sent), sum(commits), body,
    )  # fmt: skip


def _quick(traces: list[TraceRow]) -> tuple[int, ...]:
    """The same of quick requests, which asked no database, and whose body was there when they ended.

    Row by row: of many endpoints each has but a few of them at a time.
    """
    errors = duration = longest = first_byte = first_byte_known = cpu = wait = cpu_known = bytes_sent = 0
    for _, _, _, took, first, used, _, waited, status, sent, _ in traces:
        duration += took
        if took > longest:
            longest = took
        if first >= 0:
            first_byte += first
            first_byte_known += 1
        if used >= 0:
            cpu += used
            wait += waited
            cpu_known += 1
        if status >= 500:
            errors += 1
        bytes_sent += sent
    return (
        len(traces), errors, duration, longest, first_byte, first_byte_known, cpu, 0, wait, cpu_known,
        0, 0, 0, 0, 0, bytes_sent, 0, 0,
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

    def add(self, traces: list[TraceRow]) -> None:
        """Count finished requests and their spans."""
        quick: defaultdict[int, list[TraceRow]] = defaultdict(list)
        others: defaultdict[int, list[TraceRow]] = defaultdict(list)
        for trace in traces:
            (quick if len(trace) == QUICK else others)[trace[ROUTE]].append(trace)
        for number, rows in quick.items():
            self._route(number).add(_quick(rows), map(_status, rows))
        for number, rows in others.items():
            self._route(number).add(_columns(rows), map(_status, rows))
            self._add_spans(chain.from_iterable(map(_spans, rows)), number)
            for folded in chain.from_iterable(map(_folded, rows)):
                self._add_folded(folded, number)

    def _route(self, number: int) -> _Route:
        row = self._routes.get(number)
        if row is None:
            row = self._routes[number] = _Route(number)
        self._changed_routes.add(number)
        return row

    def add_span(self, span: Span, route: int) -> None:
        """Count one span of ``route`` (UNKNOWN: outside any request)."""
        self._add_spans([astuple(span)], route)

    def _add_spans(self, spans: Iterable[SpanRow], route: int) -> None:
        of_statements: dict[int, list[SpanRow]] = defaultdict(list)
        for span in spans:
            of_statements[span[0]].append(span)
        for number, group in of_statements.items():
            row = self._statement(number, route)
            _, _, executes, fetches, rows, _, errors, _ = zip(*group, strict=True)
            row.count += len(group)
            row.execute_us += sum(executes)
            row.fetch_us += sum(fetches)
            row.rows += sum(rows) if min(rows) >= 0 else sum([count for count in rows if count > 0])
            if any(errors):
                row.errors += sum(map(bool, errors))

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
