"""Where wall time went."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimeSplit:
    """Where wall time went, in ms; the parts add up to the wall time.

    ``execute``, ``fetch`` and ``other`` (commit, rollback, connect, pool) are SQL. ``cpu`` is the CPU outside SQL and
    ``wait`` what remains; where CPU cannot be known both are 0 and the remainder is ``unknown``.
    """

    execute: float
    fetch: float
    other: float
    cpu: float
    wait: float
    unknown: float

    @property
    def sql(self) -> float:
        return self.execute + self.fetch + self.other

    @property
    def wall(self) -> float:
        return self.execute + self.fetch + self.other + self.cpu + self.wait + self.unknown
