"""stdout is data, stderr is narration; and the exit code of every command."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from typing import Final, ParamSpec

import click

from flasktop.errors import (
    AmbiguousTargetError,
    ConfigurationError,
    FlasktopError,
    NotRunningError,
    ProtocolError,
    RefusedError,
    RendezvousError,
)

P = ParamSpec("P")

FAILED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
"""Nothing to attach to, refused, or lost."""
INTERRUPTED: Final = 130

PIPE_WIDTH: Final = 160
"""The width where there is no terminal to ask, and ``COLUMNS`` does not say."""


def exit_code(error: FlasktopError) -> int:
    """The exit code for an error."""
    if isinstance(error, (AmbiguousTargetError, ConfigurationError)):
        return USAGE
    if isinstance(error, (NotRunningError, RefusedError, ProtocolError, RendezvousError)):
        return UNREACHABLE
    return FAILED


def coded(command: Callable[P, int | None]) -> Callable[P, None]:
    """Make ``command`` end with its exit code, also as a command of ``flask``: 0 for None, else what it returns."""

    @functools.wraps(command)
    def run(*arguments: P.args, **options: P.kwargs) -> None:
        try:
            code = command(*arguments, **options)
        except FlasktopError as error:
            narrate_problem(error)
            code = exit_code(error)
        except ModuleNotFoundError as missing:
            if (missing.name or "").partition(".")[0] == "flasktop":
                raise
            narrate_problem(_agent_alone(missing))
            code = FAILED
        except KeyboardInterrupt:
            click.echo(err=True)
            code = INTERRUPTED
        click.get_current_context().exit(code or 0)

    return run


def _agent_alone(missing: ModuleNotFoundError) -> FlasktopError:
    return FlasktopError(
        f"This environment has flasktop's agent alone: {missing.name} is not installed.",
        "Install it whole in an environment of its own (python3 -m venv, pip install flasktop) and attach from there.",
    )


def narrate_problem(problem: FlasktopError) -> None:
    """Say on stderr what is wrong, and on a line of its own what to do about it."""
    click.echo(f"flasktop: {problem.message}", err=True)
    if problem.hint:
        click.echo(f"  {problem.hint}", err=True)


def print_lines(lines: Iterable[str]) -> None:
    """Write ``lines`` to stdout; a reader that has seen enough (``| head``) is no error."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")  # a terminal without UTF-8 gets "?" for a dash, not a traceback
    try:
        for line in lines:
            click.echo(line)
        sys.stdout.flush()
    except BrokenPipeError:
        # What the interpreter flushes at its end goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def terminal_width() -> int:
    """The width of the terminal on stdout; ``COLUMNS`` or a fixed one for a pipe."""
    fallback = 80 if sys.stdout.isatty() else PIPE_WIDTH
    return shutil.get_terminal_size((fallback, 24)).columns
