"""The workers that a store has met, and which of them are asked about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flasktop.protocol.events import WorkerId
from flasktop.stats.rows import Rows
from flasktop.stats.workers import Worker

GONE_FOR: Final = 10.0
"""Seconds for which a worker that ended cleanly stays among the workers."""

DIED_FOR: Final = 60.0
"""Seconds for which a worker that was killed stays among the workers."""


class Roster:
    """All workers in the order in which they were met; a worker's number is its place. ``all`` is for reading."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.all: list[Worker] = []
        self._by_id: dict[WorkerId, Worker] = {}

    def of(self, identity: WorkerId) -> Worker:
        """Return a worker, met now where it was not before."""
        worker = self._by_id.get(identity)
        if worker is None:
            worker = self._by_id[identity] = Worker(len(self.all), identity, self._rows)
            self.all.append(worker)
        return worker

    def find(self, identity: WorkerId) -> Worker | None:
        """Return a worker that was met, None otherwise."""
        return self._by_id.get(identity)

    def chosen(self, app: str | None, worker: WorkerId | None) -> list[Worker]:
        """Return the one worker asked for, else those that hold the app (None: all)."""
        if worker is not None:
            found = self._by_id.get(worker)
            return [] if found is None else [found]
        return [candidate for candidate in self.all if candidate.serves(app)]

    def numbers(self, app: str | None, worker: WorkerId | None) -> set[int]:
        """Return the numbers of the chosen workers."""
        return {chosen.number for chosen in self.chosen(app, worker)}

    def shown(self, app: str | None, worker: WorkerId | None) -> list[Worker]:
        """Return those chosen that are there now; where none is, all that were chosen."""
        chosen = self.chosen(app, worker)
        return [candidate for candidate in chosen if candidate.alive] or chosen

    def visible(self, now: float) -> Iterator[Worker]:
        """Yield the workers to list: those that are there, and for a while those that no longer are."""
        for worker in self.all:
            since = now - (worker.state_mono if worker.state_mono is not None else now)
            if worker.alive or since < (GONE_FOR if worker.state == "gone" else DIED_FOR):
                yield worker

    def passed(self, now: float) -> None:
        """Note when the states that were told lately were learnt of."""
        for worker in self.all:
            if worker.state_mono is None:
                worker.state_mono = now
