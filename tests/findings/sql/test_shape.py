from __future__ import annotations

import logging
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flasktop.findings.sql.extent import Extent, extent
from flasktop.findings.sql.model import Hidden, Shape, Use
from flasktop.findings.sql.shape import shape

ALL = ("sqlite", "postgresql", "mysql", "mariadb")


def made(text: str, dialect: str = "sqlite") -> Shape:
    found = shape(text, dialect)
    assert found is not None, text
    return found


def terms(text: str, dialect: str = "sqlite") -> list[tuple[str, str, Use]]:
    return [(term.source, term.column, term.use) for term in made(text, dialect).outermost.terms]


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        ("sqlite", "SELECT review.id FROM review WHERE review.product_id = ? AND review.rating > ?"),
        ("sqlite", "SELECT id FROM review WHERE product_id = :product AND ? < rating"),
        ("sqlite", "SELECT [review].id FROM [review] WHERE [review].product_id = ? AND rating >= ?"),
        ("postgresql", 'SELECT id FROM "review" WHERE PRODUCT_ID = %(p_1)s::INTEGER AND rating BETWEEN %s AND %s'),
        ("postgresql", "SELECT id FROM review WHERE product_id = $? AND rating > $?"),
        ("mysql", "SELECT `review`.id FROM `review` WHERE `review`.`product_id` = %s AND rating > %s"),
        ("mariadb", "SELECT id FROM review WHERE (product_id = ? AND rating > ?)"),
    ],
)
def test_what_a_table_is_filtered_by_in_each_dialect(dialect: str, text: str) -> None:
    assert terms(text, dialect) == [("review", "product_id", Use.EQUAL), ("review", "rating", Use.RANGE)]


def test_aliases_name_the_tables() -> None:
    found = made("SELECT r.id FROM shop.review AS r JOIN product p ON p.id = r.product_id WHERE r.rating = ?").outermost

    assert [(each.schema, each.table, each.name) for each in found.sources] == [
        ("shop", "review", "r"),
        ("", "product", "p"),
    ]
    assert [(each.source, each.column, each.joins) for each in found.terms] == [
        ("r", "rating", False),
        ("p", "id", True),
        ("r", "product_id", True),
    ]


def test_an_outer_join_does_not_choose_among_the_rows_of_its_left_side() -> None:
    text = "SELECT o.id FROM orders o LEFT OUTER JOIN item i ON i.order_id = o.id AND i.kind = ? AND o.status = ?"

    assert terms(text) == [("i", "order_id", Use.EQUAL), ("i", "kind", Use.EQUAL)]


def test_a_list_is_an_equality() -> None:
    (term,) = made("SELECT id FROM review WHERE product_id IN (…)").outermost.terms
    (same,) = made("SELECT id FROM review WHERE product_id = ? OR (product_id = ?)").outermost.terms

    assert term.use is Use.EQUAL and term.listed
    assert same == term


@pytest.mark.parametrize(
    "condition",
    [
        "a <> ?",
        "NOT a = ?",
        "a NOT IN (…)",
        "a NOT LIKE ?",
        "a NOT LIKE ? ESCAPE ?",
        "a NOT BETWEEN ? AND ?",
        "a IS NOT NULL",
        "a = ? OR b = ?",
        "a = b",
        "a",
        "EXISTS (SELECT ? FROM u)",
        "? = ?",
        "a + b = ?",
    ],
)
def test_what_no_index_serves_is_no_term(condition: str) -> None:
    assert terms(f"SELECT id FROM t WHERE {condition}") == []


