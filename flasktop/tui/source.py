"""Where events come from, as the app needs it: ``flasktop.client.watch.Watcher``, or a recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from flasktop.client.apps import RunningApp
from flasktop.client.ask import A, OnWorking
from flasktop.errors import FlasktopError
from flasktop.protocol.commands import Command
from flasktop.protocol.events import Event, WorkerId


class Source(Protocol):
    """Finds apps, follows one of them, and hands its events on."""

    searched: tuple[str, ...]

    @property
    def chosen(self) -> RunningApp | None: ...
    @property
    def problems(self) -> tuple[FlasktopError, ...]: ...
    def apps(self) -> tuple[RunningApp, ...]: ...
    def dead_apps(self) -> tuple[RunningApp, ...]: ...
    def choose(self, app: RunningApp) -> None: ...
    async def run(self, on_events: Callable[[Sequence[Event]], None]) -> None: ...
    async def ask(
        self, worker: WorkerId, command: Command, answer: type[A], on_working: OnWorking | None = None
    ) -> A: ...
