"""Statements summed up in one line: the same words in tables and in sentences."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from flasktop.protocol.text import neutral

LIMIT: Final = 20_000
"""Characters of a statement that are looked at."""


@lru_cache(maxsize=4096)
def summary(text: str) -> str:
    """A statement on one line, with what is long and says little replaced by ``…``.

    >>> summary("SELECT a.id AS a_id, a.b\\nFROM a WHERE a.id = ?")
    'SELECT … FROM a WHERE a.id = ?'
    >>> summary("INSERT INTO item (a, b, c) VALUES (?, ?, ?)")
    'INSERT INTO item (…) VALUES (…)'
    """
    flat = " ".join(neutral(text[:LIMIT], multiline=True).split())
    head = flat[:7].upper()
    if head == "SELECT ":
        at = _top_level_from(flat)
        if at is not None:
            kept = "DISTINCT " if flat[7:16].upper() == "DISTINCT " else ""
            return f"{flat[:7]}{kept}… {flat[at:]}"
    if head == "INSERT " or head == "REPLACE":
        return re.sub(r"\((?:[^()]|\([^()]*\))*\)", "(…)", flat)
    return flat


def _top_level_from(flat: str) -> int | None:
    """Where the FROM of the outermost SELECT begins."""
    depth = 0
    for match in re.finditer(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|[()]|\bFROM\b", flat, re.IGNORECASE):
        token = match.group(0)
        if token == "(":
            depth += 1
        elif token == ")":
            depth -= 1
        elif depth == 0 and token.upper() == "FROM":
            return match.start()
    return None
