"""Fitting text: every function here counts cells, not characters, and never parses markup."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from rich.text import Text

from flasktop.protocol.text import neutral

_CHARACTERS = 4
"""Characters a cell that are looked at: what is megabytes long must not be measured to be cut. (Accents take none.)"""

Part = Text | str | tuple[str, Style | str]
"""A piece of a line: plain, or with its style."""


def fit(text: str, width: int) -> str:
    """``text`` in at most ``width`` cells, its end replaced by ``…`` where it does not fit.

    >>> fit("orders", 10), fit("orders", 4), fit("orders", 0)
    ('orders', 'ord…', '')
    """
    if width <= 0:
        return ""
    head = text[: width * _CHARACTERS]
    if len(head) == len(text) and cell_len(text) <= width:
        return text
    return set_cell_size(head, width - 1).rstrip() + "…"


def fit_left(text: str, width: int) -> str:
    """Like ``fit``, but keeps the end: what matters in a path.

    >>> fit_left("/srv/shop/views.py:88", 12)
    '…views.py:88'
    """
    if width <= 0:
        return ""
    tail = text[-width * _CHARACTERS :]
    if len(tail) == len(text) and cell_len(text) <= width:
        return text
    while tail and cell_len(tail) > width - 1:
        tail = tail[1:]
    return "…" + tail


def right(text: str, width: int) -> str:
    """``text`` right-aligned in exactly ``width`` cells."""
    text = fit(text, width)
    return " " * (width - cell_len(text)) + text


def left(text: str, width: int) -> str:
    """``text`` left-aligned in exactly ``width`` cells."""
    text = fit(text, width)
    return text + " " * (width - cell_len(text))


def safe(text: str) -> str:
    """``text`` on one line with nothing in it that a terminal would obey."""
    return neutral(text)


def line(*parts: Part) -> Text:
    """One line of styled pieces; it never wraps."""
    made = Text(no_wrap=True, overflow="ellipsis", end="")
    for part in parts:
        if isinstance(part, tuple):
            made.append(part[0], part[1])
        else:
            made.append(part)
    return made


def cut(text: Text, width: int) -> Text:
    """A copy of ``text`` in at most ``width`` cells, with ``…`` where it was longer."""
    made = text.copy()
    made.no_wrap = True
    if width <= 0:
        return Text("", no_wrap=True, end="")
    if made.cell_len > width:
        made.truncate(width - 1, overflow="crop")
        made.append("…")
    return made


def pad(text: Text, width: int) -> Text:
    """A copy of ``text`` in exactly ``width`` cells."""
    made = cut(text, width)
    made.append(" " * (width - made.cell_len))
    return made


def spread(start: Text, end: Text, width: int) -> Text:
    """``start`` on the left and ``end`` on the right of ``width`` cells; ``end`` gives way where both do not fit."""
    room = width - start.cell_len - end.cell_len
    if room < 1:
        return cut(start, width)
    made = start.copy()
    made.append(" " * room)
    made.append_text(end)
    return made


def joined(parts: Iterable[Text], separator: Text) -> Text:
    """The non-empty ones of ``parts``, with ``separator`` between."""
    made = Text(no_wrap=True, overflow="ellipsis", end="")
    for part in parts:
        if not part:
            continue
        if made:
            made.append_text(separator)
        made.append_text(part)
    return made
