from __future__ import annotations

from collections.abc import Iterator

from flasktop.findings.evidence import Need, PlanNeed, StackNeed
from flasktop.findings.facts import Facts
from flasktop.findings.inspect import Report, inspect
from flasktop.findings.model import Finding, Fix, Rule, Severity
from flasktop.stats.store import Store
from flasktop.stats.views import EndpointKey, StatementKey

ORDERS = EndpointKey("shop", "GET", "/orders")
SELECT = StatementKey("sqlite://", "statement", "SELECT 1", "", 0, "")


def finding(about: str, severity: Severity, share: float = 0.0) -> Finding:
    return Finding("rule", severity, ORDERS, about, (), Fix("mend"), saves_share=share, concerns=(SELECT,), about=about)


def saying(*said: Finding | Need) -> Rule:
    def check(facts: Facts) -> Iterator[Finding | Need]:
        yield from said

    return Rule("rule", check, "", "")


def told(*rules: Rule) -> Report:
    return inspect(Facts(Store(), 0.0), rules)


def test_the_worst_comes_first_and_of_two_as_bad_the_one_that_gives_back_more() -> None:
    report = told(
        saying(finding("c", Severity.NOTICE, 9.0), finding("b", Severity.WARNING, 0.1)),
        saying(finding("a", Severity.WARNING, 0.2), finding("worst", Severity.CRITICAL)),
    )

    assert [each.title for each in report.findings] == ["worst", "a", "b", "c"]


def test_the_same_finding_is_told_once() -> None:
    assert len(told(saying(finding("a", Severity.NOTICE), finding("a", Severity.NOTICE))).findings) == 1


def test_the_same_need_is_asked_for_once_in_the_order_of_asking() -> None:
    report = told(saying(StackNeed(ORDERS), PlanNeed(SELECT), StackNeed(ORDERS)))

    assert report.needs == (StackNeed(ORDERS), PlanNeed(SELECT))


def test_a_rule_that_fails_is_named_keeps_what_it_said_before_and_takes_no_other_with_it() -> None:
    def check(facts: Facts) -> Iterator[Finding]:
        yield finding("before", Severity.NOTICE)
        raise ZeroDivisionError("by nought")

    report = told(Rule("broken", check, "", ""), saying(finding("other", Severity.WARNING)))

    assert [each.title for each in report.findings] == ["other", "before"]
    assert report.faults == ("The rule broken failed: ZeroDivisionError: by nought",)


def test_a_row_knows_the_worst_finding_that_concerns_it() -> None:
    report = told(saying(finding("a", Severity.NOTICE), finding("b", Severity.CRITICAL)))

    assert report.worst(SELECT) is report.worst(ORDERS) is Severity.CRITICAL
    assert report.worst("another row") is None
