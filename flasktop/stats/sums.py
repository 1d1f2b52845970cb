"""Exact sums by endpoint row and by statement row."""

from __future__ import annotations

from collections.abc import Iterable
from operator import add, sub
from typing import Final

from flasktop.protocol.records import RAISED, Span, Trace
from flasktop.protocol.totals import RouteTotal, StatementTotal
from flasktop.stats.columns import ENDPOINT_COLUMNS, STATEMENT_COLUMNS

Columns = tuple[int, ...]

_NO_ENDPOINT: Final = (0,) * ENDPOINT_COLUMNS
_NO_STATEMENT: Final = (0,) * STATEMENT_COLUMNS


def is_error(trace: Trace) -> bool:
    """Whether a request failed: status 500 or more, or an exception that left the app."""
    return trace.status >= 500 or bool(trace.flags & RAISED)


def trace_columns(trace: Trace) -> Columns:
    """Return what one trace adds to the columns of its endpoint."""
    first_byte, cpu, sql_cpu, wait = trace.first_byte_us, trace.cpu_us, trace.sql_cpu_us, trace.wait_us
    if first_byte >= 0:
        first_byte_known = 1
        body = trace.duration_us - first_byte
        if body < 0:
            body = 0
    else:
        first_byte = first_byte_known = body = 0
    if cpu >= 0:
        cpu_known = 1
        if sql_cpu < 0:
            sql_cpu = 0
        if wait < 0:
            wait = 0
    else:
        cpu = sql_cpu = wait = cpu_known = 0
    return (
        1, 1 if trace.status >= 500 or trace.flags & RAISED else 0, trace.duration_us, first_byte, first_byte_known,
        cpu, sql_cpu, wait, cpu_known, trace.execute_us, trace.fetch_us, trace.other_us,
        trace.statements, trace.rows, trace.bytes_sent, trace.commit_us, body,
    )  # fmt: skip


def route_columns(total: RouteTotal) -> Columns:
    """Return the columns of a worker's total of a route."""
    return (
        total.count, total.errors, total.duration_us, total.first_byte_us, total.first_byte_known,
        total.cpu_us, total.sql_cpu_us, total.wait_us, total.cpu_known, total.execute_us, total.fetch_us,
        total.other_us, total.statements, total.rows, total.bytes_sent, total.commit_us, total.body_us,
    )  # fmt: skip


def statement_columns(total: StatementTotal) -> Columns:
    """Return the columns of a worker's total of a statement."""
    return total.count, total.errors, total.execute_us, total.fetch_us, max(total.rows, 0)


def span_columns(span: Span) -> Columns:
    """Return what one span adds to the columns of its statement."""
    return 1, 1 if span.error else 0, span.execute_us, span.fetch_us, max(span.rows, 0)


class EndpointSum:
    """Exact sums of one endpoint; ``max_us`` is 0 where nothing was counted, and is never taken back."""

    __slots__ = ("columns", "max_us", "statuses")

    def __init__(self) -> None:
        self.columns: list[int] = list(_NO_ENDPOINT)
        self.statuses: dict[int, int] = {}
        self.max_us = 0

    def add(self, columns: Iterable[int], statuses: Iterable[tuple[int, int]], max_us: int) -> None:
        """Add sums."""
        self.columns[:] = map(add, self.columns, columns)
        known = self.statuses
        for status, count in statuses:
            left = known.get(status, 0) + count
            if left:
                known[status] = left
            else:
                known.pop(status, None)
        if max_us > self.max_us:
            self.max_us = max_us

    def subtract(self, other: EndpointSum) -> None:
        """Take sums away."""
        self.columns[:] = map(sub, self.columns, other.columns)
        self.add(_NO_ENDPOINT, ((status, -count) for status, count in other.statuses.items()), 0)

    def copy(self) -> EndpointSum:
        """Return the same sums, to change."""
        same = EndpointSum()
        same.columns[:] = self.columns
        same.statuses.update(self.statuses)
        same.max_us = self.max_us
        return same


class StatementSum:
    """Exact sums of one statement, and the endpoint rows (or ``OUTSIDE``) that ran it."""

    __slots__ = ("columns", "endpoints")

    def __init__(self) -> None:
        self.columns: list[int] = list(_NO_STATEMENT)
        self.endpoints: set[int] = set()

    def add(self, columns: Iterable[int], endpoints: Iterable[int]) -> None:
        """Add sums."""
        self.columns[:] = map(add, self.columns, columns)
        self.endpoints.update(endpoints)

    def subtract(self, other: StatementSum) -> None:
        """Take sums away."""
        self.columns[:] = map(sub, self.columns, other.columns)

    def copy(self) -> StatementSum:
        """Return the same sums, to change."""
        same = StatementSum()
        same.columns[:] = self.columns
        same.endpoints.update(self.endpoints)
        return same


class Sums:
    """Exact sums of many rows."""

    __slots__ = ("endpoints", "statements")

    def __init__(self) -> None:
        self.endpoints: dict[int, EndpointSum] = {}
        self.statements: dict[int, StatementSum] = {}

    def endpoint(self, row: int) -> EndpointSum:
        """Return the sums of an endpoint row, zero at first."""
        known = self.endpoints.get(row)
        if known is None:
            known = self.endpoints[row] = EndpointSum()
        return known

    def statement(self, row: int) -> StatementSum:
        """Return the sums of a statement row, zero at first."""
        known = self.statements.get(row)
        if known is None:
            known = self.statements[row] = StatementSum()
        return known

    def add(self, other: Sums) -> None:
        """Add ``other``."""
        for row, endpoint in other.endpoints.items():
            self.endpoint(row).add(endpoint.columns, endpoint.statuses.items(), endpoint.max_us)
        for row, statement in other.statements.items():
            self.statement(row).add(statement.columns, statement.endpoints)

    def subtract(self, other: Sums) -> None:
        """Take ``other`` away."""
        for row, endpoint in other.endpoints.items():
            self.endpoint(row).subtract(endpoint)
        for row, statement in other.statements.items():
            self.statement(row).subtract(statement)

    def with_(self, others: Iterable[Sums]) -> Sums:
        """Return the sums of this and ``others``; rows that only this has are shared, not copied."""
        both = Sums()
        both.endpoints.update(self.endpoints)
        both.statements.update(self.statements)
        for other in others:
            for row in other.endpoints.keys() & self.endpoints.keys():
                both.endpoints[row] = both.endpoints[row].copy()
            for row in other.statements.keys() & self.statements.keys():
                both.statements[row] = both.statements[row].copy()
            both.add(other)
        return both
