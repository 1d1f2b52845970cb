"""What a worker's link needs of the watcher that holds it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from flasktop.client.turns import Turns
from flasktop.protocol.events import Event
from flasktop.protocol.messages import Subscribe


class Hub(Protocol):
    """Takes what links tell; ``subscription`` is what they ask workers for, ``turns`` says whose messages are taken in
    next."""

    subscription: Subscribe
    turns: Turns

    def emit(self, events: Sequence[Event]) -> None:
        """Hand on events of a watched worker."""

    def changed(self) -> None:
        """Something about a worker changed that discovery should look at."""
