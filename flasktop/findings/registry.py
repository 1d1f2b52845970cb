"""The rules that there are. A new one is a file in ``rules`` and a line here."""

from __future__ import annotations

from typing import Final

from flasktop.findings.model import Rule, Threshold
from flasktop.findings.rules import (
    blocking,
    cacheable,
    collecting,
    cpu_bound,
    errors,
    exhausted,
    growing,
    held,
    imbalance,
    missing_index,
    repeated,
    saturated,
    unbounded,
)

RULES: Final[tuple[Rule, ...]] = (
    repeated.RULE,
    missing_index.RULE,
    unbounded.RULE,
    blocking.RULE,
    cacheable.RULE,
    cpu_bound.RULE,
    errors.RULE,
    held.RULE,
    growing.RULE,
    exhausted.RULE,
    imbalance.RULE,
    saturated.RULE,
    collecting.RULE,
)  # fmt: skip
"""In the order in which they are asked."""

THRESHOLDS: Final[tuple[Threshold, ...]] = tuple(threshold for rule in RULES for threshold in rule.thresholds)
"""All that can be set."""
