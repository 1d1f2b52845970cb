"""Takes the stacks of requests in flight."""

from __future__ import annotations

import time
from collections.abc import Iterable
from heapq import nsmallest
from typing import TYPE_CHECKING, Final

from msgspec import structs

from flasktop.agent import coroutines, cpu, frames, native
from flasktop.agent.activity import Activity, Observer, statements_of
from flasktop.agent.commands.job import CommandError, Job
from flasktop.agent.encode import METHOD_LIMIT, THREAD_LIMIT, decoded, shown_path
from flasktop.agent.source import Sources
from flasktop.agent.tables import fit_to_travel
from flasktop.agent.trace import RequestTrace, SpanRecord
from flasktop.protocol.commands import GONE
from flasktop.protocol.commands.stacks import (
    IN_APP,
    IN_SERVER,
    NOT_FOUND,
    RequestStack,
    StackFrame,
    StacksTaken,
    TakeStacks,
)
from flasktop.protocol.records import ASYNC_VIEW, DOING_UNKNOWN, INTERPRETER, STATEMENT, UNKNOWN, WAIT

if TYPE_CHECKING:
    from flasktop.agent.runtime import Agent
    from flasktop.protocol.commands import Answer, Command

SHOWN: Final = 200
"""Requests whose stacks are told at once, the oldest."""
WATCHED: Final = 500
"""Requests whose use of the CPU is looked at, the oldest."""
QUEUED: Final = 20
"""Requests of which it is told whether they wait for the interpreter's lock: asking the system lets go of ours."""
WAKES_A_SECOND: Final = 25.0
"""A thread that waits for the lock asks for it every 5 ms (``sys.setswitchinterval``) while it is refused."""
LOOK_S: Final = 0.05
"""How long the use of the CPU is watched before the stacks are taken."""
INNERMOST: Final = 150
OUTERMOST: Final = 50
"""Frames told of a deep stack, from both ends."""


class Stacks:
    """Carries out ``TakeStacks``."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._observer = Observer(agent.hub_native)
        self._sources = Sources()
        self._one_at_a_time = native.original("_thread", "allocate_lock")()
        self._sleep = native.original("time", "sleep")

    def run(self, command: Command, job: Job) -> Answer:
        assert isinstance(command, TakeStacks)
        with self._one_at_a_time:
            running = self._oldest(WATCHED)
            first = self._observer.observe(running)
            lined_up = _Queue(first[trace] for trace in _wanted(running, command.begun_us)[:QUEUED])
            self._sleep(LOOK_S)
            job.check()
            running = self._oldest(WATCHED)
            wanted = _wanted(running, command.begun_us)
            seen = frames.look(self._agent, wanted)
            doing = {trace: lined_up.told(now) for trace, now in self._observer.observe(running).items()}
            table = _Table(self._sources)
            stacks = tuple(self._told(one, doing[one.trace], table) for one in seen if not one.trace.end_ns)
            if command.begun_us != UNKNOWN and not stacks:
                raise _ended()
            return StacksTaken(tuple(table.frames), stacks, self._count())

    def close(self) -> None:
        """Nothing outlives a look."""

    def _count(self) -> int:
        return sum(trace is not None for trace in list(self._agent.running))

    def _oldest(self, count: int) -> list[RequestTrace]:
        running = [trace for trace in list(self._agent.running) if trace is not None]
        return nsmallest(count, running, key=lambda trace: trace.start_ns)

    def _told(self, seen: frames.Seen, activity: Activity, table: _Table) -> RequestStack:
        trace, now_ns = seen.trace, time.perf_counter_ns()
        where = NOT_FOUND
        stack = frames.inside_app(seen.stack) if seen.stack else ()
        if seen.stack:
            where = IN_APP if frames.entered(seen.stack) else IN_SERVER
        coroutine = coroutines.stack_of(trace) if trace.flags & ASYNC_VIEW else ()
        statement, engine = self._statement(trace, activity.kind)
        return RequestStack(
            begun_us=trace.start_ns // 1000,
            age_us=max(now_ns - trace.start_ns, 0) // 1000,
            app=trace.app.name,
            method=fit_to_travel(decoded(trace.method[:METHOD_LIMIT])),
            route=fit_to_travel(trace.rule.route if trace.rule is not None else ""),
            path=shown_path(trace),
            thread_id=activity.thread_id,
            thread=fit_to_travel(activity.thread[:THREAD_LIMIT]),
            statements=statements_of(trace),
            cpu_us=activity.cpu_ns // 1000 if activity.cpu_ns != UNKNOWN else UNKNOWN,
            frames=table.numbers(coroutine or stack),
            where=where,
            doing=WAIT if coroutine and activity.doing == DOING_UNKNOWN else activity.doing,
            doing_us=max(now_ns - activity.since_ns, 0) // 1000 if activity.since_ns else UNKNOWN,
            kind=activity.kind,
            statement=statement,
            engine=engine,
            coroutine=bool(coroutine),
        )

    def _statement(self, trace: RequestTrace, kind: str) -> tuple[str, str]:
        """The masked text and the engine's name of the statement that runs."""
        span: object = trace.database
        if kind != STATEMENT or not isinstance(span, SpanRecord):
            return "", ""
        from flasktop.agent.sql import masking

        text = masking.mask(span.text, span.engine.dialect, self._agent.settings.max_statement_bytes)
        return fit_to_travel(text), fit_to_travel(span.engine.name)


