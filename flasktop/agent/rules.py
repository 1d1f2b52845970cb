"""What the hot path remembers of a URL rule, so that a request looks it up once."""

from __future__ import annotations

from typing import Any, Final

CREDIT: Final = 512
"""For so many of a rule's requests after a slow one the CPU clock is read."""


class KnownRule:
    """A rule's text, its endpoint's name, the text as the journal's slots hold it; are its requests ignored?

    ``invented`` says that it takes any method. ``credit`` is how many quick requests more have the CPU clock read for
    them (see ``agent/clock.py``). ``sampled``: the parameters of its next request's statements are told apart (see
    ``agent/sql/repeats.py``). ``special``: its next request needs more than to be written into its slot.
    """

    __slots__ = ("credit", "endpoint", "ignored", "invented", "label", "rule", "sampled", "special")

    def __init__(self, source: Any, ignored: bool) -> None:
        self.rule: str = source.rule
        self.endpoint: str = source.endpoint
        self.label = self.rule.encode("utf-8", "replace")
        self.invented = source.methods is None
        self.ignored = ignored
        self.credit = CREDIT
        self.sampled = self.special = True
