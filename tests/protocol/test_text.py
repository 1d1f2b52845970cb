"""No text of the app's can move a cursor, colour a screen or reorder what is shown."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flasktop.protocol.text import neutral

ANY = st.text(st.characters(exclude_categories=[]))


@given(ANY)
def test_nothing_that_acts_is_left(text: str) -> None:
    acting = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

    assert not [character for character in neutral(text) if unicodedata.category(character) in acting]


@given(ANY)
def test_length_and_what_is_harmless_stay(text: str) -> None:
    shown = neutral(text)

    assert len(shown) == len(text)
    assert neutral(shown) == shown


@pytest.mark.parametrize("text", ["/items/1?x=…", "größe", "日本", "[/b]", "SELECT 1"])
def test_plain_text_is_itself(text: str) -> None:
    assert neutral(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [("\x1b[2J", "␛[2J"), ("a\nb", "a␊b"), ("\x7f", "␡"), ("\x9b31m", "�31m"), ("\u202eabc", "�abc"), ("\ud800", "�")],
)
def test_what_acts_is_shown(text: str, shown: str) -> None:
    assert neutral(text) == shown


def test_statements_keep_their_lines() -> None:
    assert neutral("SELECT\n\t1\r", multiline=True) == "SELECT\n\t1␍"
