"""How often a worker ran as many requests as it can run at once."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import Final

from flasktop.protocol.records import UNKNOWN, Sample
from flasktop.stats.resting import LONGEST_S

SECONDS: Final = 60
"""The samples looked at are those of the last so many seconds."""

SPACING: Final = 1.0
"""Seconds from one sample to the next, where the worker does anything or somebody reads."""

KEPT: Final = 2 * SECONDS
"""Samples kept; workers send about one a second."""


class Saturation:
    """The last minute's samples of one worker: when, and whether every place was taken."""

    __slots__ = ("_samples",)

    def __init__(self) -> None:
        self._samples: deque[tuple[float, bool]] = deque(maxlen=KEPT)

    def add(self, at: float, sample: Sample) -> None:
        """Take a sample of the moment ``at`` (reader's clock), where it says how much the worker can do."""
        if sample.capacity > 0:
            self._samples.append((at, sample.in_flight >= sample.capacity))

    def share(self, now: float) -> float | None:
        """Return in which share of the last minute the worker could take no more; None without samples.

        A sample stands for the second before it. What is between two samples further apart was rest, in which the
        worker was not full; it counts for nothing where so much is between them that samples are missing.
        """
        found = sorted(each for each in self._samples if 0 <= now - each[0] <= SECONDS)
        if not found:
            return None
        gaps = [after - at for (at, _), (after, _) in pairwise(found)]
        rested = sum(max(gap - SPACING, 0.0) for gap in gaps if gap <= LONGEST_S)
        return sum(full for _, full in found) / (len(found) + rested / SPACING)


def capacity_of(sample: Sample | None) -> int | None:
    """Return how many requests the worker can run at once, None where it is not certain."""
    return None if sample is None or sample.capacity == UNKNOWN else sample.capacity
