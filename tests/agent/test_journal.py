"""A ring of bounded bytes in a file."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flasktop.agent.journal import KEPT_FOR_LAST, Journal, layout_for
from flasktop.protocol.blackbox import HEADER_BYTES, Layout, parse
from tests.protocol.test_blackbox import HELLO

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "x.journal", Layout(4, 2 * KEPT_FOR_LAST, 1024, 1000))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 1000), max_size=60))
def test_the_newest_frames_that_fit_are_held_whole(tmp_path: Path, sizes: list[int]) -> None:
    path = tmp_path / "ring.journal"
    path.unlink(missing_ok=True)
    made = Journal(path, Layout(1, KEPT_FOR_LAST, 64, 1000))
    frames = [bytes([number]) * size for number, size in enumerate(sizes)]
    for number, frame in enumerate(frames):
        made.append(frame, float(number), 100.0 + number)
    held = range(made.oldest_seq, made.next_seq)

    assert made.next_seq == len(frames)
    assert [made.frame(seq) for seq in held] == frames[held.start :]
    assert sum(sizes[held.start :]) <= 1000
    if frames:
        assert made.history_from == 100.0 + held.start
        assert held.start == 0 or sum(sizes[held.start - 1 :]) > 1000


def test_the_first_frame_since_a_time(journal: Journal) -> None:
    for number in range(5):
        journal.append(b"x", float(number), 0.0)

    assert [journal.first_since(mono) for mono in (-1.0, 0.0, 2.5, 4.0, 9.0)] == [0, 0, 3, 4, 5]


def test_definitions_end_where_the_room_ends(journal: Journal) -> None:
    assert journal.define(b"x" * KEPT_FOR_LAST)
    assert not journal.define(b"y")


def test_the_rows_that_take_the_rest_have_room_of_their_own(journal: Journal) -> None:
    journal.define(b"x" * KEPT_FOR_LAST)

    assert journal.define(b"last", last=True)
    assert journal.definitions_since(KEPT_FOR_LAST, 100) == b"last"


def test_definitions_are_read_in_pieces(journal: Journal) -> None:
    journal.define(b"abcdef")

    assert journal.definitions_since(2, 3) == b"cde"


@pytest.mark.parametrize("size", [1 << 20, 8 << 20, 1 << 30])
@pytest.mark.parametrize("slots", [1, 512, 16384])
def test_the_ring_has_at_least_a_third_of_the_file(size: int, slots: int) -> None:
    layout = layout_for(size, slots)

    assert layout.ring >= size // 3
    assert layout.size <= max(size, size // 2 + HEADER_BYTES + slots * 264) + 16


def test_a_hello_that_is_too_long_is_shortened(tmp_path: Path) -> None:
    from msgspec import structs

    made = Journal(tmp_path / "x.journal", Layout(1, 64, 64, 64))
    made.write_hello(structs.replace(HELLO, directory="/" * 5000))

    assert parse(made.memory[:]).hello == structs.replace(HELLO, directory="")


def test_the_file_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Journal(tmp_path / "x.journal", Layout(1, 64, 64, 64))
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "x.journal").stat().st_mode) == 0o600


def test_a_planted_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "x.journal").write_text("planted")

    with pytest.raises(FileExistsError):
        Journal(tmp_path / "x.journal", Layout(1, 64, 64, 64))
    assert (tmp_path / "x.journal").read_text() == "planted"


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "x.journal").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(FileExistsError):
        Journal(tmp_path / "x.journal", Layout(1, 64, 64, 64))
    assert not (tmp_path / "elsewhere").exists()


def test_moving_keeps_the_content(journal: Journal, tmp_path: Path) -> None:
    journal.write_hello(HELLO)
    journal.append(b"frame", 1.0, 1.0)
    before = journal.memory[:]
    journal.move(tmp_path / "y.journal")

    assert (tmp_path / "y.journal").read_bytes() == before
    assert journal.frame(0) == b"frame"


FULL = """
import resource, logging
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
from flask import Flask
from flasktop import FlaskTop
logging.basicConfig()
app = Flask("full")
app.add_url_rule("/", view_func=lambda: "fine")
FlaskTop(app)
print([app.test_client().get("/").text for _ in range(3)])
"""


def test_a_full_disk_is_one_warning_and_the_app_runs(directory: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "FLASKTOP_DIR": str(directory)},
        capture_output=True,
        text=True,
    )

    assert done.stdout == "['fine', 'fine', 'fine']\n", done.stderr
    assert done.stderr.count("WARNING") == 1
    assert os.strerror(errno.EFBIG) in done.stderr
    assert list(directory.iterdir()) == []
