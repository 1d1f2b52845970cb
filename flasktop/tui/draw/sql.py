"""Statements: pretty-printed and highlighted."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from rich.text import Text

from flasktop.protocol.text import neutral
from flasktop.stats.statements import summary
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
