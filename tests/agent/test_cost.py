"""What watching costs the app's own threads: measured on stand-ins, told as an estimate, and harming nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import create_engine, text

from flasktop import FlaskTop
from flasktop.agent import cost, meter
from flasktop.agent.guard import guard
from flasktop.agent.process import process
from flasktop.agent.sql import hooks
from flasktop.agent.sql.known import Known, keep
from tests.agent.support import Box, serve, until


def test_requests_and_statements_are_told_as_a_share_of_a_core(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flasktop.agent.loop.SAMPLE_S", 0.15)  # percentages need a tenth of a second
    engine = create_engine("sqlite://")
    app = Flask("app")

    @app.get("/")
    def view() -> str:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1")).all()
        return "x"

    FlaskTop(app)

    def estimated() -> bool:
        serve(app)
        samples = [frame.sample for frame in box.frames if frame.sample is not None]
        return any(sample.hot_cpu_percent for sample in samples)

    until(estimated)
    engine.dispose()


def test_a_rehearsal_leaves_no_request_behind(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    app = Flask("app")
    FlaskTop(app)
    serve(app)
    box.traces(1)
    taken = len(box.agent.journal.free_slots)
    apps = list(process.apps)
    hot = cost.HotCost()
    hot.percent(1000, 1000, 1.0)

    assert hot.request is not None and 0 < hot.request.whole_ns < 1_000_000
    assert hot.statement is not None and 0 < hot.statement.whole_ns < 1_000_000
    assert len(box.agent.journal.free_slots) == taken
    assert process.apps == apps
    assert len(box.traces(1)) == 1


def test_a_rehearsed_statement_goes_the_way_of_one_that_is_known(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    app = Flask("app")
    FlaskTop(app)
    serve(app)
    looked_at: list[Known] = []

    def keeping(compiled: object, known: Known) -> None:
        looked_at.append(known)
        keep(compiled, known)

    monkeypatch.setattr(hooks, "keep", keeping)
    cost.HotCost().percent(1000, 1000, 1.0)

    assert len(looked_at) == 1


def test_a_rehearsal_logs_nothing_and_reports_no_fault_of_a_requests(
    world: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs in the agent's thread, which must not wait for the app's log; and its faults are its own."""
    app = Flask("app")
    FlaskTop(app)
    serve(app)
    guard.say("for the app's threads")
    assert cost._request().whole_ns > 0
    assert list(guard.unsaid) == ["for the app's threads"]

    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("flasktop.agent.middleware.QuickRequest", fails)
    with pytest.raises(ZeroDivisionError):
        cost._request()
    assert guard.errors == 0


def test_a_rehearsal_that_is_held_up_is_no_fault(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine one of its requests may be slow: its answer is then looked at as a slow one's."""
    app = Flask("app")
    FlaskTop(app)
    serve(app)
    monkeypatch.setattr("flasktop.agent.middleware.SLOW_NS", 0)

    assert cost._request().whole_ns > 0


def test_a_measurement_that_fails_is_told_as_unknown(world: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> cost.Rehearsed:
        raise ZeroDivisionError

    monkeypatch.setattr(cost, "_request", fails)

    assert cost.HotCost().percent(1, 1, 1.0) is None
    assert guard.errors == 1


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[cost.HotCost]:
    """Rehearsed: 4 us a request, a half of it in the metered parts; 1 us a statement, a fifth of it metered."""
    meter.forget()
    hot = cost.HotCost()
    hot.request, hot.statement = cost.Rehearsed(4_000, 2_000), cost.Rehearsed(1_000, 200)
    yield hot
    meter.forget()


def test_what_takes_twice_as_long_in_the_app_costs_twice_as_much(known: cost.HotCost) -> None:
    meter.beginning.extend([3_000] * meter.ENOUGH)
    meter.ending.extend([1_000] * meter.ENOUGH)
    meter.executed.extend([600] * meter.ENOUGH)

    assert known.percent(62_500, 0, 1.0) == pytest.approx(50.0)
    assert known.percent(0, 100_000, 1.0) == pytest.approx(30.0)


def test_one_that_was_held_up_does_not_count(known: cost.HotCost) -> None:
    meter.beginning.extend([1_000] * meter.ENOUGH + [10**9])
    meter.ending.extend([1_000] * meter.ENOUGH)

    assert known.percent(125_000, 0, 1.0) == pytest.approx(50.0)


def test_nothing_is_said_of_what_was_timed_too_seldom(known: cost.HotCost) -> None:
    meter.beginning.extend([1_000] * meter.ENOUGH)
    meter.ending.extend([1_000] * (meter.ENOUGH - 1))

    assert known.percent(1_000, 0, 1.0) is None
    assert guard.errors == 0


def test_an_app_is_never_quicker_than_a_tight_loop(known: cost.HotCost) -> None:
    meter.beginning.extend([1] * meter.ENOUGH)
    meter.ending.extend([1] * meter.ENOUGH)

    assert known.percent(125_000, 0, 1.0) == pytest.approx(50.0)