@pytest.mark.parametrize(
    ("dialect", "condition", "hidden", "function"),
    [
        ("sqlite", "lower(t.a) LIKE ?", Hidden.FUNCTION, "lower"),
        ("postgresql", "upper(t.a) = %s::VARCHAR", Hidden.FUNCTION, "upper"),
        ("sqlite", "date(t.a) = ?", Hidden.FUNCTION, "date"),
        ("mysql", "date(t.a) = %s", Hidden.FUNCTION, "date"),
        ("sqlite", "substr(t.a, ?, ?) = ?", Hidden.FUNCTION, ""),
        ("sqlite", "lower(trim(t.a)) = ?", Hidden.FUNCTION, ""),
        ("sqlite", "my_own(t.a) = ?", Hidden.FUNCTION, ""),
        ("sqlite", "CAST(strftime(?, t.a) AS INTEGER) = ?", Hidden.CAST, ""),
        ("postgresql", "t.a::DATE = %s", Hidden.CAST, ""),
        ("sqlite", "t.a + ? > ?", Hidden.ARITHMETIC, ""),
        ("postgresql", "t.a %% %s = %s", Hidden.ARITHMETIC, ""),
        ("sqlite", "t.a COLLATE NOCASE = ?", Hidden.COLLATION, ""),
        ("sqlite", "t.a LIKE ?", Hidden.PATTERN, ""),
        ("sqlite", "(t.a LIKE ? || ? || ? ESCAPE ?)", Hidden.PATTERN, ""),
        ("postgresql", "t.a ILIKE %s", Hidden.ANY_CASE, ""),
        ("sqlite", "t.a = ?", Hidden.NOT, ""),
        ("sqlite", "t.a = lower(?)", Hidden.NOT, ""),
    ],
)
def test_what_hides_a_column_from_an_index(dialect: str, condition: str, hidden: Hidden, function: str) -> None:
    (term,) = made(f"SELECT t.b FROM t WHERE {condition}", dialect).outermost.terms

    assert (term.column, term.hidden, term.function) == ("a", hidden, function)


def test_a_column_without_a_table_belongs_to_the_only_one_or_to_nobody_known() -> None:
    assert terms("SELECT id FROM t WHERE a = ?") == [("t", "a", Use.EQUAL)]
    assert terms("SELECT 1 FROM t, u WHERE a = ?") == [("", "a", Use.EQUAL)]
    assert terms("SELECT 1 FROM t JOIN (SELECT b FROM u) AS s ON t.id = s.b WHERE a = ? AND s.b = ?") == [
        ("", "a", Use.EQUAL),
        ("t", "id", Use.EQUAL),
    ]


def test_a_common_table_expression_is_no_table_and_its_inside_is() -> None:
    found = made("WITH few AS (SELECT * FROM orders WHERE customer_id = ?) SELECT * FROM few WHERE few.id = ?")

    assert [[source.name for source in scope.sources] for scope in found.scopes] == [[], ["orders"]]
    assert found.scopes[1].terms[0].column == "customer_id"


def test_a_correlated_subquery_is_looked_up_by_the_outer_row() -> None:
    found = made("SELECT a.id FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.a_id = a.id AND b.kind = ?)")
    inner = found.scopes[1]

    assert [(term.column, term.joins) for term in inner.terms] == [("a_id", True), ("kind", False)]


def test_the_order_is_known_where_it_is_of_columns() -> None:
    found = made("SELECT r.a FROM r ORDER BY r.rating DESC, r.id LIMIT ?").outermost
    other = made("SELECT count(*) AS n FROM r GROUP BY a ORDER BY n").outermost

    assert [(key.column, key.descending) for key in found.order] == [("rating", True), ("id", False)]
    assert other.ordered and not other.order


