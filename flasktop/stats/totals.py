"""Exact sums since the start of the workers: their own cumulative totals, and what came since on top.

A worker's totals row is cumulative, so the newest value wins, and the newest is the one with the larger count
(frames may come in any order). ``Totals.traces`` says how many traces they include: traces received with a number
from there on are added on top until totals that include them arrive.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from flasktop.protocol.messages import RouteTotal, StatementTotal, Trace
from flasktop.stats.columns import ENDPOINT_COLUMNS, STATEMENT_COLUMNS

MAX_ON_TOP: Final = 2_000
"""So many traces per worker are kept apart until totals include them. An agent sends totals with its frames, so this
is normally none; beyond it the oldest stay counted until totals reach the ones that follow."""


@dataclass(slots=True)
class EndpointSum:
    """Exact sums of one endpoint; ``max_us`` 0 where nothing was counted."""

    columns: list[int] = field(default_factory=lambda: [0] * ENDPOINT_COLUMNS)
    statuses: dict[int, int] = field(default_factory=dict)
    max_us: int = 0

    def add(self, other: EndpointSum, sign: int = 1) -> None:
        """Add ``other``, or subtract it (then the maximum stays: it cannot be taken back)."""
        self.columns = [mine + sign * theirs for mine, theirs in zip(self.columns, other.columns, strict=True)]
        for status, count in other.statuses.items():
            self.statuses[status] = self.statuses.get(status, 0) + sign * count
        if sign > 0 and other.max_us > self.max_us:
            self.max_us = other.max_us

    def add_trace(self, trace: Trace, sums: tuple[int, ...]) -> None:
        """Add one trace, given its columns."""
        self.columns = [mine + theirs for mine, theirs in zip(self.columns, sums, strict=True)]
        self.statuses[trace.status] = self.statuses.get(trace.status, 0) + 1
        self.max_us = max(self.max_us, trace.duration_us)


@dataclass(slots=True)
class StatementSum:
    """Exact sums of one statement and the endpoint rows (or ``OUTSIDE``) that ran it."""

    columns: list[int] = field(default_factory=lambda: [0] * STATEMENT_COLUMNS)
    endpoints: set[int] = field(default_factory=set)

    def add(self, other: StatementSum, sign: int = 1) -> None:
        """Add ``other``, or subtract it."""
        self.columns = [mine + sign * theirs for mine, theirs in zip(self.columns, other.columns, strict=True)]
        if sign > 0:
            self.endpoints |= other.endpoints


class Sums:
    """Exact sums by endpoint row and by statement row."""

    __slots__ = ("endpoints", "statements")

    def __init__(self) -> None:
        self.endpoints: dict[int, EndpointSum] = {}
        self.statements: dict[int, StatementSum] = {}

    def add(self, other: Sums, sign: int = 1) -> None:
        """Add ``other``, or subtract it."""
        for row, endpoint in other.endpoints.items():
            self.endpoint(row).add(endpoint, sign)
        for row, statement in other.statements.items():
            self.statement(row).add(statement, sign)

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

    def clear(self) -> None:
        """Forget all."""
        self.endpoints.clear()
        self.statements.clear()


@dataclass(frozen=True, slots=True)
class OnTop:
    """A trace or outside span that totals do not include yet: its endpoint row and the rows and columns it adds."""

    order: int
    row: int
    trace: Trace | None
    columns: tuple[int, ...]
    statements: tuple[tuple[int, int, tuple[int, ...]], ...]


class WorkerTotals:
    """One worker's exact sums. ``included`` is how many traces its totals include; ``version`` changes with any of it.

    Values of a total are kept by local id as the message that brought them; ``routes`` and ``statements`` map local
    ids to rows and are the worker's own tables.
    """

    def __init__(self, routes: dict[int, int], statements: dict[int, int]) -> None:
        self.included = 0
        self.version = 0
        self._routes = routes
        self._statements = statements
        self._route_totals: dict[int, RouteTotal] = {}
        self._statement_totals: dict[int, StatementTotal] = {}
        self._traces: deque[OnTop] = deque()
        self._outside: deque[OnTop] = deque()
        self._on_top = Sums()
        self._base: Sums | None = None

    def take(self, routes: Iterable[RouteTotal], statements: Iterable[StatementTotal]) -> None:
        """Take rows of totals; the larger count wins."""
        for route in routes:
            known = self._route_totals.get(route.route)
            if known is None or route.count >= known.count:
                self._route_totals[route.route] = route
        for statement in statements:
            before = self._statement_totals.get(statement.statement)
            if before is None or statement.count >= before.count:
                self._statement_totals[statement.statement] = statement
        self.version += 1

    def include(self, traces: int, seq: int | None) -> None:
        """Note that totals include ``traces`` traces, and the outside spans of all frames up to ``seq`` (None: of
        whole totals, which include all that was before them)."""
        self.included = max(self.included, traces)
        changed = bool(self._traces or self._outside)
        self._outside = deque(entry for entry in self._outside if seq is not None and entry.order > seq)
        self._traces = deque(entry for entry in self._traces if entry.order >= self.included)
        if changed:
            self._on_top.clear()
            for entry in (*self._traces, *self._outside):
                self._count(entry)
        self.version += 1

    def add_trace(self, entry: OnTop) -> None:
        """Count a trace that totals do not include yet; ``order`` is its number."""
        self._keep(self._traces, entry)

    def add_outside(self, entry: OnTop) -> None:
        """Count an outside span that totals do not include yet; ``order`` is its frame's ``seq``."""
        self._keep(self._outside, entry)

    def set_base(self) -> None:
        """From here on count only what comes."""
        self._base = None
        self._base = self.current()
        self.version += 1

    def current(self) -> Sums:
        """Return the sums since the worker's start, or since ``set_base``."""
        sums = Sums()
        for route, route_total in self._route_totals.items():
            row = self._routes.get(route)
            if row is not None:
                sums.endpoint(row).add(_of_route(route_total))
        for statement, statement_total in self._statement_totals.items():
            row = self._statements.get(statement)
            if row is not None:
                sums.statement(row).add(self._of_statement(statement_total))
        sums.add(self._on_top)
        if self._base is not None:
            sums.add(self._base, -1)
        return sums

    def requests(self) -> int:
        """Return how many requests the worker finished since its start, as far as this reader was told."""
        return sum(total.count for total in self._route_totals.values()) + len(self._traces)

    def _keep(self, entries: deque[OnTop], entry: OnTop) -> None:
        entries.append(entry)
        if len(entries) > MAX_ON_TOP:
            entries.popleft()
        self._count(entry)
        self.version += 1

    def _count(self, entry: OnTop) -> None:
        if entry.trace is not None:
            self._on_top.endpoint(entry.row).add_trace(entry.trace, entry.columns)
        for row, endpoint, columns in entry.statements:
            total = self._on_top.statement(row)
            total.columns = [mine + theirs for mine, theirs in zip(total.columns, columns, strict=True)]
            total.endpoints.add(endpoint)

    def _of_statement(self, total: StatementTotal) -> StatementSum:
        columns = [total.count, total.errors, total.execute_us, total.fetch_us, max(total.rows, 0)]
        return StatementSum(columns, set(self._endpoint_rows(total.routes)))

    def _endpoint_rows(self, routes: tuple[int, ...]) -> Iterator[int]:
        for route in routes:
            row = -1 if route < 0 else self._routes.get(route)
            if row is not None:
                yield row


def _of_route(total: RouteTotal) -> EndpointSum:
    columns = [
        total.count,
        total.errors,
        total.duration_us,
        total.first_byte_us,
        total.first_byte_known,
        total.cpu_us,
        total.sql_cpu_us,
        total.wait_us,
        total.cpu_known,
        total.execute_us,
        total.fetch_us,
        total.other_us,
        total.statements,
        total.rows,
        total.bytes_sent,
    ]
    return EndpointSum(columns, dict(total.statuses), total.max_us)
