"""How bad a finding is, as a glyph and a colour; the same everywhere."""

from __future__ import annotations

from typing import Final

from rich.style import Style
from rich.text import Text

from flasktop.findings.model import Severity
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.text import line

GLYPHS: Final = {Severity.CRITICAL: "▲", Severity.WARNING: "◆", Severity.NOTICE: "◇"}
"""Colour never stands alone."""


def severity_style(severity: Severity, palette: Palette) -> Style:
    """Red, yellow, or quiet."""
    if severity is Severity.NOTICE:
        return palette.text
    return palette.bad if severity is Severity.CRITICAL else palette.warn


def mark(severity: Severity | None, palette: Palette) -> Text:
    """One cell: the glyph, or nothing."""
    return line() if severity is None else line((GLYPHS[severity], severity_style(severity, palette)))


def marked_word(severity: Severity, palette: Palette) -> Text:
    """``▲ critical``."""
    return line((f"{GLYPHS[severity]} {severity.word}", severity_style(severity, palette)))