class _Queue:
    """Tells who waits for the interpreter's lock: a thread that does wakes up all the time to ask for it again, does
    next to nothing with the processor, and waits in no other call of the system."""

    def __init__(self, threads: Iterable[Activity]) -> None:
        ids = [one.thread_id for one in threads if one.thread_id != UNKNOWN]
        self._at = time.perf_counter()
        self._before = {number: cpu.switches(number) for number in ids}

    def told(self, now: Activity) -> Activity:
        """``now``, with what is waited for where it is that."""
        before = self._before.get(now.thread_id, 0)
        if now.doing != WAIT or not before:
            return now
        wakes = cpu.switches(now.thread_id) - before
        often = wakes >= 2 and wakes / max(time.perf_counter() - self._at, 1e-3) >= WAKES_A_SECOND
        if often and cpu.may_wait_for_interpreter(now.thread_id):
            return structs.replace(now, kind=INTERPRETER)
        return now


def _wanted(running: list[RequestTrace], begun_us: int) -> list[RequestTrace]:
    if begun_us == UNKNOWN:
        return running[:SHOWN]
    wanted = [trace for trace in running if trace.start_ns // 1000 == begun_us]
    if not wanted:
        raise _ended()
    return wanted


def _ended() -> CommandError:
    return CommandError("The request has ended.", "", GONE)


class _Table:
    """The frames of one answer, each once: requests that wait for the same thing share most of theirs."""

    def __init__(self, sources: Sources) -> None:
        self.frames: list[StackFrame] = []
        self._sources = sources
        self._numbers: dict[frames.Place, int] = {}

    def numbers(self, stack: frames.Stack) -> tuple[int, ...]:
        """Where the frames of a stack stand in the table; ours are left out, and the middle of a deep one."""
        places = [place for spot in stack if (place := frames.describe(spot)).kind != "flasktop"]
        left_out = len(places) - INNERMOST - OUTERMOST
        if left_out <= 1:
            return tuple(map(self._number, places))
        gap = frames.Place("", 0, f"{left_out} frames left out", "library")
        return tuple(map(self._number, [*places[:INNERMOST], gap, *places[-OUTERMOST:]]))

    def _number(self, place: frames.Place) -> int:
        known = self._numbers.get(place)
        if known is None:
            known = self._numbers[place] = len(self.frames)
            source = self._sources.line(place.file, place.line)
            file, function = fit_to_travel(place.file), fit_to_travel(place.function)
            self.frames.append(StackFrame(file, place.line, function, place.kind == "own", source))
        return known
