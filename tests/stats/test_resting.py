"""Rest is as long in a trend as it was."""

from __future__ import annotations

from flasktop.stats.resting import LONGEST_S, evened
from flasktop.stats.store import Store
from flasktop.stats.views import Window
from tests.stats.builders import NOW, Source, make_sample


def test_a_value_stands_for_the_steps_that_its_sample_skipped() -> None:
    assert evened([(0.5, "a"), (1.5, "b"), (6.6, "c"), (7.6, "d")], 1) == ["a", "b", "c", "c", "c", "c", "c", "d"]
    assert evened([(1.5, "b"), (6.6, "c"), (8.6, "d")], 2) == ["b", "c", "c", "c", "d"]


def test_where_samples_are_missing_nothing_is_made_up() -> None:
    assert evened([(0.0, 1), (LONGEST_S + 0.5, 2)], 1) == [1, 2]


def test_the_mean_cpu_of_a_minute_of_rest_and_work_is_that_of_the_minute() -> None:
    source, store = Source(), Store()
    store.apply(source.joined())
    resting = [(NOW - 59 + 5 * number, 0.0) for number in range(10)]
    working = [(NOW - 11 + number, 100.0) for number in range(12)]
    for at, cpu in resting + working:
        store.apply(source.frame(mono=at, sample=make_sample(cpu_percent=cpu)))
    (row,) = store.workers(NOW, Window.MINUTE)
    (memory,) = store.memory(NOW, Window.MINUTE)

    assert 0.2 < sum(row.cpu_trend) / len(row.cpu_trend) / 100 < 0.3
    assert len(memory.rss_trend) == len(row.rss_trend) == len(row.cpu_trend)
