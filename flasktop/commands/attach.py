"""``flasktop attach``: the live screen."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import click

from flasktop.client.collect import find
from flasktop.commands.output import USAGE

DEFAULT_PANEL = "endpoints"
ASSUMED_SIZE = (80, 24)

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

if TYPE_CHECKING:
    from textual.app import App

    from flasktop.tui.options import AttachOptions


def attach(target: str | None, *, directory: str | None, options: AttachOptions) -> int:
    """Show the screen until it is left; return the exit code.

    Without a target a screen comes up in any case: of the only app, a choice of several, or one that waits.

    Raises:
        AmbiguousTargetError, NotRunningError: the target names several running apps, or none.
    """
    if not has_terminal():
        click.echo(
            "flasktop: attach needs a terminal on stdin, stdout and stderr, and here at least one is not.\n"
            "  For data in a file or a pipe: flasktop snapshot, or flasktop snapshot --json",
            err=True,
        )
        return USAGE
    if target is not None:
        asyncio.run(find(target, directory=directory))
    from flasktop.client.watch import Watcher
    from flasktop.tui.app import FlasktopApp

    return asyncio.run(_show(FlasktopApp(Watcher(target, directory=directory), options)))


async def _show(app: App[None]) -> int:
    """Run the screen; a signal leaves it in order, so that the terminal gets its old state back."""
    signals: list[int] = []

    def leave(number: int) -> None:
        signals.append(number)
        app.exit()

    loop = asyncio.get_running_loop()
    for number in ENDING:
        loop.add_signal_handler(number, leave, number)
    await app.run_async(size=assumed_size())
    return 128 + signals[0] if signals else app.return_code or 0


def has_terminal() -> bool:
    """Whether a person can see and answer."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))


def assumed_size() -> tuple[int, int] | None:
    """The size to assume where the terminal has none to tell (0x0, as a bare pseudo-terminal); None: ask it."""
    try:
        columns, lines = os.get_terminal_size(sys.__stderr__.fileno() if sys.__stderr__ else 2)
    except OSError:
        return ASSUMED_SIZE
    return None if columns and lines else ASSUMED_SIZE


def screen_options(
    *,
    window: str | None = None,
    sort: str | None = None,
    theme: str | None = None,
    columns: tuple[str, ...] = (),
    interval: float | None = None,
) -> AttachOptions:
    """What the command line says of the screen, as the screen takes it.

    Raises:
        click.BadParameter: a value that the screen does not take.
    """
    from flasktop.stats.views import Window
    from flasktop.tui.options import AttachOptions

    return AttachOptions(
        window=next((choice for choice in Window if choice.label == window), None),
        sort=sort,
        theme=theme,
        columns=dict(map(_panel_columns, columns)),
        interval=interval,
    )


def _panel_columns(text: str) -> tuple[str, tuple[str, ...]]:
    panel, _, names = text.rpartition(":")
    return panel or DEFAULT_PANEL, tuple(name.strip() for name in names.split(",") if name.strip())
