"""The interpreter, handed to the agent's thread by a request that has just ended.

A thread that waits for the interpreter is woken each time another one lets go of it, which SQLite's driver does
several times a statement, and mostly comes too late: the other has it again. Hundreds of such wakes for each look of
the agent's thread cost the app more than what the thread does. So where the app is busy, one request in a while steps
aside when it has ended, and the thread works undisturbed, which it would do beside a request that has to wait, too.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter, perf_counter_ns
from typing import Final

from flasktop.agent import native

LONGEST_S: Final = 0.005
"""A request steps aside for no longer: what the interpreter gives a thread at a time, unless the app says otherwise."""

_NEVER: Final = 1 << 63


class Turn:
    """When the agent's thread wants to work (``due_ns``, of ``perf_counter_ns``), and who waits until it has.

    An app that is ``resting`` has nobody whom the thread would disturb: its next request wakes the thread, and goes on.
    It does so when it begins (at ``roused_s``, of ``perf_counter``), so that the thread does not sleep while it runs,
    and when it has ended.

    Args:
        wake: ends the thread's wait; called in a request's thread.
    """

    __slots__ = ("_back", "_offered", "_wake", "due_ns", "resting", "roused_s")

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._offered = self.resting = False
        self.roused_s = 0.0
        self._back = native.original("_thread", "allocate_lock")()
        self._back.acquire()
        self.due_ns = _NEVER

    def offer(self) -> None:
        """Step aside until the thread has worked, or ``LONGEST_S``; by one request's thread for each time it is due."""
        self.due_ns = _NEVER
        self._back.acquire(False)  # given back after the request before had waited for long enough
        self._offered = True
        self._wake()
        if not self.resting:
            self._back.acquire(True, LONGEST_S)

    def sent(self) -> None:
        """The answer of a request that had ended when the thread was due has been sent: step aside, if it still is."""
        if perf_counter_ns() > self.due_ns:
            self.offer()

    @property
    def offered(self) -> bool:
        """Whether a request has stepped aside, or has woken the thread."""
        return self._offered

    def over(self, due_ns: int | None) -> None:
        """The thread has worked, and is due again at ``due_ns`` (None: never)."""
        if self._offered:
            self._offered = False
            if self._back.locked():
                self._back.release()
        self.resting, self.roused_s = False, 0.0
        self.due_ns = _NEVER if due_ns is None else due_ns

    def rest(self) -> None:
        """The thread has nothing to do, and is due as soon as a request ends."""
        self.resting = True
        self.due_ns = 0

    def rouse(self) -> None:
        """Have a thread that rests look soon, and as often as ever."""
        if not self.roused_s:
            self.roused_s = perf_counter()
            self._wake()
