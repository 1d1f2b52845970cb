"""Numbers as a person reads them: short, of a fixed few cells, right-aligned by the caller."""

from __future__ import annotations

from datetime import datetime

UNKNOWN = "–"
"""Stands for a value that is not known."""

QUIET = "·"
"""Stands for zero where zeros would be noise."""

_MAGNITUDES = ("k", "M", "G", "T")


def ms(value: float | None, *, quiet: bool = False) -> str:
    """Milliseconds in at most five cells; from a second on with their unit. ``quiet`` shows zero as ``·``.

    >>> [ms(v) for v in (None, 0.024, 0.82, 8.1, 61, 612.4, 1240, 12_400, 123_000, 7_380_000)]
    ['–', '0.02', '0.8', '8.1', '61', '612', '1.24s', '12.4s', '2m03s', '2h03m']
    >>> ms(0), ms(0, quiet=True), ms(0.004, quiet=True), ms(9.96), ms(999.7), ms(59_990)
    ('0.0', '·', '0.00', '10', '1.00s', '1m00s')
    """
    if value is None:
        return UNKNOWN
    if quiet and value == 0:
        return QUIET
    if value and round(value, 2) < 0.1:
        return f"{value:.2f}"
    if round(value, 1) < 10:
        return f"{value:.1f}"
    if round(value) < 1000:
        return f"{value:.0f}"
    seconds = value / 1000
    if round(seconds, 2) < 10:
        return f"{seconds:.2f}s"
    if round(seconds, 1) < 60:
        return f"{seconds:.1f}s"
    return _clockwork(seconds)


def ms_unit(value: float | None) -> str:
    """``ms`` with its unit always said, for text.

    >>> ms_unit(8.1), ms_unit(1240), ms_unit(None)
    ('8.1 ms', '1.24 s', '–')
    """
    if value is None:
        return UNKNOWN
    short = ms(value)
    if not short.endswith(("s", "m")):
        return f"{short} ms"
    return f"{short[:-1]} s" if "m" not in short and "h" not in short else short


def count(value: float | None, *, quiet: bool = False) -> str:
    """A count in at most five cells.

    >>> [count(v) for v in (None, 0, 7, 1234, 9999, 12_345, 999_960, 4_100_000, 2e13)]
    ['–', '0', '7', '1,234', '9,999', '12.3k', '1.0M', '4.1M', '20.0T']
    >>> count(0, quiet=True)
    '·'
    """
    if value is None:
        return UNKNOWN
    if quiet and value == 0:
        return QUIET
    if round(value) < 10_000:
        return f"{value:,.0f}"
    for magnitude in _MAGNITUDES:
        value /= 1000
        if value < 999.95 or magnitude == _MAGNITUDES[-1]:
            return f"{value:.1f}{magnitude}" if value < 99.95 else f"{value:.0f}{magnitude}"
    raise AssertionError("unreachable: the last magnitude takes all")


def rate(value: float | None, *, quiet: bool = False) -> str:
    """A rate a second: one decimal below a hundred.

    >>> [rate(v) for v in (None, 0, 0.04, 12.42, 99.96, 412.3, 12_345)]
    ['–', '0.0', '0.04', '12.4', '100', '412', '12.3k']
    """
    if value is None:
        return UNKNOWN
    if quiet and value == 0:
        return QUIET
    if 0 < value < 0.095:
        return f"{value:.2f}"
    return f"{value:.1f}" if round(value, 1) < 100 else count(value)


def mean_count(value: float | None, *, quiet: bool = False) -> str:
    """A mean of counts (statements a request): no decimal where it says nothing.

    >>> [mean_count(v) for v in (None, 1, 1.04, 2.5, 101.0, 0.25, 0.04, 0.001)]
    ['–', '1', '1.0', '2.5', '101', '0.2', '0.04', '<0.01']
    """
    if value is None:
        return UNKNOWN
    if quiet and value == 0:
        return QUIET
    if 0 < value < 0.095:
        return f"{value:.2f}" if value >= 0.005 else "<0.01"
    return count(value) if value == int(value) or value >= 99.95 else f"{value:.1f}"


