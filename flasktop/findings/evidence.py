"""What the store does not know and a worker can tell: plans, trials of indexes, stacks. Asked for by rules.

A new kind of evidence is a ``Need`` here and the function in ``flasktop.client.evidence`` that fetches it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, TypeVar

from flasktop.findings.sql.model import Candidate
from flasktop.stats.views import EndpointKey, StatementKey

KEPT: Final = 500
"""Pieces of evidence that are kept; beyond, the oldest go."""

FRESH_S: Final = 600.0
"""After so long evidence is fetched anew, if a rule still asks for it: data grows, indexes are made."""

REFUSED_S: Final = 60.0
"""What could not be had is asked for again after so long."""


@dataclass(frozen=True, slots=True)
class PlanNeed:
    """The plan of a statement; gives ``stats.plans.Plan``."""

    statement: StatementKey


@dataclass(frozen=True, slots=True)
class StackNeed:
    """Where the requests of an endpoint spend their time; gives ``stats.calltree.Profile``, sampled for a moment."""

    endpoint: EndpointKey


@dataclass(frozen=True, slots=True)
class ShapeNeed:
    """What a statement's text says of itself; gives ``findings.sql.model.Shape``. Read off the screen's thread, since
    it takes a while to begin with."""

    text: str
    dialect: str


@dataclass(frozen=True, slots=True)
class TrialNeed:
    """What an index would change in a statement's plan; gives ``findings.sql.verdict.Verdict``."""

    statement: StatementKey
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class CallsNeed:
    """What a line of the app's source calls; gives ``Calls``, read on this machine."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Calls:
    """The full names of what a line calls, as ``findings.calls.on_line`` tells them."""

    names: tuple[str, ...]


Need = PlanNeed | StackNeed | ShapeNeed | TrialNeed | CallsNeed

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Unavailable:
    """There is no such evidence: what happened and what to do, in words. ``reason`` as in ``protocol.commands``."""

    message: str
    hint: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Piece:
    value: object
    at: float


class EvidenceBook:
    """What has been fetched. ``now`` is the reader's monotonic clock in seconds."""

    def __init__(self) -> None:
        self._pieces: OrderedDict[Need, _Piece] = OrderedDict()

    def put(self, need: Need, value: object, now: float) -> None:
        """Keep an answer, or ``Unavailable``."""
        self._pieces[need] = _Piece(value, now)
        self._pieces.move_to_end(need)
        while len(self._pieces) > KEPT:
            self._pieces.popitem(last=False)

    def get(self, need: Need, kind: type[E]) -> E | Unavailable | None:
        """What is known of ``need``, a ``kind``; None: nothing yet."""
        piece = self._pieces.get(need)
        if piece is None or not isinstance(piece.value, (kind, Unavailable)):
            return None
        return piece.value

    def wanted(self, need: Need, now: float) -> bool:
        """Whether ``need`` has to be fetched (again)."""
        piece = self._pieces.get(need)
        if piece is None:
            return True
        return now - piece.at > (REFUSED_S if isinstance(piece.value, Unavailable) else FRESH_S)
