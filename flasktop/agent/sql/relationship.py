"""The relationship behind a lazy load, by SQLAlchemy's private names: where they are missing, nothing is said."""

from __future__ import annotations

from typing import Any


def of(context: Any) -> object:
    """SQLAlchemy's property object behind the lazy load that an execution context runs, else None."""
    path = getattr(getattr(context.compiled, "compile_state", None), "current_path", None)
    last = path[-1] if path else None
    return last if getattr(last, "direction", None) is not None else None


def name(prop: Any) -> str:
    """The relationship as the user wrote it: ``Order.items``; empty where it cannot be told."""
    owner = getattr(getattr(prop, "parent", None), "class_", None)
    key = getattr(prop, "key", None)
    return f"{owner.__name__}.{key}" if owner is not None and key else ""
