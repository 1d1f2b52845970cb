"""What of an agent is on every request's path."""

from __future__ import annotations

from collections import deque
from typing import Any

from flasktop.agent.finished import Finished
from flasktop.agent.journal import Journal
from flasktop.agent.trace import RequestTrace
from flasktop.agent.turn import Turn


class Hot:
    """What each request touches of its agent. In slots, which lie side by side: a dict of so many entries does not."""

    __slots__ = ("journal", "ours", "pending", "running", "special", "turn")

    journal: Journal
    ours: Any
    pending: deque[Finished]
    running: list[RequestTrace | None]
    special: bool
    turn: Turn
