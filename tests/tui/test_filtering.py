"""What / takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flasktop.tui.filtering import NO_FILTER, parse


def test_plain_text_is_found_anywhere_whatever_its_case() -> None:
    """A route's own slashes and angle brackets are text."""
    assert parse("/Product/<int").passes("GET /product/<int:id>")
    assert not parse("a.c").passes("abc")


def test_an_upper_case_letter_in_an_expression_counts() -> None:
    """As in other tools: lower case finds both, upper case only itself."""
    assert parse("re:get").passes("GET /")
    assert not parse("re:Get").passes("GET /")
    assert parse(r"re:\Sx").passes("AX")


@pytest.mark.parametrize("typed", ["", " ", "!", "re:", "//", "!re:"])
def test_nothing_filters_nothing(typed: str) -> None:
    """While it is being typed a filter may be empty."""
    assert not parse(typed)
    assert parse(typed).passes("anything")


def test_no_filter_passes_everything() -> None:
    """Where nothing was typed."""
    assert NO_FILTER.passes("")


@given(st.text(max_size=30), st.text(max_size=30))
def test_what_is_typed_never_raises(typed: str, text: str) -> None:
    """Any text is a filter or says what is wrong with it."""
    made = parse(typed)

    assert isinstance(made.passes(text), bool)
    assert bool(made.error) <= made.passes(text)
