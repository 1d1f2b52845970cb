"""Windows: what is in them, in whatever order it came."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from msgspec import structs

from flasktop.protocol.events import Framed
from flasktop.stats.histogram import RELATIVE_ERROR
from flasktop.stats.pictures import AT_ONCE
from flasktop.stats.store import Store
from flasktop.stats.trends import Trends
from flasktop.stats.views import EndpointRow, QueryRow, Summary, Window
from flasktop.steps import Steps
from tests.stats.builders import NOW, Source, make_span, make_trace

UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)
"""Shrinking a permutation takes minutes and says little."""

ROLLING = [Window.TEN_SECONDS, Window.MINUTE, Window.FIVE_MINUTES]


def started(*sources: Source) -> Store:
    """Return a store that knows the sources' definitions and caught up with them."""
    store = Store()
    for source in sources:
        for event in (source.joined(), source.defined(), source.caught_up()):
            store.apply(event)
    return store


def source_with_route(pid: int = 11) -> Source:
    source = Source(pid=pid)
    source.route("GET", "/orders")
    return source


def counts(store: Store, now: float) -> dict[str, int]:
    return {window.label: sum(row.count for row in store.endpoints(now, window)) for window in Window}


@pytest.mark.parametrize(("age", "expected"), [(1, "10s 1m 5m all"), (30, "1m 5m all"), (200, "5m all"), (400, "all")])
def test_a_trace_counts_in_the_windows_in_which_it_ended(age: float, expected: str) -> None:
    source = source_with_route()
    store = started(source)
    store.apply(source.frame([source.trace()], mono=NOW - age))

    assert [label for label, count in counts(store, NOW).items() if count] == expected.split()


def test_a_trace_is_placed_by_its_end_not_by_its_frame() -> None:
    source = source_with_route()
    store = started(source)
    store.apply(source.frame([source.trace(ms=50_000, ended_ms_ago=20_000)]))

    assert counts(store, NOW) == {"10s": 0, "1m": 1, "5m": 1, "all": 1}


def test_windows_roll_on_with_time() -> None:
    source = source_with_route()
    store = started(source)
    store.apply(source.frame([source.trace(), source.trace()]))
    seen = [counts(store, NOW + later) for later in (0, 9, 10, 59, 60, 290, 301, 4_000)]

    assert [one["10s"] for one in seen] == [2, 2, 0, 0, 0, 0, 0, 0]
    assert [one["1m"] for one in seen] == [2, 2, 2, 2, 0, 0, 0, 0]
    assert [one["5m"] for one in seen] == [2, 2, 2, 2, 2, 2, 0, 0]
    assert [one["all"] for one in seen] == [2] * 8


def test_late_frames_count_in_the_interval_to_which_they_belong() -> None:
    source = source_with_route()
    store = started(source)
    frames = [source.frame([source.trace()], mono=NOW - age) for age in range(0, 100, 10)]
    for frame in frames:
        store.apply(frame)
        store.summary(NOW, Window.MINUTE)

    assert counts(store, NOW) == {"10s": 1, "1m": 6, "5m": 10, "all": 10}


def test_a_window_asked_for_late_is_whole() -> None:
    """Windows that nobody looked at are put together when asked for, and let go of again."""
    source = source_with_route()
    watched, unwatched = started(source), started(source)
    for second in range(200):
        frame = source.frame([source.trace(ms=second + 1)], mono=NOW + second)
        for store in (watched, unwatched):
            store.apply(frame)
            for window in Window:
                watched.endpoints(NOW + second, window)

    assert [unwatched.endpoints(NOW + 200, window) for window in Window] == [
        watched.endpoints(NOW + 200, window) for window in Window
    ]


def test_offsets_of_workers_clocks_are_added() -> None:
    source = source_with_route()
    source.offset = -50.0
    store = started(source)
    store.apply(source.frame([source.trace()]))

    assert counts(store, NOW) == {"10s": 0, "1m": 1, "5m": 1, "all": 1}


def test_a_frame_received_twice_counts_once() -> None:
    source = source_with_route()
    store = started(source)
    first = source.frame([source.trace()])
    second = source.frame([source.trace()])
    for event in (first, second, source.joined(), first, second):
        store.apply(event)

    assert counts(store, NOW) == {"10s": 2, "1m": 2, "5m": 2, "all": 2}


def test_percentiles_are_of_all_workers() -> None:
    sources = [source_with_route(pid) for pid in (11, 12)]
    store = started(*sources)
    for source, base in zip(sources, (0, 50), strict=True):
        store.apply(source.frame([source.trace(ms=base + ms) for ms in range(1, 51)]))
    (row,) = store.endpoints(NOW, Window.TEN_SECONDS)

    assert row.count == 100
    assert row.p50_ms == pytest.approx(50, rel=RELATIVE_ERROR)
    assert row.p95_ms == pytest.approx(95, rel=RELATIVE_ERROR)
    assert row.p99_ms == pytest.approx(99, rel=RELATIVE_ERROR)
    assert row.max_ms == pytest.approx(100, rel=RELATIVE_ERROR)


