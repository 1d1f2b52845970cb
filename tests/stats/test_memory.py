"""The memory of a worker over time, from samples made by hand."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from flasktop.protocol.records import Sample
from flasktop.stats.memory import slope
from flasktop.stats.memory_views import MemoryRow
from flasktop.stats.store import Store
from flasktop.stats.views import Window
from tests.stats.builders import NOW, Source, make_sample


def sample(**changes: Any) -> Sample:
    return msgspec.structs.replace(make_sample(), **changes)


def store_of(samples: dict[int, Sample]) -> Store:
    """A store with one worker whose samples came at these seconds after ``NOW``."""
    store, source = Store(), Source()
    store.apply(source.joined())
    for second, each in samples.items():
        store.apply(source.frame(mono=NOW + second, sample=each))
    return store


def row(store: Store, at: float, window: Window = Window.MINUTE) -> MemoryRow:
    (only,) = store.memory(NOW + at, window)
    return only


def collecting(second: int) -> Sample:
    """Ten young collections a second of 1 ms in all, a full one of 50 ms every ten seconds."""
    full = second // 10
    return sample(
        gc_counts=(10 * second, second, full),
        gc_pauses_us=(1_000 * second, 0, 50_000 * full),
        gc_longest_us=(400, 0, 61_000),
    )


def test_memory_is_what_the_newest_sample_says() -> None:
    seen = row(store_of({0: sample(rss_bytes=10, allocated_blocks=5), 1: sample(rss_bytes=20, allocated_blocks=6)}), 1)

    assert (seen.rss_bytes, seen.blocks, seen.uss_bytes, seen.pss_bytes) == (20, 6, None, None)
    assert (seen.full_age_s, seen.rss_slope, seen.blocks_slope) == (None, None, None)


def test_a_worker_that_has_not_said_anything_is_unknown_throughout() -> None:
    seen = row(store_of({}), 0)

    assert (seen.rss_bytes, seen.blocks, seen.gc, seen.gc_share, seen.growth) == (None, None, (), None, ())


def test_an_agent_that_tells_no_generations_is_shown_without_them() -> None:
    seen = row(store_of({0: make_sample(), 1: make_sample()}), 1)

    assert seen.gc == () and seen.gc_share is None and seen.gc_share_trend == ()


def test_uss_and_pss_say_how_old_they_are() -> None:
    seen = row(store_of({0: sample(uss_bytes=7, pss_bytes=8, full_age_s=4.0)}), 2)

    assert (seen.uss_bytes, seen.pss_bytes) == (7, 8) and seen.full_age_s == pytest.approx(6.0)


def test_one_measurement_of_uss_counts_once_however_often_it_is_told() -> None:
    told = {i: sample(uss_bytes=7, pss_bytes=8, full_age_s=float(i % 30)) for i in range(60)}
    seen = row(store_of(told), 60)

    assert seen.uss_trend == (7.0, 7.0)


def test_blocks_that_were_not_counted_this_time_leave_the_last_count() -> None:
    seen = row(store_of({0: sample(allocated_blocks=500), 1: sample()}), 1)

    assert seen.blocks == 500 and seen.blocks_trend == (500.0,)


def test_slopes_are_per_hour_and_not_moved_by_a_jump() -> None:
    grown = {i: sample(rss_bytes=1_000 * i + (10**9 if i == 30 else 0), allocated_blocks=2 * i) for i in range(61)}
    seen = row(store_of(grown), 60)

    assert seen.rss_slope == pytest.approx(3_600_000, rel=0.01)
    assert seen.blocks_slope == pytest.approx(7_200, rel=0.01)


def test_a_slope_is_not_told_before_half_a_minute() -> None:
    assert slope([(0.0, 1.0), (29.0, 2.0)]) is None
    assert slope([(0.0, 1.0), (30.0, 31.0)]) == pytest.approx(3_600.0)


def test_collections_are_counted_by_generation_within_the_window() -> None:
    seen = row(store_of({i: collecting(i) for i in range(200)}), 199)
    young, middle, full = seen.gc

    assert (young.count, middle.count, full.count) == (600, 60, 6)
    assert young.mean_ms == pytest.approx(0.1) and full.mean_ms == pytest.approx(50) and middle.mean_ms == 0
    assert full.longest_ms == 61 and full.share == pytest.approx(0.3 / 60)
    assert seen.gc_share == pytest.approx(0.36 / 60)


def test_all_collections_since_the_agent_began_are_those_of_all() -> None:
    seen = row(store_of({i: collecting(i) for i in range(200)}), 199, Window.ALL)

    assert [each.count for each in seen.gc] == [1990, 199, 19]


def test_a_generation_without_collections_has_no_mean() -> None:
    still = sample(gc_counts=(5, 0, 0), gc_pauses_us=(10, 0, 0), gc_longest_us=(3, 0, 0))
    seen = row(store_of(dict.fromkeys(range(90), still)), 89)

    assert [(each.count, each.mean_ms, each.share) for each in seen.gc] == [(0, None, 0.0)] * 3


def test_the_share_of_collections_over_time_shows_when_they_were() -> None:
    seen = row(store_of({i: collecting(i) for i in range(20)}), 19, Window.TEN_SECONDS)

    assert max(seen.gc_share_trend) == pytest.approx(0.051) and min(seen.gc_share_trend) == pytest.approx(0.001)


def test_history_is_bounded_and_does_not_depend_on_the_order_of_samples() -> None:
    told = {i: sample(rss_bytes=i, allocated_blocks=i) for i in range(5_000)}
    shuffled = list(told.items())
    random.Random(3).shuffle(shuffled)
    ordered, mixed = store_of(told), store_of(dict(shuffled))

    assert row(mixed, 4_999, Window.MINUTE) == row(ordered, 4_999, Window.MINUTE)
    assert len(row(ordered, 4_999, Window.ALL).rss_trend) == 60
