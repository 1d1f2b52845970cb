"""What the profiles of several workers say together."""

from __future__ import annotations

import msgspec

from flasktop.stats.calltree import Frame, Node, Parts, Stack, hot_path, merge, tree
from tests.stats.profiles import LOAD, MS, VIEW, VIEW_BELOW, WSGI, profiled, report


def child(node: Node, name: str) -> Node:
    (found,) = (each for each in node.children if each.key.name == name)
    return found


def test_the_tree_is_that_of_the_apps_own_functions() -> None:
    root = merge([report()], "GET /report").root
    view = child(root, "report")
    load = child(view, "load")

    assert [node.key.name for node in root.children] == ["report", "flask"]
    assert [node.key.name for node in view.children] == ["load"]
    assert [(node.kind, node.key.name) for node in load.children] == [("package", "sqlalchemy")]
    assert [(node.kind, node.key.name) for node in load.children[0].children] == [("library", "Connection.execute")]


def test_totals_and_own_times_add_up() -> None:
    root = merge([report()], "GET /report").root
    view = child(root, "report")
    load = child(view, "load")

    assert root.total == Parts(1030 * MS, 220 * MS, 600 * MS)
    assert root.total.wait == 210 * MS
    assert view.total == Parts(1000 * MS, 190 * MS, 600 * MS)
    assert view.own_time == Parts(300 * MS, 90 * MS)
    assert load.total == Parts(700 * MS, 100 * MS, 600 * MS)
    assert load.own_time == Parts(50 * MS, 50 * MS)


def test_each_line_of_a_function_has_its_time() -> None:
    view = child(merge([report()], "").root, "report")

    assert {line: parts.wall // MS for line, parts in view.lines.items()} == {21: 100, 23: 900}
    assert view.line == 23


def test_workers_add_up() -> None:
    both = merge([report(), report(wait=1200)], "GET /report")

    assert (both.workers, both.samples, both.requests, both.finished) == (2, 306, 6, 4)
    assert (both.ticks, both.missed, both.seconds) == (1980, 20, 10.0)
    assert child(both.root, "report").total.wall == 3000 * MS
    assert both.sampler_percent == 1.0
    assert round(both.tick_us, 1) == round(100_000 / 1980, 1)
    assert len(both.unseen) == 1
    assert len(both.stacks) == len(merge([report()], "").stacks), "the same stacks are one"


def test_the_hot_path_goes_down_to_the_package_that_is_called() -> None:
    path = hot_path(merge([report()], "GET /report").root)

    assert [node.key.name for node in path] == ["GET /report", "report", "load", "sqlalchemy"]


def test_no_samples_are_an_empty_tree() -> None:
    nothing = merge([profiled()], "GET /report")

    assert nothing.root.children == ()
    assert nothing.share(Parts(1)) == 0.0
    assert hot_path(nothing.root) == [nothing.root]


def test_a_view_that_libraries_call_back_stands_under_the_one_that_called_them() -> None:
    callback = profiled(((WSGI, VIEW, WSGI, LOAD), 100, 100, False))
    root = merge([callback], "").root

    assert [node.key.name for node in child(root, "report").children] == ["load"]


def test_a_recursion_of_hundreds_is_a_tree() -> None:
    frame = Frame("/srv/a.py", "again", 2, 1, True)
    root = tree([Stack((frame,) * 400, 1, Parts(10))], "")

    assert len(hot_path(root)) == 401


def test_numbers_that_name_nothing_are_left_out() -> None:
    broken = msgspec.structs.replace(report(), frames=())

    assert merge([broken], "").root.total.wall == 0


def test_two_lines_of_one_function_are_one_node() -> None:
    root = merge([profiled(((VIEW,), 10, 0, False), ((VIEW_BELOW,), 10, 0, False))], "").root

    assert len(root.children) == 1
