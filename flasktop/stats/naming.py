"""What workers call a row: commands name routes and statements by ids of the worker that is asked."""

from __future__ import annotations

from collections.abc import Iterable

from flasktop.protocol.events import WorkerId
from flasktop.stats.rows import Rows
from flasktop.stats.views import EndpointKey, StatementKey
from flasktop.stats.workers import Worker


def local_ids(
    key: EndpointKey | StatementKey, rows: Rows, workers: Iterable[Worker]
) -> tuple[tuple[WorkerId, tuple[int, ...]], ...]:
    """Each live worker that knows the endpoint or statement, with its own ids for it (several where it told two apart
    that are one row here)."""
    is_endpoint = isinstance(key, EndpointKey)
    row = rows.find_endpoint(key) if isinstance(key, EndpointKey) else rows.find_statement(key)
    if row is None:
        return ()
    found = []
    for worker in workers:
        known = worker.routes if is_endpoint else worker.statements
        ids = tuple(local for local, number in known.items() if number == row)
        if ids and worker.alive:
            found.append((worker.identity, ids))
    return tuple(found)
