"""Walking in a frozen copy: divisions that add up, rows that stay where they are, holders by name."""

from __future__ import annotations

import sys

import pytest

from flasktop.client.ask import CommandFailedError
from flasktop.protocol.commands import GONE
from flasktop.protocol.commands.heap import BYS, HeapHeld, HeapPaths, Step
from tests.agent.heap.conftest import Start, Worker
from tests.agent.heap.worker import QUOTE_COUNT

HERE = "__main__"
QUOTE = f"{HERE}.Quote"
GROWN = 8192 if sys.version_info < (3, 11) else 0
"""On Python 3.10 code that is run gets caches, also the standard library's while the copy answers."""


def held(worker: Worker, take: int, *steps: Step, limit: int = 5) -> HeapHeld:
    return worker.ask(HeapPaths(take, steps, limit), HeapHeld)


def edges(path: tuple[object, ...]) -> list[tuple[str, str]]:
    return [(node.edge, node.kind) for node in path]  # type: ignore[attr-defined]


@pytest.mark.parametrize("by", [by for by in BYS if by != "object"])
def test_every_division_adds_up(worker: Worker, by: str) -> None:
    taken = worker.take()
    quotes = worker.row(taken.take, QUOTE, "owner")
    whole, part = worker.walk(taken.take, by, limit=1000), worker.walk(taken.take, by, quotes, limit=1000)

    assert whole.count == taken.objects and abs(whole.bytes - taken.bytes) <= GROWN
    assert part.count == 2 * QUOTE_COUNT == sum(row.count for row in part.rows)
    assert part.bytes == sum(row.bytes for row in part.rows)
    sizes = [row.bytes for row in whole.rows]
    assert sizes == sorted(sizes, reverse=True)


def test_rows_keep_their_places(worker: Worker) -> None:
    taken = worker.take()
    first = {by: worker.walk(taken.take, by).rows for by in BYS}
    for _ in range(2):  # more divisions than are remembered
        for by in BYS:
            worker.walk(taken.take, by, Step("type", 0))
            worker.walk(taken.take, by, Step("type", 1))

    again = {by: worker.walk(taken.take, by).rows for by in BYS}
    assert [row.name for row in again["type"][:20]] == [row.name for row in first["type"][:20]]
    assert again == first or GROWN


def test_types_have_their_module_and_dicts_their_owner(worker: Worker) -> None:
    taken = worker.take()
    rows = {row.name: row for row in taken.by_type}

    assert rows[QUOTE].count == rows[f"dict of {QUOTE}"].count == QUOTE_COUNT
    assert {"str", "dict (no owner)", "types.CodeType", "function", "module"} <= rows.keys()
    modules = {row.name: row.count for row in worker.walk(taken.take, "module", limit=1000).rows}
    assert modules[HERE] >= 2 * QUOTE_COUNT and "builtins" in modules


def test_a_set_is_divided_by_what_refers_to_it(worker: Worker) -> None:
    taken = worker.take()
    quotes = worker.row(taken.take, QUOTE)
    (row,) = worker.walk(taken.take, "referrers", quotes).rows

    assert (row.name, row.count) == ("dict (no owner)", QUOTE_COUNT)


def test_single_objects_have_type_and_size_only(worker: Worker) -> None:
    taken = worker.take()
    texts = worker.row(taken.take, "str")
    part = worker.walk(taken.take, "object", texts, limit=20)

    assert len(part.rows) == 20 and part.total_rows == part.count
    assert all(row.name.startswith("str, length ") and row.detail == "" and row.count == 1 for row in part.rows)


def test_values_are_shown_where_the_app_allows_them(start: Start) -> None:
    worker = start(FLASKTOP_SHOW_VALUES="1")
    taken = worker.take()
    quotes = worker.row(taken.take, f"dict of {QUOTE}")
    (row,) = worker.walk(taken.take, "object", quotes, limit=1).rows
    found = held(worker, taken.take, quotes)

    assert row.detail.startswith("{'buyer': 'buyer ") and "'lines': [" in row.detail
    assert found.paths[0][2].edge.startswith("['secret key ")


def test_the_growing_global_is_named(worker: Worker) -> None:
    """Down to the module global, with how much hangs on it, and none of the keys, which are data."""
    taken = worker.take()
    found = held(worker, taken.take, worker.row(taken.take, QUOTE))

    assert (found.holder, found.target, found.complete) == (f"{HERE}.QUOTES", QUOTE, True)
    assert found.through == QUOTE_COUNT
    assert found.through_bytes == worker.walk(taken.take, "type", worker.row(taken.take, QUOTE)).bytes
    assert edges(found.paths[0]) == [(f"module {HERE}", "module"), ("QUOTES", "global"), ("[...]", "key")]
    assert [(node.type, node.length) for node in found.paths[0]][1:] == [("dict (no owner)", QUOTE_COUNT), (QUOTE, -1)]
    assert "secret" not in repr(found)


def test_a_class_attribute_is_named(worker: Worker) -> None:
    taken = worker.take()
    found = held(worker, taken.take, worker.row(taken.take, f"{HERE}.Hidden"))

    assert (found.holder, found.through) == (f"{HERE}.Shelf.SECRETS", 20)
    assert edges(found.paths[0])[:3] == [
        (f"module {HERE}", "module"), ("Shelf", "global"), (".SECRETS", "class"),
    ]  # fmt: skip


def test_a_local_of_a_running_call_is_named(worker: Worker) -> None:
    taken = worker.take()
    found = held(worker, taken.take, worker.row(taken.take, f"{HERE}.Local"))

    assert (found.holder, found.through) == (f"{HERE}.call_that_waits.<locals>.rows", 70)
    (local, index) = edges(found.paths[0])
    assert local == (f"local 'rows' of {HERE}.call_that_waits", "local") and index[1] == "index"


def test_the_holder_of_most_is_named_where_another_holds_the_largest(worker: Worker) -> None:
    """The largest string is some module's docstring; what most of the strings hang on alone is the leak."""
    taken = worker.take()
    texts = worker.row(taken.take, "str")
    found, largest = held(worker, taken.take, texts), held(worker, taken.take, texts, Step("object", 0))

    assert (found.holder, found.largest, found.target) == (f"{HERE}.QUOTES", False, "str")
    assert found.through >= QUOTE_COUNT, "its buyers; guppy3 sees no strings that are only keys of dictionaries"
    assert largest.largest and largest.through <= 1 and largest.holder != found.holder


def test_a_single_object_has_paths_too(worker: Worker) -> None:
    taken = worker.take()
    quotes = worker.row(taken.take, QUOTE)

    found = held(worker, taken.take, quotes, Step("object", 7))
    assert (found.holder, found.through) == (f"{HERE}.QUOTES", 1)


@pytest.mark.parametrize("step", [Step("type", 100_000), Step("type", -1), Step("object", 10**8), Step("object", -1)])
def test_a_step_that_leads_nowhere_is_told(worker: Worker, step: Step) -> None:
    taken = worker.take()
    with pytest.raises(CommandFailedError) as refused:
        worker.walk(taken.take, "type", step)

    assert refused.value.reason == GONE
    assert worker.walk(taken.take, "type", limit=1).rows, "the copy lives on"


def test_no_limit_makes_the_answer_too_long(worker: Worker) -> None:
    taken = worker.take()

    assert len(worker.walk(taken.take, "object", limit=10**6).rows) == 1000
    assert worker.walk(taken.take, "object", limit=-5).rows == ()
