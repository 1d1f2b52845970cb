"""What the store shows: exact totals, losses, statements, kept traces, workers, resets."""

from __future__ import annotations

import pytest

from flasktop.protocol.events import Defined, DiedRequest, Event, Framed, Totalled
from flasktop.protocol.messages import Totals
from flasktop.protocol.records import COMMIT, OUTSIDE_ROUTE, UNKNOWN, Folded, OutsideSpan
from flasktop.stats.rings import LOG, RECENT, SLOWEST
from flasktop.stats.store import MAX_DIED, Store
from flasktop.stats.views import EndpointKey, StatementKey, TraceId, Window
from tests.stats.builders import AT, NOW, Source, make_definitions, make_route, make_sample, make_span

ORDERS = EndpointKey("shop", "GET", "/orders")


def started(*sources: Source) -> Store:
    """Return a store that knows the sources' definitions and caught up with them."""
    store = Store()
    for source in sources:
        for event in (source.joined(), source.defined(), source.caught_up()):
            store.apply(event)
    return store


def shop(pid: int = 11, *, apps: tuple[str, ...] = ("shop",)) -> Source:
    """Return a worker with one route and one statement."""
    source = Source(pid=pid, apps=apps)
    source.route("GET", "/orders")
    source.statement("SELECT * FROM orders", line=7)
    return source


def all_count(store: Store, now: float = NOW) -> int:
    return store.summary(now, Window.ALL).requests


# Exact totals


def test_totals_count_what_was_never_received() -> None:
    """ALL is exact whatever detail was evicted; windows and percentiles know only what came."""
    source = shop()
    evicted = [source.trace(ms=10, spans=[make_span(0)], status=500) for _ in range(90)]
    store = started(source)
    store.apply(source.totalled())
    store.apply(source.frame([source.trace(ms=20, spans=[make_span(0)])], totals=True))
    (row,) = store.endpoints(NOW, Window.ALL)
    (query,) = store.queries(NOW, Window.ALL)

    assert (row.count, row.errors, dict(row.statuses)) == (91, len(evicted), {200: 1, 500: 90})
    assert (query.count, query.rows, query.endpoints) == (91, 91, ("GET /orders",))
    assert store.endpoints(NOW, Window.MINUTE)[0].count == 1
    assert row.max_ms == 20


def test_traces_newer_than_the_totals_are_added_on_top() -> None:
    source = shop()
    store = started(source)
    store.apply(source.frame([source.trace(spans=[make_span(0)])], totals=True))
    store.apply(source.frame([source.trace(spans=[make_span(0)]) for _ in range(3)]))

    assert all_count(store) == 4
    assert store.queries(NOW, Window.ALL)[0].count == 4

    store.apply(source.frame([source.trace(spans=[make_span(0)])], totals=True))

    assert all_count(store) == 5
    assert store.queries(NOW, Window.ALL)[0].count == 5


def test_older_totals_do_not_replace_newer_ones() -> None:
    """Backfill brings old frames with old totals."""
    source = shop()
    frames = [source.frame([source.trace()], totals=True) for _ in range(5)]
    store = started(source)
    for frame in reversed(frames):
        store.apply(frame)

    assert all_count(store) == 5


def test_outside_spans_newer_than_the_totals_are_added_on_top() -> None:
    source = shop()
    store = started(source)
    outside = OutsideSpan(make_span(0), 5_000)
    seen = []
    for totals in (False, False, True, False):
        store.apply(source.frame(outside=[outside], totals=totals))
        seen.append(store.queries(NOW, Window.ALL)[0].count)

    assert seen == [1, 2, 3, 4]


def test_outside_spans_of_history_are_in_the_whole_totals_already() -> None:
    source = shop()
    frame = source.frame(outside=[OutsideSpan(make_span(0), 5_000)], live=False)
    store = started(source)
    store.apply(source.totalled())
    store.apply(frame)

    assert store.queries(NOW, Window.ALL)[0].count == 1
    assert store.queries(NOW, Window.MINUTE)[0].count == 1


