"""Whether a statement ran again with the same parameters: their ordinals within one request, for some requests.

Only ordinals leave the process, and only hashes outlive the statement, until the request has been described. They are
hashes of what plain values look like: ``hash`` alone takes -1 for -2 and 1 for True, and calls a time zone's code.
"""

from __future__ import annotations

import os
from typing import Any, Final

from flasktop.protocol.records import UNKNOWN

SET_VALUES: Final = 100
SET_LENGTH: Final = 4_096
"""Values in a parameter set, and characters or bytes of its strings together; more are not looked at."""
SETS: Final = 2_000
"""Parameter sets told apart in one request; later ones are not numbered."""

_PLAIN: Final = frozenset({type(None), bool, float})
_LARGEST_INT: Final = 1 << 256
_VALUES: Final = frozenset({("datetime", "date"), ("datetime", "timedelta"), ("decimal", "Decimal"), ("uuid", "UUID")})
_TIMES: Final = frozenset({("datetime", "datetime"), ("datetime", "time")})
_ZONES: Final = frozenset({("datetime", "timezone"), ("zoneinfo", "ZoneInfo")})

_secret: Final = os.urandom(16)


class Repeats:
    """The parameter sets of one request, by statement text."""

    __slots__ = ("_count", "_seen")

    def __init__(self) -> None:
        self._seen: dict[str, dict[int, int]] = {}
        self._count = 0

    def number(self, text: str, parameters: Any) -> int:
        """The ordinal of the parameter set of a statement that is about to run, UNKNOWN where it has none; in the
        request's own thread."""
        digest = digest_of(parameters)
        if digest is None:
            return UNKNOWN
        seen = self._seen.get(text)
        if seen is None:
            seen = self._seen[text] = {}
        number = seen.get(digest)
        if number is None:
            if self._count >= SETS:
                return UNKNOWN
            self._count += 1
            number = seen[digest] = len(seen)
        return number


def digest_of(parameters: Any) -> int | None:
    """A hash of a parameter set of plain values, None where it has others or is large. Runs none of the app's code."""
    kind = type(parameters)
    if kind is tuple or kind is list:
        values = parameters
    elif kind is dict:
        values = (*parameters, *parameters.values())
    elif parameters is None:
        values = ()
    else:
        return None
    if len(values) > SET_VALUES:
        return None
    length = 0
    looked_at = []
    for value in values:
        kind = type(value)
        if issubclass(kind, str):  # Markup, a StrEnum too: what the driver sees of it
            length += str.__len__(value)
            if length > SET_LENGTH:
                return None
            value = str.__str__(value)
        elif kind is bytes:
            length += len(value)
        elif not _is_plain(kind, value):
            return None
        looked_at.append(value)
    return hash((_secret, repr(looked_at))) if length <= SET_LENGTH else None


def _is_plain(kind: type, value: Any) -> bool:
    if kind is int:
        return bool(-_LARGEST_INT < value < _LARGEST_INT)
    return kind in _PLAIN or _is_value(kind, value)


def _is_value(kind: type, value: Any) -> bool:
    """By type alone, and times in a zone of the standard library only: another's ``repr`` is the app's code."""
    name = (kind.__module__, kind.__name__)
    if name in _TIMES:
        zone = value.tzinfo
        return zone is None or (type(zone).__module__, type(zone).__name__) in _ZONES
    return name in _VALUES
