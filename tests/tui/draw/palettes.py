"""Palettes for tests."""

from flasktop.tui.draw.palette import NO_COLOR_PALETTE, palette_for
from flasktop.tui.themes import DARK, LIGHT

PALETTE = palette_for(DARK)
PALETTES = (PALETTE, palette_for(LIGHT), NO_COLOR_PALETTE)
HOSTILE = "a[/b]\x1b[31mred\x1b[0m\x9b2J\u202egnirts\u2066 [bold]x[/] \x07 日本語 e\u0301"
