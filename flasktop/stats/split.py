"""Where wall time went, twice: by what was done (``TimeSplit``), and before and after the first byte (``Phases``)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from flasktop.stats.columns import (
    BODY,
    COMMIT,
    COUNT,
    CPU,
    CPU_KNOWN,
    DURATION,
    EXECUTE,
    FETCH,
    FIRST_BYTE,
    OTHER,
    SQL_CPU,
    WAIT,
)


class TimeSplit(Struct, frozen=True, gc=False):
    """Where wall time went, in ms; the parts add up to the wall time.

    ``execute``, ``fetch``, ``commit`` (rollback, too) and ``connect`` (new connections and waits for the pool) are SQL.
    ``cpu`` is the CPU outside SQL and ``wait`` what remains; where CPU cannot be known both are 0 and the remainder
    is ``unknown``: CPU or waiting, nobody can tell which.
    """

    execute: float
    fetch: float
    commit: float
    connect: float
    cpu: float
    wait: float
    unknown: float

    @property
    def sql(self) -> float:
        return self.execute + self.fetch + self.commit + self.connect

    @property
    def wall(self) -> float:
        return self.sql + self.cpu + self.wait + self.unknown


class Phases(Struct, frozen=True, gc=False):
    """The wall time before the first byte of the body and from there to its end, in ms.

    ``unknown`` is the wall time of requests whose first byte is not known (nothing was sent, or the server sent a
    file): neither may be guessed.
    """

    first_byte: float
    body: float
    unknown: float

    @property
    def wall(self) -> float:
        return self.first_byte + self.body + self.unknown


def split_of(sums: Sequence[int]) -> TimeSplit:
    """Return where the time of an endpoint's sums (see ``stats.columns``) went, as the mean per request.

    The parts add up to the wall time, except where SQL ran concurrently inside one request and its sum exceeds the
    wall: then SQL stays as measured, and nothing else is left. Where CPU was known for only some of the requests,
    what the others leave is ``unknown``.
    """
    count = sums[COUNT] or 1
    rest = max(sums[DURATION] - sums[EXECUTE] - sums[FETCH] - sums[OTHER], 0)
    wait = min(sums[WAIT], rest)
    all_known = sums[CPU_KNOWN] >= sums[COUNT]
    cpu = rest - wait if all_known else min(max(sums[CPU] - sums[SQL_CPU], 0), rest - wait)
    commit = min(sums[COMMIT], sums[OTHER])
    parts = (sums[EXECUTE], sums[FETCH], commit, sums[OTHER] - commit, cpu, wait, rest - wait - cpu)
    return TimeSplit(*[part / count / 1_000 for part in parts])


def phases_of(sums: Sequence[int]) -> Phases:
    """Return when the time of an endpoint's sums passed, as the mean per request."""
    count = sums[COUNT] or 1
    unknown = max(sums[DURATION] - sums[FIRST_BYTE] - sums[BODY], 0)
    return Phases(*[part / count / 1_000 for part in (sums[FIRST_BYTE], sums[BODY], unknown)])
