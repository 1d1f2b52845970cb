"""``flasktop stacks``: where each request in flight is in its code, once, for people or for programs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from flasktop.client.collect import watching
from flasktop.commands.document import VERSION
from flasktop.commands.output import FAILED, UNREACHABLE, narrate_problem, print_lines, terminal_width
from flasktop.commands.tables import cut, one_line
from flasktop.errors import FlasktopError, NotRunningError
from flasktop.protocol.commands.stacks import IN_APP, RequestStack, StackFrame, StacksTaken, TakeStacks
from flasktop.protocol.events import WorkerId
from flasktop.protocol.records import UNKNOWN
from flasktop.tui.draw.doing import sentence, short_place
from flasktop.units import ms_unit, plural

PLACE_WIDTH: Final = 60


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one worker answered: its stacks, or why not."""

    worker: WorkerId
    answer: StacksTaken | FlasktopError


def stacks(target: str | None, *, directory: str | None = None, as_json: bool = False) -> int:
    """Print the stacks of all requests in flight of all workers of an app; return the exit code.

    No request in flight is no error. Where only some workers answer, the others are narrated and the exit code is 1
    (3: none answered because all have ended).

    Raises:
        AmbiguousTargetError, NotRunningError: see ``flasktop.client.apps.resolve``.
    """
    name, root, seen = asyncio.run(_ask(target, directory))
    answered = [one for one in seen if isinstance(one.answer, StacksTaken)]
    problems = [one for one in seen if isinstance(one.answer, FlasktopError)]
    for one in problems:
        assert isinstance(one.answer, FlasktopError)
        narrate_problem(FlasktopError(f"Worker {one.worker.pid}: {one.answer.message}", one.answer.hint))
    if as_json:
        print_lines([json.dumps(_document(name, root, seen), indent=2)])
    elif answered:
        print_lines(_report(name, root, answered, terminal_width()))
    if not problems:
        return 0
    gone = not answered and all(isinstance(one.answer, NotRunningError) for one in problems)
    return UNREACHABLE if gone else FAILED


async def _ask(target: str | None, directory: str | None) -> tuple[str, str, list[_Seen]]:
    async with watching(target, directory=directory) as (watcher, _):
        app = watcher.chosen
        if app is None or not app.alive:
            raise NotRunningError("No worker of it runs any more.", "Start the app and send it a request.")

        async def one(worker: WorkerId) -> _Seen:
            try:
                return _Seen(worker, await watcher.ask(worker, TakeStacks(), StacksTaken))
            except FlasktopError as problem:
                return _Seen(worker, problem)

        only = [worker for worker in app.workers if target == str(worker.pid)] or app.workers
        return app.name, app.directory, list(await asyncio.gather(*(one(worker) for worker in only)))


def frames_of(taken: StacksTaken, stack: RequestStack) -> list[StackFrame]:
    """The frames of a stack, innermost first."""
    return [taken.frames[number] for number in stack.frames if 0 <= number < len(taken.frames)]


def _document(name: str, root: str, seen: Sequence[_Seen]) -> dict[str, Any]:
    answers = [(one.worker, one.answer) for one in seen if isinstance(one.answer, StacksTaken)]
    return {
        "version": VERSION,
        "app": name,
        "in_flight": sum(answer.in_flight for _, answer in answers),
        "stacks": [_stack(worker, answer, stack, root) for worker, answer in answers for stack in answer.stacks],
        "problems": [
            {"pid": one.worker.pid, "message": one.answer.message, "hint": one.answer.hint}
            for one in seen
            if isinstance(one.answer, FlasktopError)
        ],
    }


def _stack(worker: WorkerId, taken: StacksTaken, stack: RequestStack, root: str) -> dict[str, Any]:
    frames = frames_of(taken, stack)
    return {
        "pid": worker.pid,
        "app": stack.app,
        "method": stack.method,
        "route": stack.route or None,
        "path": stack.path,
        "age_ms": round(stack.age_us / 1e3, 3),
        "thread": stack.thread or None,
        "thread_id": None if stack.thread_id == UNKNOWN else stack.thread_id,
        "statements": stack.statements,
        "cpu_ms": None if stack.cpu_us == UNKNOWN else round(stack.cpu_us / 1e3, 3),
        "doing": stack.doing,
        "doing_ms": None if stack.doing_us == UNKNOWN else round(stack.doing_us / 1e3, 3),
        "kind": stack.kind or None,
        "statement": stack.statement or None,
        "in_app": stack.where == IN_APP,
        "words": sentence(stack, frames, root),
        "frames": [
            {
                "file": frame.file or None,
                "line": frame.line or None,
                "function": frame.function,
                "own": frame.own,
                "source": frame.source or None,
            }
            for frame in frames
        ],
    }


def _report(name: str, root: str, seen: Sequence[_Seen], width: int) -> Iterator[str]:
    told = [(one.worker, one.answer, stack) for one in seen if isinstance(one.answer, StacksTaken)
            for stack in one.answer.stacks]  # fmt: skip
    told.sort(key=lambda each: -each[2].age_us)
    whole = sum(one.answer.in_flight for one in seen if isinstance(one.answer, StacksTaken))
    of = f" {len(told)} of" if whole > len(told) else ""
    yield f"{name} ·{of} {plural(whole, 'request')} in flight in {plural(len(seen), 'worker')}"
    for worker, taken, stack in told:
        yield ""
        yield from (cut(line, width) for line in _request(worker, stack, frames_of(taken, stack), root))


def _request(worker: WorkerId, stack: RequestStack, frames: Sequence[StackFrame], root: str) -> Iterator[str]:
    route = f"  ({stack.route})" if stack.route and stack.route != stack.path else ""
    thread = f" · thread {stack.thread}" if stack.thread else ""
    yield click.style(f"{ms_unit(stack.age_us / 1e3):>8}  {stack.method} {stack.path}", bold=True) + route
    yield f"          worker {worker.pid}{thread} · {plural(stack.statements, 'statement')} so far"
    yield f"          {one_line(sentence(stack, frames, root))}"
    for frame in frames:
        where = short_place(frame, root, PLACE_WIDTH) if frame.file else ""
        text = f"  {'▸' if frame.own else ' '} {where:<{PLACE_WIDTH}}  {frame.function}"
        yield click.style(text, bold=True) if frame.own else text
        if frame.own and frame.source:
            yield f"      {frame.source}"
