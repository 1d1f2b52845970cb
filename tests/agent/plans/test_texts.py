"""What may stand behind EXPLAIN, and what a plan or an error may say."""

from __future__ import annotations

import json

import pytest

from flasktop.agent.commands.job import CommandError
from flasktop.agent.plans.masked import masked_plan, masked_words
from flasktop.agent.plans.postgresql import _numbered
from flasktop.agent.plans.texts import checked, placeholders

ALL = ("sqlite", "postgresql", "mysql")


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        "  /* why */ select * from t -- because",
        "(SELECT 1) UNION (SELECT 2)",
        "WITH a AS (SELECT 1) DELETE FROM t WHERE id IN (SELECT * FROM a)",
        "INSERT INTO t VALUES (1)",
        "SELECT ';' AS x",
        'SELECT 1 AS "analyze"',
        "SELECT explain, analyze FROM t",
    ],
)
def test_one_statement_on_rows_may_be_planned(statement: str, dialect: str) -> None:
    assert checked(statement, dialect) == statement


def test_semicolons_at_the_end_go() -> None:
    assert checked("SELECT 1 ; ;", "postgresql") == "SELECT 1 "


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize(
    "statement",
    [
        "ANALYZE SELECT 1",
        "ANALYZE",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE DELETE FROM t",
        "(ANALYZE) DELETE FROM t",
        "/* x */ ANALYZE DELETE FROM t",
        "QUERY PLAN SELECT 1",
        "CREATE TABLE t (a INT)",
        "DROP TABLE t",
        "CALL p()",
        "DO 1",
        "SET x = 1",
        "PRAGMA journal_mode = WAL",
        "COMMIT",
        "EXECUTE p",
        "FORMAT = JSON SELECT 1",
        "FOR CONNECTION 5",
        "SELECT 1; DROP TABLE t",
        "SELECT 1;; SELECT 2;",
        "SELECT '\\'; DROP TABLE t; --'",
        "SELECT 'never ends; DROP TABLE t",
        "SELECT 1 /* never ends; DROP TABLE t",
        "",
        ";",
    ],
)
def test_what_could_run_or_has_no_plan_is_refused(statement: str, dialect: str) -> None:
    with pytest.raises(CommandError):
        checked(statement, dialect)


def test_comments_that_mysql_executes_are_refused() -> None:
    for text in ("SELECT 1 /*! INTO OUTFILE 'x' */", "/*M!100000 ANALYZE */ SELECT 1", "SELECT '/*!'"):
        with pytest.raises(CommandError):
            checked(text, "mysql")


def test_text_that_is_never_ending_is_refused() -> None:
    with pytest.raises(CommandError):
        checked("SELECT " + "1, " * 100_000 + "1", "sqlite")


def test_placeholders_are_found_outside_of_strings() -> None:
    assert [token for _, token in placeholders("a = ? AND b = '?' AND c = ?", "sqlite", "qmark")] == ["?", "?"]
    assert [token for _, token in placeholders("a = %(x)s AND b = '%(y)s'", "postgresql", "pyformat")] == ["%(x)s"]
    found = placeholders("a = $1 AND b = $2::INT", "postgresql", "numeric_dollar")
    assert [token for _, token in found] == ["$1", "$2"]


def test_placeholders_become_the_servers_own() -> None:
    text, count = _numbered("SELECT 1 %% 2 WHERE a = %(x)s::INT AND b = %(y)s OR c = %(x)s", "pyformat")

    assert (text, count) == ("SELECT 1 % 2 WHERE a = $1::INT AND b = $2 OR c = $1", 2)
    assert _numbered("a = %s AND b = %s", "format") == ("a = $1 AND b = $2", 2)


def test_conditions_are_masked_and_structure_is_not() -> None:
    plan = [{"Plan": {"Node Type": "Seq Scan", "Alias": "t_1", "Filter": "(name = 'x y'::text)", "Plan Rows": 12}}]
    masked = json.loads(masked_plan(plan, "postgresql"))[0]["Plan"]

    assert masked == {"Node Type": "Seq Scan", "Alias": "t_1", "Filter": "(name = ?::text)", "Plan Rows": 12}


def test_what_a_key_we_do_not_know_says_is_masked() -> None:
    plan = {"table": {"table_name": "t", "surprise": ["a = 'x'", {"ranges": "(5 <= id)"}], "query": "select 'y'"}}
    masked = masked_plan(json.dumps(plan), "mysql")

    assert "'" not in masked and "5" not in masked and '"table_name":"t"' in masked


def test_a_plan_without_bottom_is_cut() -> None:
    plan: dict[str, object] = {}
    inner = plan
    for _ in range(400):
        inner["nested"] = inner = {}

    assert masked_plan(plan, "mysql").endswith("}")


def test_an_error_keeps_its_words_only() -> None:
    assert masked_words('invalid input syntax for type integer: "abc"\nLINE 1: secret') == (
        "invalid input syntax for type integer: ?"
    )
    assert masked_words("near '12 o''clock' at 17") == "near ? at ?"
    assert masked_words('not a number: "he said "secret" twice"') == "not a number: ?"