def test_all_sums_over_workers() -> None:
    sources = [shop(pid) for pid in (11, 12, 13)]
    store = started(*sources)
    for source in sources:
        store.apply(source.frame([source.trace(), source.trace()], totals=source.pid == 12))

    assert all_count(store) == 6
    assert store.summary(NOW, Window.ALL, worker=sources[1].id).requests == 2


@pytest.mark.parametrize("state", ["gone", "died"])
def test_all_leaves_out_dead_workers_while_others_live(state: str) -> None:
    """A worker that left stays in the windows; ALL counts the workers that are shown."""
    first, second = shop(11), shop(12)
    store = started(first, second)
    store.apply(first.frame([first.trace()] * 1, totals=True))
    store.apply(second.frame([second.trace(), second.trace()], totals=True))
    store.apply(first.state(state))  # type: ignore[arg-type]

    assert all_count(store) == 2
    assert store.summary(NOW, Window.MINUTE).requests == 3


def test_all_shows_the_dead_where_no_worker_is_left() -> None:
    first, second = shop(11), shop(12)
    store = started(first, second)
    for source in (first, second):
        store.apply(source.frame([source.trace()], totals=True))
        store.apply(source.state("died"))

    assert all_count(store) == 2


def test_a_silent_worker_counts_as_there() -> None:
    first, second = shop(11), shop(12)
    store = started(first, second)
    for source in (first, second):
        store.apply(source.frame([source.trace()], totals=True))
    store.apply(first.state("silent"))
    summary = store.summary(NOW, Window.ALL)

    assert (summary.requests, summary.workers, summary.silent) == (2, 2, 1)


# Losses


def test_a_gap_in_the_numbers_of_live_traces_is_a_loss() -> None:
    source = shop()
    store = started(source)
    store.apply(source.frame([source.trace()]))
    for _ in range(4):
        source.trace()
    store.apply(source.frame([source.trace()]))

    assert store.summary(NOW, Window.MINUTE).lost == 4
    assert store.workers(NOW, Window.MINUTE)[0].lost == 4


def test_traces_dropped_before_they_were_encoded_are_losses() -> None:
    source = shop()
    store = started(source)
    store.apply(source.frame([source.trace()], finished=3))

    assert store.summary(NOW, Window.MINUTE).lost == 2


def test_what_finished_before_the_reader_began_is_not_lost() -> None:
    source = shop()
    for _ in range(50):
        source.trace()
    store = started(source)
    store.apply(source.frame([source.trace()]))

    assert store.summary(NOW, Window.MINUTE).lost == 0


def test_backfill_is_no_loss_and_no_gain() -> None:
    source = shop()
    old = source.frame([source.trace(), source.trace()], live=False, finished=9)
    for _ in range(7):
        source.trace()
    store = started(source)
    store.apply(source.frame([source.trace()]))
    store.apply(old)

    assert store.summary(NOW, Window.MINUTE).lost == 0


def test_frames_sent_again_after_a_reconnect_repair_the_loss() -> None:
    source = shop()
    store = started(source)
    first = source.frame([source.trace()])
    missed = source.frame([source.trace(), source.trace()])
    later = source.frame([source.trace()])
    for frame in (first, later):
        store.apply(frame)

    assert store.summary(NOW, Window.MINUTE).lost == 2

    again: tuple[Event, ...] = (first, missed, later, source.caught_up())
    for event in again:
        store.apply(event)

    assert store.summary(NOW, Window.MINUTE).lost == 0


# Rows


def test_errors_are_server_errors_and_exceptions_that_left_the_app() -> None:
    source = shop()
    store = started(source)
    store.apply(source.frame([source.trace(status=status) for status in (200, 404, 499, 500, 503)]))
    store.apply(source.frame([source.trace(status=0, raised=True)]))

    assert store.endpoints(NOW, Window.MINUTE)[0].errors == 3


