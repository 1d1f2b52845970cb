from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from flasktop.stats.split import Phases, TimeSplit
from flasktop.stats.views import Bar
from flasktop.tui.draw.distribution import distribution
from flasktop.tui.draw.palette import NO_COLOR_PALETTE, Palette
from flasktop.tui.draw.spark import spark
from flasktop.tui.draw.split import PARTS, exact, legend, phase_figures, ruler, shares, split_bar
from flasktop.tui.draw.text import joined
from flasktop.tui.draw.waterfall import Segment, axis, lane
from tests.tui.draw.palettes import PALETTE, PALETTES

times = st.floats(0, 1e7, allow_subnormal=False)
splits = st.builds(TimeSplit, times, times, times, times, times, times, times)


@given(splits, st.integers(0, 250), st.sampled_from(PALETTES), st.none() | st.floats(0.1, 1e7))
def test_a_split_bar_is_exactly_as_wide_as_asked(split, width, palette, scale) -> None:  # type: ignore[no-untyped-def]
    """Bars stand in columns: not a cell more or less, whatever the parts."""
    assert split_bar(split, width, palette, scale_ms=scale).cell_len == width


@given(st.lists(times, min_size=1, max_size=8), st.integers(0, 300))
def test_shares_add_up_and_none_is_off_by_a_cell(parts: list[float], cells: int) -> None:
    """Largest remainder: the sum is exact, and each part is its exact share rounded up or down."""
    made, total = shares(parts, cells), sum(parts)

    assert sum(made) == (cells if total > 0 else 0)
    assert all(abs(n - part / total * cells) < 1 for n, part in zip(made, parts, strict=True) if total > 0)


def test_without_colour_each_part_has_its_own_glyph() -> None:
    """A bar can be read where there is no colour."""
    bar = split_bar(TimeSplit(1, 1, 1, 1, 1, 1, 1), 14, NO_COLOR_PALETTE).plain

    assert set(Counter(bar).values()) == {2}
    assert len(set(bar)) == len(PARTS)


def test_the_legend_names_what_the_bar_shows_and_nothing_else() -> None:
    """Parts that took no time are left out."""
    words = joined(legend(PALETTE, TimeSplit(1800, 161, 0, 0, 99, 0, 0)), Text("  ")).plain

    assert words == "━━ SQL 1,800 ms 87 %  ══ fetch 161 ms 8 %  ── CPU 99 ms 5 %"


@given(splits, st.booleans())
def test_the_figures_of_a_legend_add_up(split: TimeSplit, brief: bool) -> None:
    """Times to the wall time as it is told, percentages to 100: what is less than a digit counts as nothing."""
    words = [entry.plain for entry in legend(PALETTE, split, brief=brief)]
    times, shares_of = zip(*(_figures(each, brief) for each in words), strict=True) if words else ((), ())

    assert sum(times) == _number(exact([split.wall])[1])
    assert brief or not words or sum(shares_of) == 100


def _figures(entry: str, brief: bool) -> tuple[Decimal, Decimal]:
    numbers = re.findall(r"(<?[0-9][0-9,.]*) (ms|s|%)", entry)
    assert len(numbers) == (1 if brief else 2)
    return _number(numbers[0][0]), _number(numbers[-1][0])


def _number(words: str) -> Decimal:
    return Decimal(0) if words.startswith("<") else Decimal(words.partition(" ")[0].replace(",", ""))


@given(st.builds(Phases, times, times, times), st.integers(-1, 250), st.sampled_from(PALETTES))
def test_a_ruler_is_exactly_as_wide_as_asked(phases: Phases, width: int, palette: Palette) -> None:
    """It stands under a bar of the same width."""
    assert ruler(phases, width, palette).cell_len == max(0, width)


def test_a_ruler_names_the_phases_that_have_room() -> None:
    """A body of a few cells stands without its name."""
    assert ruler(Phases(30, 10, 0), 40, PALETTE).plain == "└────── to first byte ───────┘└─ body ─┘"
    assert ruler(Phases(96, 4, 0), 50, PALETTE).plain == "└─────────────── to first byte ────────────────┘└┘"
    assert ruler(Phases(0, 0, 7), 30, PALETTE).plain == "└─── first byte not known ───┘"


