"""Columns: which fit, how wide, in which order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from flasktop.tui.columns import Column, fit, held, ordered
from flasktop.tui.screens.main import PANELS


def column(name: str, width: int = 5, rank: int = 0, **more: Any) -> Column[dict[str, Any]]:
    return Column(name, name.upper(), width, rank, lambda *_: Text(), lambda row: row[name], "", **more)


@pytest.mark.parametrize("panel", PANELS)
def test_columns_never_overlap_and_never_leave_the_screen(panel: Any) -> None:
    """At every width, for every panel that there is."""
    for width in range(58, 240):
        placed = fit(panel.columns, width)
        ends = [each.x + each.width for each in placed]

        assert all(end < after.x for end, after in zip(ends, placed[1:], strict=False)), width
        assert ends[-1] <= width
        assert all(each.width >= min(8, each.column.width) for each in placed), width


@pytest.mark.parametrize("panel", PANELS)
def test_names_are_unique_and_headers_fit(panel: Any) -> None:
    """Settings and the command line name columns; a header is never cut."""
    names = [column.name for column in panel.columns]

    assert len(set(names)) == len(names)
    assert all(len(column.header(column.width)) <= column.width for column in panel.columns)
    assert panel.default_sort in names


def test_a_wider_screen_never_shows_fewer_columns() -> None:
    """What was there stays when there is more room."""
    for panel in PANELS:
        shown: set[str] = set()
        for width in range(100, 260):
            now = {placed.column.name for placed in fit(panel.columns, width)}
            assert len(now) >= len(shown), (panel.panel, width)
            shown = now


rows = st.lists(st.fixed_dictionaries({"a": st.none() | st.floats(allow_nan=False), "k": st.integers()}), max_size=12)


@given(rows, st.booleans(), st.booleans())
def test_order_is_by_value_with_the_unknown_last(given_rows: list[dict[str, Any]], down: bool, reverse: bool) -> None:
    """Whichever way round."""
    made = ordered(given_rows, column("a", descending=down), reverse)
    values = [row["a"] for row in made]
    known = [value for value in values if value is not None]

    assert known == sorted(known, reverse=down != reverse)
    assert values[len(known) :] == [None] * (len(values) - len(known))


def test_held_rows_keep_their_order_and_new_ones_come_after() -> None:
    """Values change, places do not."""
    made = held([{"k": 3}, {"k": 1}, {"k": 2}, {"k": 9}], [1, 2, 3, 4], lambda row: row["k"])

    assert [row["k"] for row in made] == [1, 2, 3, 9]
