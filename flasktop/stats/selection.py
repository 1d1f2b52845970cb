"""The sums behind one picture: one window, of all workers or one, of all apps or one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from flasktop.protocol.records import OUTSIDE_ROUTE
from flasktop.stats.columns import COUNT, STATEMENT_COLUMNS, STATEMENT_MASK
from flasktop.stats.histogram import Histogram
from flasktop.stats.rows import OUTSIDE, Rows, parts_of
from flasktop.stats.sums import Sums
from flasktop.stats.timeline import Timeline
from flasktop.stats.trends import TrendWindow
from flasktop.stats.views import Window
from flasktop.stats.windows import EndpointSums, EndpointTimes, UseSums
from flasktop.steps import Steps


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for. ``worker`` is a worker's number (None: all); ``since`` is where the data begins on the
    reader's clock, ``seconds`` the time that the counts cover; ``detail``: whether distributions are those of the
    selection."""

    now: float
    window: Window
    app: str | None
    worker: int | None
    seconds: float
    since: float
    detail: bool


class Selection:
    """What rows are made of, reckoned when first looked at: a picture of endpoints costs nothing for statements.

    It holds for the moment in which it was made. ``exact`` are the exact sums that ALL shows (None: another window).
    ``maxima`` (us) are known for ALL only; elsewhere the largest value is taken from the distribution. Distributions
    are empty where they are not known (a single worker's).
    """

    def __init__(self, rows: Rows, timeline: Timeline, asked: Asked, exact: Sums | None) -> None:
        self.rows = rows
        self.seconds = asked.seconds
        self._timeline = timeline
        self._asked = asked
        self._exact = exact

    def endpoint_label(self, row: int) -> str:
        """Return how an endpoint row is named where a statement's endpoints are listed."""
        return OUTSIDE_ROUTE if row == OUTSIDE else self.rows.endpoints[row].label

    def preparing(self) -> Steps[None]:
        """Have the sums put together in steps, where nobody looked at them lately."""
        asked, window = self._asked, self._asked.window
        if window is not Window.ALL:
            yield from self._timeline.following(EndpointSums, window, asked.worker)
            yield from self._timeline.following(UseSums, window, asked.worker)

    # Endpoints

    @cached_property
    def endpoints(self) -> Mapping[int, Sequence[int]]:
        """Sums by endpoint row."""
        found: Mapping[int, Sequence[int]]
        if self._exact is not None:
            found = {row: total.columns for row, total in self._exact.endpoints.items() if total.columns[COUNT] > 0}
        else:
            found = self._timeline.endpoints(self._asked.window, self._asked.worker).endpoints
        app, infos = self._asked.app, self.rows.endpoints
        return found if app is None else {row: sums for row, sums in found.items() if infos[row].key.app == app}

    @cached_property
    def statuses(self) -> Mapping[int, Mapping[int, int]]:
        """Counts by endpoint row and status."""
        if self._exact is not None:
            return {row: total.statuses for row, total in self._exact.endpoints.items()}
        return self._timeline.endpoints(self._asked.window, self._asked.worker).statuses

    @cached_property
    def maxima(self) -> Mapping[int, int]:
        """The longest duration by endpoint row, where it is known exactly."""
        return {} if self._exact is None else {row: total.max_us for row, total in self._exact.endpoints.items()}

    @property
    def hists(self) -> Mapping[int, Histogram]:
        """Distributions by endpoint row."""
        return self._distributions.hists

    @property
    def apps(self) -> Mapping[str, Histogram]:
        """Distributions by app."""
        return self._distributions.apps

    @cached_property
    def endpoint_trend(self) -> TrendWindow:
        """Requests by endpoint row."""
        asked = self._asked
        return self._timeline.endpoint_trends(asked.worker).window(asked.window, asked.now, asked.since)

    @cached_property
    def _distributions(self) -> EndpointTimes:
        return self._timeline.endpoint_times(self._asked.window) if self._asked.detail else EndpointTimes()

    # Statements

    @cached_property
    def uses(self) -> Mapping[int, list[int]]:
        """Sums by pair of endpoint and statement."""
        uses = self._timeline.uses(self._asked.window, self._asked.worker).uses
        if self._asked.app is None:
            return uses
        return {pair: sums for pair, sums in uses.items() if self._is_of_app(parts_of(pair)[0])}

    @cached_property
    def statements(self) -> Mapping[int, list[int]]:
        """Sums by statement row."""
        return self._statements if self._exact is None else self._exact_statements(self._exact)

    @cached_property
    def ran_by(self) -> Mapping[int, list[int]]:
        """Endpoint rows (or ``OUTSIDE``) by statement row, those that ran it most first."""
        counted: dict[int, list[tuple[int, int]]] = {}
        for pair, sums in self.uses.items():
            endpoint, statement = parts_of(pair)
            counted.setdefault(statement, []).append((-sums[COUNT], endpoint))
        found = {statement: [endpoint for _, endpoint in sorted(each)] for statement, each in counted.items()}
        for row in self.statements if self._exact is not None else ():
            ran = self._ran(self._exact, row)
            known = found.setdefault(row, [])
            known.extend(sorted(set(ran) - set(known)))
        return found

    def statement_count(self) -> int:
        """Return how many statements there are, without their sums where those are not needed."""
        if self._exact is not None:
            return len(self.statements)
        if self._asked.app is None and self._asked.worker is None:
            return self._timeline.statement_count(self._asked.window)
        return len({pair & STATEMENT_MASK for pair in self.uses})

    @cached_property
    def statement_hists(self) -> Mapping[int, Histogram]:
        """Distributions by statement row."""
        return self._timeline.times(self._asked.window).hists if self._asked.detail else {}

    @cached_property
    def statement_trend(self) -> TrendWindow:
        """Executions by statement row."""
        asked = self._asked
        return self._timeline.statement_trends(asked.worker).window(asked.window, asked.now, asked.since)

    @property
    def _statements(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for pair, sums in self.uses.items():
            statement = pair & STATEMENT_MASK
            known = found.get(statement)
            if known is None:
                found[statement] = list(sums)
            else:
                for column in range(STATEMENT_COLUMNS):
                    known[column] += sums[column]
        return found

    def _exact_statements(self, exact: Sums) -> dict[int, list[int]]:
        return {
            row: total.columns
            for row, total in exact.statements.items()
            if total.columns[COUNT] > 0
            and (self._asked.app is None or not total.endpoints or bool(self._ran(exact, row)))
        }

    def _ran(self, exact: Sums | None, row: int) -> list[int]:
        """The endpoints of the selection that ran a statement, as the workers' totals tell."""
        return [] if exact is None else [each for each in exact.statements[row].endpoints if self._is_of_app(each)]

    def _is_of_app(self, endpoint: int) -> bool:
        app = self._asked.app
        return app is None or endpoint == OUTSIDE or self.rows.endpoints[endpoint].key.app == app
