"""Drilling down: the traces behind a row, and what else is known of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from flasktop.stats.columns import DURATION, S_EXECUTE, S_FETCH
from flasktop.stats.pictures import Uses, bars, endpoint_row, query_row, uses_of_endpoint, uses_of_statement
from flasktop.stats.rings import RECENT, SLOWEST, Kept, Rings
from flasktop.stats.rows import Rows
from flasktop.stats.selection import Selection
from flasktop.stats.traces import runs, trace_view
from flasktop.stats.views import EndpointDetail, StatementDetail, TraceView
from flasktop.stats.workers import Worker


class Drill:
    """Makes details of kept traces. ``workers`` is the store's list; ``chosen`` are numbers of workers in it; ``since``
    is where a window begins on the reader's clock, None for all time."""

    def __init__(self, rows: Rows, rings: Rings, workers: Sequence[Worker]) -> None:
        self._rows = rows
        self._rings = rings
        self._workers = workers

    def log(self, chosen: Collection[int], app: str | None, limit: int) -> tuple[TraceView, ...]:
        """Return the newest traces, newest first."""
        infos = self._rows.endpoints
        newest = self._rings.newest()
        return self._views((k for k in newest if app is None or infos[k.row].key.app == app), chosen, limit)

    def trace(self, worker: int, number: int) -> TraceView | None:
        """Return a request that is still kept, None otherwise."""
        for kept in self._rings:
            if kept.number == number and kept.worker == worker:
                return trace_view(self._rows, self._workers[worker], kept)
        return None

    def endpoint(
        self, selection: Selection, row: int, chosen: Collection[int], since: float | None, uses: Uses
    ) -> EndpointDetail | None:
        """Return the detail of an endpoint row, None where the selection knows nothing of it; its statements are among
        ``uses``."""
        sums = selection.endpoints.get(row)
        if sums is None:
            return None
        detail = self._rings.find(row)
        slowest = [] if detail is None else detail.slowest_since(since)
        recent = [] if detail is None else detail.recent.newest(2 * RECENT)
        failed = [] if detail is None else detail.failed.newest(2 * RECENT)
        return EndpointDetail(
            row=endpoint_row(selection, row, sums, sum(other[DURATION] for other in selection.endpoints.values())),
            slowest=self._views(slowest, chosen, SLOWEST),
            recent=self._views(recent, chosen, RECENT),
            failed=self._views(failed, chosen, RECENT),
            distribution=bars(selection.hists.get(row)),
            statements=uses_of_endpoint(selection, row, sums, uses),
        )

    def statement(
        self, selection: Selection, row: int, chosen: Collection[int], since: float | None, uses: Uses
    ) -> StatementDetail | None:
        """Return the detail of a statement row, None where the selection knows nothing of it; who runs it is among
        ``uses``."""
        sums = selection.statements.get(row)
        if sums is None:
            return None
        total = sum(other[S_EXECUTE] + other[S_FETCH] for other in selection.statements.values())
        return StatementDetail(
            row=query_row(selection, row, sums, total),
            distribution=bars(selection.statement_hists.get(row)),
            endpoints=uses_of_statement(selection, row, uses),
            slowest=self._views(self._that_ran(selection, row, since), chosen, SLOWEST),
        )

    def _that_ran(self, selection: Selection, statement: int, since: float | None) -> list[Kept]:
        """The kept requests that ran a statement, slowest first."""
        details = [self._rings.find(endpoint) for endpoint in selection.ran_by.get(statement, ())]
        found = [
            kept
            for detail in details
            for kept in (() if detail is None else detail.slowest_since(since))
            if runs(self._workers[kept.worker], kept.trace, statement)
        ]
        return sorted(found, key=lambda kept: (-kept.duration_us, -kept.ended))

    def _views(self, kept: Iterable[Kept], chosen: Collection[int], limit: int) -> tuple[TraceView, ...]:
        found: list[TraceView] = []
        for one in kept:
            if len(found) >= limit:
                break
            if one.worker in chosen:
                found.append(trace_view(self._rows, self._workers[one.worker], one))
        return tuple(found)
