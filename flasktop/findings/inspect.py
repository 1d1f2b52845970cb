"""One look at an app with all rules: what is wrong now, and what would have to be known to say more."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flasktop.findings.model import Finding, Rule, Severity
from flasktop.steps import Steps, finished

if TYPE_CHECKING:
    from flasktop.findings.evidence import Need
    from flasktop.findings.facts import Facts


@dataclass(frozen=True, slots=True)
class Report:
    """``findings``, the worst first; ``needs`` in the order of asking; ``faults``: rules that failed, in words."""

    findings: tuple[Finding, ...] = ()
    needs: tuple[Need, ...] = ()
    faults: tuple[str, ...] = ()

    def of(self, row: Hashable) -> tuple[Finding, ...]:
        """The findings that concern a row: an endpoint, a statement or a worker."""
        return tuple(each for each in self.findings if each.subject == row or row in each.concerns)

    def worst(self, row: Hashable) -> Severity | None:
        """The severity of the worst finding that concerns a row."""
        return max((finding.severity for finding in self.of(row)), default=None)


def inspect(facts: Facts, rules: Sequence[Rule]) -> Report:
    """Run the rules. A rule that fails takes no other with it, and is named."""
    return finished(inspecting(facts, rules))


def inspecting(facts: Facts, rules: Sequence[Rule]) -> Steps[Report]:
    """Run the rules as ``inspect`` does, a rule or a thing that it says a step. What ``facts`` are read from must stand
    still until the end."""
    findings: dict[Hashable, Finding] = {}
    needs: dict[Need, None] = {}
    faults: list[str] = []
    with suppress(Exception):  # the rule that reads the same fails again, and is named
        yield from facts.reading()
    for rule in rules:
        fault = yield from _run(rule, facts, findings, needs)
        if fault:
            faults.append(fault)
    ordered = sorted(findings.values(), key=lambda finding: finding.rank, reverse=True)
    return Report(tuple(ordered), tuple(needs), tuple(faults))


def _run(rule: Rule, facts: Facts, findings: dict[Hashable, Finding], needs: dict[Need, None]) -> Steps[str]:
    """Take in what one rule says; return what went wrong, in words."""
    try:
        for said in rule.check(facts):
            if isinstance(said, Finding):
                findings.setdefault(said.key, said)
            else:
                needs[said] = None
            yield
    except Exception as error:  # noqa: BLE001 - a fault of one rule is shown, and the screen goes on
        return f"The rule {rule.name} failed: {type(error).__name__}: {error}"
    yield
    return ""
