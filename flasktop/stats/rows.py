"""Rows by content: small integers for endpoints, statements and their pairs, over all workers.

Workers name routes and statements by ids of their own; what is the same endpoint or statement in two workers is one
row here. Rows stay for the session; their number is bounded, what comes after that shares one row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flasktop.protocol.records import OTHER_ROUTE, OTHER_STATEMENT, STATEMENT, RouteDef, StatementDef
from flasktop.stats.histogram import KEY_BITS
from flasktop.stats.views import EndpointKey, StatementKey

MAX_ENDPOINTS: Final = 20_000
MAX_STATEMENTS: Final = 100_000
MAX_PAIRS: Final = 400_000
"""Bounds of a session's tables. A worker's own tables are far smaller: only a long session that meets ever new text
reaches them."""

OUTSIDE: Final = -1
"""Stands for an endpoint where a statement ran outside any request."""


@dataclass(frozen=True, slots=True)
class EndpointInfo:
    """What is known of an endpoint row; ``endpoint`` is Flask's name of it."""

    key: EndpointKey
    endpoint: str
    label: str


@dataclass(frozen=True, slots=True)
class StatementInfo:
    """What is known of a statement row."""

    key: StatementKey
    dialect: str
    function: str


class Rows:
    """The tables of a session: a row's number is its index."""

    def __init__(self) -> None:
        self.endpoints: list[EndpointInfo] = []
        self.statements: list[StatementInfo] = []
        self.pairs: list[tuple[int, int]] = []
        self._endpoint_numbers: dict[EndpointKey, int] = {}
        self._statement_numbers: dict[StatementKey, int] = {}
        self._pair_numbers: dict[tuple[int, int], int] = {}
        self._uses: dict[int, dict[int, tuple[int, int]]] = {}

    def endpoint(self, definition: RouteDef) -> int:
        """Return the row of a route."""
        key = EndpointKey(definition.app, definition.method, definition.route)
        number = self._endpoint_numbers.get(key)
        if number is None:
            if len(self.endpoints) >= MAX_ENDPOINTS and key.route != OTHER_ROUTE:
                return self.other_endpoint(definition.app)
            number = self._endpoint_numbers[key] = len(self.endpoints)
            label = f"{key.method} {key.route}"
            self.endpoints.append(EndpointInfo(key, definition.endpoint, label))
        return number

    def other_endpoint(self, app: str) -> int:
        """Return the row of routes that have none of their own."""
        return self.endpoint(RouteDef(id=0, app=app, method="*", route=OTHER_ROUTE, endpoint=""))

    def statement(self, definition: StatementDef) -> int:
        """Return the row of a statement."""
        key = StatementKey(
            definition.engine,
            definition.kind,
            definition.text,
            definition.file,
            definition.line,
            definition.relationship,
        )
        number = self._statement_numbers.get(key)
        if number is None:
            if len(self.statements) >= MAX_STATEMENTS and key.text != OTHER_STATEMENT:
                return self.other_statement()
            number = self._statement_numbers[key] = len(self.statements)
            self.statements.append(StatementInfo(key, definition.dialect, definition.function))
        return number

    def other_statement(self) -> int:
        """Return the row of statements that have none of their own."""
        return self.statement(
            StatementDef(
                id=0,
                kind=STATEMENT,
                engine="",
                dialect="",
                text=OTHER_STATEMENT,
                file="",
                line=0,
                function="",
                relationship="",
            )
        )

    def pair(self, endpoint: int, statement: int) -> int:
        """Return the number of a statement as one endpoint (or ``OUTSIDE``) runs it."""
        key = (endpoint, statement)
        number = self._pair_numbers.get(key)
        if number is None:
            if len(self.pairs) >= MAX_PAIRS and endpoint != OUTSIDE:
                return self.pair(OUTSIDE, statement)
            number = self._pair_numbers[key] = len(self.pairs)
            self.pairs.append(key)
            self.uses_of(endpoint)[statement] = (number, statement << KEY_BITS)
        return number

    def use(self, endpoint: int, statement: int) -> tuple[int, int]:
        """Return what ingest needs of a pair: its number and the base of its statement's keys of buckets."""
        number = self.pair(endpoint, statement)
        return number, statement << KEY_BITS

    def uses_of(self, endpoint: int) -> dict[int, tuple[int, int]]:
        """Return ``use`` of each statement that an endpoint (or ``OUTSIDE``) is known to run, by statement row."""
        return self._uses.setdefault(endpoint, {})

    def find_endpoint(self, key: EndpointKey) -> int | None:
        """Return the row of an endpoint, None where it was never seen."""
        return self._endpoint_numbers.get(key)

    def find_statement(self, key: StatementKey) -> int | None:
        """Return the row of a statement, None where it was never seen."""
        return self._statement_numbers.get(key)
