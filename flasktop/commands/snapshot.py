"""``flasktop snapshot``: what the app does now, once, for people or for programs."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Final

import click

from flasktop.client.collect import Collected, collect
from flasktop.client.inspection import Looking
from flasktop.commands.document import document, running
from flasktop.commands.output import UNREACHABLE, narrate_problem, print_lines, terminal_width
from flasktop.commands.report import report
from flasktop.errors import NotRunningError
from flasktop.findings.facts import Limits
from flasktop.findings.registry import THRESHOLDS
from flasktop.stats.views import Window

PATIENCE_S: Final = 8.0
"""How long evidence for findings is waited for, where a rule asks for some."""


def snapshot(
    target: str | None,
    *,
    directory: str | None = None,
    seconds: float = 1.0,
    as_json: bool = False,
    thresholds: tuple[str, ...] = (),
) -> int:
    """Collect for ``seconds`` and print the snapshot to stdout; return the exit code (3: the app ended meanwhile).

    Raises:
        ConfigurationError: there is no such threshold.
        AmbiguousTargetError, NotRunningError: see ``flasktop.client.apps.resolve``.
    """
    looking = Looking(Limits.parse(thresholds, THRESHOLDS), patience_s=PATIENCE_S)
    collected = asyncio.run(collect(target, directory=directory, seconds=seconds, looking=looking))
    now = time.monotonic()
    narrate(collected)
    workers = collected.store.workers(now, Window.ALL)
    if not workers and not collected.store.endpoints(now, Window.ALL):
        raise NotRunningError(f"{_name(collected)} went away before it told anything.", "Try again.")
    app = collected.app_asked(target)
    if as_json:
        print_lines([json.dumps(document(collected, now, app=app), indent=2)])
    else:
        print_lines(report(collected, now, terminal_width(), app=app))
    if collected.app is not None and collected.app.alive and not any(map(running, workers)):
        click.echo(f"flasktop: {_name(collected)} ended while it was being watched; this is what came.", err=True)
        return UNREACHABLE
    return 0


def narrate(collected: Collected) -> None:
    """Say on stderr what a reader of the data should know."""
    for problem in collected.problems:
        narrate_problem(problem)
    if collected.app is not None and not collected.app.alive:
        click.echo(
            f"flasktop: no worker of {_name(collected)} runs any more. This is what the journals of its killed "
            "workers hold.",
            err=True,
        )


def _name(collected: Collected) -> str:
    return collected.app.name if collected.app else "The app"
