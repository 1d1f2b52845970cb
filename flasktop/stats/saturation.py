"""How often a worker ran as many requests as it can run at once."""

from __future__ import annotations

from collections import deque
from typing import Final

from flasktop.protocol.records import UNKNOWN, Sample

SECONDS: Final = 60
"""The samples looked at are those of the last so many seconds."""

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
        """Return in which share of the last minute's samples the worker could take no more; None without samples."""
        found = [full for at, full in self._samples if 0 <= now - at <= SECONDS]
        return sum(found) / len(found) if found else None


def capacity_of(sample: Sample | None) -> int | None:
    """Return how many requests the worker can run at once, None where it is not certain."""
    return None if sample is None or sample.capacity == UNKNOWN else sample.capacity
