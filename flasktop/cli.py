"""The command line: which commands there are and what they take. Each imports what it needs when it runs."""

from __future__ import annotations

import os
from typing import Any

import click

from flasktop._version import __version__
from flasktop.commands import options
from flasktop.commands.output import coded

SHELLS = ("bash", "zsh", "fish")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="flasktop", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """top for Flask: which endpoints are slow, and why, down to the line of code.

    Exit codes: 0 done; 1 findings or an error; 2 usage or ambiguous target; 3 nothing to attach to, refused, or
    lost; 130 interrupted.
    """
    if os.environ.get("NO_COLOR"):
        context.color = False


@cli.command()
@options.target
@options.directory
@options.screen_options
@coded
def attach(target: str | None, directory: str | None, **screen: Any) -> int:
    """Show a running app live.

    TARGET is a pid, an app's name or the path of a socket. Without it: the only app that runs, a choice of several,
    or a screen that waits for one.
    """
    return _attach(target, directory, **screen)


@click.command("top")
@options.target
@options.directory
@options.screen_options
@coded
def flask_top(target: str | None, directory: str | None, **screen: Any) -> int:
    """Show a running app live (flasktop attach)."""
    return _attach(target, directory, **screen)


def _attach(target: str | None, directory: str | None, **screen: Any) -> int:
    from flasktop.commands.attach import attach as run
    from flasktop.commands.attach import screen_options

    return run(target, directory=directory, options=screen_options(**screen))


@cli.command()
@options.directory
@options.as_json
@coded
def ps(directory: str | None, as_json: bool) -> int:
    """List running apps and their workers, and requests that died with a worker."""
    from flasktop.commands.ps import ps as run

    return run(directory=directory, as_json=as_json)


@cli.command()
@options.target
@options.collected_for(1.0)
@options.thresholds
@options.as_json
@options.directory
@coded
def snapshot(
    target: str | None, seconds: float, thresholds: tuple[str, ...], as_json: bool, directory: str | None
) -> int:
    """Print what an app does, once: a table, or JSON for programs.

    TARGET is as for attach.
    """
    from flasktop.commands.snapshot import snapshot as run

    return run(target, directory=directory, seconds=seconds, as_json=as_json, thresholds=thresholds)


@cli.command()
@options.target
@options.collected_for(10.0)
@click.option(
    "--max-p95",
    type=click.FloatRange(0, min_open=True),
    callback=options.a_number,
    metavar="MS",
    help="Also a finding: an endpoint's 95th percentile above MS milliseconds.",
)
@click.option(
    "--max-queries",
    type=click.IntRange(0),
    metavar="N",
    help="Also a finding: an endpoint with more than N statements in a request.",
)
@click.option(
    "--fail-on",
    metavar="RULE,…",
    help="Only findings of these rules make the check fail; the others are printed. Without it all do.",
)
@options.thresholds
@click.option(
    "--junit",
    type=click.Path(dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Write JUnit XML there instead of text (- for stdout).",
)
@options.as_json
@options.directory
@coded
def check(target: str | None, directory: str | None, **asked: Any) -> int:
    """Look for what is wrong with an app under load, and fail if something is: for CI.

    Exit codes: 0 clean, 1 findings, 2 usage, 3 no app or no request to look at. TARGET is as for attach.
    """
    from flasktop.commands.check import check as run

    return run(target, directory=directory, **asked)


@cli.command()
@options.target
@click.option(
    "--endpoint",
    required=True,
    metavar="NAME",
    help="Flask's name of the endpoint, its route, or method and route: 'GET /orders'.",
)
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(0, 60, min_open=True),
    callback=options.a_number,
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to sample, at most 60.",
)
@click.option(
    "--rate",
    type=click.IntRange(1, 200),
    default=100,
    show_default=True,
    metavar="HZ",
    help="Samples a second, 1 to 200.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write speedscope JSON (FILE ends in .json) or collapsed stacks (.txt, .collapsed), instead of the table.",
)
@options.directory
@coded
def profile(
    target: str | None, endpoint: str, seconds: float, rate: int, output: str | None, directory: str | None
) -> int:
    """Show where the time of an endpoint's requests goes, by sampling them in all workers.

    TARGET is as for attach. The app must be under load: what does not run is not seen.
    """
    from flasktop.commands.profile import profile as run

    return run(target, directory=directory, endpoint=endpoint, seconds=seconds, rate=rate, output=output)


@cli.command()
@options.target
@click.option(
    "--rows", type=click.IntRange(1, 1000), default=25, show_default=True, help="How many types the table has."
)
@click.option(
    "--in-process",
    is_flag=True,
    help="Weigh the worker itself, which stands still meanwhile: where it cannot be copied.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a worker, each on a line of its own.")
@options.directory
@coded
def heap(target: str | None, rows: int, in_process: bool, as_json: bool, directory: str | None) -> int:
    """Print what fills the memory of an app's workers, by type, without stopping them.

    Each worker is frozen in a forked copy, which is weighed and let go. TARGET is as for attach; a worker's pid names
    that worker alone.
    """
    from flasktop.commands.heap import heap as run

    return run(target, directory=directory, as_json=as_json, rows=rows, in_process=in_process)


@cli.command()
@options.target
@options.as_json
@options.directory
@coded
def stacks(target: str | None, as_json: bool, directory: str | None) -> int:
    """Print where each request in flight is in its code, and what it does there.

    Of all workers, the oldest request first. TARGET is as for attach; a worker's pid names that worker alone.
    """
    from flasktop.commands.stacks import stacks as run

    return run(target, directory=directory, as_json=as_json)


@cli.command()
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(0, options.MAX_SECONDS),
    callback=options.a_number,
    metavar="SECONDS",
    help="Run for so long without the screen and print the snapshot.",
)
@options.screen_options
@coded
def demo(seconds: float | None, **screen: Any) -> int:
    """Start a small shop with every classic fault and its traffic, and show it.

    Quitting stops everything and leaves nothing behind. Without a terminal it runs for some seconds and prints the
    snapshot.
    """
    from flasktop.commands.attach import screen_options
    from flasktop.demo.run import run_demo

    return run_demo(seconds=seconds, options=screen_options(**screen))


@cli.command()
@click.argument("shell", type=click.Choice(SHELLS))
@coded
def completion(shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    bash: eval "$(flasktop completion bash)"                          in ~/.bashrc
    zsh:  eval "$(flasktop completion zsh)"                           in ~/.zshrc
    fish: flasktop completion fish > ~/.config/fish/completions/flasktop.fish
    """
    from flasktop.commands.completion import script
    from flasktop.commands.output import print_lines

    print_lines([script(cli, shell)])


def main() -> None:
    """The entry point of ``flasktop``."""
    cli(prog_name="flasktop")
