"""Masked statements as trees: by sqlglot, which takes a moment to import and is imported when first needed."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sqlglot import exp

LONGEST: Final = 16_000
"""Characters of a statement that is looked at (some 30 ms)."""

_DIALECTS: Final = {
    "sqlite": "sqlite",
    "postgresql": "postgres",
    "mysql": "mysql",
    "mariadb": "mysql",
    "mssql": "tsql",
    "oracle": "oracle",
}
_FIRST: Final = re.compile(r"[\s(]*(SELECT|WITH|UPDATE|DELETE)\b", re.IGNORECASE)
_TOKENS: Final = re.compile(
    r"(?P<name>\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`)"
    r"|(?P<bracket>\[[^\]]*\])"
    r"|(?P<keep>::|:=)"
    r"|(?P<value>%\(\w*\)s|%s(?!\w)|:[^\W\d]\w*|[:$]?\?|\u2026)"
    r"|(?P<percent>%%)"
)
_VALUE: Final = ":p"
"""What stands for each placeholder, masked literal and list: it is known only that there is a value."""


def tree(text: str, dialect: str) -> exp.Expression | None:
    """The tree of a statement that reads, or changes what it finds; None where it cannot be understood. Never raises.

    Args:
        text: masked, as ``StatementDef.text``.
        dialect: SQLAlchemy's name of it.
    """
    if len(text) > LONGEST or not _FIRST.match(text) or text.rstrip().endswith("…"):
        return None  # the last: it was cut, and its conditions may be what is missing
    try:
        from sqlglot import exp, parse_one
        from sqlglot.errors import SqlglotError
    except ImportError:
        return None
    _silence()
    try:
        made: Any = parse_one(_plain(text, dialect), dialect=_DIALECTS.get(dialect))
    except (SqlglotError, RecursionError, ValueError, TypeError, AttributeError, KeyError, IndexError):
        return None
    while isinstance(made, (exp.Paren, exp.Subquery)):
        made = made.this
    return made if isinstance(made, (exp.Select, exp.SetOperation, exp.Update, exp.Delete)) else None


def _plain(text: str, dialect: str) -> str:
    """The statement with one kind of placeholder. Names in quotes stay as they are."""
    brackets = dialect in ("sqlite", "mssql")

    def replaced(match: re.Match[str]) -> str:
        if match.lastgroup == "value":
            return _VALUE
        if match.lastgroup == "percent":
            return "%"
        if match.lastgroup == "bracket" and not brackets:
            return match.group().replace("?", _VALUE)
        return match.group()

    return _TOKENS.sub(replaced, text)


def _silence() -> None:
    """What sqlglot does not understand it would say on the screen."""
    logger = logging.getLogger("sqlglot")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