def percent(share: float | None, *, quiet: bool = False) -> str:
    """A share of 0 to 1 as a percentage without its sign.

    >>> [percent(v) for v in (None, 0, 0.0004, 0.021, 0.34, 0.996, 1)]
    ['–', '0', '<0.1', '2.1', '34', '99.6', '100']
    """
    if share is None:
        return UNKNOWN
    if share == 0:
        return QUIET if quiet else "0"
    value = share * 100
    if 0 < value < 0.05:
        return "<0.1"
    if value < 9.95 or 99 < value < 99.95:
        return f"{value:.1f}"
    return f"{value:.0f}"


def bytes_(value: float | None, *, quiet: bool = False) -> str:
    """A size in decimal units (1 kB is 1,000 bytes), as networks and disks are sold.

    >>> [bytes_(v) for v in (None, 0, 512, 18_400, 612_000_000, 1_240_000_000, 38_000_000)]
    ['–', '0 B', '512 B', '18.4 kB', '612 MB', '1.24 GB', '38.0 MB']
    """
    if value is None:
        return UNKNOWN
    if quiet and value == 0:
        return QUIET
    if abs(value) < 999.5:
        return f"{value:.0f} B"
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if abs(value) < 999.5 or unit == "TB":
            decimals = 0 if abs(value) >= 99.95 else 2 if unit in {"GB", "TB"} and abs(value) < 9.995 else 1
            return f"{value:.{decimals}f} {unit}"
    raise AssertionError("unreachable: the last unit takes all")


def signed_bytes(value: float | None) -> str:
    """A size that something grew by.

    >>> [signed_bytes(v) for v in (None, 0, 38_000_000, -512)]
    ['–', '+0 B', '+38.0 MB', '−512 B']
    """
    if value is None:
        return UNKNOWN
    return f"{'−' if value < 0 else '+'}{bytes_(abs(value))}"


def whole(value: float | None) -> str:
    """A count in full as long as it has at most eight digits.

    >>> [whole(v) for v in (None, 0, 5_053_224, 99_999_999, 123_456_789)]
    ['–', '0', '5,053,224', '99,999,999', '123M']
    """
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if round(abs(value)) < 100_000_000 else count(value)


def signed(value: float | None) -> str:
    """A count that something grew by, nothing as ``·``.

    >>> [signed(v) for v in (None, 0, 51_204, -3)]
    ['–', '·', '+51,204', '−3']
    """
    if value is None:
        return UNKNOWN
    if not value:
        return QUIET
    return f"{'−' if value < 0 else '+'}{whole(abs(value))}"


def duration(seconds: float | None) -> str:
    """A stretch of time in its two greatest units.

    >>> [duration(v) for v in (None, 0.4, 42, 193, 7980, 187_200)]
    ['–', '0s', '42s', '3m13s', '2h13m', '2d04h']
    """
    return UNKNOWN if seconds is None else _clockwork(seconds)


def clock(at: float | None, *, millis: bool = False) -> str:
    """Local wall-clock time of Unix seconds: ``14:02:51`` or ``14:02:51.204``."""
    if at is None:
        return UNKNOWN
    moment = datetime.fromtimestamp(at)
    text = moment.strftime("%H:%M:%S")
    return f"{text}.{moment.microsecond // 1000:03d}" if millis else text


def plural(number: float, noun: str, plural_noun: str = "") -> str:
    """``1 row``, ``2 rows``, ``1 query``, ``2 queries``.

    >>> plural(1, "row"), plural(1200, "row"), plural(101, "query", "queries")
    ('1 row', '1,200 rows', '101 queries')
    """
    return f"{count(number)} {noun if number == 1 else plural_noun or noun + 's'}"


def _clockwork(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    if whole >= 100 * 86_400:
        return f"{whole // 86_400}d"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02d}h"
