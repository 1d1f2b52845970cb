"""What comes from the workers goes into the store here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flasktop.protocol.events import CaughtUp, Event, Framed, Joined
from flasktop.stats.store import Store


class Intake:
    """Takes events into ``store``, except while it is ``held``, because somebody looks at one moment of it.

    ``news`` is called as long as the first picture comes to be: for the first worker, for the first requests, and when
    the first worker has told all that it was asked for."""

    def __init__(self, store: Store, held: Callable[[], bool], news: Callable[[], None]) -> None:
        self._store, self._held, self._news = store, held, news
        self._begun = self._complete = False
        self._waiting: list[Event] = []

    def take(self, events: Sequence[Event]) -> None:
        """Take events, now or in ``go_on``."""
        if self._held():
            self._waiting.extend(events)
            return
        for event in events:
            self._store.apply(event)
            if not self._complete and self._is_news(event):
                self._news()

    def go_on(self) -> None:
        """Take what came while the store was held."""
        came, self._waiting = self._waiting, []
        self.take(came)

    def _is_news(self, event: Event) -> bool:
        if isinstance(event, CaughtUp):
            self._complete = True
            return True
        if self._begun or not (isinstance(event, Joined) or (isinstance(event, Framed) and event.frame.traces)):
            return False
        self._begun = isinstance(event, Framed)
        return True
