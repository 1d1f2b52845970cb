"""A journal file is read whatever a kill, a full disk or a stranger made of it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flasktop.agent.journal import Journal
from flasktop.errors import ProtocolError
from flasktop.protocol import blackbox
from flasktop.protocol.blackbox import HEADER_BYTES, SLOT, SLOT_BUSY, SLOT_KILLED, Layout, parse, peek
from flasktop.protocol.codec import encode
from flasktop.protocol.messages import Definitions, Frame, Hello, Totals
from flasktop.protocol.records import RouteDef

HELLO = Hello(1, 7, 1.0, 2.0, 3.0, 4.0, ("shop",), 7, "flask run", "/srv", "0", "3", "3", "2", ())
LAYOUT = Layout(slots=4, definitions=16384, totals=2048, ring=4096)


def frame(seq: int, size: int = 100) -> Frame:
    totals = Totals(seq, (), (), False) if size else None
    return Frame(seq, float(seq), float(seq), seq, 1, (), (), 0, None, totals)


def journal(path: Path, frames: int) -> bytes:
    """The content of a file in which everything is used, and the ring has wrapped when there are many frames."""
    made = Journal(path, LAYOUT)
    made.write_hello(HELLO)
    made.alive(1000.0, 50.0)
    made.define(encode(Definitions((RouteDef(0, "shop", "GET", "/", "index"),), ())))
    for seq in range(frames):
        made.append(encode(frame(seq)), float(seq), float(seq))
    made.write_totals(Totals(frames, (), (), True))
    record = (49_000_000_000, b"GET", b"shop", b"/slow/1", b"/slow/<n>")
    SLOT.pack_into(made.memory, made.slots_at[0], SLOT_BUSY, *record)
    SLOT.pack_into(made.memory, made.slots_at[1], SLOT_KILLED, *record)
    return path.read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return Content(journal(tmp_path_factory.mktemp("journal") / "x.journal", 500))


class Content(bytes):
    """Bytes that a failing example does not print."""

    def __repr__(self) -> str:
        return "<a journal>"


def test_everything_is_found_again(whole: bytes) -> None:
    box = parse(whole)

    assert (box.hello, box.at) == (HELLO, 1000.0)
    assert box.definitions[0].routes[0].route == "/"
    assert box.totals == Totals(500, (), (), True)
    assert [one.seq for one in box.frames] == list(range(box.frames[0].seq, 500))
    assert len(box.frames) > 50


def test_requests_in_flight_and_killed_are_found_with_their_age(whole: bytes) -> None:
    first, second = parse(whole).in_flight

    assert (first.app, first.method, first.route, first.path, first.age_ms) == (
        "shop", "GET", "/slow/<n>", "/slow/1", 1000.0,
    )  # fmt: skip
    assert second == first


def test_who_wrote_it_is_in_the_header(whole: bytes) -> None:
    assert peek(whole[:HEADER_BYTES]) == (HELLO, 1000.0)


def well_formed(data: bytes) -> None:
    """Parse; a refusal is as good as an answer, anything else is not."""
    try:
        box = parse(data)
    except ProtocolError:
        return
    assert all(one.age_ms >= 0 for one in box.in_flight)


@given(st.integers(0, LAYOUT.size))
def test_a_truncated_file_is_refused(whole: bytes, end: int) -> None:
    if end < LAYOUT.size:
        with pytest.raises(ProtocolError):
            parse(whole[:end])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, LAYOUT.size - 1), st.integers(1, 4096))
def test_zeroes_anywhere_do_no_harm(whole: bytes, at: int, size: int) -> None:
    size = min(size, LAYOUT.size - at)
    well_formed(whole[:at] + bytes(size) + whole[at + size :])


@settings(max_examples=300)
@given(st.integers(0, 400), st.binary(min_size=1, max_size=64))
def test_a_planted_header_does_no_harm(whole: bytes, at: int, data: bytes) -> None:
    well_formed(whole[:at] + data + whole[at + len(data) :])


@settings(max_examples=200)
@given(st.integers(0, LAYOUT.size - 1), st.binary(min_size=1, max_size=64))
def test_garbage_anywhere_does_no_harm(whole: bytes, at: int, data: bytes) -> None:
    well_formed((whole[:at] + data + whole[at + len(data) :])[: LAYOUT.size])


def test_a_ring_of_no_bytes_holds_nothing(whole: bytes) -> None:
    sizes = (LAYOUT.slots, LAYOUT.definitions, LAYOUT.totals, 0, 200)
    data = bytearray(whole)
    blackbox.PREAMBLE.pack_into(data, 0, blackbox.MAGIC, blackbox.LAYOUT_VERSION, *sizes)
    struct.pack_into("<QQ", data, 64, 5, 5)

    assert parse(bytes(data)).frames == ()


def test_clocks_that_are_no_numbers_are_none(whole: bytes) -> None:
    data = bytearray(whole)
    blackbox.CLOCKS[0].pack_into(data, blackbox.CLOCKS[1], float("nan"), float("inf"))
    box = parse(bytes(data))

    assert box.at == 0.0
    assert [one.age_ms for one in box.in_flight] == [0.0, 0.0]


@pytest.mark.parametrize("data", [b"", b"x" * 10, b"x" * 8192, bytes(8192)])
def test_another_file_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse(data)


def test_every_moment_of_writing_a_frame_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill can come between any two writes: each state of the file on the way parses, newest frames first to last."""
    made = Journal(tmp_path / "x.journal", Layout(1, 256, 256, 512))
    made.write_hello(HELLO)
    states: list[bytes] = []
    watched = Watched(made.memory, lambda: states.append(made.memory[:]))
    made.memory = watched  # type: ignore[assignment]
    for seq in range(60):
        made.append(encode(frame(seq)), 0.0, 0.0)
    newest = -1
    for state in states:
        numbers = [one.seq for one in parse(state).frames]
        assert numbers == list(range(numbers[0], numbers[-1] + 1)) if numbers else newest < 60
        newest = max([newest, *numbers])

    assert newest == 59


class Watched:
    """Memory that tells of each write."""

    def __init__(self, memory: Any, wrote: Any) -> None:
        self._memory = memory
        self._wrote = wrote

    def __getitem__(self, where: slice) -> bytes:
        found: bytes = self._memory[where]
        return found

    def __setitem__(self, where: slice, data: bytes) -> None:
        self._memory[where] = data
        self._wrote()