@pytest.mark.parametrize("window", [Window.MINUTE, Window.ALL])
def test_the_time_split_adds_up_to_the_wall(window: Window) -> None:
    source = shop()
    store = started(source)
    spans = [make_span(0, execute_ms=3, fetch_ms=2)]
    traces = [
        source.trace(ms=20, cpu_ms=cpu, sql_cpu_ms=1, other_ms=1, commit_ms=0.25, first_byte_ms=15, spans=spans)
        for cpu in (4, 6, None)
    ]
    store.apply(source.frame(traces, totals=True))
    (row,) = store.endpoints(NOW, window)
    split = row.split

    assert row.mean_ms == pytest.approx(split.wall)
    assert (split.execute, split.fetch, split.commit, split.connect) == pytest.approx((3, 2, 0.25, 0.75))
    assert (split.cpu, split.wait, split.unknown) == pytest.approx((8 / 3, 20 / 3, 14 / 3))
    assert (row.cpu_ms, row.wait_ms, row.sql_ms) == pytest.approx((5, 10, 6))
    assert (row.phases.first_byte, row.phases.body, row.phases.unknown) == pytest.approx((15, 5, 0))


@pytest.mark.parametrize("window", [Window.MINUTE, Window.ALL])
def test_what_passed_where_no_first_byte_is_known_belongs_to_neither_phase(window: Window) -> None:
    """A redirect without a body, or a file that the server sends, beside a streamed response."""
    source = shop()
    store = started(source)
    traces = [source.trace(ms=30, first_byte_ms=10), source.trace(ms=6, first_byte_ms=None)]
    store.apply(source.frame(traces, totals=True))
    (row,) = store.endpoints(NOW, window)

    assert (row.phases.first_byte, row.phases.body, row.phases.unknown) == pytest.approx((5, 10, 3))
    assert row.phases.wall == pytest.approx(row.mean_ms)
    assert [trace.phases.unknown for trace in store.log()] == pytest.approx([6, 0])


def test_concurrent_sql_leaves_no_negative_part() -> None:
    source = shop()
    store = started(source)
    store.apply(source.frame([source.trace(ms=5, cpu_ms=None, spans=[make_span(0, execute_ms=4, fetch_ms=2)] * 2)]))
    split = store.endpoints(NOW, Window.MINUTE)[0].split

    assert (split.cpu, split.wait, split.unknown, split.sql) == (0, 0, 0, 12)


def test_unknown_times_are_none() -> None:
    source = shop()
    store = started(source)
    store.apply(source.frame([source.trace(cpu_ms=None, first_byte_ms=None)]))
    (row,) = store.endpoints(NOW, Window.MINUTE)

    assert (row.cpu_ms, row.wait_ms, row.first_byte_ms) == (None, None, None)


def test_rows_of_different_workers_with_the_same_content_are_one() -> None:
    """Ids are a worker's own; the content is what counts."""
    first, second = Source(pid=11), Source(pid=12)
    first.route("GET", "/a")
    for source in (first, second):
        source.route("GET", "/orders")
        source.statement("SELECT 1")
    store = started(first, second)
    store.apply(first.frame([first.trace(1, spans=[make_span(0)])]))
    store.apply(second.frame([second.trace(0, spans=[make_span(0)])]))

    assert [(row.key, row.count) for row in store.endpoints(NOW, Window.MINUTE)] == [(ORDERS, 2)]
    assert [row.count for row in store.queries(NOW, Window.MINUTE)] == [2]


def test_folded_spans_count() -> None:
    source = shop()
    store = started(source)
    folded = Folded(statement=0, count=400, errors=2, execute_us=400_000, fetch_us=100_000, rows=800)
    store.apply(source.frame([source.trace(ms=900, spans=[make_span(0)], folded=[folded])]))
    (row,) = store.queries(NOW, Window.MINUTE)

    assert (row.count, row.errors, row.rows, row.total_ms) == (401, 2, 801, 503)


def test_endpoints_of_a_statement_come_most_calls_first() -> None:
    source = shop()
    source.route("GET", "/cart")
    store = started(source)
    outside = [OutsideSpan(make_span(0), 5_000)] * 2
    store.apply(source.frame([source.trace(0, spans=[make_span(0)]), source.trace(1, spans=[make_span(0)] * 3)]))
    store.apply(source.frame(outside=outside))
    (row,) = store.queries(NOW, Window.MINUTE)

    assert row.endpoints == ("GET /cart", OUTSIDE_ROUTE, "GET /orders")
    assert store.summary(NOW, Window.MINUTE).requests == 2


