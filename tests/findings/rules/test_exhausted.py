from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import QueuePool

from flasktop.findings.model import Severity
from flasktop.findings.rules import exhausted
from tests.findings.watched import Watched

N = exhausted.NAME


@pytest.fixture
def narrow(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine with two connections, for which one waits for half a minute, or as long as the test says."""
    patience = getattr(request, "param", 30.0)
    url, arguments = f"sqlite:///{tmp_path / 'narrow.db'}", {"check_same_thread": False}
    made = create_engine(
        url, poolclass=QueuePool, pool_size=2, max_overflow=0, pool_timeout=patience, connect_args=arguments
    )
    yield made
    made.dispose()


def view(watched: Watched, engine: Engine, seconds: float) -> None:
    @watched.app.get("/report")
    def report() -> str:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            time.sleep(seconds)
        return "report"


def at_once(watched: Watched, threads: int, each: int) -> None:
    """So many visitors at the same time, each of whom comes so often."""

    def come() -> None:
        client = watched.app.test_client()
        for _ in range(each):
            client.get("/report", buffered=True)
            time.sleep(0.01)  # a pool is not fair: who comes again at once is served first

    visitors = [threading.Thread(target=come) for _ in range(threads)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    watched.came(threads * each)


def test_waits_for_the_pool_are_found_with_who_waits(watched: Watched, narrow: Engine) -> None:
    view(watched, narrow, 0.05)
    at_once(watched, 6, 5)
    found = watched.finding(N)

    assert found.title.startswith("Requests wait for a connection: ")
    assert "GET /report waited" in found.evidence[0]
    assert any("take the most time, waiting included: GET /report" in said for said in found.evidence)
    assert "pool_size" in found.fix.code and found.saves_ms is not None and found.saves_ms > 20


@pytest.mark.parametrize("narrow", [0.2], indirect=True)
def test_waits_in_vain_are_critical(watched: Watched, narrow: Engine) -> None:
    view(watched, narrow, 0.05)
    kept = [narrow.connect(), narrow.connect()]
    watched.visit("/report", 2)
    for connection in kept:
        connection.close()
    found = watched.finding(N)

    assert "2 of them in vain" in found.title and found.severity is Severity.CRITICAL


def test_a_pool_that_is_just_large_enough_is_no_finding(watched: Watched, narrow: Engine) -> None:
    """Both connections are out all the time, and nobody waits."""
    view(watched, narrow, 0.02)
    at_once(watched, 2, 15)

    assert watched.findings(N) == []


def test_few_and_short_waits_are_no_finding(watched: Watched, narrow: Engine) -> None:
    view(watched, narrow, 0.05)
    at_once(watched, 3, 2)
    watched.visit("/report", 10)

    assert watched.findings(N, f"{N}.wait=5000") == []
    assert watched.findings(N) == []
