"""The two themes of our own, and those that ``T`` goes through."""

from __future__ import annotations

from typing import Final

from textual.theme import Theme

DARK: Final = Theme(
    name="flasktop",
    primary="#7aa2f7",
    secondary="#5f9df7",
    accent="#7aa2f7",
    foreground="#d6dae3",
    background="#0f1218",
    surface="#151922",
    panel="#191e29",
    boost="#1d2330",
    success="#7fc064",
    warning="#e6a454",
    error="#f26d6d",
    dark=True,
    variables={
        "block-cursor-blurred-background": "#24304f",
        "block-cursor-background": "#24304f",
        "block-cursor-foreground": "#ffffff",
        "input-cursor-background": "#d6dae3",
        "footer-background": "#0f1218",
    },
)

LIGHT: Final = Theme(
    name="flasktop-light",
    primary="#2f5fd0",
    secondary="#1d5fd6",
    accent="#2f5fd0",
    foreground="#22262e",
    background="#fbfbfa",
    surface="#f3f3f1",
    panel="#ececea",
    boost="#e6e6e3",
    success="#2e7d1f",
    warning="#a85400",
    error="#c02626",
    dark=False,
    variables={
        "block-cursor-blurred-background": "#d5e0fa",
        "block-cursor-background": "#d5e0fa",
        "block-cursor-foreground": "#000000",
    },
)

OWN: Final = (DARK, LIGHT)

CYCLE: Final = (
    "flasktop",
    "flasktop-light",
    "nord",
    "gruvbox",
    "dracula",
    "catppuccin-mocha",
    "solarized-light",
    "ansi-dark",
)
"""What ``T`` goes through; the palette offers all themes. ``ansi-dark`` uses the terminal's own sixteen colours."""