def test_the_rate_of_a_young_session_is_over_the_time_it_covers() -> None:
    source = source_with_route()
    source.mono = NOW - 5
    store = started(source)
    store.apply(source.frame([source.trace() for _ in range(10)], mono=NOW - 1))
    (row,) = store.endpoints(NOW, Window.MINUTE)

    assert row.rate == pytest.approx(10 / 5)


def test_the_rate_of_all_is_since_the_worker_began() -> None:
    source = source_with_route()
    source.age_s = 100
    store = started(source)
    store.apply(source.frame([source.trace() for _ in range(10)]))
    (row,) = store.endpoints(NOW, Window.ALL)

    assert row.rate == pytest.approx(10 / 100)


def test_trends_are_rates_oldest_first() -> None:
    source = source_with_route()
    source.mono = NOW - 100
    store = started(source)
    for age in range(30, 0, -1):
        store.apply(source.frame([source.trace() for _ in range(4 if age > 10 else 1)], mono=NOW - age))
    (row,) = store.endpoints(NOW, Window.MINUTE)

    assert row.trend[-15:] == (4.0,) * 10 + (0.5 * 2,) * 5
    assert row.trend[:-15] == (0.0,) * (len(row.trend) - 15)
    assert len(row.trend) == 30


def test_one_worker_has_counts_of_its_own_and_no_percentiles() -> None:
    sources = [source_with_route(pid) for pid in (11, 12)]
    store = started(*sources)
    for source, count in zip(sources, (3, 5), strict=True):
        store.apply(source.frame([source.trace() for _ in range(count)]))
    for window in Window:
        (row,) = store.endpoints(NOW, window, worker=sources[1].id)
        assert (row.count, row.p95_ms) == (5, None)


def test_one_workers_windows_roll_too() -> None:
    sources = [source_with_route(pid) for pid in (11, 12)]
    store = started(*sources)
    store.endpoints(NOW, Window.TEN_SECONDS, worker=sources[0].id)
    for source in sources:
        store.apply(source.frame([source.trace()]))
    rows = [store.endpoints(NOW + later, Window.TEN_SECONDS, worker=sources[0].id) for later in (0, 9, 10)]

    assert [sum(row.count for row in found) for found in rows] == [1, 1, 0]


def test_the_only_worker_has_percentiles() -> None:
    source = source_with_route()
    store = started(source)
    store.apply(source.frame([source.trace(ms=10)]))
    (row,) = store.endpoints(NOW, Window.TEN_SECONDS, worker=source.id)

    assert row.p50_ms == pytest.approx(10, rel=RELATIVE_ERROR)


def test_an_unknown_worker_has_nothing() -> None:
    source = source_with_route()
    store = started(source)
    store.apply(source.frame([source.trace()]))

    assert [store.endpoints(NOW, window, worker=Source(pid=99).id) for window in Window] == [()] * 4


Picture = tuple[tuple[EndpointRow, ...], tuple[QueryRow, ...], Summary]


def picture(store: Store, now: float, window: Window) -> Picture:
    return store.endpoints(now, window), store.queries(now, window), store.summary(now, window)


def untrended(store: Store, now: float, window: Window) -> Picture:
    """A picture without trends: how far back the first value of one reaches depends on when it was first asked for."""
    endpoints, queries, summary = picture(store, now, window)
    return (
        tuple(structs.replace(row, trend=()) for row in endpoints),
        tuple(structs.replace(row, trend=()) for row in queries),
        structs.replace(summary, rate_trend=()),
    )


def traffic(seed: int) -> tuple[list[Source], list[Framed]]:
    """Return two workers and frames of 400 seconds of their traffic, gaps and totals now and then included."""
    rng = random.Random(seed)
    sources = [source_with_route(pid) for pid in (11, 12)]
    frames: list[Framed] = []
    for source in sources:
        source.route("POST", "/pay")
        source.statement("SELECT 1", line=1)
        source.statement("SELECT 2", line=2)
        for age in range(400, 0, -rng.randint(7, 40)):
            traces = [
                source.trace(
                    rng.randrange(2),
                    ms=rng.uniform(1, 900),
                    ended_ms_ago=rng.uniform(0, 900),
                    status=rng.choice([200, 404, 500]),
                    cpu_ms=rng.choice([None, 1.0]),
                    spans=[make_span(rng.randrange(2), execute_ms=rng.uniform(0, 9)) for _ in range(rng.randrange(3))],
                )
                for _ in range(rng.randrange(4))
            ]
            frames.append(source.frame(traces, mono=NOW - age, totals=rng.random() < 0.5))
    return sources, frames


