"""What ``/`` takes: text, a regular expression, or the opposite of either."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter over the text of rows.

    ``error`` says why the pattern cannot be read (then every row passes); ``text`` is what was typed.
    """

    text: str
    inverted: bool = False
    pattern: re.Pattern[str] | None = None
    error: str = ""

    def __bool__(self) -> bool:
        return self.pattern is not None

    def passes(self, text: str) -> bool:
        """Whether a row with this text is shown."""
        if self.pattern is None:
            return True
        return (self.pattern.search(text) is not None) != self.inverted


NO_FILTER = Filter("")


def parse(typed: str) -> Filter:
    """Read what was typed.

    Plain text is found anywhere, whatever its case; ``/…/`` or ``re:…`` is a regular expression (upper and lower
    case count only where it holds an upper case letter); a leading ``!`` shows what does not match.

    >>> parse("orders").passes("GET /Orders")
    True
    >>> parse("!static").passes("GET /static/x")
    False
    >>> parse(r"re:^GET /(a|b)$").passes("GET /b")
    True
    >>> parse("/(/").error
    'missing ), unterminated subpattern at position 0'
    """
    text = typed.strip()
    inverted = text.startswith("!")
    body = text[1:].strip() if inverted else text
    expression = _expression(body)
    if expression is None:
        expression = re.escape(body)
        flags = re.IGNORECASE
    else:
        exact = any(letter.isupper() for letter in _plain_letters(expression))
        flags = re.RegexFlag(0) if exact else re.IGNORECASE
    if not expression:
        return Filter(typed)
    try:
        return Filter(typed, inverted, re.compile(expression, flags))
    except (re.error, OverflowError, RecursionError) as problem:
        return Filter(typed, inverted, None, str(problem))


def _expression(body: str) -> str | None:
    """The regular expression in ``body``, or None where it is plain text. A route such as ``/orders/`` with letters
    only between two slashes is a regular expression too, and finds the same rows."""
    if body.startswith("re:"):
        return body[3:]
    if len(body) > 1 and body.startswith("/") and body.endswith("/"):
        return body[1:-1]
    return None


def _plain_letters(expression: str) -> str:
    """``expression`` without its escapes: the ``S`` of ``\\S`` is no upper case letter."""
    return re.sub(r"\\.", "", expression)
