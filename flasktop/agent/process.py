"""What this process has of flasktop: at most one agent, started by its first request.

``process.agent`` is what the hot path looks at.
"""

from __future__ import annotations

import os
import sys
import weakref
from _thread import allocate_lock
from typing import Any, Final, Protocol

from msgspec import structs

from flasktop.agent import native
from flasktop.agent.config import Settings
from flasktop.agent.guard import guard
from flasktop.agent.runtime import Agent
from flasktop.agent.trace import current_trace, sink
from flasktop.errors import FlasktopError


class Owner(Protocol):
    """Who has claimed a name: a middleware with its settings."""

    settings: Settings


class _Process:
    """What this process has: at most one agent, the apps given to us with their folders, and one start at a time."""

    def __init__(self) -> None:
        self.agent: Agent | None = None
        self.apps: list[str] = []
        self.roots: list[str] = []
        self._owners: dict[str, weakref.ref[Owner]] = {}
        self.starting = allocate_lock()
        self.fork_hook = False

    def claim_name(self, wanted: str, owner: Owner) -> str:
        """Give ``owner`` a name of its own in this process: ``shop``, and ``shop-2`` for a second app called so.

        A name is free again when its owner is gone (a factory that was called twice).
        """
        name, number = wanted, 1
        while (holder := self._owners.get(name)) is not None and holder() not in (None, owner):
            number += 1
            name = f"{wanted}-{number}"
        self._owners[name] = weakref.ref(owner)
        if name not in self.apps:
            self.apps.append(name)
        return name

    def allowed(self, settings: Settings) -> Settings:
        """``settings`` with what every app of this process allows: none is laid open by another one's settings."""
        every = [owner.settings for holder in self._owners.values() if (owner := holder()) is not None]
        grants = tuple(grant for grant in settings.grants if all(grant in each.grants for each in every))
        values = all(each.show_values for each in (settings, *every))
        return structs.replace(settings, grants=grants, show_values=values)


process: Final = _Process()


def start(settings: Settings, environ: dict[str, Any]) -> Agent | None:
    """Start this process's agent, once; other threads wait until it has started (some 5 ms)."""
    # A greenlet must not wait for a lock that another greenlet of its thread would have to give back.
    if not process.starting.acquire(not native.greenlets()):
        return None
    try:
        pid = os.getpid()
        if process.agent is not None and process.agent.pid == pid:
            return process.agent
        if not process.fork_hook and hasattr(os, "register_at_fork"):
            process.fork_hook = True
            os.register_at_fork(after_in_child=_after_fork)
        agent = Agent(pid)
        try:
            _check_platform()
            agent.start(process.allowed(settings), environ, process.apps, process.roots)
        except Exception as error:  # noqa: BLE001 - whatever it is, the app runs as before
            _explain(error)
        process.agent = agent
        return agent
    finally:
        process.starting.release()


def _check_platform() -> None:
    if sys.platform != "linux" and sys.platform != "darwin":
        raise FlasktopError(f"flasktop does not run on {sys.platform}.", "It runs on Linux and macOS.")
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is not None and getattr(uwsgi, "has_threads", 1) == 0:
        raise FlasktopError(
            "uWSGI runs without threads, so flasktop cannot watch.", "Start uWSGI with --enable-threads."
        )


def _explain(error: Exception) -> None:
    if isinstance(error, FlasktopError):
        reason, hint = error.message, error.hint
    else:
        reason, hint = (
            f"{type(error).__name__}: {error}",
            "Set FLASKTOP_DIR to a folder with room that you can write to.",
        )
    guard.say(f"flasktop is off in process {os.getpid()}; the app runs as before. {reason} {hint}".rstrip())


def _after_fork() -> None:
    agent, process.agent = process.agent, None
    process.starting = allocate_lock()
    sink.active = False
    sink.outside.clear()
    current_trace.set(None)  # the request that forked is its parent's
    if agent is not None:
        agent.abandon()
