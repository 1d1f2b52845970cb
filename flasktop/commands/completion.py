"""``flasktop completion``: the script that teaches a shell to complete flasktop, and the targets it offers."""

from __future__ import annotations

import asyncio

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from flasktop.client.collect import discover
from flasktop.errors import FlasktopError

PROGRAM = "flasktop"
VARIABLE = "_FLASKTOP_COMPLETE"


def script(command: click.Command, shell: str) -> str:
    """Return the completion script of ``command`` for ``shell`` (bash, zsh or fish)."""
    complete = get_completion_class(shell)
    assert complete is not None
    # Not the class's own source(): bash's runs bash to ask its version, and would print an error on stdout.
    return ShellComplete.source(complete(command, {}, PROGRAM, VARIABLE))


def targets(incomplete: str, directory: str | None) -> list[CompletionItem]:
    """The names and pids of running apps that begin with ``incomplete``; silent whatever goes wrong."""
    try:
        apps = asyncio.run(discover(directory=directory))
    except (FlasktopError, OSError):
        return []
    items: list[CompletionItem] = []
    for app in apps:
        about = f"{app.server}, {len(app.workers)} workers, {app.directory}"
        items += [CompletionItem(name, help=about) for name in app.names]
        items += [CompletionItem(str(worker.pid), help=f"{app.name}, {app.server}") for worker in app.workers]
    return [item for item in items if item.value.startswith(incomplete)]
