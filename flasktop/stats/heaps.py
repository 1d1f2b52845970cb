"""The heaps that a reader took of each worker, the one it marked, and what grew between two of them."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from flasktop.protocol.commands.heap import By, HeapPart, HeapRow, HeapTaken
from flasktop.protocol.events import WorkerId

TAKES: Final = 10
"""Takes kept of one worker; the marked one is kept besides."""

WORKERS: Final = 64
"""Workers whose takes are kept: an app that replaces its workers all day must not fill the reader."""


LEAST_OBJECT: Final = 16
"""Bytes of the smallest object there is: a reference count and a type."""


@dataclass(frozen=True, slots=True)
class Division:
    """A set of objects, divided: the largest ``rows`` of ``total_rows``, the largest first."""

    by: By
    rows: tuple[HeapRow, ...]
    total_rows: int

    @property
    def complete(self) -> bool:
        """Whether every row is listed, so that what is not listed is not there."""
        return len(self.rows) >= self.total_rows


@dataclass(frozen=True, slots=True)
class Take:
    """One heap that was taken. ``number`` is the reader's own, and grows; ``divisions`` are what is known of it."""

    number: int
    taken: HeapTaken
    divisions: Mapping[By, Division] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grown:
    """By how much a row grew (negative: shrank) between two takes.

    ``at_least``: the earlier take listed its largest rows only and this one was not among them, so that these are the
    least it can have grown. ``per_1000`` is objects and ``bytes_per_1000`` bytes per 1,000 requests, None where no
    request came between.
    """

    count: int
    bytes: int
    per_1000: float | None
    bytes_per_1000: float | None
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class HeapLine:
    """A row of a division. ``index`` is its place in it (None: it is there no more, and was in the earlier take);
    ``share`` and ``cumulative`` are parts of the whole set, the latter with all larger rows; ``grown`` None: there is
    nothing to compare with, or it cannot be told."""

    name: str
    index: int | None
    count: int
    bytes: int
    share: float
    cumulative: float
    detail: str
    grown: Grown | None


def lines_of(
    division: Division, whole_bytes: int, before: Division | None = None, requests: int = 0
) -> tuple[HeapLine, ...]:
    """The rows of ``division``, of a set of ``whole_bytes``, the largest first.

    Where there is ``before``, the same division of an earlier heap, ``requests`` requests ago, each says by how much it
    grew, and those that are gone come last.
    """
    earlier = _Earlier(before, requests) if before is not None else None
    lines, so_far = [], 0
    for row in division.rows:
        so_far += row.bytes
        grown = earlier.grown(row) if earlier is not None else None
        share, cumulative = _part(row.bytes, whole_bytes), _part(so_far, whole_bytes)
        lines.append(HeapLine(row.name, row.index, row.count, row.bytes, share, cumulative, row.detail, grown))
    if earlier is not None and division.complete:
        lines += earlier.gone()
    return tuple(lines)


def compare(before: Take | None, after: Take, by: By) -> tuple[HeapLine, ...]:
    """The heap of ``after`` divided ``by``, against ``before`` where both were divided so; empty where it was not."""
    division = after.divisions.get(by)
    if division is None:
        return ()
    earlier = before.divisions.get(by) if before is not None else None
    return lines_of(division, after.taken.bytes, earlier, requests_between(before, after))


def requests_between(before: Take | None, after: Take) -> int:
    """How many requests the worker finished from the one to the other; 0 where that is not known."""
    return max(0, after.taken.requests - before.taken.requests) if before is not None else 0


def _part(some: int, of: int) -> float:
    return some / of if of > 0 else 0.0


class _Earlier:
    """The rows of the earlier division, each given to one row of the later: names need not be unique."""

    def __init__(self, division: Division, requests: int) -> None:
        self._requests = requests
        self._complete = division.complete
        self._listed = bool(division.rows)
        self._least = min((row.bytes for row in division.rows), default=0)
        self._rows: defaultdict[str, deque[HeapRow]] = defaultdict(deque)
        for row in division.rows:
            self._rows[row.name].append(row)

    def grown(self, row: HeapRow) -> Grown | None:
        same = self._rows.get(row.name)
        if same:
            was = same.popleft()
            return self._made(row.count - was.count, row.bytes - was.bytes)
        if self._complete:
            return self._made(row.count, row.bytes)
        if not self._listed or row.bytes <= self._least:
            return None
        most_before = self._least // LEAST_OBJECT
        return self._made(row.count - most_before, row.bytes - self._least, at_least=True)

    def gone(self) -> list[HeapLine]:
        left = [row for rows in self._rows.values() for row in rows]
        return [HeapLine(r.name, None, 0, 0, 0.0, 1.0, "", self._made(-r.count, -r.bytes)) for r in left]

    def _made(self, count: int, size: int, *, at_least: bool = False) -> Grown:
        thousands = self._requests / 1000
        if not thousands:
            return Grown(count, size, None, None, at_least)
        return Grown(count, size, count / thousands, size / thousands, at_least)


class Heaps:
    """What was taken of each worker, in memory and bounded."""

    def __init__(self) -> None:
        self._takes: dict[WorkerId, list[Take]] = {}
        self._marks: dict[WorkerId, int] = {}
        self._made = 0

    def add(self, worker: WorkerId, taken: HeapTaken) -> Take:
        """Keep a new take; the oldest gives way to it."""
        self._made += 1
        take = Take(self._made, taken, {"type": Division("type", taken.by_type, taken.types)})
        takes = self._takes.pop(worker, [])
        self._takes[worker] = self._kept(worker, [*takes, take])
        for old in list(self._takes)[:-WORKERS]:
            del self._takes[old]
            self._marks.pop(old, None)
        return take

    def _kept(self, worker: WorkerId, takes: Sequence[Take]) -> list[Take]:
        marked = self._marks.get(worker)
        newest = takes[-TAKES:]
        return [take for take in takes[:-TAKES] if take.number == marked] + list(newest)

    def divided(self, worker: WorkerId, number: int, part: HeapPart) -> None:
        """Keep with take ``number`` how its whole heap divides."""
        takes = self._takes.get(worker, [])
        for i, take in enumerate(takes):
            if take.number == number:
                division = Division(part.by, part.rows, part.total_rows)
                takes[i] = replace(take, divisions={**take.divisions, part.by: division})

    def takes(self, worker: WorkerId) -> tuple[Take, ...]:
        """The takes of a worker, the oldest first."""
        return tuple(self._takes.get(worker, ()))

    def find(self, worker: WorkerId, number: int) -> Take | None:
        """One take, None where it was let go of."""
        return next((take for take in self._takes.get(worker, ()) if take.number == number), None)

    def newest(self, worker: WorkerId) -> Take | None:
        """The last take of a worker."""
        takes = self._takes.get(worker)
        return takes[-1] if takes else None

    def mark(self, worker: WorkerId, number: int | None) -> None:
        """Compare later takes with take ``number``; None: with the one before each, as without a mark."""
        if number is None:
            self._marks.pop(worker, None)
        elif self.find(worker, number) is not None:
            self._marks[worker] = number

    def marked(self, worker: WorkerId) -> Take | None:
        """The take that is marked."""
        number = self._marks.get(worker)
        return None if number is None else self.find(worker, number)

    def before(self, worker: WorkerId, take: Take) -> Take | None:
        """The take to compare ``take`` with: the marked one where that is older, without a mark the one before it."""
        marked = self.marked(worker)
        if marked is not None:
            return marked if marked.number < take.number else None
        older = [each for each in self._takes.get(worker, ()) if each.number < take.number]
        return older[-1] if older else None