def test_endpoints_of_a_statement_are_known_from_totals_alone() -> None:
    source = shop()
    source.trace(spans=[make_span(0)])
    store = started(source)
    store.apply(source.totalled())

    assert store.queries(NOW, Window.ALL)[0].endpoints == ("GET /orders",)


def test_an_endpoint_without_detail_has_counts_and_no_percentiles() -> None:
    source = shop()
    source.trace(ms=30)
    store = started(source)
    store.apply(source.totalled())
    (row,) = store.endpoints(NOW, Window.ALL)

    assert (row.count, row.mean_ms, row.p95_ms, row.max_ms) == (1, 30, None, 30)


def test_undefined_ids_do_not_stop_the_reader() -> None:
    source = shop()
    store = started(source)
    store.apply(source.frame([source.trace(77, spans=[make_span(88)])]))

    assert store.endpoints(NOW, Window.MINUTE)[0].count == 1
    assert store.queries(NOW, Window.MINUTE)[0].count == 1
    assert len(store.log()[0].spans) == 1


# Apps


def two_apps() -> tuple[Store, Source]:
    source = Source(pid=11, apps=("shop", "admin"))
    source.route("GET", "/orders")
    source.route("GET", "/users", app="admin")
    for line in (1, 2, 3):
        source.statement(f"SELECT {line}", line=line)
    store = started(source)
    traces = [source.trace(0, spans=[make_span(0), make_span(1)]), source.trace(1, spans=[make_span(1)])]
    store.apply(source.frame(traces, outside=[OutsideSpan(make_span(2), 5_000)], totals=True))
    return store, source


@pytest.mark.parametrize("window", list(Window))
def test_an_app_shows_its_endpoints_and_the_statements_that_they_ran(window: Window) -> None:
    store, _ = two_apps()

    assert [row.key.app for row in store.endpoints(NOW, window, app="admin")] == ["admin"]
    assert {row.key.text for row in store.queries(NOW, window, app="admin")} == {"SELECT 2", "SELECT 3"}
    assert store.summary(NOW, window, app="admin").requests == 1
    assert [trace.key.app for trace in store.log(app="admin")] == ["admin"]


def test_a_statement_of_two_apps_is_counted_apart_in_windows() -> None:
    store, _ = two_apps()
    counts = {row.key.text: row.count for row in store.queries(NOW, Window.MINUTE, app="admin")}

    assert counts == {"SELECT 2": 1, "SELECT 3": 1}


def test_the_summary_names_the_app() -> None:
    store, _ = two_apps()

    assert store.summary(NOW, Window.ALL).app == "shop"
    assert store.summary(NOW, Window.ALL, app="admin").app == "admin"
    assert store.summary(NOW, Window.ALL).apps == ("shop", "admin")


# Drill-down


def test_an_endpoints_traces_are_slowest_recent_and_failed() -> None:
    source = shop()
    store = started(source)
    for age in range(100, 0, -1):
        store.apply(source.frame([source.trace(ms=age, status=500 if age % 10 == 0 else 200)], mono=NOW - age))
    detail = store.endpoint(ORDERS, NOW, Window.ALL)

    assert detail is not None
    assert [trace.duration_ms for trace in detail.slowest] == list(range(100, 100 - SLOWEST, -1))
    assert [trace.duration_ms for trace in detail.recent] == list(range(1, RECENT + 1))
    assert [trace.duration_ms for trace in detail.failed] == list(range(10, 101, 10))


def test_the_slowest_of_a_window_ended_in_it() -> None:
    source = shop()
    store = started(source)
    for age in range(100, 0, -1):
        store.apply(source.frame([source.trace(ms=age)], mono=NOW - age))
    detail = store.endpoint(ORDERS, NOW, Window.TEN_SECONDS)

    assert detail is not None
    assert [trace.duration_ms for trace in detail.slowest] == list(range(9, 0, -1))


