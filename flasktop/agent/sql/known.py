"""What is remembered of a compiled statement: what is told of each of its runs, and where the user's line was.

It is kept on SQLAlchemy's compiled object, and goes with it. Nothing here needs SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Sized
from types import CodeType
from typing import Any, Final

import msgspec

from flasktop.agent.engine import Engine, SpanIdentity

NOWHERE: Final = 0
"""In place of ``Known.at``: that is the hook itself, which is never what a library's function was."""


class Known(msgspec.Struct, frozen=True, eq=False):
    """One statement as it ran last.

    ``text``, ``engine``, ``code`` and ``instruction`` are those of its ``identity``, at hand.
    ``inner`` is the library's function that the user's line called, ``at`` frames above the hook (NOWHERE: there was
    none). ``dispatch`` tells who listens to the events of ``dialect``: ``listeners``, those of its own, if there were
    any, and those of all, which are ``shared``. ``roots`` are what counted as the user's code.
    """

    identity: SpanIdentity
    text: str
    engine: Engine
    code: CodeType | None
    instruction: int
    at: int = NOWHERE
    inner: CodeType | None = None
    dialect: Any = None
    dispatch: Any = None
    listeners: Any = None
    shared: Sized = ()
    roots: tuple[str, ...] | None = None


def keep(compiled: Any, known: Known) -> None:
    """Remember it; a compiled object that takes no attribute is looked at anew each time."""
    try:
        compiled._flasktop_known = known
    except AttributeError:
        return
