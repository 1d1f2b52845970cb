from __future__ import annotations

from pathlib import Path

import pytest

from flasktop.findings.model import Rule
from flasktop.findings.registry import RULES, THRESHOLDS

README = (Path(__file__).parents[2] / "README.md").read_text()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.name))
def test_every_rule_says_what_it_looks_for_and_when_it_is_wrong(rule: Rule) -> None:
    assert rule.looks_for.endswith(".")
    assert rule.wrong_when.endswith(".")
    assert "ilent on purpose" in rule.wrong_when


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.name))
def test_the_readme_names_every_rule(rule: Rule) -> None:
    assert f"`{rule.name}`" in README


def test_names_are_unique_and_thresholds_belong_to_a_rule() -> None:
    names = [rule.name for rule in RULES]

    assert len(set(names)) == len(names)
    assert len({threshold.name for threshold in THRESHOLDS}) == len(THRESHOLDS)
    assert {threshold.name.partition(".")[0] for threshold in THRESHOLDS} <= set(names)
