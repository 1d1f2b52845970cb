"""Statement text without literals: one fingerprint for one statement, and no value leaves the process.

Strings, numbers and comments go; placeholders and quoted names stay; lists of any length become ``(…)``. Works on
tokens from left to right, so that what looks like SQL inside a string or a comment is never taken for it.
Done in the agent's thread, once for each distinct text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

DEFAULT_LIMIT: Final = 4_000
"""Characters of a masked statement."""

WORK: Final = 32_768
"""Characters looked at: longer texts are cut before anything else, which bounds the time (about 20 ms)."""

CUT: Final = "…"

_BACKSLASH: Final = frozenset(
    {"mysql", "mariadb", "bigquery", "snowflake", "databricks", "clickhouse", "clickhousedb", "hive"}
)
_DOUBLE_QUOTED_STRINGS: Final = frozenset({"mysql", "mariadb", "bigquery", "databricks", "clickhouse", "clickhousedb"})
_BRACKETS: Final = frozenset({"mssql", "sqlite"})
_HASH_COMMENTS: Final = frozenset({"mysql", "mariadb"})

_PLAIN_BODY: Final = r"(?:[^']|'')*"
_ESCAPED_BODY: Final = r"(?:[^'\\]|\\.|'')*"
_DOUBLE: Final = r'"(?:[^"]|"")*(?:"|\Z)'
_DOUBLE_ESCAPED: Final = r'"(?:[^"\\]|\\.|"")*(?:"|\Z|\\\Z)'
_END: Final = r"(?:'|\Z|\\\Z)"
_PLACEHOLDER: Final = re.compile(r"\?|:\?|\$\?|%s|%\(\w+\)s|:\w+|@\w+|\u2026")


@lru_cache(maxsize=64)
def _scanner(dialect: str) -> re.Pattern[str]:
    """The tokens of a dialect, most particular first."""
    body = _ESCAPED_BODY if dialect in _BACKSLASH else _PLAIN_BODY
    line = r"--(?=\s|\Z)[^\n]*" if dialect in _HASH_COMMENTS else r"--[^\n]*"
    strings = [rf"[eE]'{_ESCAPED_BODY}{_END}", rf"(?:[nNbBxX]|[uU]&)?'{body}{_END}"]
    if dialect == "oracle":
        strings.insert(0, r"[nN]?[qQ]'(?:\[.*?(?:\]'|\Z)|\{.*?(?:\}'|\Z)|\(.*?(?:\)'|\Z)|<.*?(?:>'|\Z))")
    if dialect not in _BACKSLASH:
        strings.append(r"\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)")
    names = [r"`(?:[^`]|``)*(?:`|\Z)"]
    (strings if dialect in _DOUBLE_QUOTED_STRINGS else names).append(
        _DOUBLE_ESCAPED if dialect in _BACKSLASH else _DOUBLE
    )
    if dialect in _BRACKETS:
        names.append(r"\[(?:[^\]]|\]\])*(?:\]|\Z)")
    groups = {
        "comment": line + (r"|#[^\n]*" if dialect in _HASH_COMMENTS else ""),
        "block": r"/\*",
        "literal": "|".join(strings),
        "expanding": r"__\[POSTCOMPILE_\S+?(?:~~.+?~~)?(?:\]|\Z)",
        "schema": r"__\[SCHEMA_(?P<schema_name>[^\]]*)(?:\]|\Z)\.?",
        "savepoint": r"sa_savepoint_\d+",
        "name": "|".join(names) + r"|[^\W\d][\w$#]*",
        "bind": r"%\(\w*\)s|%s(?!\w)|:[^\W\d]\w*",
        "numbered": r"(?P<sign>[?:$])\d+",
        "number": r"(?:\d[\w.]*|\.\d[\w.]*)(?:(?<=[eE])[+-]\d+)?",
        "space": r"\s+",
        "cast": r"::",
        "other": r".",
    }
    return re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in groups.items()), re.DOTALL)


def mask(text: str, dialect: str = "", limit: int = DEFAULT_LIMIT) -> str:
    """The statement without literals and comments, at most ``limit`` characters, ending in ``…`` where it was cut.

    Args:
        text: SQL as the app or SQLAlchemy wrote it.
        dialect: SQLAlchemy's name of the dialect: on MySQL and MariaDB double quotes are strings and a backslash
            escapes; without it they are not.
        limit: at least 1.
    """
    cut = len(text) > WORK
    tokens = _collapse(_apart(_without_signs(_tokens(text[:WORK] if cut else text, dialect))))
    masked = "".join(tokens).strip()
    if len(masked) > limit or (cut and not masked.endswith(CUT)):
        return masked[: max(0, limit - 1)].rstrip(f" {CUT}") + CUT
    return masked


def _tokens(text: str, dialect: str) -> list[str]:
    """Masked tokens; each run of whitespace and comments is one space."""
    out: list[str] = []
    match_at = _scanner(dialect).match
    position, end = 0, len(text)
    nested = dialect not in _HASH_COMMENTS and dialect not in ("sqlite", "oracle")
    while position < end:
        match = match_at(text, position)
        assert match is not None  # the last group takes any character
        position = match.end()
        kind = match.lastgroup
        token = match.group()
        if kind in ("space", "comment", "block"):
            if kind == "block":
                position = _after_comment(text, position, nested)
            if not out or out[-1] != " ":
                out.append(" ")
        elif kind == "schema":
            name = match.group("schema_name")
            if name not in ("_none", ""):
                out.extend((name, "."))
        else:
            out.append(_masked(kind or "", token, match))
    return out


def _masked(kind: str, token: str, match: re.Match[str]) -> str:
    if kind in ("literal", "number"):
        return "?"
    if kind == "expanding":
        return CUT
    if kind == "savepoint":
        return "sa_savepoint_?"
    if kind == "numbered":
        sign = match.group("sign")
        return "?" if sign == "?" else f"{sign}?"
    return token


_COMMENT_EDGE: Final = re.compile(r"/\*|\*/")


def _after_comment(text: str, position: int, nested: bool) -> int:
    """Where the comment that began before ``position`` ends; the end of the text where it does not."""
    if not nested:
        found = text.find("*/", position)
        return len(text) if found < 0 else found + 2
    depth = 1
    for edge in _COMMENT_EDGE.finditer(text, position):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(text)


_BEFORE_SIGN: Final = frozenset({"=", "<", ">", "(", ",", "+", "-", "*", "/"})


def _without_signs(tokens: list[str]) -> list[str]:
    """A literal's minus or plus belongs to the literal: ``= -5`` and ``= 5`` are one fingerprint."""
    out: list[str] = []
    for token in tokens:
        if token == "?":
            while True:
                at = _last_solid(out, len(out))
                before = _last_solid(out, at)
                if at < 0 or out[at] not in "+-" or before < 0 or out[before] not in _BEFORE_SIGN:
                    break
                del out[at]
                if out[-1] == " " and len(out) > 1 and out[-2] == " ":
                    del out[-1]
        out.append(token)
    return out


