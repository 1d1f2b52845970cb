"""Columns as data: one declaration each, and what follows from it: which fit, how wide, in which order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from rich.text import Text

from flasktop.tui.draw.palette import Palette

R = TypeVar("R")

ORNAMENT: Final = 5
"""Columns of this rank or a greater one never make the others narrower than is good for them."""

SortValue = float | str | None
"""What rows are ordered by; None (not known) comes last, whichever way round."""


@dataclass(frozen=True, slots=True)
class Column(Generic[R]):
    """One column of a table.

    ``name`` is what settings and ``--columns`` call it, ``title`` its header, ``short`` the header beside the sort
    mark (the title by default). ``width`` is the narrowest it is useful at; where room is left it grows by its
    share ``grow`` up to ``widest``. ``rank`` decides what stays in a narrow terminal: 0 always, then the lowest
    first; ornaments (``ORNAMENT`` and beyond) come in only once every other column has its ``good`` width.
    ``descending`` is its natural order, the one that shows what matters on top.
    """

    name: str
    title: str
    width: int
    rank: int
    render: Callable[[R, int, Palette], Text]
    sort: Callable[[R], SortValue]
    about: str
    right: bool = True
    descending: bool = True
    short: str = ""
    grow: int = 0
    widest: int = 0
    good: int = 0

    def header(self, width: int) -> str:
        """The title as it fits."""
        return self.title if len(self.title) <= width or not self.short else self.short

    def marked(self, width: int, mark: str) -> str:
        """The title as it fits with the sort ``mark``."""
        if len(self.title) < width:
            return self.title + mark
        return (self.short or self.title)[: width - 1].rstrip() + mark


@dataclass(frozen=True, slots=True)
class Placed(Generic[R]):
    """A column with its place: ``x`` and ``width`` in cells."""

    column: Column[R]
    x: int
    width: int


def fit(columns: Sequence[Column[R]], width: int) -> tuple[Placed[R], ...]:
    """Choose the columns that fit into ``width`` cells and give each its place, in their given order.

    Essential columns (rank 0) stay whatever the width; the others come in by rank. Room that is left goes to the
    columns that grow, and then into the gaps.
    """
    gap = 1 if width < 100 else 2
    chosen: list[Column[R]] = []
    for column in sorted(columns, key=lambda each: each.rank):
        if column.rank == 0 or _needed([*chosen, column], gap) <= width:
            chosen.append(column)
    kept = [column for column in columns if column in chosen]
    used = sum(column.width + gap for column in kept) - gap
    widths = _grown(kept, width - used)
    spare = width - sum(widths) - gap * (len(kept) - 1)
    if len(kept) > 1 and spare > 0:
        gap += min(2, spare // (len(kept) - 1))
    placed, x = [], 0
    for column, each in zip(kept, widths, strict=True):
        placed.append(Placed(column, x, each))
        x += each + gap
    return tuple(placed)


def _needed(columns: Sequence[Column[R]], gap: int) -> int:
    """The cells these columns need, the last of them being the newcomer."""
    comfortable = columns[-1].rank >= ORNAMENT
    return sum(max(c.width, c.good if comfortable else 0) + gap for c in columns) - gap


def _grown(columns: Sequence[Column[R]], spare: int) -> list[int]:
    """The widths after ``spare`` cells (negative: too few) are shared out among the columns that grow."""
    widths = [column.width for column in columns]
    if spare < 0:
        return _shrunk(columns, widths, -spare)
    while spare > 0:
        growing = [i for i, column in enumerate(columns) if column.grow and widths[i] < column.widest]
        if not growing:
            break
        total = sum(columns[i].grow for i in growing)
        before = spare
        for i in growing:
            more = min(max(1, before * columns[i].grow // total), columns[i].widest - widths[i], spare)
            widths[i] += more
            spare -= more
    return widths


def _shrunk(columns: Sequence[Column[R]], widths: list[int], missing: int) -> list[int]:
    """Take what is missing from the columns that can grow: their text is cut with an ellipsis, never a number's."""
    for i, column in enumerate(columns):
        if column.grow and missing > 0:
            less = min(missing, max(0, widths[i] - 8))
            widths[i] -= less
            missing -= less
    return widths


def ordered(rows: Sequence[R], column: Column[R], reverse: bool) -> list[R]:
    """``rows`` by ``column``, in its natural order or the reverse of it; rows without a value last."""
    known = [(value, row) for row in rows if (value := column.sort(row)) is not None]
    unknown = [row for row in rows if column.sort(row) is None]
    known.sort(key=lambda pair: pair[0], reverse=column.descending != reverse)
    return [row for _, row in known] + unknown


def held(rows: Sequence[R], order: Sequence[object], key: Callable[[R], object]) -> list[R]:
    """``rows`` in the order they had (``order``: their keys); rows that are new come after them, as given."""
    place = {each: i for i, each in enumerate(order)}
    return sorted(rows, key=lambda row: place.get(key(row), len(place)))
