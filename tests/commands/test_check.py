from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from flasktop.cli import cli
from tests.agent.sql.conftest import Order
from tests.findings.conftest import box, directory, sqlite, watch, watched, world
from tests.findings.watched import Watched

__all__ = ["box", "directory", "sqlite", "watch", "watched", "world"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["check", "shop", "--for", "0.1", *arguments])


@pytest.fixture
def faulty(watched: Watched, sqlite: Engine) -> Watched:
    """An app with one fault, an N+1, and a healthy view."""

    @watched.app.get("/orders")
    def orders() -> str:
        with Session(sqlite) as session:
            return str(sum(len(order.items) for order in session.scalars(select(Order)).all()))

    watched.app.add_url_rule("/", "home", lambda: "home")
    watched.visit("/orders")
    watched.visit("/")
    return watched


def test_a_clean_app_ends_with_0(watched: Watched) -> None:
    watched.app.add_url_rule("/", "home", lambda: "home")
    watched.visit("/")
    done = run()

    assert (done.exit_code, done.stdout) == (0, "shop: no findings in 5 requests of 1 endpoint.\n")


def test_a_finding_ends_with_1_and_is_told_with_its_proof_and_fix(faulty: Watched) -> None:
    done = run()

    assert done.exit_code == 1
    for said in ("loads Order.items one by one", "ran 10 times in a request", "selectinload(Order.items)", __file__):
        assert said in done.stdout


def test_an_app_without_a_request_is_not_called_clean(watch: Callable[..., Watched]) -> None:
    """A check that saw nothing proves nothing."""
    silent = watch(FLASKTOP_IGNORE="/")
    silent.app.add_url_rule("/", "home", lambda: "home")
    silent.app.test_client().get("/")
    done = run()

    assert done.exit_code == 3
    assert "nothing to check" in done.stderr


def test_only_the_rules_that_are_named_make_it_fail(faulty: Watched) -> None:
    """The others are printed all the same."""
    done = run("--fail-on", "max-p95")
    assert (done.exit_code, "one by one" in done.stdout) == (2, False)  # no such rule, without --max-p95
    done = run("--fail-on", "max-p95", "--max-p95", "60000")

    assert (done.exit_code, "one by one" in done.stdout) == (0, True)
    assert "0 of them fail the check" in done.stdout


def test_thresholds_can_be_set(faulty: Watched) -> None:
    assert run("--set", "n-plus-one.repeats=100").exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("--set", "nothing=1"),
        ("--set", "n-plus-one.repeats=many"),
        ("--fail-on", "no-rule"),
        ("--json", "--junit", "-"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_asked_ends_with_2_and_says_what_can(faulty: Watched, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)

    assert done.exit_code == 2
    assert len(done.stderr.strip().split("\n")) == 2  # what happened, and what to do
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [(("--max-queries", "5"), "max-queries"), (("--max-p95", "0.000001"), "max-p95")],
    ids=["queries", "p95"],
)
def test_budgets_are_rules(faulty: Watched, arguments: tuple[str, ...], rule: str) -> None:
    done = run(*arguments, "--json", "--fail-on", rule)
    document = json.loads(done.stdout)
    failing = [finding for finding in document["findings"] if finding["fails"]]

    assert done.exit_code == 1
    assert {finding["rule"] for finding in failing} == {rule}
    assert "GET /orders" in {finding["endpoint"] for finding in failing}


def test_json_holds_the_finding_whole(faulty: Watched) -> None:
    document = json.loads(run("--json").stdout)
    (finding,) = document["findings"]

    assert (document["app"], document["passed"], document["requests"]) == ("shop", False, 10)
    assert (finding["rule"], finding["endpoint"]) == ("n-plus-one", "GET /orders")
    assert finding["severity"] in ("notice", "warning", "critical")
    assert finding["saves_ms"] > 0 and finding["evidence"] and finding["fix"]


def test_junit_has_a_failure_for_each_finding_and_a_case_for_each_clean_rule(faulty: Watched, tmp_path: Path) -> None:
    from flasktop.findings.registry import RULES

    file = tmp_path / "report.xml"
    done = run("--junit", str(file))
    suite = ElementTree.parse(file).getroot()
    failed = [case for case in suite if case.find("failure") is not None]

    assert (done.exit_code, done.stdout) == (1, "")
    assert [case.get("classname") for case in failed] == ["flasktop.n-plus-one"]
    assert (suite.get("tests"), suite.get("failures")) == (str(len(RULES)), "1")


def test_a_report_that_cannot_be_written_is_an_error_not_a_traceback(faulty: Watched, tmp_path: Path) -> None:
    done = run("--junit", str(tmp_path / "none" / "report.xml"))

    assert done.exit_code == 1
    assert "cannot be written" in done.stderr and "Traceback" not in done.stderr


def test_a_rule_that_fails_takes_no_other_with_it_and_fails_the_check(
    faulty: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken rule has proven nothing: the check must not pass because of it."""
    from flasktop.findings.model import Rule
    from flasktop.findings.registry import RULES

    def broken(facts: Any) -> Any:
        raise ValueError("oops")

    rules: tuple[Rule, ...] = (Rule("broken", broken, "", ""), *RULES)
    monkeypatch.setattr("flasktop.commands.check.RULES", rules)
    done = run("--set", "n-plus-one.repeats=100")

    assert done.exit_code == 1
    assert "The rule broken failed: ValueError: oops" in done.stderr


def test_the_snapshot_tells_findings_too(faulty: Watched) -> None:
    document = json.loads(CliRunner().invoke(cli, ["snapshot", "shop", "--for", "0.1", "--json"]).stdout)
    keys = {"rule", "severity", "endpoint", "evidence", "fix", "saves_ms"}

    assert [finding["rule"] for finding in document["findings"]] == ["n-plus-one"]
    assert keys <= document["findings"][0].keys()
    assert "FINDINGS" in CliRunner().invoke(cli, ["snapshot", "shop", "--for", "0.1"]).stdout
