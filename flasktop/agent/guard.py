"""The one place where flasktop's own faults inside the app end up."""

from __future__ import annotations

import logging
from collections import deque
from typing import Final

LIMIT: Final = 20
"""After so many faults in one place, that place is switched off for the life of the process."""
PLAIN: Final = (str, int, float, type(None))
PLAIN_STR: Final = (BaseException.__str__, KeyError.__str__, OSError.__str__, ImportError.__str__)


def words_of(error: BaseException) -> str:
    """The kind of ``error``, and what it says where that runs no code of the app's and quotes none of its objects: a
    ``KeyError`` would write out the key, whatever that is."""
    name = type(error).__name__
    said = (*error.args, getattr(error, "filename", None))
    if type(error).__str__ in PLAIN_STR and all(type(one) in PLAIN for one in said):
        return f"{name}: {error}"
    return name


class Guard:
    """Counts faults per place, keeps one message per place to be logged, and says which places are switched off.

    Nothing is logged here: a log handler may hold a lock that belongs to another thread or greenlet, and the
    agent's thread must never wait for one. ``flush_log`` is called from the app's own threads.
    """

    def __init__(self) -> None:
        self.errors = 0
        self._faults: dict[str, int] = {}
        self.unsaid: deque[str] = deque()

    def report(self, place: str, error: BaseException) -> None:
        """Take note of ``error`` in ``place``; said once, switched off after ``LIMIT`` times."""
        self.errors += 1
        count = self._faults[place] = self._faults.get(place, 0) + 1
        if count == 1:
            self.say(f"flasktop: {place} failed and was skipped: {words_of(error)}. The app is not affected.")
        elif count == LIMIT:
            self.say(f"flasktop: {place} failed {LIMIT} times and is switched off in process until it restarts.")

    def off(self, place: str) -> bool:
        """Whether ``place`` failed so often that it must not be tried again."""
        return self._faults.get(place, 0) >= LIMIT

    def say(self, message: str) -> None:
        """Keep a warning to be logged by the next request's thread."""
        self.unsaid.append(message)

    def flush_log(self) -> None:
        """Log what was kept. Called from the app's threads only."""
        try:
            while self.unsaid:
                logging.getLogger("flasktop").warning("%s", self.unsaid.popleft())
        except Exception as error:  # noqa: BLE001 - a handler of the app's that raises, or another thread was faster
            self.errors += not isinstance(error, IndexError)


guard: Final = Guard()