def _apart(tokens: list[str]) -> list[str]:
    """``- -`` for ``--``, which MySQL takes for a comment where space follows, as it may now that comments are gone."""
    out: list[str] = []
    for token in tokens:
        if token == "-" and out and out[-1] == "-":
            out.append(" ")
        out.append(token)
    return out


def _last_solid(tokens: list[str], end: int) -> int:
    """Index of the last token before ``end`` that is no space; -1 where there is none."""
    at = end - 1
    while at >= 0 and tokens[at] == " ":
        at -= 1
    return at


def _collapse(tokens: list[str]) -> list[str]:
    """``IN (?, ?)`` becomes ``IN (…)``, and ``VALUES (a), (b)`` becomes ``VALUES (a), …``."""
    out: list[str] = []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        out.append(token)
        position += 1
        word = token.upper()
        if word not in ("IN", "VALUES"):
            continue
        opening = _skip_space(tokens, position)
        if opening >= len(tokens) or tokens[opening] != "(":
            continue
        if word == "IN":
            closing = _values_end(tokens, opening)
            if closing:
                out.extend((" ", "(", CUT))
                if tokens[closing - 1] == ")":
                    out.append(")")
                position = closing
        else:
            closing = _group_end(tokens, opening)
            out.append(" ")
            out.extend(tokens[opening:closing])
            position = _more_groups(tokens, closing)
            if position > closing:
                out.extend((",", " ", CUT))
    return out


def _skip_space(tokens: list[str], position: int) -> int:
    while position < len(tokens) and tokens[position] == " ":
        position += 1
    return position


def _group_end(tokens: list[str], opening: int) -> int:
    """The position after the parenthesis that closes the one at ``opening``; a cut text closes all at its end."""
    depth = 0
    for position in range(opening, len(tokens)):
        if tokens[position] == "(":
            depth += 1
        elif tokens[position] == ")":
            depth -= 1
            if depth == 0:
                return position + 1
    return len(tokens)


def _values_end(tokens: list[str], opening: int) -> int:
    """The position after a list of nothing but placeholders, NULLs, their casts, and tuples of them; 0 for others."""
    depth = 0
    position = opening
    while position < len(tokens):
        token = tokens[position]
        position += 1
        if token == "(":
            depth += 1
        elif token == ")":
            depth -= 1
            if depth == 0:
                return position
        elif token == "::":
            position += 1  # the type's name
        elif token not in (",", " ", "[", "]") and token.upper() != "NULL" and not _is_placeholder(token):
            return 0
    return len(tokens)


def _is_placeholder(token: str) -> bool:
    return _PLACEHOLDER.fullmatch(token) is not None


def _more_groups(tokens: list[str], position: int) -> int:
    """The position after all further ``, (…)`` groups; ``position`` itself where there are none."""
    while True:
        comma = _skip_space(tokens, position)
        if comma >= len(tokens) or tokens[comma] != ",":
            return position
        opening = _skip_space(tokens, comma + 1)
        if opening >= len(tokens):
            return len(tokens)
        if tokens[opening] == CUT:
            position = opening + 1
        elif tokens[opening] == "(":
            position = _group_end(tokens, opening)
        else:
            return position
