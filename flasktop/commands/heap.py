"""``flasktop heap``: what fills the memory of each worker, once, for people or for programs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import click

from flasktop import units
from flasktop.client.ask import Address, CommandFailedError, ask
from flasktop.client.collect import addresses
from flasktop.commands.document import iso
from flasktop.commands.output import FAILED, UNREACHABLE, narrate_problem, print_lines, terminal_width
from flasktop.commands.tables import Column, table
from flasktop.errors import FlasktopError, NotRunningError
from flasktop.protocol.commands import Working
from flasktop.protocol.commands.heap import DropHeap, HeapDropped, HeapTaken, TakeHeap
from flasktop.protocol.events import WorkerId
from flasktop.protocol.records import UNKNOWN


def heap(
    target: str | None,
    *,
    directory: str | None = None,
    as_json: bool = False,
    rows: int = 25,
    in_process: bool = False,
) -> int:
    """Take the heap of each worker of an app, one after the other, and print it; return the exit code.

    A pid as ``target`` names that worker alone. Where one of several workers cannot be weighed the others still are;
    the exit code is then 1 (3: all of them have ended).

    Raises:
        AmbiguousTargetError, NotRunningError: see ``flasktop.client.apps.resolve``.
        CommandFailedError: the only worker cannot be weighed.
    """
    return asyncio.run(_heap(target, directory, as_json, rows, in_process))


async def _heap(target: str | None, directory: str | None, as_json: bool, rows: int, in_process: bool) -> int:
    workers = await addresses(target, directory=directory)
    problems: list[FlasktopError] = []
    for worker, address in workers:
        try:
            taken = await _take(worker, address, in_process)
        except (CommandFailedError, NotRunningError) as problem:
            if len(workers) == 1:
                raise
            problems.append(problem)
            narrate_problem(FlasktopError(f"Worker {worker.pid}: {problem.message}", problem.hint))
            continue
        print_lines([json.dumps(_document(taken))] if as_json else _report(taken, rows, terminal_width()))
    if not problems:
        return 0
    gone = len(problems) == len(workers) and all(isinstance(problem, NotRunningError) for problem in problems)
    return UNREACHABLE if gone else FAILED


async def _take(worker: WorkerId, address: Address, in_process: bool) -> HeapTaken:
    """Take one heap, saying on stderr how far it is, and let go of the frozen copy."""
    progress = _Progress(worker.pid)
    try:
        taken = await ask(address, TakeHeap(in_process), HeapTaken, progress)
    finally:
        progress.end()
    if taken.take != UNKNOWN:
        with contextlib.suppress(FlasktopError):  # it ends by itself, later
            await ask(address, DropHeap(taken.take), HeapDropped)
    return taken


class _Progress:
    """What a worker does, on stderr: on a terminal one line that changes, else a line a stage."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._terminal = sys.stderr.isatty()
        self._stage = ""

    def __call__(self, working: Working) -> None:
        if not self._terminal:
            if working.stage != self._stage:
                click.echo(f"flasktop: worker {self._pid}: {working.stage} …", err=True)
        else:
            estimate = f" of about {working.expected_s:.1f} s (estimated)" if working.expected_s > 0 else " s"
            click.echo(
                f"\r\x1b[Kflasktop: worker {self._pid}: {working.stage} … {working.elapsed_s:.1f}{estimate}",
                err=True,
                nl=False,
            )
        self._stage = working.stage

    def end(self) -> None:
        if self._terminal and self._stage:
            click.echo("\r\x1b[K", err=True, nl=False)


def _document(taken: HeapTaken) -> dict[str, Any]:
    return {
        "pid": taken.pid,
        "taken_at": iso(taken.taken_at),
        "pause_ms": taken.pause_us / 1000,
        "seconds": round(taken.seconds, 3),
        "objects": taken.objects,
        "bytes": taken.bytes,
        "by_type": [{"type": row.name, "count": row.count, "bytes": row.bytes} for row in taken.by_type],
        "types": taken.types,
        "requests": taken.requests,
        "rss_bytes": taken.rss_bytes,
        "in_process": taken.take == UNKNOWN,
        "unseen": list(taken.unseen),
    }


def _report(taken: HeapTaken, limit: int, width: int) -> Iterator[str]:
    yield (
        f"worker {taken.pid} · taken {units.clock(taken.taken_at)} in {taken.seconds:.1f} s, the app stood still for "
        f"{taken.pause_us / 1000:,.1f} ms"
    )
    yield (
        f"{units.bytes_(taken.bytes)} in {units.plural(taken.objects, 'object')} of {units.plural(taken.types, 'type')}"
        f" · RSS {units.bytes_(taken.rss_bytes)}"
    )
    rows = taken.by_type[:limit]
    whole = max(taken.bytes, 1)
    cumulative = 0
    shares = []
    for row in rows:
        cumulative += row.bytes
        shares.append(f"{100 * cumulative / whole:.1f}")
    yield from table(
        [
            Column("objects", [f"{row.count:,}" for row in rows]),
            Column("size", [units.bytes_(row.bytes) for row in rows]),
            Column("%", [f"{100 * row.bytes / whole:.1f}" for row in rows]),
            Column("cum. %", shares, rank=1),
            Column("type", [row.name for row in rows], right=False),
        ],
        width,
    )
    if taken.types > len(rows):
        smaller = units.plural(taken.types - len(rows), "smaller type")
        yield f"  and {units.bytes_(taken.bytes - cumulative)} of {smaller}"
    unseen = f"Not in it: {'; '.join(taken.unseen)}."
    yield from textwrap.wrap(unseen, width, initial_indent="  ", subsequent_indent="  ")
    yield ""
