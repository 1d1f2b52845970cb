"""The stacks of a profile while it is taken: bounded tables of frames and of stacks, with what was counted for each.

Counting a sample costs a look at each frame and one look-up for the stack; naming what was seen comes at the end. No
frame is kept: it would keep the app's objects alive, and run their destructors here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import CodeType, FrameType
from typing import Final

from flasktop.agent.sql import callsite

MAX_DEPTH: Final = 400
"""Frames looked at in one stack, from the innermost outwards."""

MAX_STACKS: Final = 4_000
MAX_SPOTS: Final = 20_000
MAX_CELLS: Final = 400_000
"""Distinct stacks, distinct places in them, and the length of all stacks together. What is beyond is counted."""

CUT: Final = 0
SERVER: Final = 1
ELSEWHERE: Final = 2
PSEUDO: Final = {
    CUT: f"(more than {MAX_DEPTH} frames deep)",
    SERVER: "(the server, outside the app)",
    ELSEWHERE: "(places beyond the limit)",
}
"""Numbers of places that are none."""

_AGENT: Final = f"{callsite.OWN_FOLDER}agent{os.sep}"
_SQL: Final = f"{_AGENT}sql{os.sep}"
_APP_KIND: Final = 0
_OURS_KIND: Final = 1
_SQL_KIND: Final = 2

Spot = tuple[CodeType, int]
"""A code object and the instruction in it."""

_DEPTHS: Final = range(MAX_DEPTH)


class Tally:
    """What was counted for one stack (``spots``: numbers of places, outermost first), in ns.

    ``sql``: the stack ends in a call to the database.
    """

    __slots__ = ("cpu_ns", "samples", "spots", "sql", "sql_ns", "unknown_ns", "wall_ns")

    def __init__(self, spots: tuple[int, ...], sql: bool) -> None:
        self.spots = spots
        self.sql = sql
        self.samples = self.wall_ns = self.cpu_ns = self.sql_ns = self.unknown_ns = 0


class StackTable:
    """The stacks of one profile. ``rest`` counts what was beyond the bounds."""

    def __init__(self) -> None:
        self.rest = Tally((), False)
        self._spots: list[Spot | None] = [None] * len(PSEUDO)
        self._kinds = [_APP_KIND] * len(PSEUDO)
        self._numbers: dict[tuple[int, int], int] = {}
        self._as_seen: dict[tuple[int, ...], Tally] = {}
        self._tallies: dict[tuple[tuple[int, ...], bool], Tally] = {}
        self._cells = 0

    def find(self, frame: FrameType | None) -> Tally:
        """The tally of the stack that ends in ``frame``; only while ``frames.still``."""
        numbers = self._numbers
        stack: list[int] = []
        for _ in _DEPTHS:
            if frame is None:
                break
            code = frame.f_code
            instruction = frame.f_lasti
            number = numbers.get((id(code), instruction))
            if number is None:
                callsite.is_own(frame)  # judged, and a template's lines kept, while there is a frame to ask
                number = self._new_spot(code, instruction)
            stack.append(number)
            frame = frame.f_back
        if frame is not None:
            stack.append(CUT)
        seen = tuple(stack)
        return self._as_seen.get(seen) or self._new_stack(seen)

    def find_spots(self, spots: Sequence[Spot]) -> Tally:
        """The tally of a stack of the app's alone, innermost place first: what a coroutine awaits."""
        numbers = self._numbers
        seen = tuple(
            self._new_spot(code, instruction) if (number := numbers.get((id(code), instruction))) is None else number
            for code, instruction in spots[:MAX_DEPTH]
        )
        return self._as_seen.get(seen) or self._new_stack(seen, inside=True)

    def tallies(self) -> list[Tally]:
        """All stacks, those that took the most time first."""
        return sorted(self._tallies.values(), key=lambda tally: tally.wall_ns, reverse=True)

    def spot(self, number: int) -> Spot | None:
        """The place of that number; None for a pseudo one."""
        return self._spots[number]

    def _new_spot(self, code: CodeType, instruction: int) -> int:
        if len(self._spots) >= MAX_SPOTS:
            return ELSEWHERE
        file = code.co_filename
        kind = _SQL_KIND if file.startswith(_SQL) else _OURS_KIND if file.startswith(_AGENT) else _APP_KIND
        number = self._numbers[id(code), instruction] = len(self._spots)
        self._spots.append((code, instruction))  # keeps the code alive, which the key names by identity
        self._kinds.append(kind)
        return number

    def _new_stack(self, seen: tuple[int, ...], *, inside: bool = False) -> Tally:
        """A stack as it is shown: from where the server called the app, without frames of ours; ``inside``: all of it
        is the app's."""
        if len(self._as_seen) >= MAX_STACKS or self._cells + len(seen) > MAX_CELLS:
            return self.rest
        kinds = [self._kinds[number] for number in seen]
        entry = next((at for at in reversed(range(len(seen))) if kinds[at] == _OURS_KIND), None)
        part = seen if entry is None else seen[:entry]
        shown = tuple(number for number in reversed(part) if not self._kinds[number])
        if entry is None and not inside and seen[-1:] != (CUT,):
            shown = (SERVER, *shown)
        key = (shown, _SQL_KIND in kinds)
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = Tally(*key)
        self._as_seen[seen] = tally
        self._cells += len(seen)
        return tally
