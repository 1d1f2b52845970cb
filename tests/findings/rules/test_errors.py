from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import abort
from sqlalchemy import insert
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from flasktop.findings.facts import Facts
from flasktop.findings.inspect import inspect
from flasktop.findings.model import Finding, Severity
from flasktop.findings.rules import errors
from flasktop.stats.store import Store
from flasktop.stats.views import EndpointKey
from tests.agent.sql.conftest import Order
from tests.findings.watched import Watched
from tests.stats.builders import NOW, Source

N = errors.NAME


def line_of(mark: str) -> int:
    """The number of the line of this file that ends in ``# at: mark``."""
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(f"# at: {mark}"))


def cart(watched: Watched, engine: Engine, *, checked: bool) -> None:
    """``/cart/1`` puts a row in that is there already."""

    @watched.app.get("/cart/<int:number>")
    def add(number: int) -> Any:
        with Session(engine) as session:
            session.add(Order(id=number))
            try:
                session.commit()  # at: commit
            except IntegrityError:
                if not checked:
                    raise
                session.rollback()
                return "taken", 409
        return "added"


def test_a_constraint_that_nobody_handles_is_found_with_the_statement_the_line_and_a_request(
    watched: Watched, sqlite: Engine
) -> None:
    cart(watched, sqlite, checked=False)
    for number in range(100, 120):
        watched.visit(f"/cart/{number}", 1)
    watched.visit("/cart/1", 4)

    found = watched.finding(N)

    assert found.title == "GET /cart/<int:number> fails with IntegrityError: 4 of 24 (17 %) requests"
    assert "INSERT INTO" in found.evidence[1] and f"test_errors.py:{line_of('commit')}" in found.evidence[1]
    assert "IntegrityError (4)" in found.evidence[-1]
    assert "except IntegrityError" in found.fix.code and found.fix.line == line_of("commit")
    assert found.subject == EndpointKey("shop", "GET", "/cart/<int:number>") and len(found.concerns) == 3


def test_a_constraint_whose_refusal_is_answered_is_no_finding(watched: Watched, sqlite: Engine) -> None:
    """409 is an answer, though a statement failed on the way to it."""
    cart(watched, sqlite, checked=True)
    watched.visit("/cart/1", 20)

    assert watched.findings(N) == []


def test_core_statements_that_fail_are_found_as_well(watched: Watched, sqlite: Engine) -> None:
    @watched.app.get("/add")
    def add() -> str:
        with sqlite.begin() as connection:
            connection.execute(insert(Order).values(id=1))
        return "added"

    watched.visit("/add", 6)
    found = watched.finding(N)

    assert "fails with IntegrityError: 6 of 6 (100 %)" in found.title and found.severity is Severity.WARNING


def test_an_exception_of_the_view_is_named(watched: Watched) -> None:
    @watched.app.get("/divide")
    def divide() -> str:
        return str(1 / 0)

    watched.visit("/divide", 12)
    found = watched.finding(N)

    assert "fails with ZeroDivisionError" in found.title and "errorhandler(ZeroDivisionError)" in found.fix.code
    assert found.severity is Severity.CRITICAL


def test_a_view_that_answers_500_by_itself_is_named_by_its_status(watched: Watched) -> None:
    @watched.app.get("/busy")
    def busy() -> str:
        abort(503)

    watched.visit("/busy", 8)
    found = watched.finding(N)

    assert "fails with status 503" in found.title and "No exception was seen" in found.fix.text


@pytest.mark.parametrize("status", [301, 400, 404, 409, 429, 499])
def test_statuses_below_500_are_no_finding(watched: Watched, status: int) -> None:
    @watched.app.get("/no")
    def no() -> tuple[str, int]:
        return "no", status

    watched.visit("/no", 8)

    assert watched.findings(N) == []


def test_two_failures_are_no_finding_unless_a_person_wants_so(watched: Watched) -> None:
    @watched.app.get("/divide/<int:by>")
    def divide(by: int) -> str:
        return str(1 / by)

    watched.visit("/divide/1", 4)
    watched.visit("/divide/0", 2)

    assert watched.findings(N) == []
    assert len(watched.findings(N, f"{N}.errors=2")) == 1


# What takes minutes, by hand.


def told(counts: dict[int, tuple[int, int]]) -> list[Finding]:
    """What the rule says at ``NOW`` where so many seconds before it (requests, failures of them) came."""
    store, source = Store(), Source(mono=NOW - 400)
    route = source.route("GET", "/pay")
    store.apply(source.joined())
    store.apply(source.defined())
    for ago, (requests, failures) in sorted(counts.items(), reverse=True):
        traces = [source.trace(route, status=502 if i < failures else 200) for i in range(requests)]
        store.apply(source.frame(traces, mono=NOW - ago))
    return list(inspect(Facts(store, NOW), (errors.RULE,)).findings)


def test_a_share_that_jumps_is_told_as_news() -> None:
    (found,) = told({200: (100, 1), 100: (100, 0), 30: (60, 18), 5: (40, 12)})

    assert "since a moment: 30 of 100 (30 %) in the last minute" in found.title
    assert "Before the last minute 1 of 200 (0.5 %) failed, in it 30 of 100 (30 %)." in found.evidence
    assert found.severity is Severity.WARNING


def test_a_jump_is_found_though_it_drowns_in_what_came_before() -> None:
    """20 of 20,060 are below a hundredth; 20 of the last 60 are not."""
    (found,) = told({200: (20_000, 0), 30: (60, 20)})

    assert "since a moment: 20 of 60" in found.title


def test_a_share_that_stays_is_told_as_old() -> None:
    (found,) = told({200: (100, 10), 100: (100, 12), 30: (60, 6)})

    assert "fails with status 502: 28 of 260 (11 %) requests" in found.title
    assert "Not since a moment only: before the last minute 22 of 200 (11 %) failed, too." in found.evidence


def test_a_handful_among_thousands_is_no_finding() -> None:
    """0.5 % may be chance about less than the threshold; a jump of it may be, too."""
    assert told({200: (1_000, 5), 100: (1_000, 5), 30: (1_000, 5)}) == []
    assert told({200: (500, 1), 30: (100, 3)}) == []


def test_what_failed_more_than_five_minutes_ago_is_past() -> None:
    assert told({390: (100, 100), 30: (100, 0)}) == []
