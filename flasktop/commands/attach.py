"""``flasktop attach``: the live screen."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from flasktop.commands.output import USAGE
from flasktop.commands.screen import has_terminal, show

DEFAULT_PANEL = "endpoints"
FIRST_S = 60.0
"""Seconds of history that come first, so that the newest minute stands at once; older history follows, newest first."""

if TYPE_CHECKING:
    from flasktop.findings.facts import Limits
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
        from flasktop.client.collect import find

        asyncio.run(find(target, directory=directory))
    from flasktop.client.watch import Watcher
    from flasktop.tui.app import FlasktopApp

    watcher = Watcher(target, directory=directory, history_s=FIRST_S)
    return asyncio.run(show(FlasktopApp(watcher, options)))


def screen_options(
    *,
    window: str | None = None,
    sort: str | None = None,
    theme: str | None = None,
    columns: tuple[str, ...] = (),
    interval: float | None = None,
    thresholds: tuple[str, ...] = (),
    evidence: bool = True,
) -> AttachOptions:
    """What the command line says of the screen, as the screen takes it.

    Raises:
        click.BadParameter, ConfigurationError: a value that the screen does not take.
    """
    from flasktop.stats.views import Window
    from flasktop.tui.options import AttachOptions

    return AttachOptions(
        window=next((choice for choice in Window if choice.label == window), None),
        sort=sort,
        theme=theme,
        columns=dict(map(_panel_columns, columns)),
        interval=interval,
        limits=_limits(thresholds) if thresholds else None,
        evidence=evidence,
    )


def _limits(thresholds: tuple[str, ...]) -> Limits:
    from flasktop.findings.facts import Limits
    from flasktop.findings.registry import THRESHOLDS

    return Limits.parse(thresholds, THRESHOLDS)


def _panel_columns(text: str) -> tuple[str, tuple[str, ...]]:
    panel, _, names = text.rpartition(":")
    return panel or DEFAULT_PANEL, tuple(name.strip() for name in names.split(",") if name.strip())
