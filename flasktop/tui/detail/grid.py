"""Lists of a drill-down screen: rows in aligned columns, under their titles."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import TypeVar

from rich.text import Text

from flasktop.tui.columns import Column, Placed, fit
from flasktop.tui.detail.page import Line
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.text import cut, line

R = TypeVar("R")

Cell = Callable[[R, int, Palette], Text]


def column(
    title: str, width: int, rank: int, render: Cell[R], *, right: bool = True, grow: int = 0, widest: int = 0
) -> Column[R]:
    """A column of a list that is not sorted by the person."""
    return Column(title, title, width, rank, render, lambda _: None, "", right=right, grow=grow, widest=widest)


def heading(title: str, note: str, palette: Palette) -> Text:
    """The head of a section: what it is, and a word about it."""
    return line((title, palette.strong), (f"  {note}" if note else "", palette.dim))


def grid(
    rows: Sequence[R],
    columns: Sequence[Column[R]],
    width: int,
    palette: Palette,
    *,
    title: str,
    note: str,
    roomy: bool,
    section: str,
    key: Callable[[R], Hashable],
) -> list[Line]:
    """``rows`` under ``title`` and the titles of the columns.

    Where it is ``roomy`` the title and its ``note`` have a line of their own; else the title stands in the line of the
    columns' titles, before those that it leaves room for.
    """
    placed = fit(columns, width)
    if roomy:
        made = [Line(heading(title, note, palette)), Line(_titles(placed, line(), width, palette))]
    else:
        made = [Line(_titles(placed, heading(title, "", palette), width, palette))]
    made += [Line(_row(row, placed, palette), (section, key(row)), section) for row in rows]
    return made


def _titles(placed: Sequence[Placed[R]], title: Text, width: int, palette: Palette) -> Text:
    made = cut(title, width)
    gap = 2 if made else 0
    for each in placed:
        text = each.column.title
        at = each.x + (max(0, each.width - len(text)) if each.column.right else 0)
        if not text or at < made.cell_len + gap or at + len(text) > width:
            continue
        made.append(" " * (at - made.cell_len))
        made.append(text, palette.dim)
        gap = 1
    return made


def _row(row: R, placed: Sequence[Placed[R]], palette: Palette) -> Text:
    made = Text(no_wrap=True, end="")
    for each in placed:
        cell = cut(each.column.render(row, each.width, palette), each.width)
        room = each.width - cell.cell_len
        at = each.x + (room if each.column.right else 0)
        made.append(" " * max(0, at - made.cell_len))
        made.append_text(cell)
    return made


def indented(lines: Sequence[Line], by: int) -> list[Line]:
    """``lines`` moved to the right."""
    return [replace(each, text=line(" " * by, each.text)) for each in lines]
