"""What a profile found, in words: frames named once, stacks as numbers of them, all of it bounded in bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flasktop.agent.commands.stack_table import PSEUDO, StackTable, Tally
from flasktop.agent.frames import describe
from flasktop.protocol.codec import MAX_TO_READER
from flasktop.protocol.commands.profile import Profiled, ProfileFrame, ProfileStack

MAX_BYTES: Final = MAX_TO_READER * 3 // 4
"""An answer is made no longer, estimated from above; the stacks that took the least time are left out."""
MAX_NAME: Final = 400
"""Characters kept of a function's name or a file's path (its end)."""

_STACK_BYTES: Final = 48
_FRAME_BYTES: Final = 24
_NUMBER_BYTES: Final = 3


class Counts:
    """What is counted of a profile beside its stacks."""

    def __init__(self) -> None:
        self.ticks = self.missed = self.samples = self.requests = self.finished = self.sampler_ns = 0
        self.seconds = 0.0


class _Names:
    """Files and frames, each once."""

    def __init__(self, table: StackTable) -> None:
        self._table = table
        self._files: dict[str, int] = {}
        self._frames: dict[ProfileFrame, int] = {}
        self._known: dict[int, int] = {}
        self.bytes = 0

    def number(self, spot: int) -> int:
        """The number of a place's frame; two places in one line are one frame."""
        known = self._known.get(spot)
        if known is None:
            frame = self._frame(spot)
            known = self._frames.get(frame)
            if known is None:
                known = self._frames[frame] = len(self._frames)
                self.bytes += _FRAME_BYTES + len(frame.function.encode())
            self._known[spot] = known
        return known

    def _frame(self, number: int) -> ProfileFrame:
        spot = self._table.spot(number)
        if spot is None:
            return ProfileFrame(self._file(""), PSEUDO[number], 0, 0, False)
        place = describe(spot)
        template = place.file != spot[0].co_filename and place.kind == "own" and spot[0].co_firstlineno == 1
        first = 1 if template else spot[0].co_firstlineno
        return ProfileFrame(
            self._file(place.file), _fit(place.function[:MAX_NAME]), place.line, first, place.kind == "own"
        )

    def _file(self, path: str) -> int:
        path = _fit(path[-MAX_NAME:])
        if path not in self._files:
            self._files[path] = len(self._files)
            self.bytes += len(path.encode()) + 3
        return self._files[path]

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(self._files)

    @property
    def frames(self) -> tuple[ProfileFrame, ...]:
        return tuple(self._frames)


def made(table: StackTable, counts: Counts, rate: int, unseen: tuple[str, ...]) -> Callable[[Counts], Profiled]:
    """What makes the answer, once the cost of making it is known."""
    names, rest, stacks, size = _Names(table), table.rest, [], 0
    for tally in table.tallies():
        size += _STACK_BYTES + _NUMBER_BYTES * len(tally.spots)
        frames = tuple(map(names.number, tally.spots)) if size + names.bytes < MAX_BYTES else None
        if frames is None or size + names.bytes >= MAX_BYTES:
            rest.samples += tally.samples
            rest.wall_ns += tally.wall_ns
        elif tally.samples:
            stacks.append(_stack(tally, frames))
    return lambda counts: Profiled(
        seconds=counts.seconds,
        rate=rate,
        ticks=counts.ticks,
        missed=counts.missed,
        samples=counts.samples,
        requests=counts.requests,
        finished=counts.finished,
        dropped=rest.samples,
        dropped_us=rest.wall_ns // 1000,
        sampler_us=counts.sampler_ns // 1000,
        files=names.files,
        frames=names.frames,
        stacks=tuple(stacks),
        unseen=unseen,
    )


def _stack(tally: Tally, frames: tuple[int, ...]) -> ProfileStack:
    times = (tally.wall_ns, tally.cpu_ns, tally.sql_ns, tally.unknown_ns)
    return ProfileStack(frames, tally.samples, *(ns // 1000 for ns in times))


def _fit(text: str) -> str:
    """``text`` without lone surrogates, which cannot travel."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
