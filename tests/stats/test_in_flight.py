"""Requests in flight, from hand-made frames: their age goes on, and what has ended is gone."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from flasktop.protocol.events import Defined, Event, Framed, Joined, StateChanged, WorkerId
from flasktop.protocol.records import CPU, SQL, STATEMENT, UNKNOWN, WAIT, InFlight, Trace
from flasktop.stats.in_flight import InFlightId, InFlightRow
from flasktop.stats.store import Store
from flasktop.stats.views import TraceId
from tests.stats.builders import (
    AT,
    NOW,
    make_definitions,
    make_frame,
    make_hello,
    make_route,
    make_sample,
    make_statement,
    make_trace,
)

WORKER = WorkerId(11, 1)


def in_flight(begun_ago_s: float, route: int = 0, **more: object) -> InFlight:
    """A request that began so long before ``NOW``."""
    begun = int((NOW - begun_ago_s) * 1e6)
    request = InFlight(
        "GET", route, "/slow", int(begun_ago_s * 1e6), app="shop", begun_us=begun, thread="t", doing=WAIT
    )
    return msgspec.structs.replace(request, **more)


@dataclass
class Site:
    """One worker by hand, and the store that reads it."""

    store: Store = field(default_factory=Store)
    seq: int = 0

    def __post_init__(self) -> None:
        definitions = make_definitions([make_route(0, route="/slow"), make_route(1, route="/other", app="admin")],
                                       [make_statement(0, "SELECT sleep")])  # fmt: skip
        self.give(Joined(WORKER, make_hello(apps=("shop", "admin")), 0.0), Defined(WORKER, definitions))

    def give(self, *events: Event) -> None:
        for event in events:
            self.store.apply(event)

    def frame(
        self, *traces: Trace, running: tuple[InFlight, ...] | None = None, mono: float = NOW, count: int = -1
    ) -> None:
        sample = None
        if running is not None:
            sample = msgspec.structs.replace(make_sample(in_flight=max(count, len(running))), running=running)
        self.give(Framed(WORKER, make_frame(self.seq, traces, mono=mono, sample=sample), True))
        self.seq += 1

    def rows(self, now: float = NOW, app: str | None = None) -> tuple[InFlightRow, ...]:
        return self.store.in_flight(now, app=app).rows


def test_the_age_goes_on_between_samples() -> None:
    site = Site()
    site.frame(running=(in_flight(3.0, doing_us=2_000_000),))

    (row,) = site.rows(NOW + 0.7)
    assert row.route == "/slow" and row.doing_ms is not None
    assert (round(row.age_ms), round(row.seen_ms), round(row.doing_ms)) == (3700, 700, 2700)


def test_the_oldest_comes_first_over_all_workers() -> None:
    site = Site()
    other = WorkerId(12, 1)
    site.frame(running=(in_flight(1.0), in_flight(5.0)))
    site.give(Joined(other, make_hello(12), 0.0))
    sample = msgspec.structs.replace(make_sample(in_flight=1), running=(in_flight(3.0, route=UNKNOWN),))
    site.give(Framed(other, make_frame(0, sample=sample), True))

    assert [(row.id.worker.pid, round(row.age_ms)) for row in site.rows()] == [(11, 5000), (12, 3000), (11, 1000)]
    assert site.rows()[1].key is None and site.rows()[1].app == "shop"


def test_a_request_that_ended_is_gone_and_leads_to_its_trace() -> None:
    site = Site()
    site.frame(running=(in_flight(3.0), in_flight(2.0)))
    ending, staying = (row.id for row in site.rows())
    site.frame(make_trace(7, 0, ms=3_400, ended_ms_ago=100), mono=NOW + 0.5)

    assert [row.id for row in site.rows(NOW + 0.5)] == [staying]
    assert site.store.ended(ending) == TraceId(WORKER, 7)
    found = site.store.trace(TraceId(WORKER, 7))
    assert found is not None and found.duration_ms == 3_400
    assert site.store.ended(staying) is None and site.store.ended(InFlightId(WorkerId(9, 9), 1)) is None


def test_clocks_that_were_rounded_still_match() -> None:
    site = Site()
    site.frame(running=(in_flight(3.0, begun_us=int((NOW - 3.0) * 1e6) + 2),))
    site.frame(make_trace(7, 0, ms=3_500), mono=NOW + 0.5)

    assert site.rows() == ()


def test_another_request_of_that_age_does_not_end_it() -> None:
    site = Site()
    site.frame(running=(in_flight(3.0),))
    site.frame(make_trace(7, 0, ms=3_500.01), make_trace(8, 0, ms=100), mono=NOW + 0.5)

    assert len(site.rows()) == 1


def test_a_newer_sample_says_what_runs() -> None:
    site = Site()
    site.frame(running=(in_flight(3.0),))
    site.frame(running=(in_flight(0.1),), mono=NOW + 1.0)
    site.frame(running=(in_flight(9.0),), mono=NOW - 5.0)

    assert [round(row.age_ms) for row in site.rows(NOW + 1)] == [100]


def test_requests_that_were_not_named_are_counted() -> None:
    site = Site()
    site.frame(running=(in_flight(3.0),), count=41)

    assert site.store.in_flight(NOW).beyond == 40


def test_what_runs_in_a_worker_that_died_is_not_in_flight() -> None:
    site = Site()
    site.frame(running=(in_flight(3.0),))
    site.give(StateChanged(WORKER, "silent", AT))
    assert len(site.rows()) == 1
    site.give(StateChanged(WORKER, "died", AT))

    assert site.rows() == ()


def test_one_app_alone() -> None:
    site = Site()
    site.frame(running=(in_flight(3.0), in_flight(2.0, route=1), in_flight(1.0, route=UNKNOWN, app="admin")))

    assert [round(row.age_ms) for row in site.rows(app="admin")] == [2000, 1000]


def test_a_statement_that_runs_is_named() -> None:
    site = Site()
    site.frame(running=(in_flight(3.0, doing=SQL, kind=STATEMENT, statement=0), in_flight(2.0, doing=CPU, cpu_us=1500)))

    first, second = site.rows()
    assert first.statement is not None and first.statement.text == "SELECT sleep"
    assert second.statement is None and second.cpu_ms == 1.5 and first.cpu_ms is None


def test_the_endpoints_own_p95_stands_beside_it() -> None:
    site = Site()
    assert site.rows() == ()
    site.frame(*(make_trace(number, 0, ms=100) for number in range(20)), mono=NOW - 2)
    site.frame(running=(in_flight(3.0), in_flight(2.0, route=1)))

    first, second = site.rows()
    assert first.p95_ms is not None and abs(first.p95_ms - 100) < 5
    assert second.p95_ms is None