def test_an_endpoints_statements_say_how_often_a_request_runs_them() -> None:
    source = shop()
    source.statement("SELECT 2", line=9)
    store = started(source)
    spans = [make_span(0, execute_ms=1, fetch_ms=0)] * 6 + [make_span(1, execute_ms=10, fetch_ms=0)]
    store.apply(source.frame([source.trace(ms=20, spans=spans), source.trace(ms=20)]))
    detail = store.endpoint(ORDERS, NOW, Window.MINUTE)

    assert detail is not None
    assert [(use.statement.line, use.per_request, use.share) for use in detail.statements] == [
        (9, 0.5, 0.25),
        (7, 3, 0.15),
    ]
    assert sum(bar.count for bar in detail.distribution) == 2


def test_bars_adjoin() -> None:
    source = shop()
    store = started(source)
    store.apply(source.frame([source.trace(ms=ms) for ms in (1, 3, 200, 900)]))
    detail = store.endpoint(ORDERS, NOW, Window.MINUTE)

    assert detail is not None
    bars = detail.distribution
    assert [bar.high_ms for bar in bars[:-1]] == [bar.low_ms for bar in bars[1:]]
    assert bars[0].low_ms <= 1 and bars[-1].high_ms > 900
    assert sum(bar.count for bar in bars) == 4


def test_a_statements_detail_names_endpoints_and_the_slowest_requests_that_ran_it() -> None:
    source = shop()
    source.route("GET", "/cart")
    store = started(source)
    traces = [source.trace(0, ms=9, spans=[make_span(0)]), source.trace(1, ms=30, spans=[make_span(0)] * 2)]
    store.apply(source.frame([*traces, source.trace(1, ms=99)]))
    (row,) = store.queries(NOW, Window.MINUTE)
    detail = store.statement(row.key, NOW, Window.MINUTE)

    assert detail is not None
    assert [(use.endpoint, use.count) for use in detail.endpoints] == [("GET /cart", 2), ("GET /orders", 1)]
    assert [trace.duration_ms for trace in detail.slowest] == [30, 9]
    assert sum(bar.count for bar in detail.distribution) == 3


def test_what_is_not_there_has_no_detail() -> None:
    store = started(shop())

    assert store.endpoint(ORDERS, NOW, Window.MINUTE) is None
    assert store.statement(StatementKey("", "", "", "", 0, ""), NOW, Window.ALL) is None
    assert store.trace(TraceId(shop().id, 0)) is None


def test_a_trace_is_found_and_shown_whole() -> None:
    source = shop()
    source.statement("COMMIT", kind=COMMIT)
    store = started(source)
    spans = [make_span(0, rows=UNKNOWN, error="OperationalError"), make_span(1, execute_ms=4, fetch_ms=0, batch=3)]
    store.apply(source.frame([source.trace(ms=20, path="/orders?page=*", spans=spans)], mono=NOW - 5))
    trace = store.trace(TraceId(source.id, 0))

    assert trace is not None
    assert (trace.key, trace.path, trace.at, trace.duration_ms) == (ORDERS, "/orders?page=*", AT - 5, 20)
    assert [(span.statement.kind, span.rows, span.error, span.batch) for span in trace.spans] == [
        ("statement", None, "OperationalError", 0),
        ("commit", 1, "", 3),
    ]
    assert trace.split.wall == pytest.approx(20)


def test_the_log_is_newest_first_over_workers_and_bounded() -> None:
    sources = [shop(11), shop(12)]
    store = started(*sources)
    for second in range(LOG):
        for source in sources:
            store.apply(source.frame([source.trace()], mono=NOW + second + source.pid / 100))
    log = store.log(limit=5_000)

    assert len(log) == LOG
    assert [trace.at for trace in log] == sorted((trace.at for trace in log), reverse=True)
    assert [trace.id.worker.pid for trace in log[:4]] == [12, 11, 12, 11]
    assert {trace.id.worker.pid for trace in store.log(worker=sources[0].id)} == {11}


def with_endpoints(count: int) -> tuple[Source, Store]:
    """A worker with so many endpoints, and a store that knows them."""
    source = Source()
    for number in range(count):
        source.route("GET", f"/{number}")
    return source, started(source)


