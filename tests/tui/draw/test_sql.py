from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flasktop.protocol.text import neutral
from flasktop.stats.statements import summary
from flasktop.tui.draw.sql import PRETTY_LIMIT, highlight, one_line, pretty
from tests.tui.draw.palettes import HOSTILE, PALETTE

STATEMENTS = (
    "SELECT a, b FROM t WHERE a = ? AND b = %s OR c = %(x_1)s AND d = :x AND e = $1 AND f IN (…)",
    "SELECT item.id FROM item WHERE item.order_id IN (__[POSTCOMPILE_x])",
    "SELECT a FROM t WHERE a::int != $2 AND b BETWEEN ? AND ? FOR UPDATE SKIP LOCKED",
    "INSERT INTO t (a, b) VALUES (?, ?), (?, ?) ON CONFLICT (a) DO UPDATE SET b = excluded.b RETURNING id",
    "WITH x AS (SELECT a FROM t) SELECT count(*) FROM x LEFT OUTER JOIN y ON x.a = y.a GROUP BY 1 HAVING count(*) > ?",
    "SELECT TOP 5 a FROM [b] WHERE c = @p1",
    'PRAGMA main.table_info("x")',
    "SELECT 'FROM it''s ( here' AS \"FROM\" -- no, FROM there\nFROM `t`",
    "COMMIT",
    "",
)

PIECES = ["SELECT", "FROM", "(", ")", "'", '"', "`", "--", "/*", "*/", ",", "AND", "BETWEEN", "a.b", "?", "日本", "\n"]
sql_like = st.lists(st.sampled_from(PIECES), max_size=40).map(" ".join)


@pytest.mark.parametrize("text", STATEMENTS)
def test_layout_changes_white_space_and_nothing_else(text: str) -> None:
    """What is shown is what ran: every placeholder, every word."""
    assert _bare(pretty(text)) == _bare(text)


@given(st.text(max_size=300) | sql_like, st.integers(1, 120))
def test_any_text_can_be_laid_out(text: str, width: int) -> None:
    """A stranger's text, broken quotes and all: no exception, only white space changed, and controls."""
    assert _bare(pretty(text, width)) == _bare(neutral(text, multiline=True))


def test_clauses_stand_on_lines_of_their_own() -> None:
    """SELECT, FROM, WHERE, AND."""
    assert pretty(STATEMENTS[2]).split("\n") == [
        "SELECT a",
        "FROM t",
        "WHERE a::int != $2",
        "  AND b BETWEEN ? AND ?",
        "FOR UPDATE SKIP LOCKED",
    ]


def test_long_lists_wrap_near_the_width() -> None:
    """A select list of fifty columns takes several lines."""
    text = pretty("SELECT " + ", ".join(f"orders.column_{i}" for i in range(50)) + " FROM orders", 60)

    assert max(map(len, text.split("\n"))) <= 61


def test_a_huge_statement_is_shown_as_it_came() -> None:
    """Beyond the limit laying out would be felt."""
    text = "SELECT a FROM t WHERE " + "x = ? OR " * 4000

    assert len(text) > PRETTY_LIMIT
    assert pretty(text) == text.strip()


@pytest.mark.parametrize("text", ["(" * 19_000, "'" * 19_999, "a(" * 9_000, "--" * 9_000, "SELECT (" * 2_400])
def test_no_text_makes_laying_out_slow(text: str) -> None:
    """Well under a second for the worst of what may come, on a slow machine."""
    started = time.process_time()
    pretty(text)
    summary(text)

    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT DISTINCT a, b FROM t", "SELECT DISTINCT … FROM t"),
        ("SELECT (SELECT max(x) FROM u) AS m, extract(year FROM d) FROM t", "SELECT … FROM t"),
        ("SELECT 'a FROM b' FROM t", "SELECT … FROM t"),
        ("SELECT 1", "SELECT 1"),
        ("INSERT INTO t (a, b) VALUES (?, lower(?))", "INSERT INTO t (…) VALUES (…)"),
        ("UPDATE t\nSET a = ?  WHERE id = ?", "UPDATE t SET a = ? WHERE id = ?"),
        ("COMMIT", "COMMIT"),
    ],
)
def test_a_summary_keeps_what_tells_statements_apart(text: str, expected: str) -> None:
    """The select list says little, the rest says which statement it is."""
    assert summary(text) == expected


@given(st.text(max_size=200), st.integers(0, 80))
def test_one_line_fits_and_is_one_line(text: str, width: int) -> None:
    """Whatever the text."""
    made = one_line(text, width, PALETTE)

    assert made.cell_len <= width
    assert "\n" not in made.plain


def test_markup_and_escapes_stay_visible_text() -> None:
    """``[/b]`` is shown, ESC becomes a picture of itself."""
    made = highlight(HOSTILE, PALETTE).plain

    assert "[/b]" in made and "[bold]" in made
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c in "\u202e\u2066" for c in made)


def test_keywords_and_placeholders_are_coloured() -> None:
    """SELECT in the colour of SQL."""
    made = highlight("SELECT a FROM t WHERE b = %(x)s", PALETTE)
    styles = {made.plain[span.start : span.end]: span.style for span in made.spans}

    assert "bold" in str(styles["SELECT"])


def _bare(text: str) -> str:
    return "".join(text.split())
