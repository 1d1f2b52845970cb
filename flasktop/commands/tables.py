"""Plain text tables: aligned by cells, as wide as the terminal, the least important columns left out first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import click
from rich.cells import cell_len, set_cell_size

GAP: Final = 2
ENOUGH: Final = 28
"""So many cells the last, flexible column gets before a less important one is left out for it."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its cells as text, in order. ``rank`` 0 stays, the greatest goes first; ``bad`` cells are red."""

    title: str
    cells: Sequence[str]
    rank: int = 0
    right: bool = True
    bad: Sequence[bool] = ()


def table(columns: Sequence[Column], width: int, *, indent: int = 2) -> list[str]:
    """Return the lines of a table; its last column takes what is left of ``width`` and is cut there."""
    *fixed, last = columns
    room = width - indent
    widest_last = max([cell_len(last.title), *map(cell_len, last.cells)])
    while fixed and room - sum(_width(column) + GAP for column in fixed) < min(widest_last, ENOUGH):
        leaving = max(fixed, key=lambda column: column.rank)
        if leaving.rank == 0:
            break
        fixed.remove(leaving)
    widths = [_width(column) for column in fixed]
    widths.append(max(min(widest_last, room - sum(widths) - GAP * len(fixed)), 8))
    shown = [*fixed, last]
    start = " " * indent
    header = start + _join([_fit(column.title, size, column.right) for column, size in zip(shown, widths, strict=True)])
    lines = [click.style(header.rstrip(), bold=True)]
    for number in range(len(last.cells)):
        cells = [_cell(column, number, size) for column, size in zip(shown, widths, strict=True)]
        lines.append((start + _join(cells)).rstrip())
    return lines


def cut(text: str, width: int) -> str:
    """``text`` in at most ``width`` cells, its end replaced by an ellipsis where it is longer."""
    return text if cell_len(text) <= width else set_cell_size(text, max(width - 1, 0)).rstrip() + "…"


def cut_left(text: str, width: int) -> str:
    """As ``cut``, but keeps the end: for paths."""
    while cell_len(text) > width:
        text = "…" + text[2 if text.startswith("…") else 1 :]
    return text


def one_line(text: str) -> str:
    """Statements as one line."""
    return " ".join(text.split())


def _width(column: Column) -> int:
    return max([cell_len(column.title), *map(cell_len, column.cells)])


def _cell(column: Column, number: int, width: int) -> str:
    text = _fit(column.cells[number], width, column.right)
    return click.style(text, fg="red") if column.bad and column.bad[number] else text


def _fit(text: str, width: int, right: bool) -> str:
    text = cut(text, width)
    padding = " " * (width - cell_len(text))
    return padding + text if right else text + padding


def _join(cells: Sequence[str]) -> str:
    return (" " * GAP).join(cells)
