"""``flasktop ps``: the apps that run, their workers, and the requests that died with a worker."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import click

from flasktop.client.apps import SWITCH_ON, RunningApp
from flasktop.client.collect import Collected, collect_everything
from flasktop.commands.document import VERSION, died_document, iso, worker_document
from flasktop.commands.output import UNREACHABLE, narrate_problem, print_lines, terminal_width
from flasktop.commands.report import died_lines, worker_columns
from flasktop.commands.tables import Column, table
from flasktop.stats.views import Window, WorkerRow


def ps(*, directory: str | None = None, as_json: bool = False) -> int:
    """Print what runs; return the exit code. Nothing running is no error, unless something was refused."""
    collected = asyncio.run(collect_everything(directory=directory))
    now = time.monotonic()
    for problem in collected.problems:
        narrate_problem(problem)
    if as_json:
        print_lines([json.dumps(_document(collected, now), indent=2)])
    else:
        print_lines(_lines(collected, now))
        if not collected.running:
            searched = ", ".join(collected.searched) or "nowhere: there is no directory of this user"
            click.echo(f"flasktop: no app runs with flasktop. Searched: {searched}.\n  {SWITCH_ON}", err=True)
    return UNREACHABLE if collected.problems and not collected.running else 0


def _members(app: RunningApp, rows: Sequence[WorkerRow]) -> list[WorkerRow]:
    return [row for row in rows if row.hello is not None and app.serves(row.hello)]


def _lines(collected: Collected, now: float) -> Iterator[str]:
    rows = collected.store.workers(now, Window.ALL)
    shown = [(app, row) for app in (*collected.running, *collected.dead) for row in _members(app, rows)]
    width = terminal_width()
    if shown:
        *columns, _pools = worker_columns([row for _, row in shown])
        names = Column("app", [app.name for app, _ in shown], right=False)
        servers = Column("server", [app.server for app, _ in shown], 2, right=False)
        directories = Column("directory", [app.directory for app, _ in shown], right=False)
        yield from table([names, servers, *columns, directories], width, indent=0)
    yield from died_lines(collected.store.died(), width)


def _document(collected: Collected, now: float) -> dict[str, Any]:
    rows = collected.store.workers(now, Window.ALL)
    apps = (*collected.running, *collected.dead)
    return {
        "version": VERSION,
        "apps": [_app_document(app, _members(app, rows)) for app in apps],
        "died": [died_document(died) for died in collected.store.died()],
        "problems": [{"message": problem.message, "hint": problem.hint} for problem in collected.problems],
        "searched": list(collected.searched),
    }


def _app_document(app: RunningApp, rows: Sequence[WorkerRow]) -> dict[str, Any]:
    return {
        "app": app.name,
        "names": list(app.names),
        "running": app.alive,
        "server": app.server or None,
        "directory": app.directory,
        "group": app.group,
        "started_at": iso(app.started_at),
        "workers": [worker_document(row) for row in rows],
    }
