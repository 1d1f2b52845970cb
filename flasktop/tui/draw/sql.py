"""Statements: pretty-printed, highlighted, and summed up in one line."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from rich.text import Text

from flasktop.protocol.text import neutral
from flasktop.tui.draw.code import coloured
from flasktop.tui.draw.layout import lay_out
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.text import fit

PRETTY_LIMIT: Final = 20_000
"""Characters of a statement beyond which it is shown as it came: laying it out would be felt."""


@lru_cache(maxsize=512)
def pretty(text: str, width: int = 100) -> str:
    """``text`` over several lines, one clause a line, long lists wrapped near ``width`` cells.

    Only white space differs from what ran. Beyond ``PRETTY_LIMIT`` it is shown as it came. Never raises.
    """
    text = neutral(text, multiline=True).strip()
    return text if len(text) > PRETTY_LIMIT else lay_out(text, width)


def highlight(text: str, palette: Palette) -> Text:
    """``text`` (one or more lines) with its keywords, literals and placeholders coloured."""
    return coloured(neutral(text, multiline=True), "sql", palette)


def one_line(text: str, width: int, palette: Palette | None = None) -> Text:
    """A statement's summary in at most ``width`` cells; coloured where a ``palette`` is given."""
    short = fit(summary(text), width)
    if palette is None:
        return Text(short, no_wrap=True, end="")
    made = coloured(short, "sql", palette)
    made.no_wrap = True
    return made


@lru_cache(maxsize=4096)
def summary(text: str) -> str:
    """A statement on one line, with what is long and says little replaced by ``…``.

    >>> summary("SELECT a.id AS a_id, a.b\\nFROM a WHERE a.id = ?")
    'SELECT … FROM a WHERE a.id = ?'
    >>> summary("INSERT INTO item (a, b, c) VALUES (?, ?, ?)")
    'INSERT INTO item (…) VALUES (…)'
    """
    flat = " ".join(neutral(text[:PRETTY_LIMIT], multiline=True).split())
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
