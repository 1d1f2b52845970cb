"""Plain text tables."""

from __future__ import annotations

import click
import pytest
from rich.cells import cell_len

from flasktop.commands.tables import Column, cut, cut_left, one_line, table


def plain(columns: list[Column], width: int) -> list[str]:
    return [click.unstyle(line) for line in table(columns, width)]


def columns() -> list[Column]:
    return [
        Column("requests", ["1", "1,200"]),
        Column("p95", ["8.1", "61"], rank=2),
        Column("sql", ["0.1", "2.0"], rank=1),
        Column("endpoint", ["GET /a", "GET /a/rather/long/route/of/some/shop"], right=False),
    ]


def test_numbers_are_right_aligned_and_text_left() -> None:
    """Columns line up under their titles."""
    assert plain(columns(), 80) == [
        "  requests  p95  sql  endpoint",
        "         1  8.1  0.1  GET /a",
        "     1,200   61  2.0  GET /a/rather/long/route/of/some/shop",
    ]


def test_the_least_important_column_goes_first() -> None:
    """A narrow terminal keeps what matters and enough of the text."""
    assert plain(columns(), 46)[0].split() == ["requests", "sql", "endpoint"]
    assert plain(columns(), 30)[0].split() == ["requests", "endpoint"]


@pytest.mark.parametrize("width", range(24, 90, 3))
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Nothing wraps."""
    assert max(cell_len(line) for line in plain(columns(), width)) <= width


def test_wide_characters_count_as_two_cells() -> None:
    """Chinese and emoji do not push columns out of line."""
    lines = plain([Column("a", ["商店", "x"], right=False), Column("b", ["1", "2"])], 40)

    assert [cell_len(line) for line in lines[1:]] == [cell_len(lines[0])] * 2


def test_cutting_keeps_the_beginning_or_the_end() -> None:
    """Statements keep their beginning, paths their end; both say that they were cut."""
    assert (cut("SELECT everything", 9), cut_left("/srv/shop/views.py:7", 9)) == ("SELECT e…", "…ews.py:7")
    assert (cut("short", 9), cut_left("short", 9)) == ("short", "short")


def test_statements_become_one_line() -> None:
    """Line breaks and indentation say nothing in a table."""
    assert one_line("SELECT 1\n  FROM\tt") == "SELECT 1 FROM t"
