"""The SQLAlchemy side of the agent: every statement, commit, connect and pool wait of the process.

Importing this package imports nothing of SQLAlchemy; ``install`` hooks it where the app has imported it.
"""

from __future__ import annotations

import sys

__all__ = ["install"]

_NEEDED = ("sqlalchemy", "sqlalchemy.engine", "sqlalchemy.pool")


def install() -> bool:
    """Hook every engine of the process, those made before and those to come; True when hooked.

    Does nothing (and returns False) while the app has not imported SQLAlchemy, or is still importing it: call
    again later. Calling it twice does nothing.
    """
    if not all(_imported(name) for name in _NEEDED):
        return False
    from flasktop.agent.sql import hooks

    hooks.install()
    return True


def _imported(name: str) -> bool:
    module = sys.modules.get(name)
    return module is not None and not getattr(module.__spec__, "_initializing", False)
