"""Where events come from, as the app needs it: ``flasktop.client.watch.Watcher``, or a recording."""

from __future__ import annotations

import asyncio
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
    turn: asyncio.Lock
    """Held while events are handed on; whoever holds it meanwhile is handed none, and nothing more is read."""
    way: asyncio.Event
    """Nothing is handed on while it is cleared, for the moment that a key press takes to be answered."""

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
