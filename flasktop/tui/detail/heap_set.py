"""The screen of a set of objects in a heap: a row, divided further."""

from __future__ import annotations

from typing import Final

from rich.text import Text

from flasktop.protocol.commands.heap import BYS, By, Step
from flasktop.protocol.events import WorkerId
from flasktop.stats.heaps import HeapLine, Take
from flasktop.tui.detail.context import Context
from flasktop.tui.detail.heap_table import HeapTable
from flasktop.tui.detail.words import fitted
from flasktop.tui.draw.text import line, safe
from flasktop.units import bytes_, clock, percent, whole

FEW: Final = 50
"""A set of so many objects is shown object by object."""

WAYS: Final[tuple[By, ...]] = ("referrers", "type", "owner", "size", "object")
"""The ways to go deeper, in the order in which they are tried."""


def first_by(row: HeapLine, steps: tuple[Step, ...]) -> By:
    """How a row is divided first: into single objects where they are few, else by who refers to them."""
    if row.count <= FEW:
        return "object"
    used = {step.by for step in steps}
    return next((by for by in WAYS if by not in used), "object")


class HeapSetScreen(HeapTable):
    """The set of ``take`` at the end of ``steps``; ``name`` is what its row was called."""

    def __init__(self, worker: WorkerId, take: Take, steps: tuple[Step, ...], name: str, by: By) -> None:
        super().__init__(worker, steps, by)
        self.others = (worker,)
        self._take, self._called = take, name

    @property
    def crumb(self) -> str:
        return safe(self._called)

    def _list_behind(self) -> tuple[WorkerId, ...]:
        return (self.key,)

    def _path(self) -> list[str]:
        return [*super()._path(), f"by {self.by}"]

    def read(self) -> Take | None:
        return self.desk.heaps.find(self.key, self._take.number) or self._take

    @property
    def offered(self) -> tuple[By, ...]:
        return tuple(by for by in BYS if by != self.steps[-1].by or by == self.by)

    def head(self, context: Context) -> list[Text]:
        palette = context.palette
        take = self._take.taken
        part = self.desk.known(self.key, self._take, self.steps, self.by)
        parts = []
        if part is not None:
            share = part.bytes / take.bytes if take.bytes else 0.0
            parts = [
                line((bytes_(part.bytes), palette.strong), (" in ", palette.dim), (whole(part.count), palette.strong),
                     (" objects", palette.dim)),
                line((f"{percent(share)} % of the heap", palette.text)),
            ]  # fmt: skip
        parts.append(line((f"frozen {clock(take.taken_at)}", palette.dim)))
        lines = fitted(parts, context.width, 1, palette, "   ")
        newest = self.desk.heaps.newest(self.key)
        if newest is not None and newest.number != self._take.number:
            lines.append(line(("There is a newer take: esc goes to it.", palette.warn)))
        return lines

    def deeper(self, row: HeapLine, step: Step) -> None:
        steps = (*self.steps, step)
        self.app.push_screen(HeapSetScreen(self.key, self._take, steps, row.name, first_by(row, steps)))

    def action_older(self, by: int) -> None:
        self.app.bell()
