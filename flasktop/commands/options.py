"""Arguments and options that several commands take."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])

WINDOWS = ("10s", "1m", "5m", "all")
MAX_SECONDS = 86_400.0


def a_number(_context: click.Context, _parameter: click.Parameter, value: float | None) -> float | None:
    """Refuse "nan", which is in every range."""
    if value is not None and value != value:
        raise click.BadParameter("nan is not a number of seconds.")
    return value


def _complete_target(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from flasktop.commands.completion import targets

    return targets(incomplete, context.params.get("directory"))


target = click.argument("target", required=False, shell_complete=_complete_target)
directory = click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False),
    help="Search this directory for apps, instead of FLASKTOP_DIR or the usual places.",
)
thresholds = click.option(
    "--set",
    "thresholds",
    multiple=True,
    metavar="RULE.NAME=NUMBER",
    help="Set a threshold of a rule, such as n-plus-one.repeats=20. May be given several times.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")


def screen_options(command: F) -> F:
    """What the screen takes: the same for attach, ``flask top`` and demo."""
    options = (
        click.option("--window", type=click.Choice(WINDOWS), help="The time window to begin with."),
        click.option("--sort", metavar="COLUMN", help="The column to sort by; -COLUMN the other way round."),
        click.option("--theme", metavar="NAME", help="The theme to begin with."),
        click.option(
            "--columns",
            multiple=True,
            metavar="[PANEL:]NAME,…",
            help="The columns of a panel, in order (endpoints if none is named). May be given for each panel.",
        ),
        click.option(
            "--interval",
            type=click.FloatRange(0.1, 60),
            metavar="SECONDS",
            help="Seconds between refreshes, 0.1 to 60.",
        ),
        thresholds,
        click.option(
            "--evidence/--no-evidence",
            default=True,
            help="Whether findings may ask the workers for plans and some seconds of stacks; default: yes.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def collected_for(default: float) -> Callable[[F], F]:
    """``--for SECONDS``: how long ``snapshot`` and ``check`` collect."""
    return click.option(
        "--for",
        "seconds",
        type=click.FloatRange(0, MAX_SECONDS),
        callback=a_number,
        default=default,
        show_default=True,
        metavar="SECONDS",
        help="How long to collect, beside all the history that the workers still hold.",
    )
