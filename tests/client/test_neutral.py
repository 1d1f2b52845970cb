"""Neutralising messages: everything that is text, and nothing rebuilt in vain."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from flasktop.client.neutral import died_requests, neutral_message
from flasktop.protocol.blackbox import SlotRecord
from flasktop.protocol.messages import Bye, Definitions, Frame, Refusal
from flasktop.protocol.records import (
    Folded,
    HeldConnection,
    InFlight,
    OutsideSpan,
    Pool,
    RouteDef,
    Sample,
    Span,
    StatementDef,
    Trace,
)
from tests.client.fakes import frame, hello, trace

EVIL = "a\x1b[2J\u202e\n\x9d"


def sample(text: str) -> Sample:
    running = (InFlight(text, 0, text, 1),)
    plain = Sample(1, 1, 1, 1.0, 1, 1, 1, 1, 1, 1.0, 1, 1, 1.0, 1, 0, (text,), running, (Pool(text, 1, 1, 1, 1),))
    return msgspec.structs.replace(plain, held=(HeldConnection(text, 0, 1, text, 1, text),))


def full_frame(text: str) -> Frame:
    span = Span(0, 0, 1, 1, 1, 0, text)
    folded = (Folded(0, 1, 0, 1, 1, 1),)
    full = Trace(0, 0, 0, 1, 1, 1, 1, 1, 200, 1, text, error=text, spans=(span,), folded=folded)
    return Frame(0, 0.0, 0.0, 0, 1, (full,), (OutsideSpan(span, 1),), 0, sample(text), None)


def texts(value: Any) -> list[str]:
    """Every string in a message, however deep."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, (list, tuple)):
        return [text for each in value for text in texts(each)]
    return []


@pytest.mark.parametrize(
    "message",
    [
        hello(1, apps=(EVIL,), server=EVIL, directory=EVIL, flasktop=EVIL, python=EVIL, flask=EVIL, grants=(EVIL,)),
        Definitions((RouteDef(0, EVIL, EVIL, EVIL, EVIL),), ()),
        full_frame(EVIL),
        Refusal(EVIL, EVIL),
        Bye(EVIL),
    ],
    ids=lambda message: type(message).__name__,
)
def test_no_string_stays_dangerous(message: Any) -> None:
    """Whatever field it is in, what a terminal would obey becomes a picture of itself."""
    clean = texts(msgspec.to_builtins(neutral_message(message)))

    assert "a␛[2J�␊�" in clean
    assert all(text.isprintable() for text in clean)


def test_only_a_statements_text_keeps_its_lines() -> None:
    """Statements are shown on several lines; their other fields are not."""
    definitions = Definitions((), (StatementDef(0, EVIL, EVIL, EVIL, "a\n\tb\x1b", EVIL, 1, EVIL, EVIL),))

    clean = neutral_message(definitions)

    assert isinstance(clean, Definitions)
    assert clean.statements[0].text == "a\n\tb␛"
    assert all(text.isprintable() for text in texts(msgspec.to_builtins(clean)) if "\n" not in text)


@pytest.mark.parametrize("message", [frame(0, trace(0), trace(1)), full_frame("harmless")])
def test_a_harmless_frame_is_not_rebuilt(message: Frame) -> None:
    """The same object comes back: nothing is copied at 10,000 requests a second."""
    assert neutral_message(message) is message


def test_harmless_definitions_are_not_rebuilt() -> None:
    """Thirty-two workers define the same thousands of statements at once; statements have several lines."""
    statement = StatementDef(0, "statement", "sqlite://", "sqlite", "SELECT 1\n\tFROM a", "/srv/a.py", 7, "f", "A.b")
    message = Definitions((RouteDef(0, "shop", "GET", "/", "index"),), (statement,))

    assert neutral_message(message) is message


def test_one_dangerous_trace_leaves_the_others() -> None:
    """Only what must change is rebuilt."""
    message = frame(0, trace(0), trace(1, "/\x1b"))

    clean = neutral_message(message)

    assert isinstance(clean, Frame)
    assert clean.traces[0] is message.traces[0]
    assert clean.traces[1].path == "/␛"


def test_requests_of_a_dead_worker_are_neutral() -> None:
    """The slots of a journal hold text of the app, too."""
    (died,) = died_requests(7, (SlotRecord(EVIL, EVIL, EVIL, EVIL, 1.0),))

    assert all(text.isprintable() for text in (died.app, died.method, died.route, died.path))
