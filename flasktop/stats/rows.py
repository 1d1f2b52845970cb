"""Rows by content: small integers for endpoints and statements, over all workers.

Workers name routes and statements by ids of their own; what is the same endpoint or statement in two workers is one
row here. Rows stay for the session; their number is bounded, what comes after that shares one row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, cast

from flasktop.protocol.records import OTHER_ROUTE, OTHER_STATEMENT, STATEMENT, RouteDef, StatementDef
from flasktop.stats.columns import STATEMENT_BITS, STATEMENT_MASK
from flasktop.stats.views import EndpointKey, StatementKey

MAX_ENDPOINTS: Final = 20_000
MAX_STATEMENTS: Final = 100_000
MAX_PAIRS: Final = 400_000
"""Bounds of a session's tables. A worker's own tables are far smaller: only a long session that meets ever new text
reaches them."""

MAX_IDS: Final = 1_000_000
"""A worker's own tables are bounded far below; an id beyond this is nonsense."""

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


class Ids:
    """Rows by a worker's local ids, which are dense; ``other`` gives the row of one that was never defined."""

    __slots__ = ("_other", "_rows")

    def __init__(self, other: Callable[[], int]) -> None:
        self._other = other
        self._rows: list[int | None] = [None]  # the last is that of -1, which is no id

    def define(self, numbers: Sequence[int], rows: Sequence[int]) -> None:
        """Note what ids stand for; those beyond any table's bound are not noted."""
        noted = self._rows
        missing = min(max(numbers, default=0), MAX_IDS - 1) + 2 - len(noted)
        if missing > 0:
            noted.extend([None] * missing)
        last = len(noted) - 1
        for number, row in zip(numbers, rows, strict=True):
            if 0 <= number < last:
                noted[number] = row

    def of(self, numbers: Sequence[int]) -> list[int]:
        """Return the row of each of many ids."""
        rows = self._rows
        with suppress(IndexError):
            # Below -1 only a broken worker counts, and the list would count from its end.
            if min(numbers, default=0) >= -1 and None not in (found := [rows[number] for number in numbers]):
                return cast("list[int]", found)
        return [self[number] for number in numbers]

    def get(self, number: int) -> int | None:
        """Return the row of an id, None where it was never defined."""
        return self._rows[number] if 0 <= number < len(self._rows) else None

    def __getitem__(self, number: int) -> int:
        row = self.get(number)
        return self._other() if row is None else row

    def items(self) -> Iterator[tuple[int, int]]:
        """Yield (id, row) of every id that was defined."""
        return ((number, row) for number, row in enumerate(self._rows) if row is not None)


def parts_of(pair: int) -> tuple[int, int]:
    """Return the endpoint row (or ``OUTSIDE``) and the statement row of a pair."""
    return (pair >> STATEMENT_BITS) - 1, pair & STATEMENT_MASK


class Rows:
    """The tables of a session: a row's number is its index. ``apps`` are the apps of ``endpoints``."""

    def __init__(self) -> None:
        self.endpoints: list[EndpointInfo] = []
        self.apps: list[str] = []
        self.statements: list[StatementInfo] = []
        self._endpoint_numbers: dict[EndpointKey, int] = {}
        self._statement_numbers: dict[StatementKey, int] = {}

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
            self.apps.append(key.app)
        return number

    def other_endpoint(self, app: str) -> int:
        """Return the row of routes that have none of their own."""
        return self.endpoint(RouteDef(id=0, app=app, method="*", route=OTHER_ROUTE, endpoint=""))

    def statement(self, definition: StatementDef) -> int:
        """Return the row of a statement."""
        fields = (
            definition.engine,
            definition.kind,
            definition.text,
            definition.file,
            definition.line,
            definition.relationship,
        )
        number = self._statement_numbers.get(cast(StatementKey, fields))  # the same to a dictionary, made sooner
        if number is None:
            key = StatementKey(*fields)
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

    def find_endpoint(self, key: EndpointKey) -> int | None:
        """Return the row of an endpoint, None where it was never seen."""
        return self._endpoint_numbers.get(key)

    def find_statement(self, key: StatementKey) -> int | None:
        """Return the row of a statement, None where it was never seen."""
        return self._statement_numbers.get(key)
