"""The stack of an async view: what its coroutine awaits, told from outside without running any of it."""

from __future__ import annotations

import gc
import sys
from contextvars import Context
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, Final

from flasktop.agent.frames import MAX_DEPTH, Spot, Stack
from flasktop.agent.sql import callsite
from flasktop.agent.trace import RequestTrace, current_trace

MAX_TASKS: Final = 1_000
"""Tasks that are looked at for the one of a request."""


def stack_of(trace: RequestTrace) -> Stack:
    """The frames of the request's coroutine, innermost first; empty where it runs at this moment, or is not found.

    A task is the request's when our context variable says so in the task's context. That is asked of the context
    itself, which is found as the garbage collector would: ``Task.get_context`` is there from 3.12 on only.
    """
    best: Stack = ()
    for task in _tasks():
        context = next((held for held in gc.get_referents(task) if type(held) is Context), None)
        if context is not None and context.get(current_trace) is trace:
            best = max(best, _awaited(task), key=_own_frames)
    return best


def _own_frames(stack: Stack) -> tuple[int, int]:
    return sum(callsite.is_own_file(code.co_filename) for code, _ in stack), len(stack)


def _tasks() -> list[Any]:
    asyncio = sys.modules.get("asyncio.tasks")
    if asyncio is None:
        return []
    found: list[Any] = []
    for name in ("_all_tasks", "_scheduled_tasks"):
        tasks = getattr(asyncio, name, None)
        try:
            found += list(tasks) if tasks is not None else []
        except RuntimeError:
            continue  # a task came or went just then
    return found[:MAX_TASKS]


def _awaited(task: Any) -> Stack:
    """What a task's coroutine awaits, and what that awaits, and so on."""
    spots: list[Spot] = []
    at: Any = next((held for held in gc.get_referents(task) if type(held) in (CoroutineType, GeneratorType)), None)
    while len(spots) < MAX_DEPTH:
        # By exact type, which none of these can be a base of: an awaitable of the app's own may answer with code.
        if type(at) is CoroutineType:
            if at.cr_running:
                return ()
            frame, following = at.cr_frame, at.cr_await
        elif type(at) is GeneratorType:
            frame, following = at.gi_frame, at.gi_yieldfrom
        elif type(at) is AsyncGeneratorType:
            frame, following = at.ag_frame, at.ag_await
        else:
            break
        if frame is None:
            break
        callsite.is_own(frame)
        spots.append((frame.f_code, frame.f_lasti))
        at = following
    return tuple(reversed(spots))
