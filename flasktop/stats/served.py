"""What each worker answered of each endpoint since its start: from its exact totals, so the cost is that of the rows,
whatever the traffic and the window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from flasktop.protocol.events import WorkerId
from flasktop.stats.rows import Rows
from flasktop.stats.views import EndpointKey
from flasktop.stats.workers import Worker


class Served(NamedTuple):
    """How many requests, and their mean duration. Since the worker's start, or since the reader was reset."""

    requests: int
    mean_ms: float


def served(workers: Iterable[Worker], rows: Rows) -> dict[WorkerId, Mapping[EndpointKey, Served]]:
    """Return what each of ``workers`` answered, of endpoints that it answered at all."""
    return {
        worker.identity: {
            rows.endpoints[row].key: Served(count, duration_us / count / 1_000)
            for row, (count, duration_us) in worker.totals.durations().items()
            if count > 0
        }
        for worker in workers
    }
