"""What comes from the workers goes into the store here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flasktop.protocol.events import CaughtUp, Event, Framed, Joined
from flasktop.stats.store import Store


class Intake:
    """Takes events into ``store``, and tells after each batch that they ``came``.

    ``news`` is called as long as the first picture comes to be: for the first worker, for the first requests, and when
    the first worker has told all that it was asked for."""

    def __init__(self, store: Store, came: Callable[[], None], news: Callable[[], None]) -> None:
        self._store, self._came, self._news = store, came, news
        self._begun = self._complete = False

    def take(self, events: Sequence[Event]) -> None:
        """Take events."""
        for event in events:
            self._store.apply(event)
            if not self._complete and self._is_news(event):
                self._news()
        self._came()

    def _is_news(self, event: Event) -> bool:
        if isinstance(event, CaughtUp):
            self._complete = True
            return True
        if self._begun or not (isinstance(event, Joined) or (isinstance(event, Framed) and event.frame.traces)):
            return False
        self._begun = isinstance(event, Framed)
        return True