def test_very_many_endpoints_keep_fewer_traces_each() -> None:
    """Kept traces are bounded over all endpoints together."""
    source, store = with_endpoints(1_000)
    for second in range(30):
        store.apply(source.frame([source.trace(route) for route in range(1_000)], mono=NOW + second))

    assert len({kept.number for kept in store._rings}) < 16_000


def test_very_many_endpoints_keep_few_slow_traces_over_time() -> None:
    """Some of each minute, not of each ten seconds."""
    source, store = with_endpoints(500)
    for turn in range(120):
        # The first are the slowest: of the slowest of a stretch most are neither recent nor among the slowest of all.
        traces = [source.trace(route, ms=2_000 - turn) for route in range(500)]
        store.apply(source.frame(traces, mono=NOW + 2.5 * turn))

    assert len({kept.number for kept in store._rings}) < 500 * (34 + 20 + 6)
    details = [store._rings.find(row) for row in range(500)]
    assert all(detail is not None and detail.slowest_since(None) for detail in details)


# Workers


def test_a_worker_shows_its_newest_sample() -> None:
    source = shop()
    store = started(source)
    store.apply(source.frame(sample=make_sample(rss_mb=90, in_flight=2), mono=NOW))
    store.apply(source.frame(sample=make_sample(rss_mb=50, in_flight=7), mono=NOW - 10, live=False))
    (row,) = store.workers(NOW, Window.MINUTE)

    assert (row.state, row.rss_bytes, row.in_flight, row.uss_bytes) == ("live", 90 * 1_048_576, 2, None)
    assert row.rss_trend == (50 * 1_048_576, 90 * 1_048_576)


def test_a_worker_without_a_sample_knows_nothing_yet() -> None:
    (row,) = started(shop()).workers(NOW, Window.MINUTE)

    assert (row.rss_bytes, row.cpu_percent, row.requests, row.uptime_s) == (None, None, None, 600)


def test_a_workers_rate_is_of_the_window() -> None:
    source = shop()
    source.mono = NOW - 100
    store = started(source)
    for age in range(60, 0, -1):
        store.apply(source.frame([source.trace(), source.trace()], mono=NOW - age))
    (row,) = store.workers(NOW + 0.5, Window.TEN_SECONDS)

    assert row.rate == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize(("state", "seconds"), [("gone", 10), ("died", 60)])
def test_dead_workers_leave_the_list_after_a_while(state: str, seconds: float) -> None:
    first, second = shop(11), shop(12)
    store = started(first, second)
    store.apply(first.state(state))  # type: ignore[arg-type]
    pids = [
        [row.worker.pid for row in store.workers(NOW + later, Window.MINUTE)] for later in (0, seconds - 1, seconds)
    ]

    assert pids == [[11, 12], [11, 12], [12]]


def test_the_summary_sums_the_live_workers() -> None:
    sources = [shop(pid) for pid in (11, 12, 13)]
    store = started(*sources)
    for source in sources:
        store.apply(source.frame(sample=make_sample(rss_mb=100, cpu_percent=20, in_flight=3)))
    store.apply(sources[0].state("died"))
    summary = store.summary(NOW, Window.MINUTE)

    assert (summary.in_flight, summary.rss_bytes, summary.cpu_percent, summary.workers) == (6, 200 * 1_048_576, 40, 2)


def test_memory_growth_is_told_after_half_a_minute() -> None:
    source = shop()
    store = started(source)
    slopes = []
    for second in range(0, 61, 1):
        spike = 500 if second % 20 == 5 else 0
        store.apply(source.frame(sample=make_sample(rss_mb=100 + second + spike), mono=NOW + second))
        slopes.append(store.summary(NOW + second, Window.MINUTE).rss_slope)

    assert slopes[:30] == [None] * 30
    assert slopes[-1] == pytest.approx(3_600 * 1_048_576, rel=0.01)


