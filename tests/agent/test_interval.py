"""What the time between two looks at a request was."""

from __future__ import annotations

import time

import pytest

from flasktop.agent.commands.interval import Interval
from flasktop.agent.engine import Engine, SpanIdentity
from flasktop.agent.trace import AppInfo, Call, RequestTrace, SpanRecord
from flasktop.protocol.records import COMMIT, STATEMENT

MS = 1_000_000
START = 1_000 * MS


class Watch:
    """A request that began at 0 ms, with a thread that had used no CPU; time passes as the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.trace = RequestTrace(AppInfo("shop"), "GET", "/", "", START)
        self.trace.cpu_start_ns = 0
        self.now = START
        self.looks = Interval(self.trace)
        monkeypatch.setattr(time, "perf_counter_ns", lambda: self.now)

    def ran(self, start: float, ms: float, cpu: float = 0.0, fetch: float = 0.0) -> SpanRecord:
        """A statement ran."""
        span = SpanRecord(SpanIdentity(STATEMENT, "SELECT 1", Engine("", ""), None, 0))
        span.start_ns = START + int(start * MS)
        span.execute_ns, span.fetch_ns, span.cpu_ns = int(ms * MS), int(fetch * MS), int(cpu * MS)
        span.folded = None
        self.trace.spans = [*(self.trace.spans or []), span]
        return span

    def look(self, at: float, cpu: float, in_sql: bool = False) -> tuple[float, float | None]:
        self.now = START + int(at * MS)
        sql, on_cpu = self.looks.shares(int(cpu * MS), in_sql)
        return round(sql, 3), None if on_cpu is None else round(on_cpu, 3)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    return Watch(monkeypatch)


def test_cpu_is_what_the_clock_says_since_the_last_look(watch: Watch) -> None:
    assert watch.look(10, 4) == (0.0, 0.4)
    assert watch.look(20, 14) == (0.0, 1.0)
    assert watch.look(30, 14) == (0.0, 0.0)


def test_outside_the_database_the_time_in_it_does_not_count(watch: Watch) -> None:
    watch.ran(0, 6, cpu=1)

    assert watch.look(10, 5) == (0.0, 1.0), "4 of the 4 ms outside SQL"


def test_in_the_database_the_cpu_before_it_counts_too(watch: Watch) -> None:
    """As with a loop of short statements, between which no sampler gets in."""
    watch.ran(1, 2)
    watch.ran(5, 1, fetch=1)
    watch.trace.database = Call(COMMIT, Engine("", ""), START + 9 * MS)

    assert watch.look(10, 4, in_sql=True) == (0.5, 0.4)


def test_a_long_statement_is_all_sql(watch: Watch) -> None:
    watch.trace.database = Call(COMMIT, Engine("", ""), START)

    assert watch.look(10, 0, in_sql=True) == (1.0, 0.0)
    assert watch.look(20, 0, in_sql=True) == (1.0, 0.0)
    watch.trace.database = None
    watch.ran(0, 25)
    assert watch.look(30, 5) == (0.0, 1.0), "5 ms were left of it"


def test_rows_fetched_later_are_counted_when_they_are(watch: Watch) -> None:
    span = watch.ran(0, 2)
    watch.look(5, 3)
    span.fetch_ns += 4 * MS

    assert watch.look(15, 9, in_sql=True) == (0.4, 0.6)


def test_many_statements_are_each_counted_once(watch: Watch) -> None:
    for number in range(40):
        watch.ran(number, 0.5)
    assert watch.look(40, 20, in_sql=True) == (0.5, 0.5)
    for number in range(40, 60):
        watch.ran(number, 0.25)
    assert watch.look(60, 30, in_sql=True) == (0.25, 0.5)


def test_where_the_clock_cannot_be_read_the_rest_is_not_known(watch: Watch) -> None:
    watch.ran(0, 4)

    assert watch.look(10, -1, in_sql=True) == (0.4, None)
    assert watch.look(20, -1) == (0.0, None)
