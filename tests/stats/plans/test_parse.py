"""Plans as real databases make them (recorded by ``tests.stats.plans.record``), and as they should not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flasktop.stats.plans import MOST, Mark, Node, Plan, parse
from flasktop.stats.plans.words import as_text, sentences

HERE = Path(__file__).parent
RECORDED: dict[str, dict[str, Any]] = {
    name: json.loads((HERE / f"{name}.json").read_text())["plans"] for name in ("sqlite", "postgresql", "mariadb")
}
EVERY = [(database, name) for database, plans in RECORDED.items() for name in plans]


def recorded(database: str, name: str) -> Plan:
    return parse(database, json.dumps(RECORDED[database][name]))


def marks(database: str, name: str) -> set[str]:
    return {mark.name for node in recorded(database, name).marked for mark in node.marks}


def words(plan: Plan) -> list[str]:
    return [sentence.text for sentence in sentences(plan)]


def first(plan: Plan) -> Node:
    return next(iter(plan.nodes()))


@pytest.mark.parametrize(("database", "name"), EVERY)
def test_every_recorded_plan_is_a_tree_with_something_to_say(database: str, name: str) -> None:
    plan = recorded(database, name)

    assert not plan.problem
    assert words(plan) and all(each[0].isupper() for each in words(plan))
    assert plan.roots or (database, name) == ("sqlite", "insert")
    assert "{" not in as_text(plan)


@pytest.mark.parametrize("database", RECORDED)
def test_a_scan_of_the_whole_table_is_marked_and_a_look_up_is_not(database: str) -> None:
    assert marks(database, "full scan") == {"FULL_SCAN"}
    assert marks(database, "by key") == set()
    assert marks(database, "by index") == set()
    assert sentences(recorded(database, "full scan"))[0].bad
    assert not any(sentence.notable for sentence in sentences(recorded(database, "by key")))


@pytest.mark.parametrize("database", RECORDED)
def test_sorting_is_marked(database: str) -> None:
    assert marks(database, "sort") == {"FULL_SCAN", "SORT"}


@pytest.mark.parametrize("database", RECORDED)
def test_changes_show_how_they_find_their_rows(database: str) -> None:
    assert "FULL_SCAN" in marks(database, "update")
    assert not marks(database, "delete by key")


def test_what_only_some_databases_do_is_marked() -> None:
    assert "OWN_INDEX" in marks("sqlite", "join without index")
    assert "NO_INDEX" in marks("mariadb", "join without index")
    assert "TEMPORARY" in marks("mariadb", "group")
    assert "TEMPORARY" in marks("sqlite", "distinct")
    assert "EACH_ROW" in marks("sqlite", "correlated")
    assert "EACH_ROW" in marks("postgresql", "correlated")


def test_words_say_no_more_than_the_plan() -> None:
    assert words(recorded("sqlite", "full scan")) == ["Reads all of rec_review: no index is used."]
    scan = recorded("mariadb", "full scan")
    assert words(scan) == [
        f"Reads all of rec_review, an estimated {first(scan).rows_read:,.0f} rows: "
        "no index is used for lcase(rec_review.title) like ?"
    ]
    # PostgreSQL estimates what a scan keeps, not what it reads.
    (said,) = words(recorded("postgresql", "update"))
    assert said.startswith("Reads all of rec_review and keeps an estimated 20 rows: no index is used for (title)::text")
    assert words(recorded("mariadb", "nothing")) == ["The server says: Impossible WHERE."]


def test_where_no_index_is_missing_those_used_are_named_first() -> None:
    rows = [[3, 0, "SEARCH review USING INDEX by_key (key>?)"], [4, 0, "USE TEMP B-TREE FOR ORDER BY"]]

    assert words(parse("sqlite", json.dumps(rows))) == [
        "Finds rows through an index: review by by_key.",
        "Sorts the rows for ORDER BY.",
    ]


def test_estimates_are_read() -> None:
    node = first(recorded("postgresql", "by key"))
    assert (node.operation, node.table, node.index, node.rows) == ("Index Scan", "rec_review", "rec_review_pkey", 1)
    assert node.conditions == (("by", "id = ?"),)
    node = first(recorded("mariadb", "by index"))
    assert (node.table, node.index, node.rows) == ("rec_review", "rec_by_product", 100)


def test_reading_a_small_table_is_no_fault() -> None:
    assert [node.small for node in recorded("mariadb", "join").marked] == [True]
    assert not any(sentence.bad for sentence in sentences(recorded("mariadb", "join")))


def test_a_hashed_subplan_runs_once() -> None:
    below = {"Node Type": "Seq Scan", "Parent Relationship": "SubPlan", "Subplan Name": "SubPlan 1", "Plan Rows": 5}
    plan = {"Node Type": "Seq Scan", "Filter": "(NOT (hashed SubPlan ?))", "Plan Rows": 5, "Plans": [below]}

    assert Mark.EACH_ROW not in {m for n in parse("postgresql", json.dumps([{"Plan": plan}])).nodes() for m in n.marks}


def test_older_words_of_sqlite_are_understood() -> None:
    rows = [[3, 0, "SCAN TABLE review AS r"], [5, 0, "SEARCH TABLE p USING INTEGER PRIMARY KEY (rowid=?)"]]
    scan, search = parse("sqlite", json.dumps(rows)).roots

    assert (scan.table, scan.alias, scan.marks) == ("review", "r", (Mark.FULL_SCAN,))
    assert (search.table, search.index) == ("p", "primary key")


def test_the_newer_format_of_mysql_is_understood() -> None:
    scan = {
        "operation": "Table scan on t",
        "access_type": "table",
        "estimated_rows": 5000.0,
        "estimated_total_cost": 502.0,
    }
    plan = {
        "query_plan": {
            "operation": "Filter: (t.a = ?)",
            "access_type": "filter",
            "condition": "(t.a = ?)",
            "inputs": [scan],
        }
    }
    filtered, read = parse("mysql", json.dumps(plan)).nodes()

    assert filtered.conditions == (("filter", "(t.a = ?)"),)
    assert (read.operation, read.rows, read.marks) == ("Table scan on t", 5000, (Mark.FULL_SCAN,))


def test_blocks_of_mysql_8_are_understood() -> None:
    table = {
        "table_name": "t",
        "access_type": "ALL",
        "rows_examined_per_scan": 4000,
        "rows_produced_per_join": 400,
        "filtered": "10.00",
        "cost_info": {"read_cost": "1.0", "prefix_cost": "402.75"},
        "used_columns": ["id"],
        "attached_condition": "(`t`.`a` = ?)",
    }
    block = {
        "query_block": {
            "select_id": 1,
            "cost_info": {"query_cost": "9"},
            "ordering_operation": {"using_filesort": True, "table": table},
        }
    }
    order, read = parse("mysql", json.dumps(block)).nodes()

    assert order.marks == (Mark.SORT,)
    assert (read.rows_read, read.rows, read.cost, read.marks) == (4000, 400, 402.75, (Mark.FULL_SCAN,))


def test_what_nobody_knows_is_shown_as_it_is() -> None:
    assert first(parse("postgresql", '[{"Plan": {"Node Type": "Quantum Scan"}}]')).operation == "Quantum Scan"
    assert first(parse("sqlite", '[[1, 0, "GUESS review"]]')).operation == "GUESS review"
    odd = {"query_block": {"teleport": {"table": {"table_name": "t", "access_type": "magic"}}}}
    above, below = parse("mariadb", json.dumps(odd)).nodes()
    assert (above.operation, below.operation) == ("teleport", "magic")


@pytest.mark.parametrize("database", [*RECORDED, "mysql"])
@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "null", "1", '"x"', "[]", "{}", "[1]", "[[]]", '[[1, 2]]', '[["a", "b", "c"]]', '[{"Plan": 1}]',
     '{"query_block": 5}', '[{"Plan": {"Plans": [1]}}]', '{"table": {"rows": "x", "key": {}}}', "[" * 100_000],
)  # fmt: skip
def test_nonsense_is_said_to_be_so_and_never_raises(database: str, text: str) -> None:
    assert isinstance(parse(database, text), Plan)


def test_an_unknown_database_is_said_to_be_so() -> None:
    assert "oracle" in parse("oracle", "{}").problem


@pytest.mark.parametrize("deep", [False, True])
def test_a_tree_is_bounded(deep: bool) -> None:
    plan: dict[str, Any] = {"Node Type": "Append", "Plans": [{"Node Type": "Result"}] * (MOST * 2)}
    if deep:
        for _ in range(150):
            plan = {"Node Type": "Append", "Plans": [plan]}
    rows = [[number, number - 1 if deep else 0, "SCAN t"] for number in range(1, MOST * 2)]

    assert len(list(parse("postgresql", json.dumps([{"Plan": plan}])).nodes())) <= MOST
    assert len(list(parse("sqlite", json.dumps(rows)).nodes())) <= MOST


def test_rows_of_sqlite_that_go_in_circles_end() -> None:
    assert isinstance(parse("sqlite", '[[1, 0, "a"], [2, 1, "b"], [1, 2, "c"]]'), Plan)


def test_nothing_in_a_plan_is_obeyed_by_a_terminal() -> None:
    plan = parse("sqlite", '[[1, 0, "SCAN \\u001b[31mred"]]')

    assert "\x1b" not in as_text(plan)
