"""Bytes in, messages out, whatever the pieces; what is no message is refused before anything is allocated."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flasktop.errors import ProtocolError
from flasktop.protocol.codec import MAX_TO_READER, MAX_TO_WORKER, decoder_for_reader, decoder_for_worker, encode
from flasktop.protocol.messages import Bye, Caught, Definitions, Refusal, Subscribe
from flasktop.protocol.records import RouteDef
from flasktop.protocol.talk import ToReader

MESSAGES: list[ToReader] = [
    Bye("the end"),
    Caught(7, 1.5),
    Refusal("no", "ask again"),
    Definitions((RouteDef(0, "shop", "GET", "/größe", "size"),), ()),
]


@given(st.lists(st.sampled_from(MESSAGES)), st.lists(st.integers(0, 200)))
def test_messages_survive_any_cutting(messages: list[ToReader], cuts: list[int]) -> None:
    data = b"".join(map(encode, messages))
    decoder, seen, at = decoder_for_reader(), [], 0
    for cut in [*cuts, len(data)]:
        seen += decoder.feed(data[at : at + cut])
        at = min(at + cut, len(data))
    seen += decoder.feed(data[at:])

    assert seen == messages
    assert decoder.pending == 0


@given(st.binary(max_size=3000))
def test_garbage_is_refused_or_waited_for(data: bytes) -> None:
    decoder = decoder_for_worker()
    try:
        for message in decoder.feed(data):
            assert isinstance(message, Subscribe)
    except ProtocolError:
        return
    assert decoder.pending <= MAX_TO_WORKER + 4


@pytest.mark.parametrize("length", [MAX_TO_WORKER + 1, 0xFFFFFFFF])
def test_a_length_beyond_the_limit_is_refused_at_once(length: int) -> None:
    with pytest.raises(ProtocolError, match=f"{length:,} bytes"):
        decoder_for_worker().feed(length.to_bytes(4, "big"))


def test_an_empty_message_is_refused() -> None:
    with pytest.raises(ProtocolError, match="not a flasktop message"):
        decoder_for_worker().feed(bytes(4))


@pytest.mark.parametrize("body", [b"\x91" * 1000, b"\x93\xa9subscribe\x01\xc3" + b"\x91" * 900])
def test_deep_nesting_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        decoder_for_worker().feed(len(body).to_bytes(4, "big") + body)


@pytest.mark.parametrize("body", [b"\xdd\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xffx", b"\xdf\xff\xff\xff\xff"])
def test_announced_sizes_allocate_nothing(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        decoder_for_reader().feed(len(body).to_bytes(4, "big") + body)


@pytest.mark.parametrize("message", [Bye("x"), Caught(1, 2.0)])
def test_a_worker_takes_nothing_but_subscribe(message: ToReader) -> None:
    with pytest.raises(ProtocolError):
        decoder_for_worker().feed(encode(message))


def test_fields_that_a_later_version_appends_are_passed_over() -> None:
    body = msgspec.msgpack.encode(["subscribe", 10.0, True, "later"])

    assert decoder_for_worker().feed(len(body).to_bytes(4, "big") + body) == [Subscribe(10.0, True)]


def test_a_reader_takes_long_messages() -> None:
    assert MAX_TO_READER > 1 << 20
    message = Bye("x" * (1 << 20))

    assert decoder_for_reader().feed(encode(message)) == [message]


def test_text_that_is_no_utf_8_is_refused() -> None:
    body = b"\x92\xa3bye\xa1\x80"

    with pytest.raises(ProtocolError, match="not a flasktop message"):
        decoder_for_reader().feed(len(body).to_bytes(4, "big") + body)
