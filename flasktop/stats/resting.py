"""Values over time of a worker that now and then samples itself seldom, since it does nothing and nobody reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

V = TypeVar("V")

LONGEST_S: Final = 7.0
"""Samples that are no further apart are neighbours: a worker that rests takes one every five seconds, or a little
later. Further apart some are missing."""


def evened(moments: Iterable[tuple[float, V]], step: float) -> list[V]:
    """Return one value for each ``step`` seconds, oldest first, so that rest is as long in them as it was.

    Args:
        moments: (seconds, value), oldest first, at most one in a step. What was sampled holds for all the time since
            the sample before it, so that its value stands for the steps that this one skipped, too.
    """
    values: list[V] = []
    before: float | None = None
    for at, value in moments:
        if before is not None and at - before <= LONGEST_S:
            values += [value] * (int(at // step) - int(before // step) - 1)
        values.append(value)
        before = at
    return values