def test_samples_of_hours_are_bounded() -> None:
    source = shop()
    store = started(source)
    for second in range(0, 9_000, 2):
        store.apply(source.frame(sample=make_sample(), mono=NOW + second))
    history = store._roster.all[0].history

    assert len(history._fine) <= 300
    assert len(history._coarse) <= 360
    assert len(store.workers(NOW + 9_000, Window.ALL)[0].rss_trend) >= 55


def test_requests_that_died_are_newest_first_and_bounded() -> None:
    store = Store()
    for number in range(MAX_DIED + 5):
        source = shop(number)
        store.apply(source.state("died", died=(DiedRequest("shop", number, "GET", "/", "/", 12.0),)))
    died = store.died()

    assert len(died) == MAX_DIED
    assert died[0].request.pid == MAX_DIED + 4
    assert died[0].at == AT


def test_a_death_told_twice_is_one_death() -> None:
    source = shop()
    store = started(source)
    for _ in range(2):
        store.apply(source.state("died", died=(DiedRequest("shop", 11, "GET", "/", "/", 12.0),)))

    assert len(store.died()) == 1


# Reset


def test_reset_begins_anew() -> None:
    source = shop()
    source.trace(ms=900, spans=[make_span(0)])
    store = started(source)
    store.apply(source.totalled())
    store.apply(source.frame([source.trace(spans=[make_span(0)])]))
    store.reset(NOW + 1)

    assert [store.endpoints(NOW + 1, window) for window in Window] == [()] * 4
    assert [store.queries(NOW + 1, window) for window in Window] == [()] * 4
    assert store.log() == ()

    store.apply(source.frame([source.trace(ms=5, spans=[make_span(0)])], mono=NOW + 3, totals=True))

    assert [sum(row.count for row in store.endpoints(NOW + 4, window)) for window in Window] == [1] * 4
    assert [sum(row.count for row in store.queries(NOW + 4, window)) for window in Window] == [1] * 4
    (row,) = store.endpoints(NOW + 5, Window.ALL)
    assert row.max_ms == pytest.approx(5, rel=0.01)
    assert row.rate == pytest.approx(1 / 4)
    assert store.summary(NOW + 5, Window.ALL).lost == 0


def test_what_ended_before_the_reset_and_comes_late_counts_in_no_window() -> None:
    source = shop()
    store = started(source)
    store.reset(NOW)
    store.apply(source.frame([source.trace()], mono=NOW - 3, live=False))

    assert store.endpoints(NOW, Window.MINUTE) == ()


def test_a_worker_found_after_the_reset_counts_from_then() -> None:
    """Its totals hold what it served before: that is not counted."""
    store = Store()
    store.reset(NOW)
    source = shop()
    source.trace()
    for event in (source.joined(), source.defined(), source.totalled(), source.caught_up()):
        store.apply(event)

    assert all_count(store) == 0

    store.apply(source.frame([source.trace()], mono=NOW + 1, totals=True))

    assert all_count(store, NOW + 2) == 1


# What a broken or odd worker says


def test_definitions_may_come_in_parts() -> None:
    source = shop()
    store = started(source)
    store.apply(Defined(source.id, make_definitions([make_route(5, "PUT", "/late")])))
    store.apply(source.frame([source.trace(5)]))

    assert store.endpoints(NOW, Window.MINUTE)[0].key.route == "/late"


def test_a_frame_before_the_greeting_is_not_fatal() -> None:
    source = shop()
    frame: Framed = source.frame([source.trace()])
    store = Store()
    store.apply(frame)

    assert store.summary(NOW, Window.MINUTE).requests == 1


def test_an_empty_store_shows_nothing() -> None:
    store = Store()
    summary = store.summary(NOW, Window.TEN_SECONDS)

    assert (summary.app, summary.workers, summary.requests, summary.rss_bytes, summary.p50_ms) == ("", 0, 0, None, None)
    assert (store.endpoints(NOW, Window.ALL), store.queries(NOW, Window.ALL), store.log()) == ((), (), ())


def test_empty_totals_change_nothing() -> None:
    source = shop()
    store = started(source)
    store.apply(source.frame([source.trace()], totals=True))
    store.apply(Totalled(source.id, Totals(1, (), (), False)))

    assert all_count(store) == 1
