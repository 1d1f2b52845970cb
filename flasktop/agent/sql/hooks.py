"""Every SQLAlchemy hook is set, and taken off, here."""

from __future__ import annotations

from typing import Final

from sqlalchemy.engine import Engine as SqlEngine

from flasktop.agent.sql import dialects, pools
from flasktop.agent.sql.recording import PLACES

_state: Final = {"installed": False}


def install() -> None:
    """Hook the process. Idempotent."""
    if _state["installed"]:
        return
    _state["installed"] = True
    for place in PLACES:
        place.on = True
    dialects.install()
    pools.install(SqlEngine)


def uninstall() -> None:
    """Unhook the process (for tests): what was set on live dialects and pools stays and only passes calls through."""
    if not _state["installed"]:
        return
    _state["installed"] = False
    for place in PLACES:
        place.on = False
    dialects.uninstall()
    pools.uninstall(SqlEngine)
