"""Untrusted text, neutralised once, where it enters the reader."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

_CONTROL = {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421}
_KEPT = {0x0A, 0x09}
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@lru_cache(maxsize=8192)
def neutral(text: str, *, multiline: bool = False) -> str:
    """Return ``text`` with nothing in it that could move a cursor, colour a screen or reorder what is shown.

    C0 controls become their visible pictures (ESC becomes ``␛``), every other control, format (bidirectional
    overrides among them), surrogate, private or unassigned character becomes ``�``. ``multiline`` keeps newlines
    and tabs, which statements need.

    Source: Unicode general categories; the terminal attacks are CVE-2021-25743 and CVE-2025-58160.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_neutral_character(character, multiline) for character in text)


def _neutral_character(character: str, multiline: bool) -> str:
    code = ord(character)
    if multiline and code in _KEPT:
        return character
    if code in _CONTROL:
        return chr(_CONTROL[code])
    return "�" if unicodedata.category(character) in _HIDDEN else character
