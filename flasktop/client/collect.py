"""Watching for some seconds into a store: what ``snapshot`` and ``ps`` print."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from flasktop.client.apps import RunningApp, resolve
from flasktop.client.ask import Address
from flasktop.client.inspection import Inspection, Looking
from flasktop.client.timing import within
from flasktop.client.watch import Watcher
from flasktop.errors import FlasktopError, NotRunningError
from flasktop.findings.inspect import Report
from flasktop.protocol.events import Event, WorkerId
from flasktop.stats.store import Store
from flasktop.stats.views import Window

ALL_HISTORY_S: Final = 1e9
"""More seconds than any journal holds."""
HISTORY_TIMEOUT_S: Final = 5.0
"""How long a worker may take to send its history; one that is stopped must not hold up the others for ever."""
SETTLE_S: Final = 6.0
"""How long workers may take to say who they are: three times the time-out for one."""
POLL_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Collected:
    """What was seen. ``app`` is None when everything was watched; ``problems`` are for the person who asked;
    ``report`` is what the rules said, where they were asked."""

    store: Store
    app: RunningApp | None
    running: tuple[RunningApp, ...]
    dead: tuple[RunningApp, ...]
    problems: tuple[FlasktopError, ...]
    searched: tuple[str, ...]
    report: Report = field(default_factory=Report)

    def app_asked(self, target: str | None) -> str | None:
        """The one Flask app of the workers that ``target`` named; None: all of them."""
        return target if self.app is not None and target in self.app.names else None


async def collect(
    target: str | None, *, directory: str | None = None, seconds: float = 1.0, looking: Looking | None = None
) -> Collected:
    """Follow one app for ``seconds`` after all its history has come, and then look at it with rules, if asked to, which
    may take some seconds more for evidence.

    Where no worker of it runs any more, the journals of those that were killed are read instead.

    Raises:
        AmbiguousTargetError, NotRunningError: see ``apps.resolve``.
    """
    store = Store()
    watcher = Watcher(target, directory=directory, history_s=ALL_HISTORY_S, backfill=False)
    async with _running(watcher, store) as task:
        if watcher.chosen is None:
            watcher.choose(_running_or_dead(target, watcher))
        await _history(watcher, task)
        if watcher.chosen is not None and watcher.chosen.alive:
            await _for(seconds, task)
        collected = _collected(watcher, store)
        if looking is None:
            return collected
        report = await Inspection(store, watcher, looking).settle(Window.ALL, collected.app_asked(target))
        return replace(collected, report=report)


async def collect_everything(*, directory: str | None = None, seconds: float = 0.0) -> Collected:
    """Look at every worker of every app, and at those that were killed."""
    store = Store()
    watcher = Watcher(None, directory=directory, history_s=5.0, backfill=False, everything=True)
    async with _running(watcher, store) as task:
        await _history(watcher, task)
        await _for(seconds, task)
        return _collected(watcher, store)


@asynccontextmanager
async def watching(target: str | None, *, directory: str | None = None) -> AsyncIterator[tuple[Watcher, Store]]:
    """Follow the one running app that ``target`` names, for commands to its workers; what they know has come.

    Raises:
        AmbiguousTargetError, NotRunningError: see ``apps.resolve``.
    """
    store = Store()
    watcher = Watcher(target, directory=directory, history_s=0.0, backfill=False)
    async with _running(watcher, store) as task:
        if watcher.chosen is None:
            watcher.choose(_running_only(target, watcher))
        await _history(watcher, task)
        yield watcher, store


async def find(target: str | None, *, directory: str | None = None) -> RunningApp:
    """Return the one running app that ``target`` names.

    Raises:
        AmbiguousTargetError, NotRunningError: see ``apps.resolve``.
    """
    watcher = Watcher(target, directory=directory, history_s=0.0, backfill=False)
    async with _running(watcher, Store()):
        return _running_only(target, watcher)


async def addresses(target: str | None, *, directory: str | None = None) -> list[tuple[WorkerId, Address]]:
    """The workers of the one running app that ``target`` names, and where they listen; a worker's pid names it alone.

    Raises:
        AmbiguousTargetError, NotRunningError: see ``apps.resolve``.
    """
    watcher = Watcher(target, directory=directory, history_s=0.0, backfill=False)
    async with _running(watcher, Store()):
        app = _running_only(target, watcher)
        named = [worker for worker in app.workers if str(worker.pid) == target]
        return [(worker, watcher.address(worker)) for worker in named or app.workers]


async def discover(*, directory: str | None = None, seconds: float = 1.0) -> tuple[RunningApp, ...]:
    """The apps that answered within ``seconds``: for completion in a shell."""
    watcher = Watcher("", directory=directory)
    task = asyncio.create_task(watcher.run(lambda events: None))
    with contextlib.suppress(asyncio.TimeoutError):
        await within(seconds, watcher.settled())
    task.cancel()
    await asyncio.wait([task])
    return watcher.apps()


def _collected(watcher: Watcher, store: Store) -> Collected:
    return Collected(store, watcher.chosen, watcher.apps(), watcher.dead_apps(), watcher.problems, watcher.searched)


def _running_only(target: str | None, watcher: Watcher) -> RunningApp:
    try:
        return resolve(target, watcher.apps())
    except NotRunningError as error:
        for obstacle in watcher.obstacles:  # the likelier reason, and what can be done about it
            raise NotRunningError(f"{error.message} {obstacle.message}", obstacle.hint) from None
        raise


def _running_or_dead(target: str | None, watcher: Watcher) -> RunningApp:
    try:
        return _running_only(target, watcher)
    except NotRunningError:
        with contextlib.suppress(NotRunningError):
            return resolve(target, _newest(watcher.dead_apps()))
        raise


def _newest(apps: Sequence[RunningApp]) -> list[RunningApp]:
    """Of each name and directory only the last server: the ones before it are history."""
    newest = {(app.names, app.directory): app for app in sorted(apps, key=lambda app: app.started_at)}
    return list(newest.values())


@asynccontextmanager
async def _running(watcher: Watcher, store: Store) -> AsyncIterator[asyncio.Task[None]]:
    """Run ``watcher`` into ``store``, settled."""

    def take(events: Sequence[Event]) -> None:
        for event in events:
            store.apply(event)

    task = asyncio.create_task(watcher.run(take))
    try:
        settled = asyncio.create_task(watcher.settled())
        await asyncio.wait([task, settled], timeout=SETTLE_S, return_when=asyncio.FIRST_COMPLETED)
        settled.cancel()
        _raise_fault(task)
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _history(watcher: Watcher, task: asyncio.Task[None]) -> None:
    until = time.monotonic() + HISTORY_TIMEOUT_S
    while not watcher.complete and time.monotonic() < until:
        await _for(POLL_S, task)


async def _for(seconds: float, task: asyncio.Task[None]) -> None:
    await asyncio.wait([task], timeout=seconds)
    _raise_fault(task)


def _raise_fault(task: asyncio.Task[None]) -> None:
    if task.done():
        task.result()
