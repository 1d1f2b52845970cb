"""Connections still out of their pool although the request that took them has ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flasktop.stats.views import EndpointKey

if TYPE_CHECKING:
    from flasktop.protocol.records import HeldConnection
    from flasktop.stats.rows import Rows
    from flasktop.stats.workers import Worker


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A connection that is still out although the request that took it has ended, ``age_ms`` ago when the worker last
    looked. ``key`` is None for a route that was never defined. ``file`` is empty, and ``by_session`` None, where the
    line that took it is not known (yet): it is looked for only once an engine has been seen to leak."""

    engine: str
    key: EndpointKey | None
    age_ms: float
    file: str
    line: int
    function: str
    by_session: bool | None

    @property
    def source(self) -> str:
        """``path:line`` of the user's code, empty where unknown."""
        return f"{self.file}:{self.line}" if self.file else ""


def held_rows(worker: Worker, rows: Rows) -> tuple[HeldRow, ...]:
    """Return what the worker said last; nothing of one that is no longer there."""
    if worker.sample is None or not worker.alive:
        return ()
    return tuple(_row(worker, rows, held) for held in worker.sample.held)


def _row(worker: Worker, rows: Rows, held: HeldConnection) -> HeldRow:
    return HeldRow(
        engine=held.engine,
        key=rows.endpoints[worker.endpoint_row(held.route)].key,
        age_ms=held.age_us / 1_000,
        file=held.file,
        line=held.line,
        function=held.function,
        by_session=held.by_session if held.file else None,
    )
