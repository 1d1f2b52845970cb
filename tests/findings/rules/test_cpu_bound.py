from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import render_template_string
from sqlalchemy import text
from sqlalchemy.engine import Engine

from flasktop.client import evidence
from flasktop.findings.rules import cpu_bound
from tests.findings.watched import Watched

N = cpu_bound.NAME
LIMIT = f"{N}.cpu=60"
BURNT = 0.1


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second of samples is enough here."""
    monkeypatch.setattr(evidence, "SAMPLE_S", 1.0)


def line_of(mark: str) -> int:
    """The number of the line of this file that ends in ``# at: mark``."""
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(f"# at: {mark}"))


def burn() -> int:
    end, rounds = time.thread_time() + BURNT, 0
    while time.thread_time() < end:
        rounds += sum(number * number for number in range(2_000))  # at: hot
    return rounds


def test_the_hot_function_and_its_line_are_named(watched: Watched) -> None:
    @watched.app.get("/picture")
    def picture() -> str:
        return str(burn())

    with watched.visited("/picture"):
        found = watched.finding(N, LIMIT)

    assert found.title.startswith("GET /picture computes ")
    lines = (line_of("hot"), line_of("hot") - 1)  # Python 3.10 gives others a turn at the head of the loop only
    assert any(f"test_cpu_bound.py:{line} " in found.evidence[1] for line in lines)
    assert found.fix.file == __file__
    assert found.saves_ms == pytest.approx(BURNT * 1000, rel=0.3)
    assert "Threads do not help" in found.fix.text


def test_a_post_gets_a_background_task(watched: Watched) -> None:
    @watched.app.post("/picture")
    def picture() -> str:
        return str(burn())

    with watched.visited("/picture", method="POST"):
        found = watched.finding(N, LIMIT)

    assert "@shared_task" in found.fix.code


def test_rendering_is_no_finding(watched: Watched) -> None:
    @watched.app.get("/page")
    def page() -> str:
        return render_template_string("{% for a in range(60000) %}<p>{{ a }} {{ a * 3 }}</p>{% endfor %}")

    with watched.visited("/page"):
        assert watched.findings(N, f"{N}.cpu=20") == []


def test_the_cpu_of_a_database_in_the_process_is_no_finding(watched: Watched, sqlite: Engine) -> None:
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000) SELECT sum(i) FROM n"

    @watched.app.get("/sum")
    def add_up() -> str:
        with sqlite.connect() as connection:
            return str(connection.execute(text(many)).scalar())

    with watched.visited("/sum"):
        assert watched.findings(N, f"{N}.cpu=20") == []


def test_waiting_is_no_finding(watched: Watched) -> None:
    @watched.app.get("/nap")
    def nap() -> str:
        time.sleep(0.2)
        return "rested"

    with watched.visited("/nap"):
        assert watched.findings(N, LIMIT) == []


def test_a_little_cpu_is_no_finding(watched: Watched) -> None:
    @watched.app.get("/picture")
    def picture() -> str:
        return str(burn())

    watched.visit("/picture")

    assert watched.findings(N, f"{N}.cpu=500") == []


def test_without_samples_the_clock_is_believed_and_it_is_said(
    watch: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASKTOP_GRANTS", "stacks")
    watched = watch()

    @watched.app.post("/picture")
    def picture() -> str:
        return str(burn())

    watched.visit("/picture", method="POST")

    assert "There are no samples that show the function" in watched.finding(N, LIMIT).evidence[1]
