from __future__ import annotations

import pytest
from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme

from flasktop.tui.draw.palette import NO_COLOR_PALETTE, Palette, _contrast, is_ansi, palette_for
from flasktop.tui.themes import OWN

THEMES = [theme for theme in (*BUILTIN_THEMES.values(), *OWN) if not is_ansi(theme)]
NAMES = ("sql", "fetch", "other", "connect", "cpu", "wait", "unknown", "good", "warn", "bad", "accent", "text")


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
@pytest.mark.parametrize("name", NAMES)
def test_every_colour_can_be_read_in_every_theme(theme: Theme, name: str) -> None:
    """Contrast with the background is more than 3 to 1, the least that WCAG asks of graphics."""
    ground = Color.parse(theme.to_color_system().generate()["background"])
    style = getattr(palette_for(theme), name)

    assert _contrast(Color.from_rich_color(style.color), ground) > 3


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_the_parts_of_time_have_different_colours(theme: Theme) -> None:
    """No two parts of a split bar look the same."""
    palette = palette_for(theme)
    parts = (palette.sql, palette.fetch, palette.other, palette.connect, palette.cpu, palette.wait)

    assert len({part.color for part in parts}) == len(parts)


def test_without_colour_no_style_has_one() -> None:
    """NO_COLOR means none at all."""
    styles = [getattr(NO_COLOR_PALETTE, name) for name in Palette.__dataclass_fields__ if name != "color"]

    assert all(style.color is None and style.bgcolor is None for style in styles)


def test_ansi_themes_use_the_terminals_own_colours() -> None:
    """The sixteen colours of the terminal, never a shade of ours."""
    color = palette_for(BUILTIN_THEMES["ansi-dark"]).sql.color

    assert color is not None and color.name == "blue"


def test_a_theme_can_bring_its_own_colour_for_a_part() -> None:
    """By the variable ``flasktop-sql``."""
    theme = Theme(
        name="own", primary="#8080ff", background="#000000", foreground="#ffffff", variables={"flasktop-sql": "#ffff00"}
    )
    color = palette_for(theme).sql.color

    assert color is not None and color.name == "#ffff00"


def test_a_threshold_says_how_bad() -> None:
    """Below the first plain, from the second bad, unknown dim."""
    palette = palette_for(OWN[0])

    assert [palette.threshold(v, 10, 20) for v in (9.9, 10, 20, None)] == [
        palette.text,
        palette.warn,
        palette.bad,
        palette.dim,
    ]
