"""What things of the app's heap are called. Runs none of the app's code: no ``repr``, no property, no metaclass."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any, Final

from flasktop.protocol.records import UNKNOWN

NAME_LENGTH: Final = 200
"""Names are cut there; the app may have made them up."""
DETAIL_LENGTH: Final = 160
"""Representations of values are cut there."""
DETAIL_ITEMS: Final = 4
DETAIL_DEPTH: Final = 2
BIG_BITS: Final = 512
"""Integers beyond are not written out: that takes quadratic time, and Python refuses it for very long ones."""

_SIZED: Final[tuple[type, ...]] = (
    dict, list, tuple, set, frozenset, str, bytes, bytearray, deque, OrderedDict,
)  # fmt: skip


def cut(text: str, length: int = NAME_LENGTH) -> str:
    """``text``, at most ``length`` characters of it."""
    return text if len(text) <= length else text[: length - 1] + "…"


def type_name(kind: type) -> str:
    """``shop.views.Quote``, ``str``; also where a metaclass says otherwise."""
    name = _attribute(kind, "__qualname__") or _attribute(kind, "__name__") or "?"
    module = _attribute(kind, "__module__")
    return cut(name if module in ("", "builtins") else f"{module}.{name}")


def type_module(kind: type) -> str:
    """The module of a class, ``builtins`` for Python's own."""
    return cut(_attribute(kind, "__module__") or "builtins")


def _attribute(kind: type, name: str) -> str:
    try:
        value = type.__getattribute__(kind, name)
    except AttributeError:
        return ""
    return value if type(value) is str else ""


def length_of(value: object) -> int:
    """The ``len`` of a container or text of Python's own kinds, subclasses too; UNKNOWN for anything else."""
    for kind in _SIZED:
        if isinstance_of(value, kind):
            length: int = kind.__len__(value)  # type: ignore[attr-defined]
            return length
    return UNKNOWN


def isinstance_of(value: object, kind: type) -> bool:
    """``isinstance`` that does not ask ``__class__``, which proxies make up."""
    return kind in type.__dict__["__mro__"].__get__(type(value))


def attribute_name(key: object) -> str:
    """A key of a ``__dict__`` as a name; empty where it is none (and may be data)."""
    return key if type(key) is str and key.isidentifier() and len(key) <= NAME_LENGTH else ""


def detail(value: object, depth: int = 0) -> str:
    """A short representation of a value of Python's own kinds, its type in brackets for everything else."""
    kind = type(value)
    if kind in (str, bytes):
        text: Any = value
        return cut(repr(text[:DETAIL_LENGTH]) + ("…" if len(text) > DETAIL_LENGTH else ""), DETAIL_LENGTH)
    if kind is int:
        number: Any = value
        return repr(number) if number.bit_length() <= BIG_BITS else f"<int of {number.bit_length():,} bits>"
    if kind in (float, complex, bool, type(None)):
        return repr(value)
    if kind in (list, tuple, set, frozenset, dict):
        return cut(_container(value, depth), DETAIL_LENGTH)
    return f"<{type_name(kind)}>"


def _container(value: Any, depth: int) -> str:
    if depth >= DETAIL_DEPTH:
        return f"<{type(value).__name__} of {len(value):,}>"
    some = [entry for entry, _ in zip(value, range(DETAIL_ITEMS), strict=False)]
    if type(value) is dict:
        parts = [f"{detail(key, depth + 1)}: {detail(value[key], depth + 1)}" for key in some if _plain(key)]
    else:
        parts = [detail(entry, depth + 1) for entry in some]
    if len(value) > len(parts):
        parts.append("…")
    opening, closing = "[]" if type(value) is list else "()" if type(value) is tuple else "{}"
    return f"{opening}{', '.join(parts)}{closing}"


def _plain(key: object) -> bool:
    """Whether looking ``key`` up runs no code of the app's."""
    return type(key) in (str, bytes, int, float, bool, type(None))
