"""The percentiles of one row, reckoned when somebody looks at them: of five hundred rows, a screen shows thirty."""

from __future__ import annotations

from functools import cached_property

from flasktop.stats.histogram import RELATIVE_ERROR, Histogram


class Latencies:
    """Percentiles and the largest value, in ms; None where nothing was counted. They are those of the moment in which
    this was made, whenever they are asked for.

    ``exact_us`` is the largest value where it is known exactly (0: it is not); it wins unless the distribution shows a
    larger one.
    """

    def __init__(self, hist: Histogram | None, exact_us: int = 0) -> None:
        self._hist = None if hist is None else hist.copy()
        self._exact_us = exact_us

    @classmethod
    def known(cls, p50_ms: float | None, p95_ms: float | None, p99_ms: float | None, max_ms: float | None) -> Latencies:
        """Those that are known already."""
        made = cls(None)
        made.values = (p50_ms, p95_ms, p99_ms, max_ms)
        return made

    @cached_property
    def values(self) -> tuple[float | None, ...]:
        """p50, p95, p99 and the largest."""
        largest = float(self._exact_us) if self._exact_us else None
        if self._hist is None:
            return None, None, None, milliseconds(largest)
        seen = self._hist.maximum()
        if largest is None or (seen is not None and seen > largest * (1 + 2 * RELATIVE_ERROR)):
            largest = seen
        values = self._hist.quantiles(0.5, 0.95, 0.99)
        bounded = [value if value is None or largest is None else min(value, largest) for value in values]
        return (*map(milliseconds, bounded), milliseconds(largest))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Latencies) and self.values == other.values

    def __hash__(self) -> int:
        return hash(self.values)


class WithLatencies:
    """What a row with ``latencies`` says of them."""

    __slots__ = ()

    latencies: Latencies

    @property
    def p50_ms(self) -> float | None:
        return self.latencies.values[0]

    @property
    def p95_ms(self) -> float | None:
        return self.latencies.values[1]

    @property
    def p99_ms(self) -> float | None:
        return self.latencies.values[2]

    @property
    def max_ms(self) -> float | None:
        return self.latencies.values[3]


def milliseconds(us: float | None) -> float | None:
    """Return microseconds as milliseconds."""
    return None if us is None else us / 1_000