@pytest.mark.parametrize(
    ("text", "kind"), [("UPDATE t SET b = ? WHERE t.a = ?", "update"), ("DELETE FROM t WHERE t.a = ?", "delete")]
)
def test_changes_find_their_rows_as_selects_do(text: str, kind: str) -> None:
    assert made(text).kind == kind
    assert terms(text) == [("t", "a", Use.EQUAL)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT a FROM t", Extent.NOTHING),
        ("SELECT a FROM t WHERE b = ? ORDER BY a", Extent.NOTHING),
        ("SELECT DISTINCT a FROM t", Extent.NOTHING),
        ("SELECT a, count(*) FROM t GROUP BY a", Extent.NOTHING),
        ("SELECT a, sum(b) OVER (PARTITION BY c) FROM t", Extent.NOTHING),
        ("SELECT a, (SELECT count(*) FROM u) FROM t", Extent.NOTHING),
        ("SELECT a FROM t UNION SELECT a FROM u", Extent.NOTHING),
        ("SELECT a FROM (SELECT a FROM t LIMIT ?) AS few, u", Extent.NOTHING),
        ("SELECT o.a FROM o JOIN i ON i.o_id = o.id WHERE o.id = ?", Extent.NOTHING),
        ("SELECT a FROM t LIMIT ? OFFSET ?", Extent.LIMIT),
        ("SELECT f.a, i.b FROM (SELECT a, id FROM t LIMIT ?) AS f LEFT JOIN i ON i.t_id = f.id", Extent.LIMIT),
        ("SELECT a FROM t UNION SELECT a FROM u LIMIT ?", Extent.LIMIT),
        ("SELECT a FROM t FETCH FIRST ? ROWS ONLY", Extent.LIMIT),
        ("SELECT count(*) AS count_1 FROM t", Extent.ONE_ROW),
        ("SELECT coalesce(sum(a), ?) FROM t WHERE b = ?", Extent.ONE_ROW),
        ("SELECT count(*) FROM (SELECT a FROM t) AS anon_1", Extent.ONE_ROW),
        ("SELECT EXISTS (SELECT 1 FROM t)", Extent.ONE_ROW),
        ("SELECT a FROM t WHERE t.id = ?", Extent.KEY),
        ("SELECT a FROM t WHERE t.id IN (…)", Extent.LIST),
        ("DELETE FROM t", Extent.WRITES),
    ],
)
def test_what_bounds_the_rows(text: str, said: Extent) -> None:
    assert extent(made(text, "postgresql")) is said


def test_top_is_a_limit() -> None:
    assert extent(made("SELECT TOP ? a FROM t", "mssql")) is Extent.LIMIT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "INSERT INTO t (a) VALUES (?)",
        "CREATE TABLE t (a INTEGER)",
        "PRAGMA table_info(t)",
        "COMMIT",
        "SELECT a FROM",
        "SELECT a FROM t WHERE",
        "SELECT a FROM t WHERE b = ? AND c…",
        "SELECT a FROM t WHERE data ? ?",
        "SELECT " + "(" * 3000 + "1" + ")" * 3000,
        "SELECT a FROM t WHERE " + " AND ".join(["a = ?"] * 5000),
    ],
)
@pytest.mark.parametrize("dialect", [*ALL, "oracle", "mssql", "unheard of"])
def test_what_cannot_be_understood_has_no_shape(text: str, dialect: str) -> None:
    assert shape(text, dialect) is None


WORDS = """
SELECT FROM WHERE a t , ( ) = ? IN LIKE AND OR NOT WITH AS JOIN ON ORDER BY LIMIT :p %s [ ] " ` … . * UNION UPDATE SET
DELETE CASE WHEN END lower( BETWEEN IS NULL EXISTS :: < 1
"""


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(WORDS.split()),
        max_size=25,
    ),
    st.sampled_from(ALL),
)
def test_no_text_raises(words: list[str], dialect: str) -> None:
    shape(f"SELECT a FROM t {' '.join(words)}", dialect)


def test_what_sqlglot_does_not_know_is_not_printed(capfd: Any) -> None:
    handler = logging.lastResort
    shape("SELECT a FROM t WHERE MATCH a AGAINST WITH x", "mysql")
    shape("WITH x AS (SELECT 1) MERGE INTO t USING x ON t.a = x.a", "postgresql")

    assert capfd.readouterr() == ("", "") and handler is logging.lastResort


def test_sqlglot_is_not_imported_before_a_statement_is_looked_at() -> None:
    code = (
        "import sys, flasktop.findings.registry, flasktop.findings.sql.candidates, flasktop.findings.sql.words\n"
        "from flasktop.findings.sql.shape import shape\n"
        "assert 'sqlglot' not in sys.modules\n"
        "assert shape('SELECT a FROM t', 'sqlite') and 'sqlglot' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert not done.stderr
