"""What the screens read: the store's views, cut by one clock, cached for the length of one refresh.

Every screen reads through ``app.feed``. Within one refresh the same question is answered once, however many widgets
ask; while the picture is frozen the answers stay, and collection goes on underneath.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol, TypeVar, cast

from flasktop.protocol.events import WorkerId
from flasktop.stats.in_flight import Died, InFlightId, InFlightView
from flasktop.stats.memory_views import MemoryRow
from flasktop.stats.views import (
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
from flasktop.steps import Steps

T = TypeVar("T")


class Views(Protocol):
    """The reading half of ``flasktop.stats.store.Store``."""

    def summary(
        self, now: float, window: Window, *, app: str | None = None, worker: WorkerId | None = None
    ) -> Summary: ...
    def endpoints(
        self, now: float, window: Window, *, app: str | None = None, worker: WorkerId | None = None
    ) -> tuple[EndpointRow, ...]: ...
    def reading_endpoints(
        self, now: float, window: Window, *, app: str | None = None, worker: WorkerId | None = None
    ) -> Steps[tuple[EndpointRow, ...]]: ...
    def queries(
        self, now: float, window: Window, *, app: str | None = None, worker: WorkerId | None = None
    ) -> tuple[QueryRow, ...]: ...
    def reading_queries(
        self, now: float, window: Window, *, app: str | None = None, worker: WorkerId | None = None
    ) -> Steps[tuple[QueryRow, ...]]: ...
    def statement_count(
        self, now: float, window: Window, *, app: str | None = None, worker: WorkerId | None = None
    ) -> int: ...
    def workers(self, now: float, window: Window) -> tuple[WorkerRow, ...]: ...
    def memory(self, now: float, window: Window) -> tuple[MemoryRow, ...]: ...
    def in_flight(self, now: float, *, app: str | None = None, worker: WorkerId | None = None) -> InFlightView: ...
    def ended(self, request: InFlightId) -> TraceId | None: ...
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
    def local_ids(self, key: EndpointKey | StatementKey) -> tuple[tuple[WorkerId, tuple[int, ...]], ...]: ...


class Feed(Protocol):
    """What ``app.feed`` offers to every screen.

    ``store`` answers from the moment of the last refresh; ``now()`` is that moment on the reader's monotonic clock
    (it stands still while frozen). ``app`` and ``worker`` are what the person narrowed the view to; None is all.
    """

    window: Window
    app: str | None
    worker: WorkerId | None

    @property
    def store(self) -> Views: ...
    @property
    def frozen(self) -> bool: ...
    def now(self) -> float: ...


class CachedViews:
    """The store's views, each asked once."""

    def __init__(self, views: Views) -> None:
        self._views = views
        self._answers: dict[Hashable, object] = {}

    def _once(self, question: Hashable, ask: Callable[[], T]) -> T:
        if question not in self._answers:
            self._answers[question] = ask()
        return cast(T, self._answers[question])

    def _read(self, question: Hashable, steps: Steps[object]) -> Steps[None]:
        if question not in self._answers:
            self._answers[question] = yield from steps

    def summary(self, now: float, window: Window, *, app: str | None = None, worker: WorkerId | None = None) -> Summary:
        return self._once(
            ("summary", now, window, app, worker), lambda: self._views.summary(now, window, app=app, worker=worker)
        )

    def endpoints(
        self, now: float, window: Window, *, app: str | None = None, worker: WorkerId | None = None
    ) -> tuple[EndpointRow, ...]:
        return self._once(
            ("endpoints", now, window, app, worker), lambda: self._views.endpoints(now, window, app=app, worker=worker)
        )

    def reading_endpoints(
        self, now: float, window: Window, *, app: str | None = None, worker: WorkerId | None = None
    ) -> Steps[tuple[EndpointRow, ...]]:
        question = ("endpoints", now, window, app, worker)
        yield from self._read(question, self._views.reading_endpoints(now, window, app=app, worker=worker))
        return self.endpoints(now, window, app=app, worker=worker)

    def queries(
        self, now: float, window: Window, *, app: str | None = None, worker: WorkerId | None = None
    ) -> tuple[QueryRow, ...]:
        return self._once(
            ("queries", now, window, app, worker), lambda: self._views.queries(now, window, app=app, worker=worker)
        )

    def reading_queries(
        self, now: float, window: Window, *, app: str | None = None, worker: WorkerId | None = None
    ) -> Steps[tuple[QueryRow, ...]]:
        question = ("queries", now, window, app, worker)
        yield from self._read(question, self._views.reading_queries(now, window, app=app, worker=worker))
        return self.queries(now, window, app=app, worker=worker)

    def statement_count(
        self, now: float, window: Window, *, app: str | None = None, worker: WorkerId | None = None
    ) -> int:
        return self._once(
            ("statement_count", now, window, app, worker),
            lambda: self._views.statement_count(now, window, app=app, worker=worker),
        )

    def workers(self, now: float, window: Window) -> tuple[WorkerRow, ...]:
        return self._once(("workers", now, window), lambda: self._views.workers(now, window))

    def memory(self, now: float, window: Window) -> tuple[MemoryRow, ...]:
        return self._once(("memory", now, window), lambda: self._views.memory(now, window))

    def in_flight(self, now: float, *, app: str | None = None, worker: WorkerId | None = None) -> InFlightView:
        return self._once(("in flight", now, app, worker), lambda: self._views.in_flight(now, app=app, worker=worker))

    def ended(self, request: InFlightId) -> TraceId | None:
        return self._once(("ended", request), lambda: self._views.ended(request))

    def died(self) -> tuple[Died, ...]:
        return self._once(("died",), self._views.died)

    def log(self, *, app: str | None = None, worker: WorkerId | None = None, limit: int = 500) -> tuple[TraceView, ...]:
        return self._once(("log", app, worker, limit), lambda: self._views.log(app=app, worker=worker, limit=limit))

    def endpoint(
        self, key: EndpointKey, now: float, window: Window, *, worker: WorkerId | None = None
    ) -> EndpointDetail | None:
        return self._once(
            ("endpoint", key, now, window, worker), lambda: self._views.endpoint(key, now, window, worker=worker)
        )

    def statement(
        self, key: StatementKey, now: float, window: Window, *, worker: WorkerId | None = None
    ) -> StatementDetail | None:
        return self._once(
            ("statement", key, now, window, worker), lambda: self._views.statement(key, now, window, worker=worker)
        )

    def trace(self, trace_id: TraceId) -> TraceView | None:
        return self._once(("trace", trace_id), lambda: self._views.trace(trace_id))

    def local_ids(self, key: EndpointKey | StatementKey) -> tuple[tuple[WorkerId, tuple[int, ...]], ...]:
        return self._views.local_ids(key)


