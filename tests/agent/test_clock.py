"""For whom the thread's CPU clock is read, and what is said of the others."""

from __future__ import annotations

import itertools
import time

import pytest
from flask import Flask

from flasktop import FlaskTop
from flasktop.agent import clock, middleware, rules, trace
from flasktop.protocol.records import UNKNOWN, Trace
from tests.agent.support import Box, serve, until

SLEEP_S = 0.2


def site() -> Flask:
    app = Flask("site")

    @app.get("/<word>")
    def either(word: str) -> str:
        if word == "slow":
            time.sleep(SLEEP_S)
        return word

    FlaskTop(app)
    return app


def test_a_quick_requests_cpu_time_is_its_duration(box: Box) -> None:
    app = site()
    served = itertools.count(20, 20)

    def short() -> list[Trace]:
        """On a busy machine most are not, nor are the first after a pause."""
        for _ in range(20):
            serve(app, "/quick")
        return [one for one in box.traces(next(served)) if one.duration_us * 1000 < trace.CPU_GAP_NS]

    quick = until(short)

    assert {one.cpu_us - one.duration_us for one in quick} == {0}


def test_a_slow_requests_cpu_time_is_read(box: Box) -> None:
    serve(site(), "/slow")
    seen = box.trace()

    assert seen.wait_us >= SLEEP_S * 0.9e6
    assert 0 <= seen.cpu_us < SLEEP_S * 0.5e6


def slow_after(box: Box, monkeypatch: pytest.MonkeyPatch, quick: int) -> list[Trace]:
    """A slow request after so many quick ones where credit lasts for four, and another slow one after it."""
    monkeypatch.setattr(rules, "CREDIT", 4)
    monkeypatch.setattr(clock, "CREDIT", 4)
    monkeypatch.setattr("flasktop.agent.middleware.EARLY", 1)
    monkeypatch.setattr(clock, "CPU_GAP_NS", 100_000_000)
    monkeypatch.setattr(clock, "WORTH_NS", 100_000_000)  # a quick one may take some milliseconds on a busy machine
    app = site()
    for _ in range(quick):
        serve(app, "/quick")
    serve(app, "/slow")
    serve(app, "/slow")
    return box.traces(quick + 2)[-2:]


