from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest
from flask import Response
from sqlalchemy import select, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from flasktop.client import evidence
from flasktop.findings.rules import blocking, cacheable, cpu_bound
from tests.agent.sql.conftest import Order
from tests.findings.watched import Watched, of

N = cacheable.NAME
CHEAP = f"{N}.cost=20"
BURNT = 0.03
SUM = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500000) SELECT sum(i) FROM n"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second of samples is enough here."""
    monkeypatch.setattr(evidence, "SAMPLE_S", 1.0)


def line_of(mark: str) -> int:
    """The number of the line of this file that ends in ``# at: mark``."""
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(f"# at: {mark}"))


def burn(seconds: float = BURNT) -> str:
    """Compute for so long; the answer is always the same."""
    end, rounds = time.thread_time() + seconds, 0
    while time.thread_time() < end:
        rounds += sum(number for number in range(500))
    return "the answer"


def test_an_expensive_answer_that_repeats_is_found_with_its_proof_and_the_decorator(
    watched: Watched, sqlite: Engine
) -> None:
    @watched.app.get("/stats")
    def stats() -> str:
        with sqlite.connect() as connection:
            return str(connection.execute(text(SUM)).scalar())  # at: sum

    watched.visit("/stats", 12)
    found = watched.finding(N, CHEAP)

    assert found.title.startswith("GET /stats makes the same answers anew")
    assert "11 of 11 repeats" in found.evidence[0]
    assert f"test_cacheable.py:{line_of('sum')}" in found.evidence[2]
    assert "at least 92 % of the 12 requests" in found.evidence[3]
    assert found.fix.code == "@cache.cached(timeout=300, query_string=True)\ndef stats(): ..."
    assert found.fix.file == __file__
    assert found.saves_ms is not None and found.saves_ms > 15


def test_answers_that_differ_are_no_finding(watched: Watched) -> None:
    number = itertools.count()

    @watched.app.get("/now")
    def now() -> str:
        return f"{burn()} {next(number)}"

    watched.visit("/now", 12)

    assert watched.findings(N, CHEAP) == []


def test_cheap_answers_are_no_finding(watched: Watched) -> None:
    @watched.app.get("/cheap")
    def cheap() -> str:
        return burn(0.01)

    watched.visit("/cheap", 12)

    assert watched.findings(N) == []


def test_waiting_is_no_cost(watched: Watched) -> None:
    """On a busy machine everything waits, healthy views too."""

    @watched.app.get("/nap")
    def nap() -> str:
        time.sleep(0.06)
        return "rested"

    watched.visit("/nap", 12)

    assert watched.findings(N) == []


def test_answers_for_one_visitor_are_no_finding(watched: Watched) -> None:
    @watched.app.get("/mine")
    def mine() -> Response:
        return Response(burn(), headers={"Cache-Control": "private"})

    watched.visit("/mine", 12)

    assert watched.findings(N, CHEAP) == []


def test_a_cookie_is_no_finding(watched: Watched) -> None:
    @watched.app.get("/mine")
    def mine() -> Response:
        answer = Response(burn())
        answer.set_cookie("visitor", "1")
        return answer

    watched.visit("/mine", 12)

    assert watched.findings(N, CHEAP) == []


def test_few_repeats_are_no_finding(watched: Watched) -> None:
    @watched.app.get("/few")
    def few() -> str:
        return burn()

    watched.visit("/few", 6)

    assert watched.findings(N, CHEAP) == []


def test_paths_that_hardly_come_again_are_no_finding(watched: Watched) -> None:
    @watched.app.get("/item/<int:key>")
    def item(key: int) -> str:
        return burn() + str(key)

    for key in range(20):
        watched.visit(f"/item/{key}", 1)
    watched.visit("/item/1", 9)

    assert watched.findings(N, CHEAP) == []


def test_queries_are_told_apart(watched: Watched) -> None:
    """Each search answers something else; none was asked for again."""

    @watched.app.get("/search")
    def search() -> str:
        return burn()

    for number in range(12):
        watched.visit(f"/search?q={number}", 1)

    assert watched.findings(N, CHEAP) == []


def test_an_answer_that_is_cached_already_is_no_finding(watched: Watched) -> None:
    kept: list[str] = []

    @watched.app.get("/cached")
    def cached() -> str:
        if len(kept) % 3 == 0:
            kept.append(burn())
        else:
            kept.append(kept[-1])
        return kept[-1]

    watched.visit("/cached", 30)

    assert watched.findings(N, CHEAP) == []


def test_a_post_is_no_finding(watched: Watched) -> None:
    @watched.app.post("/stats")
    def stats() -> str:
        return burn()

    watched.visit("/stats", 12, method="POST")

    assert watched.findings(N, CHEAP) == []


def test_a_stream_is_no_finding(watched: Watched) -> None:
    @watched.app.get("/stream")
    def stream() -> Response:
        return Response(burn() for _ in range(2))

    watched.visit("/stream", 12)

    assert watched.findings(N, CHEAP) == []


def test_a_loop_of_statements_is_left_to_its_own_rule(watched: Watched, sqlite: Engine) -> None:
    @watched.app.get("/orders")
    def orders() -> str:
        with Session(sqlite) as session:
            found = session.scalars(select(Order)).all()
            return str(sum(len(order.items) for order in found)) + burn()

    watched.visit("/orders", 12)

    assert watched.findings(N, CHEAP) == []
    assert len(watched.findings("n-plus-one")) == 1


def test_waiting_is_left_to_its_own_rule(watched: Watched) -> None:
    @watched.app.get("/nap")
    def nap() -> str:
        time.sleep(0.15)
        return "rested"

    with watched.visited("/nap"):
        watched.await_traces(12)
        found = watched.report(CHEAP, f"{blocking.NAME}.wait=100").findings

    assert of(N, found) == []
    assert len(of(blocking.NAME, found)) == 1


def test_computing_whose_answer_repeats_is_one_finding_with_the_function(watched: Watched) -> None:
    @watched.app.get("/thumbnail/<int:key>")
    def thumbnail(key: int) -> str:
        return burn(0.1) + str(key)

    with watched.visited("/thumbnail/3"):
        watched.await_traces(12)
        found = watched.report(CHEAP, f"{cpu_bound.NAME}.cpu=60").findings

    assert of(cpu_bound.NAME, found) == []
    (one,) = of(N, found)
    assert "burn()" in " ".join(one.evidence)
    assert one.fix.code.endswith("def thumbnail(...): ...")
    assert one.fix.file == __file__
