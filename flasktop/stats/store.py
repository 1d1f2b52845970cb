"""The reader's aggregation of frames, over time windows and over workers."""

from __future__ import annotations

from flasktop.protocol.events import Event, WorkerId
from flasktop.stats.views import (
    Died,
    EndpointDetail,
    EndpointKey,
    EndpointRow,
    QueryRow,
    StatementDetail,
    StatementKey,
    Summary,
    TraceId,
    TraceView,
    Window,
    WorkerRow,
)


class Store:
    """CONTRACT (bodies by the stats builder). ``now`` is the reader's monotonic clock; ``worker`` None merges all;
    ``app`` None is every app of the workers."""

    def apply(self, event: Event) -> None: ...
    def reset(self, now: float) -> None: ...
    def summary(
        self, now: float, window: Window, *, app: str | None = None, worker: WorkerId | None = None
    ) -> Summary: ...
    def endpoints(
        self, now: float, window: Window, *, app: str | None = None, worker: WorkerId | None = None
    ) -> tuple[EndpointRow, ...]: ...
    def queries(
        self, now: float, window: Window, *, app: str | None = None, worker: WorkerId | None = None
    ) -> tuple[QueryRow, ...]: ...
    def workers(self, now: float, window: Window) -> tuple[WorkerRow, ...]: ...
    def died(self) -> tuple[Died, ...]: ...
    def log(
        self, *, app: str | None = None, worker: WorkerId | None = None, limit: int = 500
    ) -> tuple[TraceView, ...]: ...
    def endpoint(
        self, key: EndpointKey, now: float, window: Window, *, worker: WorkerId | None = None
    ) -> EndpointDetail | None: ...
    def statement(
        self, key: StatementKey, now: float, window: Window, *, worker: WorkerId | None = None
    ) -> StatementDetail | None: ...
    def trace(self, trace_id: TraceId) -> TraceView | None: ...
