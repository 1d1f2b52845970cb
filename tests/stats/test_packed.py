"""Columns as words: bounded, added all at once, and kept in as few bytes as they need."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flasktop.stats.columns import COUNT, ENDPOINT_COLUMNS, WAIT
from flasktop.stats.packed import LARGEST, Table, bounded, columns_of, narrow, narrowed, packed, unpacked

Row = tuple[int, ...]

rows = st.lists(st.integers(0, LARGEST), min_size=ENDPOINT_COLUMNS, max_size=ENDPOINT_COLUMNS).map(tuple)


@given(rows, rows)
def test_adding_two_rows_adds_each_column(one: Row, other: Row) -> None:
    both, rest = packed(zip(one, other, strict=True))

    assert unpacked(both + rest) == tuple(map(sum, zip(one, other, strict=True)))


@given(rows, rows)
def test_subtracting_what_was_added_leaves_the_rest(one: Row, other: Row) -> None:
    both, rest = packed(zip(one, other, strict=True))

    assert unpacked(both + rest - rest) == one


@given(st.lists(rows, min_size=1, max_size=5))
def test_columns_of_rows_are_those_that_were_packed(given_rows: list[Row]) -> None:
    columns = columns_of(packed(zip(*given_rows, strict=True)))

    assert [tuple(column) for column in columns] == list(zip(*given_rows, strict=True))


def test_columns_that_were_not_filled_are_zero() -> None:
    table = Table(2)
    table.put(COUNT, bounded([1, 2]))
    table.put(WAIT, bounded([LARGEST, 7]))
    found = [unpacked(row) for row in table.packed()]

    assert [(row[COUNT], row[WAIT]) for row in found] == [(1, LARGEST), (2, 7)]
    assert [sum(row) for row in found] == [1 + LARGEST, 2 + 7]


@pytest.mark.parametrize(
    ("value", "counted"),
    [
        (0, 0),
        (-1, 0),
        (-(1 << 70), 0),
        (LARGEST, LARGEST),
        (LARGEST + 1, LARGEST),
        (1 << 70, LARGEST),
    ],
)
def test_no_value_is_negative_or_too_large(value: int, counted: int) -> None:
    assert list(bounded([3, value, 5])) == [3, counted, 5]


@pytest.mark.parametrize(
    ("most", "width"), [(0, 1), (255, 1), (256, 2), (65_535, 2), (65_536, 4), ((1 << 32) - 1, 4), (1 << 32, 8)]
)
def test_an_array_is_as_narrow_as_its_largest_number_allows(most: int, width: int) -> None:
    found = narrowed([1, most, 0])

    assert (list(found), found.itemsize) == ([1, most, 0], width)


def test_every_second_word_is_narrowed_alone() -> None:
    data = bounded([1, 70_000, 2, 80_000]).tobytes()

    assert [(list(found), found.itemsize) for found in (narrow(data, 0, 2), narrow(data, 1, 2))] == [
        ([1, 2], 1),
        ([70_000, 80_000], 4),
    ]


def test_nothing_is_narrow() -> None:
    assert list(narrowed([])) == []
