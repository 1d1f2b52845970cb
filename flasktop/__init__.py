"""top for Flask: watch the requests, statements and processes of a running app, live, in a terminal.

``FlaskTop(app)`` switches it on inside the app; ``flasktop attach`` looks at it from a terminal.
Names are loaded on first use (PEP 562): importing the package costs the host app nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flasktop._version import __version__

if TYPE_CHECKING:
    from flasktop.agent.extension import FlaskTop as FlaskTop
    from flasktop.agent.middleware import Middleware as Middleware
    from flasktop.errors import FlasktopError as FlasktopError

__all__ = ["FlaskTop", "FlasktopError", "Middleware", "__version__"]

_HOMES = {
    "FlaskTop": "flasktop.agent.extension",
    "FlasktopError": "flasktop.errors",
    "Middleware": "flasktop.agent.middleware",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'flasktop' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home), name)
