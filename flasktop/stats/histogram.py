"""Distributions of durations with a stated relative error, which can be added and subtracted.

Buckets grow geometrically by octaves, each cut into ``2 ** 6`` equal parts (the geometric-linear scheme of
HdrHistogram), so that a bucket is found with integer arithmetic alone. What holds for DDSketch holds here, for the
same reason: every value of a bucket lies within ``RELATIVE_ERROR`` of the bucket's representative, hence so does
every quantile, and merging loses nothing.

Source: Masson, Rim, Lee, "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error Guarantees",
PVLDB 12(12), 2019, section 2; G. Tene, HdrHistogram.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain, repeat
from math import ceil
from typing import Final

_BITS: Final = 6
_PARTS: Final = 1 << _BITS

RELATIVE_ERROR: Final = 1 / (2 * _PARTS)
"""A quantile is off by at most this part of the true value: 0.78 %. Below 128 us it is exact."""

MAX_US: Final = (1 << 41) - 1
"""Longer durations (25 days) count as this long."""


def bucket(us: int) -> int:
    """Return the bucket of a duration in whole microseconds (negative counts as 0)."""
    if us < 2 * _PARTS:
        return us if us > 0 else 0
    if us > MAX_US:
        us = MAX_US
    exponent = us.bit_length() - _BITS - 1
    return (exponent << _BITS) + (us >> exponent)


def bounds(index: int) -> tuple[int, int]:
    """Return ``[low, high)`` in microseconds of a bucket."""
    exponent = (index >> _BITS) - 1
    if exponent <= 0:
        return index, index + 1
    low = (index - (exponent << _BITS)) << exponent
    return low, low + (1 << exponent)


def representative(index: int) -> float:
    """Return the value that stands for all of a bucket: the middle of the integers in it."""
    low, high = bounds(index)
    return (low + high - 1) / 2


BUCKETS: Final = bucket(MAX_US) + 1
"""How many buckets there are."""

KEY_BITS: Final = BUCKETS.bit_length()
"""So many bits hold a bucket's number (for keys of row and bucket in one integer)."""

_KEY_MASK: Final = (1 << KEY_BITS) - 1


def _spread(index: int) -> Iterable[int]:
    low, high = bounds(index)
    return repeat(index, high - low)


SMALL: Final[Sequence[int]] = tuple(chain.from_iterable(map(_spread, range(bucket(1 << 16)))))
"""``bucket(us)`` for durations below 65.5 ms, by index: what ingest looks up."""


def buckets(times: Sequence[int]) -> list[int]:
    """Return the bucket of each of ``times``, none of them negative."""
    small, most = SMALL, len(SMALL)
    return [small[us] if us < most else bucket(us) for us in times]


VALUES: Final[Sequence[float]] = tuple(representative(index) for index in range(BUCKETS))


class Histogram:
    """Counts per bucket, dense between the lowest and the highest bucket seen."""

    __slots__ = ("_counts", "_low", "total")

    def __init__(self) -> None:
        self._low = 0
        self._counts = array("I")
        self.total = 0

    def add(self, index: int, count: int) -> None:
        """Count ``count`` more durations in bucket ``index``; a negative count takes them away again."""
        position = index - self._low
        if not 0 <= position < len(self._counts):
            position = self._grow(index)
        self._counts[position] += count
        self.total += count

    def copy(self) -> Histogram:
        """Return another one with the same counts."""
        made = Histogram.__new__(Histogram)
        made._low, made._counts, made.total = self._low, self._counts[:], self.total
        return made

    def record(self, us: int) -> None:
        """Count one duration."""
        self.add(bucket(us), 1)

    def merge(self, other: Histogram) -> None:
        """Add all of ``other``."""
        for index, count in other.items():
            self.add(index, count)

    def subtract(self, other: Histogram) -> None:
        """Take away all of ``other``, which must have been added before."""
        for index, count in other.items():
            self.add(index, -count)

    def items(self) -> Iterator[tuple[int, int]]:
        """Yield (bucket, count) of the buckets that are not empty, lowest first."""
        low = self._low
        return ((low + position, count) for position, count in enumerate(self._counts) if count)

    def quantiles(self, *fractions: float) -> tuple[float | None, ...]:
        """Return quantiles in microseconds for ``fractions``, None where nothing was counted.

        By the nearest rank: the smallest value that at least the fraction q of all values do not exceed. So the
        95th percentile of few requests is the slowest of them, as one expects (the DDSketch paper's
        ``floor(q * (n - 1))`` would give the fastest of two).
        """
        if not self.total:
            return (None,) * len(fractions)
        cumulated = list(accumulate(self._counts))
        ranks = [max(ceil(fraction * self.total), 1) for fraction in fractions]
        return tuple([VALUES[self._low + bisect_left(cumulated, rank)] for rank in ranks])

    def maximum(self) -> float | None:
        """Return the largest duration within the relative error, None where nothing was counted."""
        counts = self._counts
        for position in range(len(counts) - 1, -1, -1):
            if counts[position]:
                return VALUES[self._low + position]
        return None

    def _grow(self, index: int) -> int:
        counts = self._counts
        if not counts:
            self._low = index
            counts.append(0)
            return 0
        if index < self._low:
            self._counts = array("I", bytes(counts.itemsize * (self._low - index))) + counts
            self._low = index
            return 0
        counts.extend(array("I", bytes(counts.itemsize * (index - self._low - len(counts) + 1))))
        return index - self._low


def add_counts(hists: dict[int, Histogram], counts: Iterable[tuple[int, int]], sign: int) -> None:
    """Add (``sign`` 1) or take away (-1) counts by ``row << KEY_BITS | bucket``; a row without any goes.

    ``Histogram.add`` written out, since this is run for every span."""
    get = hists.get
    for key, count in counts:
        row, index = key >> KEY_BITS, key & _KEY_MASK
        hist = get(row)
        if hist is None:
            hist = hists[row] = Histogram()
        position = index - hist._low
        if not 0 <= position < len(hist._counts):
            position = hist._grow(index)
        if sign > 0:
            hist._counts[position] += count
            hist.total += count
        else:
            hist._counts[position] -= count
            hist.total -= count
            if not hist.total:
                del hists[row]
