from __future__ import annotations

from flasktop.steps import Steps, finished, timed


def counting(to: int, seen: list[int]) -> Steps[int]:
    for number in range(to):
        seen.append(number)
        yield
    return to


def test_finished_goes_through_all_steps_and_returns_what_they_come_to() -> None:
    seen: list[int] = []

    assert finished(counting(3, seen)) == 3
    assert seen == [0, 1, 2]


def test_timed_steps_are_the_same_steps() -> None:
    seen: list[int] = []
    steps = timed(counting(2, seen))
    next(steps)
    assert seen == [0]

    (value, seconds) = finished(steps)
    assert (value, seen) == (2, [0, 1])
    assert seconds >= 0
