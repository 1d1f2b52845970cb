"""Work for a Textual worker that begins when the worker does."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any


def deferred(work: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> Callable[[], Any]:
    """``work(*arguments)``, not called yet: where another worker takes its place first, no coroutine is left behind
    that nobody awaits."""
    return partial(work, *arguments)
