"""Semantic colours: one meaning each, resolved from the active theme, readable on its background.

The parts of time keep their hues in every theme (blue SQL, cyan fetch, violet commit, pink connect, green CPU, orange
waiting), so that a person who changes theme need not learn again; a theme may set its own through the variables
``flasktop-sql``, ``flasktop-fetch`` and so on. Without colour (``NO_COLOR``) every style is made of bold, dim,
underline and reverse.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from rich.style import Style
from textual.color import Color

from flasktop.protocol.records import CONNECT, POOL_WAIT, STATEMENT

if TYPE_CHECKING:
    from textual.app import App
    from textual.theme import Theme

_DARK: Final = {
    "sql": "#5f9df7",
    "fetch": "#3cc8d8",
    "other": "#b58ee8",
    "connect": "#e884b8",
    "cpu": "#82c45f",
    "wait": "#e6a454",
    "unknown": "#6b7285",
}
_LIGHT: Final = {
    "sql": "#1d5fd6",
    "fetch": "#087e8b",
    "other": "#7d3fc4",
    "connect": "#b02a77",
    "cpu": "#2e7d1f",
    "wait": "#ad5a00",
    "unknown": "#7a8090",
}
_ANSI: Final = {
    "sql": "blue",
    "fetch": "cyan",
    "other": "magenta",
    "connect": "bright_magenta",
    "cpu": "green",
    "wait": "yellow",
    "unknown": "bright_black",
    "good": "green",
    "warn": "yellow",
    "bad": "red",
    "accent": "blue",
}
_READABLE: Final = 3.4
"""The least contrast (WCAG 2 ratio) of a colour with the background; 3 is its floor for large text and graphics."""


_UNDERLINED: Final = Style(bold=True, underline=True)
"""A cursor without a background: reversing would turn bars into gaps."""


@dataclass(frozen=True, slots=True)
class Palette:
    """The styles of every meaning on the screen. ``color`` False: shapes must tell what colours would. ``cursor`` is
    laid over a selected line; the others stand in it."""

    color: bool
    text: Style
    strong: Style
    dim: Style
    faint: Style
    accent: Style
    good: Style
    warn: Style
    bad: Style
    sql: Style
    fetch: Style
    other: Style
    connect: Style
    cpu: Style
    wait: Style
    unknown: Style
    marked: Style
    cursor: Style

    def of_kind(self, kind: str) -> Style:
        """The style of a database span by its kind: the one that its time has in every bar."""
        return self.sql if kind == STATEMENT else self.connect if kind in (CONNECT, POOL_WAIT) else self.other

    def threshold(self, value: float | None, warn: float, bad: float) -> Style:
        """The style of a value that is worse the greater it is; what is not known is dim."""
        if value is None:
            return self.dim
        return self.bad if value >= bad else self.warn if value >= warn else self.text


NO_COLOR_PALETTE: Final = Palette(
    color=False,
    text=Style(),
    strong=Style(bold=True),
    dim=Style(dim=True),
    faint=Style(dim=True),
    accent=Style(bold=True),
    good=Style(),
    warn=Style(bold=True),
    bad=Style(bold=True, underline=True),
    sql=Style(bold=True),
    fetch=Style(),
    other=Style(dim=True),
    connect=Style(),
    cpu=Style(),
    wait=Style(dim=True),
    unknown=Style(dim=True),
    marked=Style(bold=True),
    cursor=_UNDERLINED,
)


def palette_of(app: App[Any]) -> Palette:
    """The palette of an app's active theme, or the one without colour where the app honours ``NO_COLOR``."""
    if app.no_color:
        return NO_COLOR_PALETTE
    theme = app.current_theme
    known = _known.get(theme.name)
    if known is None or known[0] is not theme:
        known = _known[theme.name] = (theme, palette_for(theme))
    return known[1]


_known: Final[dict[str, tuple[Theme, Palette]]] = {}
"""Palettes by their themes' names: every line that is drawn asks for one, and a theme takes a millisecond."""


def is_ansi(theme: Theme) -> bool:
    """Whether a theme uses the terminal's own sixteen colours. (Textual before 8.2.5 has none of these.)"""
    return bool(getattr(theme, "ansi", False))


def palette_for(theme: Theme) -> Palette:
    """The palette of a theme."""
    if is_ansi(theme):
        return _ansi_palette()
    shades = theme.to_color_system().generate()
    own = tuple((name, theme.variables[f"flasktop-{name}"]) for name in _DARK if f"flasktop-{name}" in theme.variables)
    own += tuple(("cursor", theme.variables[name]) for name in (_CURSOR,) if name in theme.variables)
    return _resolved(theme.dark, theme.primary, *(shades[name] for name in _THEMED), own)


_CURSOR: Final = "block-cursor-blurred-background"
_THEMED: Final = ("foreground", "background", "success", "warning", "error")


@lru_cache(maxsize=64)
def _resolved(
    dark: bool,
    primary: str,
    foreground: str,
    background: str,
    success: str,
    warning: str,
    error: str,
    own: tuple[tuple[str, str], ...],
) -> Palette:
    ground = Color.parse(background)
    ink = Color.parse(foreground)
    if ink.a < 1:
        ink = ground.blend(ink.with_alpha(1), ink.a)

    def shown(color: str) -> Style:
        return _style(_readable(Color.parse(color), ground, ink))

    parts = {**(_DARK if dark else _LIGHT), **dict(own)}
    cursor = parts.pop("cursor", "")
    under = Color.parse(cursor) if cursor else Color.parse(primary).with_alpha(0.24)
    return Palette(
        color=True,
        text=_style(ink),
        strong=_style(ink) + Style(bold=True),
        dim=_style(ground.blend(ink, 0.62)),
        faint=_style(ground.blend(ink, 0.28)),
        accent=shown(primary) + Style(bold=True),
        good=shown(success),
        warn=shown(warning),
        bad=shown(error),
        marked=_style(ink) + Style(bold=True),
        cursor=Style(bgcolor=ground.blend(under.with_alpha(1), under.a).rich_color),
        **{name: shown(color) for name, color in parts.items()},
    )


def _ansi_palette() -> Palette:
    parts = {name: Style(color=color) for name, color in _ANSI.items()}
    accent = parts.pop("accent") + Style(bold=True)
    bold = Style(bold=True)
    return Palette(
        color=True,
        text=Style(),
        strong=bold,
        dim=Style(dim=True),
        faint=Style(color="bright_black"),
        marked=bold,
        cursor=_UNDERLINED,
        accent=accent,
        **parts,
    )


def _style(color: Color) -> Style:
    return Style(color=color.rich_color)


def _readable(color: Color, ground: Color, ink: Color) -> Color:
    """``color`` moved towards the text's colour until it can be read on ``ground``."""
    for step in range(10):
        mixed = color.blend(ink, step / 10)
        if _contrast(mixed, ground) >= _READABLE:
            return mixed
    return ink


def _contrast(one: Color, two: Color) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(two)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: Color) -> float:
    """Relative luminance; source: WCAG 2.2, "relative luminance"."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color.normalized]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
