"""Distributions: the stated error, merging, subtracting."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from flasktop.stats.histogram import (
    BUCKETS,
    KEY_BITS,
    MAX_US,
    RELATIVE_ERROR,
    SMALL,
    Histogram,
    bounds,
    bucket,
    representative,
)

durations = st.integers(0, 10**11)
many = st.lists(durations, max_size=60)


def histogram(values: list[int]) -> Histogram:
    made = Histogram()
    for value in values:
        made.record(value)
    return made


def test_the_stated_error_is_at_most_one_percent() -> None:
    """The contract of percentiles."""
    assert RELATIVE_ERROR <= 0.01


@given(durations)
def test_a_value_lies_in_its_bucket(us: int) -> None:
    """Buckets tile the line."""
    low, high = bounds(bucket(us))

    assert low <= us < high


@given(durations)
def test_a_bucket_stands_for_its_values_within_the_error(us: int) -> None:
    """Every value is within RELATIVE_ERROR of its bucket's representative."""
    assert abs(representative(bucket(us)) - us) <= RELATIVE_ERROR * us


@given(durations)
def test_the_next_bucket_begins_where_one_ends(us: int) -> None:
    """No gaps between buckets."""
    index = bucket(us)

    assert bounds(index)[1] == bounds(index + 1)[0]


@given(st.lists(durations, min_size=1, max_size=200), st.floats(0, 1))
def test_quantiles_are_within_the_error(values: list[int], fraction: float) -> None:
    """A quantile is the value of its rank, within RELATIVE_ERROR."""
    true = sorted(values)[max(math.ceil(fraction * len(values)) - 1, 0)]
    (found,) = histogram(values).quantiles(fraction)

    assert found is not None
    assert abs(found - true) <= RELATIVE_ERROR * true


@given(many, many)
def test_merging_is_recording_all(first: list[int], second: list[int]) -> None:
    """Merging loses nothing."""
    merged = histogram(first)
    merged.merge(histogram(second))

    assert list(merged.items()) == list(histogram(first + second).items())
    assert merged.total == len(first) + len(second)


@given(many, many)
def test_subtracting_undoes_merging(first: list[int], second: list[int]) -> None:
    """What was added can be taken away again."""
    merged = histogram(first)
    merged.merge(histogram(second))
    merged.subtract(histogram(second))

    assert list(merged.items()) == list(histogram(first).items())
    assert merged.quantiles(0.5, 0.99) == histogram(first).quantiles(0.5, 0.99)


@given(st.lists(durations, min_size=1))
def test_the_maximum_is_within_the_error(values: list[int]) -> None:
    """The largest value, as near as a bucket tells."""
    found = histogram(values).maximum()

    assert found is not None
    assert abs(found - max(values)) <= RELATIVE_ERROR * max(values)


def test_nothing_has_no_quantiles() -> None:
    """Unknown is None, not zero."""
    assert Histogram().quantiles(0.5, 0.95) == (None, None)
    assert Histogram().maximum() is None


def test_values_out_of_range_count_at_the_ends() -> None:
    """A negative or absurd duration from a worker breaks nothing."""
    assert bucket(-5) == 0
    assert bucket(MAX_US * 1_000) == bucket(MAX_US) == BUCKETS - 1


def test_the_table_of_small_values_is_the_function() -> None:
    """Ingest looks up what ``bucket`` computes."""
    assert all(SMALL[us] == bucket(us) for us in range(len(SMALL)))


def test_a_bucket_fits_its_bits() -> None:
    """Keys of row and bucket do not run into each other."""
    assert BUCKETS <= 1 << KEY_BITS


def test_the_95th_percentile_of_two_requests_is_the_slower_one() -> None:
    """With few requests the slow one must not vanish behind the fast one."""
    p50, p95 = histogram([400_000, 700_000]).quantiles(0.5, 0.95)
    assert p50 is not None and p95 is not None
    assert abs(p50 - 400_000) <= 400_000 * RELATIVE_ERROR
    assert abs(p95 - 700_000) <= 700_000 * RELATIVE_ERROR
