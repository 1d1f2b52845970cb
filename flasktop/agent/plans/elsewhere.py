"""Where planning runs: in a thread, in an event loop of its own, or in the hub as a greenlet. The command's thread only
waits, natively, and gives up in time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from flasktop.agent import native
from flasktop.agent.commands.job import CommandError, Job
from flasktop.protocol.commands import BUSY, TIMED_OUT

T = TypeVar("T")

DEADLINE_S: Final = 8.0
"""All of it, connecting included, takes no longer for whoever asked."""
LOOK_S: Final = 0.05


class Errand(Generic[T]):
    """Work that runs elsewhere, and its end."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._done = native.original("_thread", "allocate_lock")()
        self._done.acquire()
        self._result: T
        self._error: BaseException | None = None
        self.ended = False

    def run(self) -> None:
        """Do it; never raises."""
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001 - handed on to whoever waits
            self._error = error
        finally:
            self.ended = True
            self._done.release()

    def over(self, _: object = None) -> None:
        """Nothing of it runs any more, whether it was done or not."""
        self.ended = True

    def result(self, job: Job, give_up: Callable[[], None]) -> T:
        """Wait for it. ``give_up`` is called when nobody waits any more.

        Raises:
            CommandError: it was cancelled, or took too long.
            BaseException: what the work raised.
        """
        while not self._done.acquire(True, LOOK_S):
            if job.cancelled or job.elapsed_s > DEADLINE_S:
                give_up()
                job.check()
                raise CommandError(
                    f"There was no plan within {DEADLINE_S:.0f} s.",
                    "The database does not answer, or lets nobody connect; under gevent, the worker was too busy.",
                    TIMED_OUT,
                )
        if self._error is not None:
            raise self._error
        return self._result


class Elsewhere:
    """Runs one errand at a time; one that was given up must end before the next begins.

    Args:
        hub: gevent's hub that serves the requests, None where threads are threads.
    """

    def __init__(self, hub: Any) -> None:
        self._hub = hub
        self._last: Errand[Any] | None = None

    def run(self, work: Callable[[], T], job: Job, *, is_async: bool, interrupt: Callable[[], None]) -> T:
        """``work()``, elsewhere. ``interrupt`` makes it end sooner where that can be done from another thread.

        Raises:
            CommandError, BaseException: see ``Errand.result``.
        """
        if self._last is not None and not self._last.ended:
            raise CommandError(
                "An earlier plan still waits for the database.", "Try again when the database answers.", BUSY
            )
        library = native.greenlets()
        if library == "eventlet" or (library and is_async):
            raise CommandError(f"flasktop makes no plans under {library} with this engine.", "Use threads or gevent.")
        errand: Errand[T] = Errand(_in_loop(work) if is_async else work)
        self._last = errand
        if library:
            return errand.result(job, self._start_greenlet(errand))
        native.start_thread(errand.run)
        return errand.result(job, interrupt)

    def _start_greenlet(self, errand: Errand[T]) -> Callable[[], None]:
        """Let the hub run it, since the driver's sockets are the hub's; what is returned ends it."""
        gevent: Any = sys.modules["gevent"]
        hub = self._hub
        if hub is None:
            raise CommandError("gevent's hub is not known.", "Ask after the worker's next request.")
        started: list[Any] = []

        def start() -> None:
            greenlet = gevent.spawn(errand.run)
            greenlet.link(errand.over)  # also where it is killed before its first step
            started.append(greenlet)

        hub.loop.run_callback_threadsafe(start)

        def kill() -> None:
            hub.loop.run_callback_threadsafe(lambda: [each.kill(block=False) for each in started])

        return kill


def _in_loop(work: Callable[[], T]) -> Callable[[], T]:
    """``work`` where SQLAlchemy's adapters of asynchronous drivers can wait: in a greenlet of a loop of our own."""

    def run() -> T:
        import asyncio

        from sqlalchemy.util import greenlet_spawn

        async def main() -> T:
            made: T = await asyncio.wait_for(greenlet_spawn(work), DEADLINE_S)
            return made

        loop = asyncio.new_event_loop()
        try:
            return loop.run_until_complete(main())
        finally:
            loop.close()

    return run
