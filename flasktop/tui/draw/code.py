"""Highlighting with Pygments into ``Text``: from plain strings, in the colours of the palette."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text

from flasktop.tui.draw.palette import Palette

if TYPE_CHECKING:
    from pygments.lexer import Lexer
    from pygments.token import _TokenType

HIGHLIGHT_LIMIT = 40_000
"""Characters beyond which text is shown plain: a lexer's time would be felt."""


@lru_cache(maxsize=256)
def _tokens(text: str, language: str) -> tuple[tuple[str, str], ...]:
    """``text`` as pieces with the name of their meaning; adjacent pieces of one meaning are one."""
    pieces: list[tuple[str, str]] = []
    for token, value in _lexer(language).get_tokens(text):
        meaning = _meaning(token, language)
        if pieces and pieces[-1][1] == meaning:
            pieces[-1] = (pieces[-1][0] + value, meaning)
        else:
            pieces.append((value, meaning))
    return tuple(pieces)


def coloured(text: str, language: str, palette: Palette) -> Text:
    """``text`` with the colours of its ``language`` (``sql``, ``python``, ``jinja``, else plain)."""
    if language not in {"sql", "python", "jinja"} or len(text) > HIGHLIGHT_LIMIT:
        return Text(text, style=palette.text, end="")
    made = Text(end="")
    for value, meaning in _tokens(text, language):
        made.append(value, _style(meaning, palette))
    return made if made.plain == text else Text(text, style=palette.text, end="")


@lru_cache(maxsize=8)
def _lexer(language: str) -> Lexer:
    from pygments.lexers import get_lexer_by_name

    name = {"jinja": "html+jinja"}.get(language, language)
    return get_lexer_by_name(name, stripnl=False, ensurenl=False)


def _meaning(token: _TokenType, language: str) -> str:
    names = frozenset(str(kind).removeprefix("Token.") for kind in token.split())
    if "Comment" in names:
        return "comment"
    if "Keyword" in names or "Operator.Word" in names:
        return "keyword"
    if "Literal" in names:
        return "literal"
    if names & {"Name.Placeholder", "Name.Variable"}:
        return "hole"
    if language != "sql" and names & {"Name.Function", "Name.Class", "Name.Decorator"}:
        return "name"
    return "text"


def _style(meaning: str, palette: Palette) -> Style:
    if meaning == "keyword":
        return palette.sql + Style(bold=True)
    if meaning == "literal":
        return palette.good
    if meaning == "hole":
        return palette.warn
    if meaning == "comment":
        return palette.dim
    return palette.strong if meaning == "name" else palette.text