def test_a_first_byte_that_is_not_known_is_said() -> None:
    """Nothing is guessed for a body that the server sends, or for none at all."""
    told = [fact.plain for fact in phase_figures(Phases(0, 0, 12.0), PALETTE)]

    assert told == ["first byte –"]


@given(st.lists(st.floats(0, 1e9), max_size=120), st.integers(0, 60))
def test_a_sparkline_is_exactly_as_wide_as_asked(values: list[float], width: int) -> None:
    """Fewer values leave the left empty, more are merged."""
    assert spark(values, width).cell_len == width


def test_little_never_looks_like_nothing() -> None:
    """A trend of one request beside a thousand still shows the one."""
    assert spark([0, 1, 1000], 3).plain == "▁▂█"


segments = st.lists(
    st.builds(
        Segment, st.sampled_from(["execute", "fetch", "commit", "connect"]), st.floats(0, 3000), st.floats(0, 3000)
    ),
    max_size=40,
)


@given(segments, st.floats(0, 2000), st.integers(0, 120), st.sampled_from(PALETTES))
def test_a_lane_is_exactly_as_wide_as_asked_and_shows_what_there_is(segments, total, width, palette) -> None:  # type: ignore[no-untyped-def]
    """Also spans that begin past the end, or last longer than the request."""
    made = lane(segments, total, width, palette)

    assert made.cell_len == width
    assert bool(made.plain.strip()) == bool(segments and width)


def test_a_short_span_at_the_very_end_is_seen() -> None:
    """A COMMIT of a microsecond takes a cell."""
    assert lane([Segment("commit", 1999.9, 0.001)], 2000, 40, NO_COLOR_PALETTE).plain == " " * 39 + "╍"


def test_many_short_spans_have_their_colours_in_proportion() -> None:
    """A hundred loads of 9 ms with 1 ms of fetch each are a tenth fetch, though no cell is mostly fetch."""
    spans = [Segment("execute", i * 10.0, 9.0) for i in range(100)] + [
        Segment("fetch", i * 10.0 + 9, 1.0) for i in range(100)
    ]
    drawn = Counter(lane(spans, 1000, 50, NO_COLOR_PALETTE).plain)

    assert drawn == {"━": 45, "═": 5}


@given(st.floats(0, 1e8), st.integers(0, 200))
def test_an_axis_fits(total: float, width: int) -> None:
    """Ticks that have no room are left out."""
    assert axis(total, width, PALETTE).cell_len <= max(0, width)


bars = st.lists(st.tuples(st.floats(0, 1e6), st.floats(1.01, 3), st.integers(0, 10**6)), max_size=60).map(
    lambda raw: [Bar(low, low * factor + 0.01, n) for low, factor, n in raw]
)


@given(bars, st.integers(0, 200), st.integers(0, 20), st.sampled_from(PALETTES), st.floats(0.01, 1e7))
def test_a_distribution_stays_in_its_box(bars, width, height, palette, mark) -> None:  # type: ignore[no-untyped-def]
    """No more lines than asked, none wider."""
    lines = distribution(bars, width, height, palette, {"p50": mark / 2, "p95": mark, "p99": None})

    assert len(lines) <= height
    assert all(line.cell_len <= width for line in lines)


def test_what_is_rare_still_shows_in_a_distribution() -> None:
    """One slow request among a million is what one looks for."""
    lines = distribution([Bar(1, 2, 1_000_000), Bar(1000, 1100, 1)], 60, 4, PALETTE)

    assert lines[2].plain.rstrip()[-1] == "▁"


def test_columns_past_the_95th_percentile_stand_out() -> None:
    """The tail has its own colour."""
    lines = distribution([Bar(1, 2, 100), Bar(100, 110, 3)], 40, 3, PALETTE, {"p95": 50.0})
    style = lines[1].get_style_at_offset(Console(), 39)

    assert style.color == PALETTE.warn.color


def test_a_single_call_has_no_slow_tail() -> None:
    """Its percentiles lie within its bar; none of it is slower than the rest."""
    top = distribution([Bar(80, 100, 1)], 40, 4, PALETTE, {"p95": 92.0, "p99": 92.0})[0]
    styles = {span.style for span in top.spans if top.plain[span.start : span.end].strip()}

    assert styles == {PALETTE.dim}
