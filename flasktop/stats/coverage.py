"""Which time the counts cover: from when on the reader knows anything, and since when it counts."""

from __future__ import annotations

from collections.abc import Sequence

from flasktop.stats.timeline import window_start
from flasktop.stats.views import Window
from flasktop.stats.workers import Worker


class Coverage:
    """Of a store. ``reset_at`` is when it was told to begin anew, None if it never was; on the reader's clock."""

    def __init__(self) -> None:
        self.reset_at: float | None = None
        self._first: float | None = None

    def began(self, at: float) -> None:
        """Note a moment of which something is known."""
        if self._first is None or (at < self._first and self.reset_at is None):
            self._first = at

    def reset(self, now: float) -> None:
        """Begin anew."""
        self.reset_at = self._first = now

    def first(self, now: float) -> float:
        """Return the first moment of which something is known; ``now`` where nothing is."""
        return now if self._first is None else self._first

    def since(self, now: float, window: Window) -> float:
        """Return where the data of a window begins."""
        return max(self.first(now), window_start(window, int(now)))

    def seconds(self, now: float, window: Window, shown: Sequence[Worker]) -> float:
        """Return the seconds that the counts of a window cover, at least one: those of the workers ``shown`` in ALL."""
        if window is not Window.ALL:
            return max(now - self.since(now, window), 1.0)
        started = min((worker.started for worker in shown if worker.started is not None), default=self.first(now))
        if self.reset_at is not None:
            started = max(started, self.reset_at)
        end = now
        if shown and not any(worker.alive for worker in shown):
            end = max((worker.seen for worker in shown if worker.seen is not None), default=now)
        return max(end - started, 1.0)
