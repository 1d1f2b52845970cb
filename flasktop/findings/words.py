"""How findings name things: the same words in every sentence."""

from __future__ import annotations

from typing import Final

from flasktop.stats.statements import summary
from flasktop.stats.views import EndpointKey, StatementKey

SHORT: Final = 90
"""Characters of a statement in a sentence."""


def endpoint_name(key: EndpointKey) -> str:
    """``GET /orders``."""
    return f"{key.method} {key.route}"


def place_of(key: StatementKey) -> str:
    """``views/orders.py:23``: the file with its folder, and the line; empty where neither is known."""
    return place(key.file, key.line)


def place(file: str, line: int) -> str:
    """``views/orders.py:23``; empty where the file is not known.

    >>> place("/srv/shop/views/orders.py", 23), place("", 0)
    ('views/orders.py:23', '')
    """
    return f"{'/'.join(file.split('/')[-2:])}:{line}" if file else ""


def statement_words(key: StatementKey, most: int = SHORT) -> str:
    """The statement on one line, cut where it is long.

    >>> statement_words(StatementKey("", "statement", "SELECT a,\\n b FROM t", "", 0, ""))
    'SELECT … FROM t'
    """
    text = summary(key.text)
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def times(number: float) -> str:
    """``201 times``, ``1 time``; not whole: with one digit."""
    shown = f"{number:,.0f}" if number >= 10 or number == round(number) else f"{number:.1f}"
    return f"{shown} time{'' if shown == '1' else 's'}"
