"""Hooks the libraries that the app has imported; imports none of them for itself."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from flasktop.agent.guard import guard


def install_sql(roots: Iterable[str]) -> None:
    """Hook SQLAlchemy where the app has imported it; ``roots`` are folders of the user's code."""
    if "sqlalchemy" not in sys.modules or guard.off("hooking SQLAlchemy"):
        return
    try:
        from flasktop.agent import sql

        if sql.install():
            from flasktop.agent.sql import callsite

            for root in roots:
                callsite.add_root(root)
    except Exception as error:  # noqa: BLE001 - a SQLAlchemy that we do not know must not break the app
        guard.report("hooking SQLAlchemy", error)
