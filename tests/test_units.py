from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flasktop import units

MODULES = ("units", "stats.statements", "findings.words", "tui.draw.text", "tui.draw.sql", "tui.draw.layout")


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_documentation_hold(name: str) -> None:
    """Docstring examples are facts."""
    module = __import__(f"flasktop.{name}", fromlist=[name])

    assert doctest.testmod(module).failed == 0


@given(st.floats(0, 9e9))
def test_ms_takes_at_most_six_cells(value: float) -> None:
    """A column of milliseconds can be six cells wide, whatever comes."""
    assert len(units.ms(value)) <= 6


@given(st.integers(0, 10**14))
def test_counts_take_at_most_five_cells(value: int) -> None:
    """A column of counts can be five cells wide up to hundreds of trillions."""
    assert len(units.count(value)) <= 5


@given(st.floats(0, 1e13))
def test_sizes_take_at_most_seven_cells(value: float) -> None:
    """A column of sizes can be seven cells wide."""
    assert len(units.bytes_(value)) <= 7


@given(st.floats(0.1, 1e5), st.floats(1.2, 100))
def test_a_longer_time_never_reads_shorter(value: float, factor: float) -> None:
    """Going from ms to s to minutes keeps the order."""
    assert _ms_back(units.ms(value)) <= _ms_back(units.ms(value * factor))


def test_milliseconds_of_a_clock_are_cut_not_rounded() -> None:
    """14:02:51.9996 is still .999 of that second."""
    assert units.clock(1_700_000_000.9996, millis=True).endswith(".999")


def _ms_back(text: str) -> float:
    total, number = 0.0, ""
    for letter in text:
        if letter in "hms":
            total += float(number) * {"h": 3_600_000, "m": 60_000, "s": 1000}[letter]
            number = ""
        else:
            number += letter
    return total + (float(number) if number else 0.0) * (60_000 if "h" in text else 1)
