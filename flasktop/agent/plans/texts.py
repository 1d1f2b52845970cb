"""Which texts may be put behind EXPLAIN: one statement that reads or writes rows, and nothing that could run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flasktop.agent.commands.job import CommandError
from flasktop.agent.sql.masking import WORK, _after_comment, _scanner

_FIRST: Final = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "VALUES", "REPLACE", "MERGE", "TABLE"})
_MYSQL: Final = frozenset({"mysql", "mariadb"})
_PREFIXES: Final = ("E", "N", "B", "X", "U&", "")


def checked(statement: str, dialect: str) -> str:
    """``statement`` without trailing semicolons.

    Raises:
        CommandError: a plan of it cannot be asked for, or not without the risk that something runs.
    """
    if len(statement) > WORK:
        raise CommandError(
            f"The statement is {len(statement):,} characters long, more than flasktop has planned.",
            "Plan it in the database's own shell.",
        )
    if dialect in _MYSQL and ("/*!" in statement or "/*M!" in statement):
        raise CommandError(
            "The statement has a comment that the server executes (/*! … */).", "flasktop plans none of those."
        )
    solid = [(kind, token, at) for kind, token, at in tokens(statement, dialect) if kind not in ("space", "comment")]
    while solid and solid[-1][1] == ";":
        statement = statement[: solid.pop()[2]]
    _refuse_more(solid)
    first = next((token for _, token, _ in solid if token != "("), "").upper()
    if first not in _FIRST:
        raise CommandError(
            f"{_shown(first)} has no plan: only statements that read or write rows have one.",
            "These are SELECT, INSERT, UPDATE, DELETE, WITH, VALUES, REPLACE and MERGE.",
        )
    return statement


def _refuse_more(solid: list[tuple[str, str, int]]) -> None:
    for kind, token, _ in solid:
        if token == ";" or (";" in token and (kind != "literal" or "\\" in token)):
            raise CommandError(
                "The text holds several statements, or a semicolon that could end one.",
                "flasktop plans one statement only, since the others would run.",
            )
        if kind == "open":
            raise CommandError("The text has a comment or a string without an end.", "flasktop does not plan it.")


def _shown(word: str) -> str:
    return word[:20] if word.isalpha() else "This text"


def tokens(text: str, dialect: str) -> Iterator[tuple[str, str, int]]:
    """Kind, text and place of each token, from left to right; a block comment is a ``comment`` as well, and what lacks
    its end is ``open``."""
    match_at = _scanner(dialect).match
    nested = dialect not in _MYSQL and dialect not in ("sqlite", "oracle")
    position, end = 0, len(text)
    while position < end:
        match = match_at(text, position)
        assert match is not None  # the last group takes any character
        start, position = position, match.end()
        kind, token = match.lastgroup or "", match.group()
        if kind == "block":
            position = _after_comment(text, position, nested)
            token = text[start:position]
            kind = "comment" if token.endswith("*/") and len(token) >= 4 else "open"
        elif kind in ("literal", "name") and not _is_closed(token):
            kind = "open"
        yield kind, token, start


def _is_closed(token: str) -> bool:
    """Whether a quoted token has its last quote."""
    start = next((at for at, character in enumerate(token[:3]) if character in "'\"`[$"), -1)
    if start < 0:
        return True
    quote = token[start]
    if quote == "$":
        tag = token[: token.find("$", 1) + 1]
        return len(token) >= 2 * len(tag) and token.endswith(tag)
    return len(token) - start >= 2 and token.endswith("]" if quote == "[" else quote)


def placeholders(text: str, dialect: str, style: str) -> list[tuple[int, str]]:
    """Place and text of each placeholder of a DBAPI's ``paramstyle``."""
    found = []
    for kind, token, at in tokens(text, dialect):
        is_one = (
            (style == "qmark" and (token == "?" or (kind == "numbered" and token[0] == "?")))
            or (style in ("format", "pyformat") and kind == "bind" and token[0] == "%")
            or (style in ("named", "numeric") and kind in ("bind", "numbered") and token[0] == ":")
            or (style in ("numeric_dollar",) and kind == "numbered" and token[0] == "$")
        )
        if is_one:
            found.append((at, token))
    return found
