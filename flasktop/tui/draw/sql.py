"""Statements: pretty-printed, highlighted, and summed up in one line."""

from __future__ import annotations

import contextlib
import logging
import re
from functools import lru_cache
from typing import Final

from rich.text import Text

from flasktop.protocol.text import neutral
from flasktop.tui.draw.code import coloured
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.text import fit

PRETTY_LIMIT: Final = 20_000
"""Characters of a statement beyond which it is shown as it came: parsing it would be felt."""

_DIALECTS: Final = {"postgresql": "postgres", "mariadb": "mysql", "mssql": "tsql"}

_PLACEHOLDER = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`          # quoted: left alone
    |(?P<hole>
        %\([^)]*\)s | %s                               # pyformat, format
        |\$\d+                                         # numeric, PostgreSQL
        |(?<![:\w]):(?!=)[A-Za-z_]\w* | (?<![:\w]):\d+ # named, not ::cast
        |@[A-Za-z_]\w* | \? | …                        # T-SQL, qmark, elided
        |__\[[^\]]*\]                                  # SQLAlchemy's post-compile
    )""",
    re.VERBOSE,
)
_MASK = "flasktop_hole_{}_"
_MASKED = re.compile(r"\bflasktop_hole_(\d+)_", re.IGNORECASE)
_WORDS = re.compile(r"[\w$]+|\S")


@lru_cache(maxsize=512)
def pretty(text: str, dialect: str = "") -> str:
    """``text`` over several lines as ``sqlglot`` lays it out, or as it came where it cannot be parsed.

    Placeholders stay as they are. The result is used only if it has the same words as the statement (keyword case
    and optional words aside), so that what is shown is never another statement than what ran. Never raises.
    """
    text = neutral(text, multiline=True)
    if len(text) > PRETTY_LIMIT:
        return text
    holes: list[str] = []

    def masked(match: re.Match[str]) -> str:
        if match.group("hole") is None:
            return match.group(0)
        holes.append(match.group("hole"))
        return _MASK.format(len(holes) - 1)

    with contextlib.suppress(Exception):  # a third party's parser on a stranger's text
        made = _laid_out(_PLACEHOLDER.sub(masked, text), dialect)
        restored = _MASKED.sub(lambda match: holes[int(match.group(1))], made)
        if _same(restored, text):
            return restored
    return text.strip()


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


def _laid_out(text: str, dialect: str) -> str:
    import sqlglot  # 0.1 s to import: only when the first statement is opened

    name = dialect.partition("+")[0]
    logger = logging.getLogger("sqlglot")
    level, logger.level = logger.level, logging.CRITICAL  # it warns on stderr, where the screen is drawn
    try:
        known = _DIALECTS.get(name, name)
        known = known if known in {d.value for d in sqlglot.Dialects} else ""
        return sqlglot.transpile(text, read=known, write=known, pretty=True)[0]
    finally:
        logger.level = level


def _same(made: str, text: str) -> bool:
    """Whether two statements have the same words: a layout may move white space and change case, nothing else."""
    return _words(made) == _words(text)


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(text) if word not in ";"]
