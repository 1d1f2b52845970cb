"""Whether an index that was tried would help: what the two plans say, and no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flasktop.findings.sql.model import Candidate
from flasktop.protocol.commands.index import IndexTried, TryIndex
from flasktop.stats.plans import Mark, Plan, parse

_COSTS: Final = frozenset({Mark.FULL_SCAN, Mark.OWN_INDEX, Mark.NO_INDEX, Mark.INDEX_SCAN, Mark.SORT, Mark.TEMPORARY})
_READS_ALL: Final = frozenset({Mark.FULL_SCAN, Mark.INDEX_SCAN, Mark.OWN_INDEX})
CHEAPER: Final = 0.5
"""A database that estimates costs must take the statement for at least so much cheaper, as a part of what it was."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``helps``: rows are looked up, or come in order, by the index where all were read before. ``cost`` is the
    estimated cost with the index as a part of that without (None: the database estimates none). ``looked_up``: by what
    terms, in the database's words."""

    tried: IndexTried
    before: Plan
    after: Plan
    helps: bool
    cost: float | None
    looked_up: str = ""


def command(candidate: Candidate, statement: int) -> TryIndex:
    """What to ask a worker, which knows the statement by ``statement``."""
    return TryIndex(
        statement, candidate.table, candidate.columns, candidate.function, candidate.prefix, candidate.schema
    )


def verdict(tried: IndexTried, candidate: Candidate) -> Verdict:
    """What the trial of a candidate says. Never raises: plans that cannot be read help nobody."""
    before, after = parse(tried.dialect, tried.before), parse(tried.dialect, tried.after)
    cost = _cost(before, after)
    using = [node for node in after.nodes() if node.index == tried.index]
    if before.problem or after.problem or not tried.used or not using:
        return Verdict(tried, before, after, False, cost)
    by = next((text for node in using for name, text in node.conditions if name == "by"), "")
    if cost is not None:
        return Verdict(tried, before, after, cost <= CHEAPER, cost, by)
    # What gives the rows in order is gone through from its beginning, and left when there are enough.
    looks_up = not candidate.why or not any(_READS_ALL.intersection(node.marks) for node in using)
    return Verdict(tried, before, after, looks_up and _burden(after) < _burden(before), cost, by)


def _cost(before: Plan, after: Plan) -> float | None:
    """The cost after as a part of the cost before."""
    first, then = (plan.roots[0].cost if plan.roots else None for plan in (before, after))
    return then / first if first and then is not None else None


def _burden(plan: Plan) -> int:
    return sum(len(_COSTS.intersection(node.marks)) for node in plan.nodes())
