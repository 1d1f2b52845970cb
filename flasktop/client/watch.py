"""The reader: finds running apps, follows the chosen one over deaths and restarts, and yields what its workers send."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from flasktop.client.apps import RunningApp, group_apps, resolve
from flasktop.client.ask import A, Address, OnWorking, ask
from flasktop.client.link import WorkerLink
from flasktop.client.timing import within
from flasktop.client.turns import Turns
from flasktop.errors import FlasktopError, NotRunningError
from flasktop.protocol.commands import Command
from flasktop.protocol.events import Event, WorkerId
from flasktop.protocol.messages import Subscribe
from flasktop.rendezvous import DIRECTORY_VARIABLE, Place, WorkerFiles, reader_directories, scan, sweep

SCAN_S: Final = 0.5
"""How often the directories are searched: a new worker is seen within a second."""
SWEEP_S: Final = 60.0
"""How often what dead workers left is swept."""

OnEvents = Callable[[Sequence[Event]], None]


class Watcher:
    """Follows the workers of one app.

    Args:
        target: a pid, an app's name or a socket's path; None: the only app that runs, else what ``choose`` is given.
        directory: searched alone instead of the usual places; None: ``FLASKTOP_DIR`` or the usual places.
        history_s: how many seconds of history each worker sends before the live stream.
        backfill: whether older history comes while the live stream idles.
        everything: watch the workers of all apps; nothing is chosen.
    """

    def __init__(
        self,
        target: str | None,
        *,
        directory: str | None = None,
        history_s: float = 300.0,
        backfill: bool = True,
        everything: bool = False,
    ) -> None:
        self.target = target
        self.subscription = Subscribe(history_s, backfill)
        self.searched: tuple[str, ...] = ()
        """The directories searched last, for people who wonder why nothing was found."""
        self._directory = directory or os.environ.get(DIRECTORY_VARIABLE) or None
        self._everything = everything
        self._forwarded: Path | None = None
        if target is not None and "/" in target:
            self._by_path(Path(target).absolute())
        self._on_events: OnEvents = _nobody
        self._links: dict[Path, WorkerLink] = {}
        self._tasks: dict[Path, asyncio.Task[None]] = {}
        self._chosen: RunningApp | None = None
        self._place_problems: list[FlasktopError] = []
        self._target_problem: FlasktopError | None = None
        self.turns = Turns()
        self.turn, self.way = self.turns.lock, self.turns.way
        self._changed = asyncio.Event()
        self._settled = asyncio.Event()
        self._swept = -SWEEP_S

    def _by_path(self, path: Path) -> None:
        if WorkerFiles.parse(path) is None:
            self._forwarded = path
        else:
            self._directory = str(path.parent)

    # -- what is known now ---------------------------------------------------------------------------------------

    def apps(self) -> tuple[RunningApp, ...]:
        """The apps that run now, oldest first."""
        return group_apps(self._links.values())

    def dead_apps(self) -> tuple[RunningApp, ...]:
        """The apps of which only journals of killed workers are left, oldest first; not those that run again."""
        running = self.apps()
        dead = group_apps(self._links.values(), alive=False)
        return tuple(app for app in dead if not any(_same(app, now) or now.succeeds(app) for now in running))

    @property
    def chosen(self) -> RunningApp | None:
        """The app that is followed, as it is now; the last that was known of it while no worker of it runs."""
        return self._chosen

    @property
    def problems(self) -> tuple[FlasktopError, ...]:
        """What stands in the way now: ``obstacles``, and a target that names none or several."""
        return self.obstacles if self._target_problem is None else (*self.obstacles, self._target_problem)

    @property
    def obstacles(self) -> tuple[FlasktopError, ...]:
        """Directories that must not be used, and workers that cannot be read."""
        refused = (link.problem for link in self._links.values())
        return (*self._place_problems, *(problem for problem in refused if problem is not None))

    @property
    def complete(self) -> bool:
        """Whether every watched worker has sent the history asked for, or cannot."""
        return all(link.complete for link in self._links.values() if link.watched.is_set())

    async def settled(self) -> None:
        """Wait until every worker that was there at first has answered, or has turned out not to."""
        await self._settled.wait()

    def address(self, worker: WorkerId) -> Address:
        """Where ``worker`` listens.

        Raises:
            NotRunningError: it is not there (any more).
        """
        for link in self._links.values():
            if link.worker == worker and link.running:
                return link.address
        raise NotRunningError(f"The worker with pid {worker.pid} has ended.", "Choose another one.")

    async def ask(self, worker: WorkerId, command: Command, answer: type[A], on_working: OnWorking | None = None) -> A:
        """Let ``worker`` carry out a command: see ``flasktop.client.ask.ask``."""
        return await ask(self.address(worker), command, answer, on_working)

    # -- what is done --------------------------------------------------------------------------------------------

    def choose(self, app: RunningApp) -> None:
        """Follow ``app``, one of ``apps()`` or ``dead_apps()``, from now on."""
        self._chosen = app
        self._target_problem = None
        self._assign()

    async def run(self, on_events: OnEvents) -> None:
        """Find, connect and follow until cancelled; ``on_events`` gets batches in the order of each worker.

        It is called in this event loop: while it works nothing is read, so that a slow reader holds no heap of
        messages (the worker drops its oldest frames, and they are counted).
        """
        self._on_events = on_events
        try:
            while True:
                self._search()
                self._decide()
                self._changed.clear()
                await self._pause()
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def emit(self, events: Sequence[Event]) -> None:
        """Take events of a watched worker (for links)."""
        self._on_events(events)

    def changed(self) -> None:
        """Take note that a worker changed (for links)."""
        self._changed.set()

    async def _pause(self) -> None:
        """Wait for the next search; meanwhile decide as often as workers report."""
        until = time.monotonic() + SCAN_S
        while (left := until - time.monotonic()) > 0:
            try:
                await within(left, self._changed.wait())
            except asyncio.TimeoutError:
                return
            self._changed.clear()
            self._decide()
            await asyncio.sleep(0)

    # -- search --------------------------------------------------------------------------------------------------

    def _search(self) -> None:
        for task in self._tasks.values():
            if task.done():
                task.result()  # a fault of ours, or of on_events: not to be hidden
        places, problems = ([], []) if self._forwarded else reader_directories(self._directory)
        self._place_problems = [*problems]
        self.searched = tuple(str(place.path) for place in places)
        self._sweep(places)
        present = {files.socket: (files, place.owner) for place in places for files in scan(place.path)}
        for socket, (files, owner) in present.items():
            self._follow(socket, owner, files)
        if self._forwarded is not None and self._forwarded.is_socket():
            self._follow(self._forwarded, os.geteuid(), None)
        for socket in [socket for socket in self._links if socket not in present]:
            if self._tasks[socket].done():
                del self._links[socket], self._tasks[socket]
            elif self._links[socket].state in ("died", "gone") and not self._links[socket].watched.is_set():
                self._tasks[socket].cancel()

    def _sweep(self, places: Iterable[Place]) -> None:
        if time.monotonic() - self._swept >= SWEEP_S:
            self._swept = time.monotonic()
            for place in places:
                if place.owner == os.geteuid():
                    sweep(place.path)

    def _follow(self, socket: Path, owner: int, files: WorkerFiles | None) -> None:
        if socket not in self._links:
            link = self._links[socket] = WorkerLink(self, socket, owner, files)
            self._tasks[socket] = asyncio.get_running_loop().create_task(link.run(), name=f"worker {socket.name}")

    # -- decide --------------------------------------------------------------------------------------------------

    def _decide(self) -> None:
        if all(link.reported for link in self._links.values()):
            self._settled.set()
        if not self._everything:
            self._choose()
        self._assign()

    def _choose(self) -> None:
        apps = self.apps()
        if self._chosen is None:
            if self._settled.is_set():
                self._choose_by_target(apps)
            return
        chosen = self._chosen
        now = next((app for app in apps if _same(app, chosen)), None)
        if now is None:
            heirs = [app for app in apps if app.succeeds(chosen) and app.first_seen > chosen.first_seen]
            now = heirs[0] if len(heirs) == 1 else None
        if now is not None:
            self._chosen = now

    def _choose_by_target(self, apps: tuple[RunningApp, ...]) -> None:
        try:
            target = str(self._forwarded) if self._forwarded else self.target
            if target is not None or len(apps) == 1:
                self._chosen = resolve(target, apps)
            self._target_problem = None
        except FlasktopError as problem:
            self._target_problem = problem

    def _assign(self) -> None:
        """Watch the workers of the chosen app, and no others."""
        for link in self._links.values():
            wanted = self._everything or (
                self._chosen is not None and link.hello is not None and self._chosen.serves(link.hello)
            )
            if wanted and link.hello is not None:
                link.watched.set()
            else:
                link.watched.clear()


def _same(app: RunningApp, other: RunningApp) -> bool:
    return (app.group, app.directory) == (other.group, other.directory) and bool({*app.names} & {*other.names})


def _nobody(events: Sequence[Event]) -> None:
    """No one listens yet."""
