"""The rows and drill-downs of one moment: the sums are chosen once, however much is asked of them."""

from __future__ import annotations

from collections.abc import Collection

from flasktop.stats.drill import Drill
from flasktop.stats.pictures import Uses, Wanted, all_uses, endpoint_rows, query_rows, uses_of_endpoint
from flasktop.stats.rows import Rows
from flasktop.stats.selection import Selection
from flasktop.stats.views import (
    EndpointDetail,
    EndpointKey,
    EndpointRow,
    QueryRow,
    StatementDetail,
    StatementKey,
    StatementUse,
)
from flasktop.steps import Steps, finished


class Survey:
    """One selection of a store. It reads the store's own sums: good until the store takes the next event."""

    def __init__(
        self, rows: Rows, drill: Drill, selection: Selection, chosen: Collection[int], since: float | None
    ) -> None:
        self._rows, self._drill, self._selection = rows, drill, selection
        self._chosen, self._since = chosen, since
        self._endpoints: tuple[EndpointRow, ...] | None = None
        self._asked_of_one = False
        self._by_endpoint: dict[int, Uses] | None = None
        self._by_statement: dict[int, Uses] | None = None

    def reading(self) -> Steps[None]:
        """Put together in steps what most questions need, so that none of them takes long."""
        yield from self._selection.preparing()
        self._endpoints = yield from endpoint_rows(self._selection)

    def endpoints(self) -> tuple[EndpointRow, ...]:
        """Return the endpoints that were called, the most total time first."""
        if self._endpoints is None:
            self._endpoints = finished(endpoint_rows(self._selection))
        return self._endpoints

    def queries(self, wanted: Wanted | None = None) -> tuple[QueryRow, ...]:
        """Return the statements that ran (those that are ``wanted``), the most total time first."""
        return finished(query_rows(self._selection, wanted))

    def endpoint(self, key: EndpointKey) -> EndpointDetail | None:
        """Return the drill-down of an endpoint, None where the selection knows nothing of it."""
        row = self._rows.find_endpoint(key)
        if row is None:
            return None
        return self._drill.endpoint(self._selection, row, self._chosen, self._since, self._uses_of(row))

    def uses(self, key: EndpointKey) -> tuple[StatementUse, ...]:
        """Return the statements of an endpoint alone: a small part of what its drill-down costs."""
        row = self._rows.find_endpoint(key)
        sums = self._selection.endpoints.get(row) if row is not None else None
        if row is None or sums is None:
            return ()
        return uses_of_endpoint(self._selection, row, sums, self._uses_of(row))

    def _uses_of(self, row: int) -> Uses:
        """Those of an endpoint, and perhaps others."""
        if not self._asked_of_one:
            self._asked_of_one = True  # for who asks of one endpoint alone, they need not all be sorted
            return all_uses(self._selection)
        if self._by_endpoint is None:
            self._by_endpoint = _grouped(all_uses(self._selection), 0)
        return self._by_endpoint.get(row, ())

    def statement(self, key: StatementKey) -> StatementDetail | None:
        """Return the drill-down of a statement, None where the selection knows nothing of it."""
        row = self._rows.find_statement(key)
        if row is None:
            return None
        if self._by_statement is None:
            self._by_statement = _grouped(all_uses(self._selection), 1)
        uses = self._by_statement.get(row, ())
        return self._drill.statement(self._selection, row, self._chosen, self._since, uses)


def _grouped(uses: Uses, by: int) -> dict[int, Uses]:
    """``uses`` by their endpoint (0) or statement (1) row."""
    groups: dict[int, list[tuple[tuple[int, int], list[int]]]] = {}
    for pair, sums in uses:
        groups.setdefault(pair[by], []).append((pair, sums))
    return dict(groups.items())
