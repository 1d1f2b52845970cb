"""What watching costs the app's own threads: measured on stand-ins, told as an estimate, and harming nothing."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import create_engine, text

from flasktop import FlaskTop
from flasktop.agent import cost
from flasktop.agent.guard import guard
from flasktop.agent.process import process
from tests.agent.support import Box, serve, until


def test_requests_and_statements_are_told_as_a_share_of_a_core(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flasktop.agent.runtime.SAMPLE_S", 0.15)  # percentages need a tenth of a second
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

    assert hot.percent(1000, 1000, 1.0) is not None
    assert 0 < hot.request_ns < 1_000_000
    assert len(box.agent.journal.free_slots) == taken
    assert process.apps == apps
    assert len(box.traces(1)) == 1


def test_a_measurement_that_fails_is_told_as_unknown(world: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(cost, "_request", fails)

    assert cost.HotCost().percent(1, 1, 1.0) is None
    assert guard.errors == 1


def test_a_core_that_is_half_used_is_fifty_percent() -> None:
    hot = cost.HotCost()
    hot.request_ns, hot.statement_ns = 5_000, 1_000

    assert hot.percent(80_000, 100_000, 1.0) == pytest.approx(50.0)
