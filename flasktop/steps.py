"""Work in steps, for who has other things to do in between: a generator that yields after each."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Final, TypeVar

T = TypeVar("T")

Steps = Generator[None, None, T]
"""Work that can be interrupted after each step; what it comes to is returned."""

DONE: Final = object()
"""What ``next(steps, DONE)`` gives at the end."""


def finished(steps: Steps[T]) -> T:
    """Go through all steps; return what they come to."""
    came: list[T] = []
    for _ in _into(came, steps):
        pass
    return came[0]


def timed(steps: Steps[T]) -> Steps[tuple[T, float]]:
    """The same steps; what they come to, and the seconds that they took themselves."""
    came: list[T] = []
    steps, took = _into(came, steps), 0.0
    while True:
        begun = time.perf_counter()
        done = next(steps, DONE) is DONE
        took += time.perf_counter() - begun
        if done:
            return came[0], took
        yield


def _into(came: list[T], steps: Steps[T]) -> Steps[T]:
    value = yield from steps
    came.append(value)
    return value
