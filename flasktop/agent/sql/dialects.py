"""What is set on an engine's dialect when the engine is first seen: its name, and timed statements and transactions.

An engine is seen when it gives out a connection. One that gave out its connections before we came is seen when a
statement runs: the classes of dialects that are loaded by then look for such.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from sqlalchemy.engine.default import DefaultDialect

from flasktop.agent.sql import engines, fetch, recording, transactions
from flasktop.agent.sql.statements import RECORDED
from flasktop.agent.trace import Engine, sink

_ENGINE: Final = "_flasktop_engine"
_classes: Final[dict[tuple[type, str], Callable[..., Any]]] = {}
"""What classes of dialects had under a name before it was replaced."""


def adopt(engine: Any) -> Engine:
    """The Engine of a SQLAlchemy engine; the first time, what its dialect runs begins to be recorded."""
    dialect = engine.dialect
    known = dialect.__dict__.get(_ENGINE)
    if known is not None:
        return known  # type: ignore[no-any-return]
    info = engines.of(engine)
    token = object()
    if dialect.__dict__.setdefault("_flasktop_adopted", token) is not token:
        return info  # another thread is at it
    transactions.watch(dialect, info)
    dialect.execution_ctx_cls = fetch.roomy(dialect.execution_ctx_cls)
    for name, recorded in RECORDED.items():
        setattr(dialect, name, recorded(info, _own(dialect, name)))
    dialect._flasktop_engine = info
    return info


def _own(dialect: Any, name: str) -> Callable[..., Any]:
    """What a dialect has under ``name`` without us."""
    for owner in type(dialect).__mro__ if name not in dialect.__dict__ else ():
        if name in vars(owner):
            own: Callable[..., Any] = _classes.get((owner, name), vars(owner)[name]).__get__(dialect)
            return own
    return getattr(dialect, name)  # type: ignore[no-any-return]


def install() -> None:
    """Have the classes of dialects find engines that were not seen."""
    for owner in _loaded(DefaultDialect):
        for name in RECORDED:
            if name in vars(owner) and (owner, name) not in _classes:
                original = _classes[owner, name] = vars(owner)[name]
                setattr(owner, name, _finding(original, name))


def uninstall() -> None:
    """Put back what the classes had."""
    for (owner, name), original in _classes.items():
        setattr(owner, name, original)
    _classes.clear()


def _loaded(owner: Any) -> Iterator[Any]:
    yield owner
    for narrower in owner.__subclasses__():
        yield from _loaded(narrower)


def _finding(original: Callable[..., Any], name: str) -> Callable[..., Any]:
    """``original``, a function of a class; a dialect that nobody has seen is adopted, and runs it again, recorded."""

    def run(self: Any, *arguments: Any, **named: Any) -> Any:
        context: Any = arguments[-1] if arguments else None
        if not sink.active or _ENGINE in self.__dict__ or not hasattr(context, "root_connection"):
            return original(self, *arguments, **named)
        try:
            adopt(context.root_connection.engine)
            found = self.__dict__.get(name)
        except Exception as fault:  # noqa: BLE001 - the edge of a hook: the statement runs as ever
            recording.statements.failed(fault)
            found = None
        if found is None:
            return original(self, *arguments, **named)
        return found(*arguments, **named)

    run.__doc__ = original.__doc__
    return run
