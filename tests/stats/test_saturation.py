"""How much a worker can do at once, and how often it was full."""

from __future__ import annotations

import msgspec
import pytest

from flasktop.protocol.events import Event
from flasktop.protocol.records import HeldConnection
from flasktop.stats.store import Store
from flasktop.stats.views import Window, WorkerRow
from tests.stats.builders import NOW, Source, make_sample


def row_of(*samples: tuple[float, int], capacity: int = -1, now: float = NOW) -> WorkerRow:
    """The worker that had so many requests in flight at those moments."""
    source, store = Source(), Store()
    events: list[Event] = [source.joined()]
    for at, in_flight in samples:
        sample = msgspec.structs.replace(make_sample(), in_flight=in_flight, capacity=capacity)
        events.append(source.frame(mono=at, sample=sample))
    for event in events:
        store.apply(event)
    (row,) = store.workers(now, Window.MINUTE)
    return row


def test_saturation_is_the_share_of_samples_with_every_place_taken() -> None:
    row = row_of((NOW - 3, 4), (NOW - 2, 5), (NOW - 1, 3), (NOW, 0), capacity=4)

    assert (row.capacity, row.saturated) == (4, 0.5)


def test_a_worker_that_rested_between_two_samples_was_not_full_meanwhile() -> None:
    row = row_of((NOW - 10, 0), (NOW - 5, 0), (NOW, 4), capacity=4)

    assert row.saturated == pytest.approx(1 / 11)


def test_samples_that_are_missing_say_nothing() -> None:
    row = row_of((NOW - 30, 4), (NOW, 0), capacity=4)

    assert row.saturated == 0.5


def test_only_the_last_minute_counts() -> None:
    assert row_of((NOW - 90, 4), (NOW - 1, 0), capacity=4).saturated == 0.0


def test_a_worker_of_unknown_capacity_has_no_saturation() -> None:
    row = row_of((NOW, 4))

    assert (row.capacity, row.saturated) == (None, None)


def test_without_samples_nothing_is_said() -> None:
    row = row_of()

    assert (row.capacity, row.saturated, row.held, row.held_beyond) == (None, None, (), 0)


def test_what_a_worker_that_has_gone_held_is_not_shown() -> None:
    source, store = Source(), Store()
    route = source.route("GET", "/orders")
    held = (HeldConnection("sqlite:///shop.db", route, 2_000_000),)
    sample = msgspec.structs.replace(make_sample(), held=held, held_beyond=3)
    for event in (source.joined(), source.defined(), source.frame(sample=sample)):
        store.apply(event)
    (before,) = store.workers(NOW, Window.MINUTE)
    store.apply(source.state("gone"))
    (after,) = store.workers(NOW, Window.MINUTE)

    assert [one.age_ms for one in before.held] == [2_000.0]
    assert before.held_beyond == 3
    assert (after.held, after.held_beyond) == ((), 0)
