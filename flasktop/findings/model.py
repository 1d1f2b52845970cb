"""What a rule says: findings, and what a rule is."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from flasktop.protocol.events import WorkerId
from flasktop.stats.views import EndpointKey, StatementKey

if TYPE_CHECKING:
    from flasktop.findings.evidence import Need
    from flasktop.findings.facts import Facts


class Severity(IntEnum):
    """How bad it is; the greater the worse."""

    NOTICE = 1
    WARNING = 2
    CRITICAL = 3

    @property
    def word(self) -> str:
        """``critical``, ``warning``, ``notice``."""
        return self.name.lower()


WARNING_MS: Final = 20.0
CRITICAL_MS: Final = 500.0
"""From so many milliseconds a request that the fix would give back."""

WARNING_SHARE: Final = 0.05
CRITICAL_SHARE: Final = 0.5
"""Or from so many seconds a second, over all requests."""


def severity_of(saves_ms: float, per_second: float) -> Severity:
    """How bad lost time is: ``saves_ms`` milliseconds a request, ``per_second`` seconds a second over all requests.

    Both count: one person who waits for a second, and a thousand who wait for a moment.
    """
    if saves_ms >= CRITICAL_MS or per_second >= CRITICAL_SHARE:
        return Severity.CRITICAL
    if saves_ms >= WARNING_MS or per_second >= WARNING_SHARE:
        return Severity.WARNING
    return Severity.NOTICE


Subject = EndpointKey | StatementKey | WorkerId | str
"""What a finding is about: a row of a panel, or an engine's name."""

Language = Literal["python", "sql", ""]


@dataclass(frozen=True, slots=True)
class Block:
    """Lines to be shown as they are: code, or a plan."""

    title: str
    text: str
    language: Language = ""


@dataclass(frozen=True, slots=True)
class Fix:
    """What to do, in a sentence; ``code`` as it would be written, ``file`` and ``line`` where (empty: not known)."""

    text: str
    code: str = ""
    language: Language = "python"
    file: str = ""
    line: int = 0


class FindingKey(NamedTuple):
    """What makes a finding the same one at the next look."""

    rule: str
    subject: Subject
    about: Hashable


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    ``title`` is the whole sentence, ``evidence`` the proof, each a sentence with its numbers. ``saves_ms`` is what the
    fix would give back a request of the endpoint (a call, where the subject is a statement), ``saves_share`` that over
    all requests: seconds a second; ``saves_bytes`` bytes an hour. All three are estimates. ``concerns`` are the rows
    that get a mark and that can be opened from here, the subject first. ``about`` tells findings of one rule and
    subject apart.
    """

    rule: str
    severity: Severity
    subject: Subject
    title: str
    evidence: tuple[str, ...]
    fix: Fix
    endpoint: EndpointKey | None = None
    saves_ms: float | None = None
    saves_share: float = 0.0
    saves_bytes: float | None = None
    concerns: tuple[Hashable, ...] = ()
    blocks: tuple[Block, ...] = ()
    about: Hashable = ""

    @property
    def key(self) -> FindingKey:
        return FindingKey(self.rule, self.subject, self.about)

    @property
    def rank(self) -> tuple[float, ...]:
        """The worst first, when sorted in reverse: by severity, then by what the fix gives back."""
        return self.severity, self.saves_share, self.saves_bytes or 0.0, self.saves_ms or 0.0


@dataclass(frozen=True, slots=True)
class Threshold:
    """A number that decides, which a person may set (``--set NAME=VALUE``). ``name`` is ``rule.word``."""

    name: str
    default: float
    about: str


Check = Callable[["Facts"], Iterator["Finding | Need"]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. ``looks_for`` is what it finds, ``wrong_when`` in which cases it is wrong or stays silent on purpose;
    both are shown beside its findings."""

    name: str
    check: Check
    looks_for: str
    wrong_when: str
    thresholds: tuple[Threshold, ...] = ()