class LiveFeed:
    """The feed of a running attach. Its moment moves on, unless it is frozen: to that which was read ``ahead``, or, by
    ``refresh``, to the present. ``of`` is the feed that this one was made ahead of."""

    def __init__(
        self, views: Views, clock: Callable[[], float], window: Window = Window.MINUTE, of: LiveFeed | None = None
    ) -> None:
        self.window = window
        self.app: str | None = None
        self.worker: WorkerId | None = None
        self._views = views
        self._clock = clock
        self._now = clock()
        self._frozen = False
        self._cached = CachedViews(views)
        self._of = of
        self._ahead: LiveFeed | None = None

    @property
    def store(self) -> Views:
        return self._cached

    @property
    def frozen(self) -> bool:
        return self._frozen or (self._of is not None and self._of.frozen)

    def now(self) -> float:
        return self._now

    def refresh(self) -> None:
        """Move to the present, unless frozen."""
        if not self._frozen:
            self._now = self._clock()
            self._cached = CachedViews(self._views)

    def ahead(self) -> LiveFeed:
        """A feed of the present, for what is about to be shown to be read in (see ``become``), while this one goes on
        to answer a person's keys from what it has read already. While frozen, of the same moment."""
        if self._frozen:
            return self
        made = self._ahead = LiveFeed(self._views, self._clock, self.window, self)
        made.app, made.worker = self.app, self.worker
        return made

    def become(self, ahead: LiveFeed) -> None:
        """Move to the moment of another feed, with what was read in it, unless frozen, or further on already."""
        self._ahead = None
        if not self._frozen and ahead._now >= self._now:
            self._now, self._cached = ahead._now, ahead._cached

    def catch_up(self) -> None:
        """Move to the moment that is being read ahead, if there is one, before something is asked that was not read of
        the last one: the sums are of that moment by now, and what has been read is not read again."""
        if self._ahead is not None:
            self.become(self._ahead)

    def freeze(self) -> None:
        """Hold the present picture, whole: what the panels show now is asked for now, and kept."""
        self.refresh()
        self._frozen = True
        store = self._cached
        store.died()
        store.in_flight(self._now, app=self.app, worker=self.worker)
        store.log(app=self.app, worker=self.worker)
        store.workers(self._now, self.window)
        store.memory(self._now, self.window)
        store.summary(self._now, self.window, app=self.app, worker=self.worker)
        store.endpoints(self._now, self.window, app=self.app, worker=self.worker)
        store.queries(self._now, self.window, app=self.app, worker=self.worker)
        store.statement_count(self._now, self.window, app=self.app, worker=self.worker)

    def thaw(self) -> None:
        """Go on with the present."""
        self._frozen = False
        self.refresh()
