"""What may be said of a share or of a trend, and how surely: intervals instead of single numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import inf, sqrt
from statistics import median
from typing import Final, NamedTuple

SURE: Final = 2.576
"""Standard deviations to either side that hold 99 % of a normal distribution: rules look at many rows, again and again,
so that one in twenty would be too often."""


class Interval(NamedTuple):
    """A value, and between what it lies with 99 % confidence."""

    low: float
    middle: float
    high: float


def share_of(hits: int, of: int) -> Interval:
    """The share of ``hits`` in ``of`` (more than none), and between what the true one lies.

    Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22, 1927.

    >>> low, middle, high = share_of(1, 10)
    >>> round(low, 3), middle, round(high, 3)
    (0.012, 0.1, 0.507)
    """
    share, z2 = hits / of, SURE * SURE / of
    middle = (share + z2 / 2) / (1 + z2)
    reach = SURE * sqrt(share * (1 - share) / of + z2 / (4 * of)) / (1 + z2)
    return Interval(max(middle - reach, 0.0), share, min(middle + reach, 1.0))


def rise_of(before: Interval, now: Interval) -> Interval:
    """By how much a share rose, both as ``share_of`` tells them.

    Source: R. G. Newcombe, "Interval Estimation for the Difference Between Independent Proportions: Comparison of
    Eleven Methods", Statistics in Medicine 17, 1998, method 10.

    >>> rise_of(share_of(1, 100), share_of(20, 40)).low > 0.25
    True
    >>> rise_of(share_of(1, 10), share_of(3, 10)).low > 0
    False
    """
    rise = now.middle - before.middle
    low = rise - sqrt((now.middle - now.low) ** 2 + (before.high - before.middle) ** 2)
    high = rise + sqrt((now.high - now.middle) ** 2 + (before.middle - before.low) ** 2)
    return Interval(low, rise, high)


def trend_of(points: Sequence[tuple[float, float]]) -> Interval | None:
    """How values grow with what they are paired with; None below four points. The interval lies above zero where the
    test of Mann and Kendall finds a rise, and is without bounds where points are too few for it (below seven). Some
    points far off move it little.

    Sources: P. K. Sen, "Estimates of the Regression Coefficient Based on Kendall's Tau", JASA 63, 1968 (estimate and
    interval); H. B. Mann, "Nonparametric Tests Against Trend", Econometrica 13, 1945.

    >>> trend_of([(x, 3.0 * x) for x in range(12)])
    Interval(low=3.0, middle=3.0, high=3.0)
    """
    slopes = sorted((b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2) if a[0] != b[0])
    if len(points) < 4 or not slopes:
        return None
    n, pairs = len(points), len(slopes)
    spread = SURE * sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low, high = int((pairs - spread) / 2), int((pairs + spread) / 2) + 1  # places, from 1
    if low < 1 or high > pairs:
        return Interval(-inf, median(slopes), inf)
    return Interval(slopes[low - 1], median(slopes), slopes[high - 1])
