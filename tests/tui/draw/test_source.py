from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flasktop.tui.draw.source import SIZE_LIMIT, UNREADABLE, Source, place, read_source, source_lines
from tests.tui.draw.palettes import HOSTILE, PALETTE

CODE = "def view():\n    rows = []\n    for order in orders:\n\ttotal = sum(order.items)\n    return rows\n"


@pytest.fixture
def code(tmp_path: Path) -> str:
    path = tmp_path / "views.py"
    path.write_text(CODE)
    return str(path)


def test_the_line_itself_is_marked(code: str) -> None:
    """With ▶ and its number, the others around it."""
    lines = [line.plain for line in source_lines(read_source(code, 4), 60, 5, PALETTE)]

    assert lines[3] == "▶ 4 │     total = sum(order.items)"
    assert [line for line in lines if line.startswith("▶")] == [lines[3]]


def test_the_indent_that_all_lines_share_goes(code: str) -> None:
    """Deep code does not begin in the middle of the screen."""
    lines = [line.plain for line in source_lines(read_source(code, 3), 60, 3, PALETTE)]

    assert lines[0] == "  2 │ rows = []"


@pytest.mark.parametrize("file", ["/nowhere/views.py", "/dev/zero", "/etc", "a\0b"])
def test_what_cannot_be_read_says_why(file: str) -> None:
    """Files of other machines, devices and folders are no error."""
    assert read_source(file, 3).why == UNREADABLE


@pytest.mark.skipif(os.getuid() == 0, reason="root can read everything")
def test_a_file_of_somebody_else_says_why(code: str) -> None:
    """Permissions are respected and said."""
    os.chmod(code, 0)

    assert read_source(code, 3).why == UNREADABLE


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    """More than 2 MB of source is no source."""
    path = tmp_path / "huge.py"
    path.write_bytes(b"x\n" * (SIZE_LIMIT // 2 + 1))

    assert "greater than 2 MB" in read_source(str(path), 1).why


def test_a_line_past_the_end_says_so(code: str) -> None:
    """The file is another one than the worker runs."""
    assert read_source(code, 99).why == "the file has only 5 lines"


def test_a_file_changed_after_the_workers_start_is_newer(code: str) -> None:
    """Then line numbers may have moved."""
    os.utime(code, (2000, 2000))

    assert read_source(code, 3, started_at=1999.0).newer
    assert not read_source(code, 3, started_at=2001.0).newer


def test_a_changed_file_is_read_anew(code: str) -> None:
    """An edit shows at the next refresh."""
    read_source(code, 1)
    Path(code).write_text("def changed(): ...\n")
    os.utime(code, (5000, 5000))

    assert read_source(code, 1).lines[0] == "def changed(): ..."


def test_hostile_bytes_in_source_are_harmless(tmp_path: Path) -> None:
    """Not UTF-8, escapes, very long lines."""
    path = tmp_path / "views.py"
    path.write_bytes(b"\xff\xfe" + HOSTILE.encode() + b"\n" + b"x" * 100_000)
    lines = source_lines(read_source(str(path), 1), 70, 4, PALETTE)

    assert all(line.cell_len <= 70 for line in lines)
    assert "\x1b" not in "".join(line.plain for line in lines)


sources = st.builds(
    Source, st.sampled_from(["a.py", "a.html", "a.rs", ""]), st.integers(1, 30), st.just(1),
    st.lists(st.text(st.characters(exclude_characters="\n\r"), max_size=90), min_size=30, max_size=40).map(tuple),
    st.booleans(), st.just(""),
)  # fmt: skip


@given(sources, st.integers(0, 100), st.integers(0, 40))
def test_source_stays_in_its_box_and_shows_the_line(source: Source, width: int, height: int) -> None:
    """No more lines than asked, none wider, the marked one among them."""
    lines = source_lines(source, width, height, PALETTE)

    assert len(lines) <= height
    assert all(line.cell_len <= width for line in lines)
    assert any(line.plain.startswith("▶") for line in lines) == (height > 0 and width >= 10)


def test_a_place_is_relative_to_the_apps_directory_and_keeps_its_end() -> None:
    """What matters of a path is its end."""
    assert place("/srv/shop/shop/views.py", 88, "/srv/shop") == "shop/views.py:88"
    assert place("/srv/shop/shop/views.py", 88, "/srv/other", 12) == "…views.py:88"
    assert place("", 0) == ""
