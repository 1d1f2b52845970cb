"""Trends: how often a row was counted, step by step of time."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Final

from flasktop.stats.views import Window

TREND_STEP: Final = {Window.TEN_SECONDS: 1, Window.MINUTE: 2, Window.FIVE_MINUTES: 10, Window.ALL: 10}
"""Seconds behind one point of a trend."""

TREND_POINTS: Final = {Window.TEN_SECONDS: 10, Window.MINUTE: 30, Window.FIVE_MINUTES: 30, Window.ALL: 30}
"""The most points of a trend; ALL shows the last five minutes."""


class Trends:
    """Counts per row and step of time, dense by row."""

    __slots__ = ("_slots", "step")

    def __init__(self, step: int) -> None:
        self.step = step
        self._slots: dict[int, array[int]] = {}

    def add(self, second: int, counts: Iterable[tuple[int, int]], highest: int) -> None:
        """Count (row, count) pairs of one second; ``highest`` is the highest row."""
        slot = self._slots.get(second // self.step)
        if slot is None:
            slot = self._slots[second // self.step] = array("I")
        if highest >= len(slot):
            slot.frombytes(bytes(slot.itemsize * (highest + 1 - len(slot))))
        for row, count in counts:
            slot[row] += count

    def drop_before(self, second: int) -> None:
        """Forget steps that ended before ``second``."""
        first = second // self.step
        for slot in [slot for slot in self._slots if slot < first]:
            del self._slots[slot]

    def window(self, now: float, points: int, since: float) -> TrendWindow:
        """Return the last ``points`` steps up to ``now``, but none that ended before ``since``."""
        step = self.step
        last = int(now // step)
        elapsed = now - last * step
        if elapsed < step / 2 and (last * step) > since:
            last, elapsed = last - 1, float(step)
        first = max(last - points + 1, min(int(since // step), last))
        columns = [self._slots.get(slot) for slot in range(first, last + 1)]
        seconds = [float(step)] * (len(columns) - 1) + [max(min(elapsed, step), step / 2)]
        return TrendWindow(columns, seconds)


class TrendWindow:
    """The steps of one trend, oldest first."""

    def __init__(self, columns: list[array[int] | None], seconds: list[float]) -> None:
        self._columns = columns
        self._seconds = seconds

    def of(self, row: int) -> tuple[float, ...]:
        """Return a row's rate per step."""
        return self.of_rows((row,))

    def table(self) -> Sequence[tuple[float, ...]]:
        """Return ``of`` each row by its number, as far as rows were counted: for who wants them all, at a part of the
        price; ``none`` for a row beyond."""
        longest = max((len(column) for column in self._columns if column is not None), default=0)
        rates = [
            [count / seconds for count in column or ()] + [0.0] * (longest - len(column or ()))
            for column, seconds in zip(self._columns, self._seconds, strict=True)
        ]
        return list(zip(*rates, strict=True))

    @property
    def none(self) -> tuple[float, ...]:
        """The trend of a row that was not counted."""
        return (0.0,) * len(self._columns)

    def of_rows(self, rows: Sequence[int]) -> tuple[float, ...]:
        """Return the rate per step of several rows together."""
        return tuple(
            sum(column[row] for row in rows if row < len(column)) / seconds if column is not None else 0.0
            for column, seconds in zip(self._columns, self._seconds, strict=True)
        )


class TrendSet:
    """The trends of all steps."""

    __slots__ = ("by_step",)

    def __init__(self) -> None:
        self.by_step = {step: Trends(step) for step in sorted(set(TREND_STEP.values()))}

    def add(self, second: int, counts: dict[int, int]) -> None:
        """Count rows of one second."""
        if counts:
            highest = max(counts)
            for trends in self.by_step.values():
                trends.add(second, counts.items(), highest)

    def drop(self, now_second: int) -> None:
        """Forget what no trend shows any more."""
        for window, step in TREND_STEP.items():
            if window is not Window.ALL:
                self.by_step[step].drop_before(now_second - step * (TREND_POINTS[window] + 1))

    def window(self, window: Window, now: float, since: float) -> TrendWindow:
        """Return the trend that a window shows."""
        return self.by_step[TREND_STEP[window]].window(now, TREND_POINTS[window], since)