def test_a_slow_request_after_few_quick_ones_has_cpu_time(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = slow_after(box, monkeypatch, 3)

    assert min(first.cpu_us, second.cpu_us) >= 0


def test_a_profile_has_the_clock_read_for_the_next_requests(box: Box) -> None:
    app = site()
    serve(app, "/quick")
    (rule,) = [one._flasktop_known for one in app.url_map.iter_rules() if hasattr(one, "_flasktop_known")]
    rule.change(0, False)
    seen = trace.RequestTrace(trace.AppInfo("site"), "GET", "/quick", "", 1)
    seen.rule = rule
    clock.wanted(seen)

    assert rule.credit == rules.CREDIT


def test_a_slow_request_after_many_quick_ones_has_none_and_the_next_has(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = slow_after(box, monkeypatch, 12)

    assert (first.cpu_us, first.wait_us) == (UNKNOWN, UNKNOWN)
    assert second.cpu_us >= 0
    assert second.wait_us >= SLEEP_S * 0.9e6


def test_a_request_has_used_no_more_cpu_than_it_took() -> None:
    """The clock is read a moment after the request has ended."""
    request = trace.RequestTrace(trace.AppInfo("site"), "GET", "/", "", 1_000_000, cpu_start_ns=5_000)
    request.end_ns, request.cpu_end_ns = 1_300_000, 308_000

    assert clock.used_us(request) == 300


def of_rule(credit: int, cpu_start_ns: int = trace.UNREAD) -> trace.RequestTrace:
    """A request of a rule with so much credit."""

    class Rule:
        rule, endpoint, methods = "/", "view", ("GET",)

    request = trace.RequestTrace(trace.AppInfo("site"), "GET", "/", "", 1, cpu_start_ns=cpu_start_ns)
    request.rule = rules.KnownRule(Rule, False, False)
    request.rule.change(credit, False)
    return request


@pytest.mark.parametrize(("took_ms", "credit"), [(1, 0), (2, 50), (10, 250), (60_000, rules.MOST_CREDIT)])
def test_a_slow_request_earns_credit_in_proportion(took_ms: int, credit: int) -> None:
    request = of_rule(0)
    clock.ended(request, took_ms * 1_000_000)

    assert request.rule is not None and request.rule.credit == credit


def test_a_request_that_is_not_slow_spends_credit() -> None:
    """Also one that took so long that its clock was worth reading."""
    request = of_rule(2, cpu_start_ns=1)
    clock.ended(request, 2 * trace.CPU_GAP_NS)

    assert request.rule is not None and request.rule.credit == 1


def have_none_read_early(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve an app's first requests, in time, after which none that is not late has the clock read early."""
    monkeypatch.setattr(clock, "before", lambda _: 0)
    monkeypatch.setattr(middleware, "AGAIN_NS", 10**12)
    for _ in range(middleware.EARLY):
        serve(app, "/quick")
    assert not app.extensions["flasktop"].early


@pytest.mark.parametrize(
    ("late", "early"),
    [
        ("....", False),
        ("L...", False),
        ("L.L.L.L.", True),
        ("LL", True),
        ("L...L...L...L...", False),
        ("LL........", False),
    ],
)
def test_the_clock_is_read_early_while_requests_of_a_rule_are_often_dispatched_late(
    box: Box, monkeypatch: pytest.MonkeyPatch, late: str, early: bool
) -> None:
    app = site()
    ours = app.extensions["flasktop"]
    have_none_read_early(app, monkeypatch)
    for one in late:
        monkeypatch.setattr(clock, "before", lambda _, late=one: trace.CPU_GAP_NS * (late == "L"))
        serve(app, "/quick")

    assert (ours.early > 0) == early


def test_after_one_that_is_dispatched_late_the_clock_is_read_early_again(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = site()
    ours = app.extensions["flasktop"]
    have_none_read_early(app, monkeypatch)
    monkeypatch.setattr(clock, "before", lambda _: trace.CPU_GAP_NS)
    monkeypatch.setattr(middleware, "AGAIN_NS", 0)
    serve(app, "/quick")
    assert ours.early == middleware.EARLY


@pytest.mark.parametrize("again_ns", [0, 10**12], ids=["seldom", "often"])
def test_an_app_that_is_seldom_visited_has_the_cpu_time_of_those_that_are_dispatched_late(
    box: Box, monkeypatch: pytest.MonkeyPatch, again_ns: int
) -> None:
    app = site()
    monkeypatch.setattr(clock, "before", lambda one: trace.CPU_GAP_NS * one.path.startswith("/slow"))
    monkeypatch.setattr(middleware, "AGAIN_NS", again_ns)
    for _ in range(2 * middleware.EARLY):
        serve(app, "/quick")
    for _ in range(3):
        serve(app, "/slow")
        for _ in range(4):
            serve(app, "/quick")
    late = [one.cpu_us != UNKNOWN for one in box.traces(2 * middleware.EARLY + 15) if one.path == "/slow"]

    assert late == [again_ns == 0] * 3


def test_of_an_endpoint_that_is_always_dispatched_late_the_cpu_time_is_known(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where every other request is another's, which is dispatched in time."""

    def napping(word: str) -> str:
        time.sleep(0.002)
        return word

    app = site()
    app.add_url_rule("/other/<word>", "other", napping)
    monkeypatch.setattr(clock, "before", lambda one: trace.CPU_GAP_NS * one.path.startswith("/other"))
    for _ in range(20):
        serve(app, "/quick")
        serve(app, "/other/late")
    told = [one.cpu_us for one in box.traces(40) if one.path == "/other/late"]

    assert UNKNOWN not in told[8:]
