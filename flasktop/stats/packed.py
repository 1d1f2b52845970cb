"""Many sums at once: columns of 64-bit words, and all columns of a row in one integer.

Adding two such integers adds all their columns, in a fifteenth of the time that adding two lists of so many numbers
takes. No column may be negative or run over: values are bounded before they are packed, and only what was added is ever
subtracted. Words are written, cut and narrowed as bytes, a column at a time, without a Python number for each of them.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Collection, Iterable, Sequence
from struct import Struct
from typing import Final, Literal, cast

from flasktop.stats.columns import ENDPOINT_COLUMNS

WORD: Final = 8
LARGEST: Final = (1 << 40) - 1
"""No value counts as more than this (12 days in microseconds, 1.1 TB): eight million of them do not run over."""

_ROW: Final = Struct(f"={ENDPOINT_COLUMNS}Q")
_WIDTHS: Final = (0, 1, 2, 4, 4, 8, 8, 8, 8)
"""The width of the narrowest array that holds words of so many bytes."""
_CODES: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}
_LITTLE: Final = sys.byteorder == "little"


def bounded(values: Sequence[int]) -> array[int]:
    """Return ``values`` as words, with none below zero and none beyond ``LARGEST``."""
    try:
        words = array("Q", values)
    except OverflowError:
        return array("Q", [min(max(value, 0), LARGEST) for value in values])
    data = words.tobytes()
    nothing = bytes(len(words))
    if _bytes(data, 7) != nothing or _bytes(data, 6) != nothing or _bytes(data, 5) != nothing:
        return array("Q", [min(value, LARGEST) for value in values])
    return words


class Table:
    """Rows of endpoint columns, filled a column at a time; what is not filled is zero."""

    def __init__(self, rows: int) -> None:
        self._words = array("Q", bytes(_ROW.size * rows))

    def put(self, column: int, words: array[int]) -> None:
        """Fill a column."""
        self._words[column::ENDPOINT_COLUMNS] = words

    def packed(self) -> list[int]:
        """Return one integer for each row."""
        data, size, make = self._words.tobytes(), _ROW.size, int.from_bytes
        return [make(data[start : start + size], sys.byteorder) for start in range(0, len(data), size)]


def packed(columns: Iterable[Iterable[int]]) -> list[int]:
    """Return one integer for each row of ``columns``, which are those of endpoints in their order."""
    make = int.from_bytes
    return [make(row, sys.byteorder) for row in map(_ROW.pack, *columns)]


def unpacked(sums: int) -> tuple[int, ...]:
    """Return the columns of one integer."""
    return _ROW.unpack(sums.to_bytes(_ROW.size, sys.byteorder))


def columns_of(rows: Collection[int]) -> list[array[int]]:
    """Return the columns of many integers, each as narrow as it can be."""
    data = b"".join([row.to_bytes(_ROW.size, sys.byteorder) for row in rows])
    return [narrow(data, column, ENDPOINT_COLUMNS) for column in range(ENDPOINT_COLUMNS)]


def narrow(data: bytes, first: int = 0, step: int = 1) -> array[int]:
    """Return every ``step``-th of the words in ``data``, from ``first`` on, in an array of the narrowest integers that
    hold them."""
    used, nothing = WORD, bytes(-(-(len(data) // WORD - first) // step))
    while used and _bytes(data, used - 1, first, step) == nothing:
        used -= 1
    width = _WIDTHS[used] or 1
    if width == 1:
        return array("B", _bytes(data, 0, first, step))
    parts = WORD // width
    part = first * parts + (0 if _LITTLE else parts - 1)
    return array(
        _CODES[width], memoryview(data).cast(cast("Literal['H']", _CODES[width]))[part :: step * parts].tobytes()
    )


def narrowed(values: Iterable[int]) -> array[int]:
    """Return ``values``, none of them negative, in an array of the narrowest integers that hold them."""
    return narrow(array("Q", values).tobytes())


def _bytes(data: bytes, byte: int, first: int = 0, step: int = 1) -> bytes:
    """The byte of so many (0: the lowest) of every ``step``-th word."""
    return data[first * WORD + (byte if _LITTLE else WORD - 1 - byte) :: step * WORD]
