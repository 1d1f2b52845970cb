"""How long parts of the hot path take in the app itself, now and then: what its rehearsal is scaled by.

In the app, whose code and data have driven ours out of the processor's caches, the same functions take longer than in
a tight loop: in ``tests.benchmarks.contenders`` some 1.2 to 2.7 times as long.
"""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import Final

MASK: Final = 15
"""A part is timed where a time stamp that it has at hand has these bits clear: one in 16."""
KEPT: Final = 64
ENOUGH: Final = 8
"""Timings without which nothing is said."""

beginning: Final[deque[int]] = deque(maxlen=KEPT)
"""From a request's start until the app is called: ns."""
ending: Final[deque[int]] = deque(maxlen=KEPT)
"""From a request's end until the server goes on: ns."""
executed: Final[deque[int]] = deque(maxlen=KEPT)
"""From a statement's end until SQLAlchemy goes on: ns."""


def typical(*parts: deque[int]) -> float | None:
    """The sum of the parts' medians, ns; None where one of them was not timed often enough. From any thread."""
    timings = [list(part) for part in parts]  # one call of C each: whoever appends meanwhile does not disturb it
    if any(len(each) < ENOUGH for each in timings):
        return None
    return sum(median(each) for each in timings)


def forget() -> None:
    """Begin anew."""
    for part in (beginning, ending, executed):
        part.clear()
