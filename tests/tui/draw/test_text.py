from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from flasktop.tui.draw.text import cut, fit, fit_left, left, pad, right, spread

wide = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)


@given(wide, st.integers(0, 40))
def test_fitted_text_is_never_wider(text: str, width: int) -> None:
    """Double-width letters and accents included."""
    assert cell_len(fit(text, width)) <= width
    assert cell_len(fit_left(text, width)) <= width
    assert cut(Text(text), width).cell_len <= width


@given(wide, st.integers(1, 40))
def test_aligned_text_is_exactly_as_wide(text: str, width: int) -> None:
    """It stands in columns."""
    assert cell_len(left(text, width)) == cell_len(right(text, width)) == pad(Text(text), width).cell_len == width


def test_text_that_fits_is_left_alone() -> None:
    """No ellipsis where nothing is missing."""
    assert fit("日本", 4) == fit_left("日本", 4) == "日本"
    assert fit("日本", 3) == "日…"


def test_cutting_takes_no_longer_for_longer_text() -> None:
    """A megabyte of path is cut as fast as a line of it."""
    started = time.process_time()
    for _ in range(100):
        fit("é" * 1_000_000, 80)
        fit_left("é" * 1_000_000, 80)

    assert time.process_time() - started < 1


def test_the_end_gives_way_to_the_start() -> None:
    """Where both do not fit on a line."""
    assert spread(Text("start"), Text("end"), 12).plain == "start    end"
    assert spread(Text("start"), Text("end"), 8).plain == "start"
