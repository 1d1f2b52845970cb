"""Ids of workers and the rows that they stand for."""

from __future__ import annotations

import pytest

from flasktop.stats.rows import MAX_IDS, Ids

OTHER = 77


def ids(*numbers: int) -> Ids:
    """Ids of which each stands for ten times itself."""
    made = Ids(lambda: OTHER)
    made.define(numbers, [10 * number for number in numbers])
    return made


def test_many_ids_are_looked_up_at_once() -> None:
    assert ids(0, 1, 2).of([2, 0, 2]) == [20, 0, 20]


@pytest.mark.parametrize("number", [1, 3, 1_000, -1, -2, -4, MAX_IDS, 1 << 60])
def test_an_id_that_was_not_defined_stands_for_the_others(number: int) -> None:
    assert ids(0, 2).of([0, number]) == [0, OTHER]


def test_an_id_may_be_defined_late() -> None:
    made = ids(0)
    before = made[5]
    made.define([5], [50])

    assert (before, made[5], made.of([5])) == (OTHER, 50, [50])


@pytest.mark.parametrize("number", [-1, MAX_IDS, 1 << 60])
def test_what_is_no_id_is_not_noted(number: int) -> None:
    made = ids(0, number)

    assert list(made.items()) == [(0, 0)]
