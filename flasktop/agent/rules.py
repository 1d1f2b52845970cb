"""What the hot path remembers of a URL rule, so that a request looks it up once."""

from __future__ import annotations

from typing import Any, Final

CREDIT: Final = 512
"""For so many of a rule's first requests, and of those after one that asked a database, the CPU clock is read."""
MOST_CREDIT: Final = 8 * CREDIT


class KnownRule:
    """A rule's text, its endpoint's name, the text as the journal's slots hold it; are its requests ignored?

    ``asks``: one of its requests has asked a database. ``credit`` is how many quick requests more have the CPU clock
    read for them (see ``agent/clock.py``). ``invented`` says that it takes any method, ``masked`` that paths are not to
    be kept. ``late`` is above 0 while its requests are dispatched late (see ``agent/clock.py``). ``sampled``: the
    parameters of its next request's statements are told apart (see ``agent/sql/repeats.py``). ``special``: it is
    ``invented``, ``masked``, ``ignored`` or ``sampled``, and its next request needs more than a slot.
    """

    __slots__ = (
        "asks",
        "credit",
        "endpoint",
        "ignored",
        "invented",
        "label",
        "late",
        "masked",
        "route",
        "sampled",
        "special",
    )

    def __init__(self, rule: Any, ignored: bool, masked: bool) -> None:
        self.route: str = rule.rule
        self.endpoint: str = rule.endpoint
        self.label = self.route.encode("utf-8", "replace")
        self.invented = rule.methods is None
        self.ignored = ignored
        self.masked = masked
        self.asks = False
        self.late = 0
        self.change(CREDIT, True)

    def change(self, credit: int, sampled: bool) -> None:
        """Set what changes from request to request."""
        self.credit = credit
        self.sampled = sampled
        self.special = sampled or self.invented or self.ignored or self.masked

    def asked(self) -> None:
        """One of its requests has asked a database: the next have the clock read."""
        self.asks = True
        if self.credit < MOST_CREDIT:
            self.change(min(self.credit + CREDIT, MOST_CREDIT), self.sampled)