@settings(max_examples=40, deadline=None, phases=UNSHRUNK)
@given(st.integers(0, 5), st.randoms(use_true_random=False), st.booleans())
def test_the_order_of_frames_does_not_matter(seed: int, rng: random.Random, look: bool) -> None:
    """Any permutation, doubled frames among them and looked at in between or not, gives the same picture."""
    sources, frames = traffic(seed)
    expected, shuffled = started(*sources), started(*sources)
    for frame in frames:
        expected.apply(frame)
    mixed = frames + rng.sample(frames, 5)
    rng.shuffle(mixed)
    for frame in mixed:
        shuffled.apply(frame)
        if look and rng.random() < 0.3:
            shuffled.endpoints(NOW, rng.choice(list(Window)))

    assert [picture(shuffled, NOW, window) for window in Window] == [
        picture(expected, NOW, window) for window in Window
    ]
    assert shuffled.log() == expected.log()
    for row in expected.endpoints(NOW, Window.ALL):
        assert shuffled.endpoint(row.key, NOW, Window.ALL) == expected.endpoint(row.key, NOW, Window.ALL)


@settings(max_examples=20, deadline=None, phases=UNSHRUNK)
@given(st.integers(0, 5), st.integers(0, 400))
def test_windows_hold_what_a_plain_count_finds(seed: int, later: int) -> None:
    """Windows kept incrementally hold what a walk over all traces finds."""
    sources, frames = traffic(seed)
    store = started(*sources)
    ends: list[float] = []
    for frame in sorted(frames, key=lambda event: event.frame.mono):
        store.apply(frame)
        ends.extend(frame.frame.mono + (t.duration_us - t.start_us) / 1e6 for t in frame.frame.traces)
        for window in ROLLING:
            store.summary(frame.frame.mono + 0.5, window)
    now = NOW + later
    starts = {"10s": now // 1 - 9, "1m": now // 1 - 59, "5m": ((now - 300) // 5 + 1) * 5, "all": 0}

    assert counts(store, now) == {label: sum(1 for end in ends if end >= start) for label, start in starts.items()}


@settings(max_examples=20, deadline=None, phases=UNSHRUNK)
@given(st.integers(0, 5), st.randoms(use_true_random=False))
def test_statements_are_counted_without_their_sums(seed: int, rng: random.Random) -> None:
    """The count that a tab shows is that of the rows behind it, in whatever order frames came."""
    sources, frames = traffic(seed)
    store = started(*sources)
    rng.shuffle(frames)
    for frame in frames:
        store.apply(frame)
        if rng.random() < 0.2:
            store.statement_count(NOW - rng.uniform(0, 300), rng.choice(ROLLING))
    now = NOW + rng.uniform(0, 400)

    assert [store.statement_count(now, window) for window in Window] == [
        len(store.queries(now, window)) for window in Window
    ]


def test_memory_does_not_grow_with_requests() -> None:
    """Ten times the requests to the same endpoints make no more cells and keep no more traces."""

    def kept(requests: int) -> int:
        source = source_with_route()
        store = started(source)
        for second in range(30):
            store.apply(source.frame([make_trace(n, 0) for n in range(requests)], mono=NOW + second))
        return len({trace.number for trace in store._rings}) + len(store._timeline.open)

    assert kept(2_000) <= max(kept(200), 2_100)


def test_a_frozen_screen_does_not_misplace_what_comes_meanwhile() -> None:
    """Views may ask for a moment that is past while frames go on."""
    source = source_with_route()
    store = started(source)
    for second in range(40):
        store.apply(source.frame([source.trace()], mono=NOW + second))
        store.endpoints(NOW, Window.MINUTE)

    assert counts(store, NOW + 39.5) == {"10s": 10, "1m": 40, "5m": 40, "all": 40}


def test_absurd_clocks_do_not_stop_the_reader() -> None:
    """A frame from the far future counts as now, and leaves with now."""
    source = source_with_route()
    store = started(source)
    store.apply(source.frame([source.trace()], mono=NOW + 1e7))

    assert counts(store, NOW)["10s"] == 1
    assert counts(store, NOW + 20)["10s"] == 0


def side_by_side(seed: int) -> tuple[Store, Store, Iterator[float]]:
    """Return two stores, and an iterator that lets both take the same traffic, a frame each time, and yields when."""
    sources, frames = traffic(seed)
    stores = started(*sources), started(*sources)

    def take() -> Iterator[float]:
        for frame in sorted(frames, key=lambda event: event.frame.mono):
            for store in stores:
                store.apply(frame)
            yield frame.frame.mono + 0.5

    return *stores, take()


@settings(max_examples=20, deadline=None, phases=UNSHRUNK)
@given(st.integers(0, 5), st.randoms(use_true_random=False))
def test_reckoning_in_steps_comes_to_the_same_whenever_somebody_asks(seed: int, rng: random.Random) -> None:
    """Begun at any time, left half done, and finished by whoever asks, or by the next frames."""
    expected, stepwise, moments = side_by_side(seed)
    for now in moments:
        steps = stepwise.folding(now)
        for _ in range(rng.randrange(12)):
            next(steps, None)
        if rng.random() < 0.5:
            window = rng.choice(list(Window))
            assert picture(stepwise, now, window) == picture(expected, now, window)

    assert [picture(stepwise, NOW, window) for window in Window] == [
        picture(expected, NOW, window) for window in Window
    ]


@settings(max_examples=20, deadline=None, phases=UNSHRUNK)
@given(st.integers(0, 5), st.randoms(use_true_random=False))
def test_what_is_put_together_in_steps_is_right_whatever_comes_meanwhile(seed: int, rng: random.Random) -> None:
    """Windows that are begun to be followed in steps, and gone on with when frames have come or time has passed."""
    expected, stepwise, moments = side_by_side(seed)
    under_way: list[Steps[None]] = []
    for now in moments:
        if rng.random() < 0.5:
            under_way.append(stepwise.survey(now, rng.choice(ROLLING)).reading())
        for steps in under_way:
            for _ in range(rng.randrange(6)):
                next(steps, None)
        if rng.random() < 0.3:
            window = rng.choice(list(Window))
            assert untrended(stepwise, now, window) == untrended(expected, now, window)

    assert [untrended(stepwise, NOW, window) for window in Window] == [
        untrended(expected, NOW, window) for window in Window
    ]


def test_many_endpoints_are_read_in_steps_and_come_to_the_same() -> None:
    source = Source(pid=11)
    routes = [source.route("GET", f"/orders/{number}") for number in range(3 * AT_ONCE)]
    store = started(source)
    store.apply(source.frame([source.trace(route, ms=1 + route) for route in routes]))
    reading = store.reading_endpoints(NOW, Window.MINUTE)
    next(reading)
    next(reading)
    next(reading)
    with pytest.raises(StopIteration) as end:
        next(reading)

    assert end.value.value == store.endpoints(NOW, Window.MINUTE)
    assert len(end.value.value) == 3 * AT_ONCE


def test_many_statements_are_read_in_steps_and_come_to_the_same() -> None:
    source = source_with_route()
    count = 2 * AT_ONCE + 1
    spans = [make_span(source.statement(f"SELECT {number}"), execute_ms=1 + number) for number in range(count)]
    store = started(source)
    store.apply(source.frame([source.trace(spans=spans)]))
    reading = store.reading_queries(NOW, Window.MINUTE)
    steps = 0
    with pytest.raises(StopIteration) as end:
        while True:
            next(reading)
            steps += 1

    assert steps >= 3
    assert end.value.value == store.queries(NOW, Window.MINUTE)
    assert len(end.value.value) == count


def test_an_endpoint_that_is_asked_for_alone_has_the_statements_that_it_has_among_others() -> None:
    source = Source(pid=11)
    routes = [source.route("GET", f"/orders/{number}") for number in range(3)]
    statement = source.statement("SELECT 1")
    store = started(source)
    store.apply(source.frame([source.trace(route, spans=[make_span(statement)]) for route in routes]))
    survey, key = store.survey(NOW, Window.MINUTE), store.endpoints(NOW, Window.MINUTE)[1].key
    alone, among = survey.uses(key), survey.uses(key)

    assert len(alone) == 1
    assert alone == among


def test_what_was_reckoned_in_steps_waits_no_more() -> None:
    source = source_with_route()
    store = started(source)
    store.apply(source.frame([source.trace() for _ in range(5)]))
    assert store.gathered == 5
    steps = store.folding(NOW)
    next(steps)
    assert store.is_folding
    for _ in steps:
        pass

    assert (store.gathered, store.is_folding) == (0, False)


def test_percentiles_are_those_of_the_moment_whenever_they_are_looked_at() -> None:
    source = source_with_route()
    store = started(source)
    store.apply(source.frame([source.trace(ms=10)]))
    (row,) = store.endpoints(NOW, Window.MINUTE)
    store.apply(source.frame([source.trace(ms=900)]))
    store.endpoints(NOW, Window.MINUTE)

    assert row.max_ms is not None
    assert row.max_ms == pytest.approx(10, rel=2 * RELATIVE_ERROR)


def test_a_table_of_trends_says_of_each_row_what_it_says_alone() -> None:
    trends = Trends(2)
    trends.add(100, [(0, 3), (2, 1)], 2)
    trends.add(106, [(1, 4)], 1)
    window = trends.window(107.0, 5, 100.0)

    assert list(window.table()) == [window.of(row) for row in range(3)]
    assert window.none == window.of(99)
