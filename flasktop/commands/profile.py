"""``flasktop profile``: where the time of one endpoint's requests goes, as a table or as a file for other tools."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import click

from flasktop import units
from flasktop.client.ask import CommandFailedError
from flasktop.client.collect import watching
from flasktop.client.profile import PATIENCE_S, Outcome, Standing, silence
from flasktop.client.profile import profile as sample
from flasktop.client.saving import unwritable
from flasktop.commands.output import FAILED, narrate_problem, print_lines, terminal_width
from flasktop.commands.tables import cut
from flasktop.errors import AmbiguousTargetError, FlasktopError, RefusedError
from flasktop.protocol.commands import NOT_GRANTED
from flasktop.stats.calltree import Node, Profile, merge
from flasktop.stats.flamefile import collapsed, speedscope
from flasktop.stats.store import Store
from flasktop.stats.views import EndpointKey, Window

FORMATS: Final[dict[str, Callable[[Profile], str]]] = {".json": speedscope, ".txt": collapsed, ".collapsed": collapsed}
LEAST: Final = 0.01
"""Functions that take a smaller share are not printed."""
LISTED: Final = 20
"""Endpoints that are listed for a person who named none."""


def profile(
    target: str | None, *, directory: str | None, endpoint: str, seconds: float, rate: int, output: str | None
) -> int:
    """Sample ``endpoint`` for ``seconds`` and print or write what was found; return the exit code.

    Raises:
        AmbiguousTargetError: the target, or the endpoint's name, names several, or none.
        NotRunningError, RefusedError, FlasktopError: it cannot be sampled, or the file not be written.
    """
    made = None if output is None else _format(Path(output))
    key, outcome = asyncio.run(_sampled(target, directory, endpoint, seconds, rate))
    for worker, problem in outcome.failures:
        narrate_problem(FlasktopError(f"Worker {worker.pid}: {problem.message}", problem.hint))
    if not outcome.profiles:
        raise _refusal(outcome.failures[0][1])
    found = merge(outcome.profiles, f"{key.method} {key.route}")
    if not found.samples:
        click.echo(f"flasktop: {silence(found.finished, found.seconds)}", err=True)
        return FAILED
    if made is None or output is None:
        print_lines(_table(found, terminal_width()))
    else:
        replaced = " (replaced)" if Path(output).exists() else ""
        _write(Path(output), made(found))
        click.echo(f"flasktop: {output}{replaced}: {_samples(found)}", err=True)
    for words in found.unseen:
        click.echo(f"flasktop: {words}", err=True)
    return 0


async def _sampled(
    target: str | None, directory: str | None, endpoint: str, seconds: float, rate: int
) -> tuple[EndpointKey, Outcome]:
    async with watching(target, directory=directory) as (watcher, store):
        key = find(endpoint, _endpoints(store))
        workers = store.local_ids(key)
        name = f"{key.method} {key.route}"
        click.echo(f"flasktop: sampling {name} in {units.plural(len(workers), 'worker')}, {seconds:g} s …", err=True)
        said = False

        def told(standing: Standing) -> None:
            nonlocal said
            if standing.waiting and not said:
                said = True
                busy = units.plural(standing.waiting, "worker")
                click.echo(
                    f"flasktop: waiting for {busy}, busy with the profile of a finding or another reader", err=True
                )

        return key, await sample(watcher, workers, seconds, rate, told, patience_s=PATIENCE_S)


def _endpoints(store: Store) -> Sequence[Named]:
    return [(row.endpoint, row.key) for row in store.endpoints(time.monotonic(), Window.ALL)]


Named = tuple[str, EndpointKey]
"""Flask's name of an endpoint, and its row."""


def find(name: str, endpoints: Sequence[Named]) -> EndpointKey:
    """The one endpoint called ``name``: Flask's name of it, its route, or ``METHOD /route``.

    Raises:
        AmbiguousTargetError: there are several, or none; lists them.
    """
    method, _, route = name.strip().partition(" ")
    keys = [key for endpoint, key in endpoints if name in (endpoint, key.route)]
    keys += [key for _, key in endpoints if (key.method, key.route) == (method.upper(), route.strip())]
    if len(keys) == 1:
        return keys[0]
    if keys:
        raise AmbiguousTargetError(
            f"{name!r} names {len(keys)} endpoints: {_listed(keys)}.", "Name one by its method and route."
        )
    if not endpoints:
        raise AmbiguousTargetError(f"No endpoint is called {name!r}: no request was served yet.", "Ask the app first.")
    raise AmbiguousTargetError(
        f"No endpoint is called {name!r} among those that were asked for since the workers started.",
        f"There are: {_listed([key for _, key in endpoints])}.",
    )


def _listed(keys: Sequence[EndpointKey]) -> str:
    names = [f"{key.method} {key.route}" for key in keys[:LISTED]]
    return ", ".join(names) + (f" and {len(keys) - LISTED} more" if len(keys) > LISTED else "")


def _refusal(problem: FlasktopError) -> FlasktopError:
    if isinstance(problem, CommandFailedError) and problem.reason == NOT_GRANTED:
        return RefusedError(problem.message, problem.hint)
    return problem


def _format(path: Path) -> Callable[[Profile], str]:
    made = FORMATS.get(path.suffix.lower())
    if made is None:
        raise click.BadParameter(f"{path}: the name must end in {', '.join(FORMATS)}.", param_hint="--output")
    folder = path.parent
    if not folder.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise FlasktopError(f"{path} cannot be written.", "Choose a folder that exists and that you can write to.")
    return made


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise unwritable(path, error) from error


def _samples(found: Profile) -> str:
    late = f", {units.percent(found.missed / (found.ticks + found.missed))} % of ticks late" if found.missed else ""
    return (
        f"{units.plural(found.samples, 'sample')} of {units.plural(found.requests, 'request')} "
        f"in {found.seconds:.1f} s, "
        f"{units.plural(found.workers, 'worker')}{late}; sampling took {found.sampler_percent:.1f} % of a core"
    )


def _table(found: Profile, width: int) -> Iterator[str]:
    """The tree: share of all time, own share, what it was, and the function with its dearest line."""
    yield cut(f"{found.root.key.name}: {_samples(found)}", width)
    yield ""
    yield click.style(" TOTAL %  SELF %   CPU %  WAIT %   SQL %  FUNCTION", bold=True)
    for depth, node in _rows(found):
        parts = node.total
        kinds = [_of(part, found.root.total.wall) for part in (parts.cpu, parts.wait, parts.sql)]
        known = parts.unknown < parts.wall
        shares = "".join(f"{share if known else units.UNKNOWN:>8}" for share in kinds)
        own = _of(node.own_time.wall, found.root.total.wall)
        head = f"{_of(parts.wall, found.root.total.wall):>8}{own:>8}{shares}  "
        yield cut(f"{head}{'  ' * depth}{_name(node)}", width)


def _rows(found: Profile) -> Iterator[tuple[int, Node]]:
    pending = [(0, child) for child in reversed(found.root.children)]
    while pending:
        depth, node = pending.pop()
        if found.share(node.total) < LEAST:
            continue
        yield depth, node
        if node.kind != "package":
            pending += [(depth + 1, child) for child in reversed(node.children)]


def _of(part: int, whole: int) -> str:
    return units.percent(part / whole if whole else 0.0, quiet=True)


def _name(node: Node) -> str:
    place = f"  {Path(node.key.file).name}:{node.line}" if node.key.file and node.line else ""
    return f"in {node.key.name}" if node.kind == "package" else f"{node.key.name}{place}"
