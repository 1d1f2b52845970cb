"""A statement's layout over several lines: white space is all that changes.

Not a parser's work on purpose: a parser writes back what it understood (``LEFT JOIN`` for ``LEFT OUTER JOIN``, ``<>``
for ``!=``), and fails on what it does not know. What ran is what is shown; placeholders and dialects need no care.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_INDENT: Final = 2

_TOKEN: Final = re.compile(
    r"""
    (?P<quoted>'(?:[^']|'')*'?|"(?:[^"]|"")*"?|`[^`]*`?)
    |(?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))
    |(?P<clause>\b(?:
        WITH|SELECT|FROM|WHERE|HAVING|WINDOW|LIMIT|OFFSET|FETCH|RETURNING|VALUES|SET
        |(?:GROUP|ORDER)\s+BY|UNION(?:\s+ALL)?|INTERSECT|EXCEPT|FOR\s+(?:NO\s+KEY\s+)?(?:UPDATE|SHARE)
        |ON\s+(?:CONFLICT|DUPLICATE\s+KEY)|INSERT\s+INTO|DELETE\s+FROM
        |(?:NATURAL\s+)?(?:(?:LEFT|RIGHT|FULL)\s+(?:OUTER\s+)?|INNER\s+|CROSS\s+)?JOIN
        )\b)
    |(?P<logic>\b(?:AND|OR)\b)
    |(?P<between>\bBETWEEN\b)
    |(?P<open>\()
    |(?P<close>\))
    |(?P<comma>,)
    |(?P<space>\s+)
    |(?P<word>[^\s(),'"`]+?(?=[\s(),'"`]|--|/\*|\Z)|.)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)


@dataclass(slots=True)
class _Page:
    """The lines made so far, the one being made, and where the next ones begin; ``hanging`` is for wrapped lists."""

    width: int
    lines: list[str] = field(default_factory=list)
    row: str = ""
    indent: int = 0
    hanging: int = 0

    def add(self, word: str, *, gap: bool) -> None:
        space = " " if gap and self.row.strip() else ""
        if self.row.strip() and gap and len(self.row) + len(space) + len(word) > self.width:
            self.feed(self.indent + self.hanging)
            space = ""
        self.row += space + word

    def feed(self, indent: int) -> None:
        if self.row.strip():
            self.lines.append(self.row.rstrip())
        self.row = " " * indent


@dataclass(slots=True)
class _Level:
    """An open parenthesis. ``broken``: it holds a statement of its own, laid out over lines."""

    broken: bool
    between: bool = False


def lay_out(text: str, width: int = 100) -> str:
    """``text`` with each clause of each SELECT on a line of its own, long lists wrapped near ``width`` cells.

    >>> print(lay_out("SELECT a, b FROM t JOIN u ON u.id = t.u WHERE a = ? AND b IN (SELECT c FROM v)"))
    SELECT a, b
    FROM t
    JOIN u ON u.id = t.u
    WHERE a = ?
      AND b IN (
        SELECT c
        FROM v
      )
    """
    page, levels = _Page(width), [_Level(True)]
    gap = False
    tokens = list(_tokens(text))
    for at, (kind, word) in enumerate(tokens):
        if kind == "space":
            gap = True
            continue
        _place(page, levels, kind, word, gap, _opens_statement(tokens, at) if kind == "open" else False)
        gap = False
    page.feed(0)
    return "\n".join(page.lines)


def _place(page: _Page, levels: list[_Level], kind: str, word: str, gap: bool, statement: bool) -> None:
    here = levels[-1]
    if kind == "open":
        page.add(word, gap=gap)
        levels.append(_Level(statement))
        if statement:
            page.indent += 2 * _INDENT
            page.feed(page.indent)
        return
    if kind == "close" and len(levels) > 1:
        levels.pop()
        if here.broken:
            page.indent -= 2 * _INDENT
            page.feed(page.indent + _INDENT)
        page.add(word, gap=gap and not here.broken)
        return
    if kind == "clause" and here.broken:
        page.feed(page.indent)
        page.hanging = 2 * _INDENT
        page.add(" ".join(word.split()), gap=False)
        return
    if kind == "logic" and here.broken and not _ends_between(here, word):
        page.feed(page.indent + _INDENT)
        page.add(word, gap=False)
        return
    here.between = here.between or kind == "between"
    page.add(word, gap=gap)
    if kind == "comment" and word.startswith("--"):
        page.feed(page.indent)


def _ends_between(level: _Level, word: str) -> bool:
    """Whether this AND belongs to a BETWEEN; it uses it up."""
    if level.between and word.upper() == "AND":
        level.between = False
        return True
    return False


def _opens_statement(tokens: list[tuple[str, str]], at: int) -> bool:
    following = next((word for kind, word in tokens[at + 1 :] if kind != "space"), "")
    return following.upper() in {"SELECT", "WITH"}


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    for match in _TOKEN.finditer(text):
        yield match.lastgroup or "word", match.group(0)
