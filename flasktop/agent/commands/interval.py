"""What a request did between two looks at it: how much of the time it was in the database, and how much on the CPU.

Where it was is seen at a tick; what the time was is read from clocks, between ticks. The interpreter lets a sampler in
where the app gives its lock away, which is in calls to the database rather than in the code between them: a stack that
ends in such a call therefore stands for the CPU before it, too, as much as was measured.
"""

from __future__ import annotations

import time
from typing import Final

from flasktop.agent.trace import RequestTrace

UNSETTLED: Final = 8
"""The newest spans of a request, which may still be fetched from: looked at again at every tick."""

Shares = tuple[float, float | None]
"""Of a stretch of time, the part in the database and the part on the CPU outside it (None: not known)."""


class Interval:
    """A request between two looks. ``ran`` is for greenlets: whether it was the one that ran at the last look."""

    __slots__ = ("_at_ns", "_cpu_ns", "_settled", "_settled_cpu", "_settled_sql", "_sql_cpu", "_sql_ns", "ran", "trace")

    def __init__(self, trace: RequestTrace) -> None:
        self.trace = trace
        self.ran = False
        self._at_ns = trace.start_ns
        self._cpu_ns = trace.cpu_start_ns
        self._sql_ns = self._sql_cpu = self._settled = self._settled_sql = self._settled_cpu = 0

    def shares(self, cpu_ns: int, in_sql: bool) -> Shares:
        """What the time since the last look (or the request's start) was.

        Args:
            cpu_ns: the thread's CPU clock now, negative where it cannot be read.
            in_sql: whether the request is in a call to the database now.
        """
        now = time.perf_counter_ns()
        sql_ns, sql_cpu = self._database(now)
        wall = max(1, now - self._at_ns)
        sql = min(wall, max(0, sql_ns - self._sql_ns))
        used = cpu_ns - self._cpu_ns - max(0, sql_cpu - self._sql_cpu)
        known = cpu_ns >= 0 and self._cpu_ns >= 0
        self._at_ns, self._cpu_ns, self._sql_ns, self._sql_cpu = now, cpu_ns, sql_ns, sql_cpu
        if in_sql:
            if self.trace.overflow is not None:
                return 1.0, 0.0  # spans beyond the cap are not looked through
            part = sql / wall
            return part, min(1.0 - part, max(0.0, used / wall)) if known else None
        return 0.0, min(1.0, max(0.0, used / max(1, wall - sql))) if known else None

    def _database(self, now: int) -> tuple[int, int]:
        """Wall and CPU time of the request in the database so far, the call under way included."""
        spans = self.trace.spans or ()
        settled = max(self._settled, len(spans) - UNSETTLED)
        for span in spans[self._settled : settled]:
            self._settled_sql += span.execute_ns + span.fetch_ns
            self._settled_cpu += span.used_ns()
        self._settled = settled
        sql, used = self._settled_sql, self._settled_cpu
        for span in spans[settled:]:
            sql += span.execute_ns + span.fetch_ns
            used += span.used_ns()
        database = self.trace.database
        under_way = database.under_way() if database is not None else None
        if under_way is not None:
            sql += max(0, now - (getattr(database, "fetching_ns", 0) or under_way[1]))
        return sql, used
