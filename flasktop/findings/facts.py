"""What rules look at: the store's views of one moment, evidence, and thresholds. Nothing in it changes anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from flasktop.errors import ConfigurationError
from flasktop.findings.evidence import EvidenceBook, Need, Unavailable
from flasktop.findings.model import Threshold
from flasktop.protocol.events import WorkerId
from flasktop.stats.cacheability import Cacheability
from flasktop.stats.heaps import Heaps
from flasktop.stats.in_flight import InFlightView
from flasktop.stats.memory_views import MemoryRow
from flasktop.stats.pictures import Wanted
from flasktop.stats.served import Served
from flasktop.stats.store import Store
from flasktop.stats.views import (
    EndpointDetail,
    EndpointKey,
    EndpointRow,
    QueryRow,
    StatementDetail,
    StatementKey,
    StatementUse,
    Summary,
    TraceView,
    Window,
    WorkerRow,
)
from flasktop.steps import Steps

E = TypeVar("E")

ENOUGH: Final = 3
"""Requests of an endpoint before anything is said of it."""


class Limits:
    """The thresholds as a person set them; the others have their defaults."""

    def __init__(self, chosen: Mapping[str, float] | None = None) -> None:
        self._chosen = dict(chosen or {})

    def of(self, threshold: Threshold) -> float:
        """The value that counts."""
        return self._chosen.get(threshold.name, threshold.default)

    @classmethod
    def parse(cls, texts: tuple[str, ...], known: tuple[Threshold, ...]) -> Limits:
        """Read ``NAME=VALUE`` texts.

        Raises:
            ConfigurationError: there is no such threshold, or the value is no number of zero or more.
        """
        chosen: dict[str, float] = {}
        names = {threshold.name for threshold in known}
        for text in texts:
            name, _, value = (part.strip() for part in text.partition("="))
            if name not in names:
                raise ConfigurationError(f"There is no threshold {name!r}.", f"There are: {', '.join(sorted(names))}.")
            try:
                number = float(value)
            except ValueError:
                number = -1.0
            if not 0 <= number < float("inf"):
                raise ConfigurationError(f"{text!r} is no threshold.", f"Say {name}=NUMBER, zero or more.")
            chosen[name] = number
        return cls(chosen)


class Facts:
    """The facts of one moment, each read once, over ``window`` and for one ``app`` or all.

    ``heaps`` are those that were taken, where somebody does."""

    def __init__(
        self,
        store: Store,
        now: float,
        *,
        window: Window = Window.FIVE_MINUTES,
        app: str | None = None,
        evidence: EvidenceBook | None = None,
        limits: Limits | None = None,
        heaps: Heaps | None = None,
    ) -> None:
        self.now, self.window, self.app = now, window, app
        self.heaps = heaps
        self._store = store
        self._evidence = evidence or EvidenceBook()
        self._limits = limits or Limits()
        self._survey = store.survey(now, window, app=app)
        self._endpoints: dict[Window, tuple[EndpointRow, ...]] = {}
        self._memory: tuple[MemoryRow, ...] | None = None
        self._details: dict[EndpointKey, EndpointDetail | None] = {}
        self._statements: dict[StatementKey, StatementDetail | None] = {}

    def reading(self) -> Steps[None]:
        """Read in steps what most rules ask for."""
        return self._survey.reading()

    def limit(self, threshold: Threshold) -> float:
        """The threshold's value."""
        return self._limits.of(threshold)

    def known(self, need: Need, kind: type[E]) -> E | Unavailable | None:
        """What was fetched for ``need``, a ``kind``; None: nothing yet, so yield the need."""
        return self._evidence.get(need, kind)

    def summary(self) -> Summary:
        return self._store.summary(self.now, self.window, app=self.app)

    def endpoints(self) -> tuple[EndpointRow, ...]:
        """The endpoints that were called often enough to say something of them, the most total time first."""
        return tuple(row for row in self.endpoints_in(self.window) if row.count >= ENOUGH)

    def endpoints_in(self, window: Window) -> tuple[EndpointRow, ...]:
        """All endpoints that were called in another window, to compare it with this one."""
        if window not in self._endpoints:
            survey = self._survey if window is self.window else self._store.survey(self.now, window, app=self.app)
            self._endpoints[window] = survey.endpoints()
        return self._endpoints[window]

    def served(self) -> dict[WorkerId, Mapping[EndpointKey, Served]]:
        """What each live worker answered of each endpoint since its start."""
        return self._store.served()

    def uses(self, key: EndpointKey) -> tuple[StatementUse, ...]:
        """The statements of an endpoint: what is asked of every endpoint, before its requests are looked into."""
        return self._survey.uses(key)

    def endpoint(self, key: EndpointKey) -> EndpointDetail | None:
        """The statements, kept requests and latencies of an endpoint."""
        if key not in self._details:
            self._details[key] = self._survey.endpoint(key)
        return self._details[key]

    def traces(self, key: EndpointKey) -> tuple[TraceView, ...]:
        """The requests of an endpoint that are kept whole, newest first: its recent and its slowest ones."""
        detail = self.endpoint(key)
        if detail is None:
            return ()
        kept = {trace.id: trace for trace in (*detail.slowest, *detail.failed, *detail.recent)}
        return tuple(sorted(kept.values(), key=lambda trace: -trace.at))

    def cacheability(self, key: EndpointKey) -> Cacheability | None:
        """Whether a cache would have answered an endpoint's requests in the last minutes; None where nothing tells."""
        return self._store.cacheability(key, self.now)

    def queries(self, wanted: Wanted) -> tuple[QueryRow, ...]:
        """The statements that ran and are ``wanted``, the most total time first. Rows are made of those alone: of
        thousands, few are suspects."""
        return self._survey.queries(wanted)

    def statement(self, key: StatementKey) -> StatementDetail | None:
        """Who runs a statement, and the slowest requests that did."""
        if key not in self._statements:
            self._statements[key] = self._survey.statement(key)
        return self._statements[key]

    def workers(self) -> tuple[WorkerRow, ...]:
        """The workers that are there now."""
        rows = self._store.workers(self.now, self.window)
        return tuple(row for row in rows if row.state in ("live", "silent"))

    def lately(self) -> tuple[WorkerRow, ...]:
        """The workers that are there now, as they were in the last minute; trends have a value each two seconds."""
        rows = self._store.workers(self.now, Window.MINUTE)
        return tuple(row for row in rows if row.state in ("live", "silent"))

    def memory(self) -> tuple[MemoryRow, ...]:
        """The memory of the workers that are there now."""
        if self._memory is None:
            rows = self._store.memory(self.now, self.window)
            self._memory = tuple(row for row in rows if row.state in ("live", "silent"))
        return self._memory

    def in_flight(self) -> InFlightView:
        return self._store.in_flight(self.now, app=self.app)
