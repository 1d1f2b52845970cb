"""The worker's definition tables: routes and statements by id, bounded, each told to the journal once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from flasktop.agent.config import Settings
from flasktop.agent.engine import SpanIdentity
from flasktop.agent.guard import guard
from flasktop.agent.sql.executed import ExecutedTable
from flasktop.protocol.codec import encode
from flasktop.protocol.messages import Definitions
from flasktop.protocol.records import (
    OTHER_ROUTE,
    OTHER_STATEMENT,
    STATEMENT,
    UNMATCHED_METHOD,
    UNMATCHED_ROUTE,
    RouteDef,
    StatementDef,
)

if TYPE_CHECKING:
    from flasktop.agent.finished import Finished

CACHED_KEYS: Final = 4096
CACHED_TEXT: Final = 4 * 1024 * 1024
CACHED_ONE: Final = 128 * 1024
"""Bounds of the cache from raw statement texts to ids, in entries and characters (of all, of one): literals make
endless texts."""

Define = Callable[[bytes, bool], bool]
"""Stores an encoded ``Definitions``; False when there is no room. The rows that take the rest (the second argument is
True) have room of their own."""


Row = tuple[object, int, str]
"""The token of the table, and a row's id and kind."""

RouteKey = tuple[str, str | None, str | None]
"""The app, method and rule of a route; what has no rule has no method either."""


class Routes:
    """Ids of (app, method, rule). Everything without a rule is one row of its app."""

    def __init__(self, define: Define, limit: int) -> None:
        self._define = define
        self._limit = limit
        self._ids: dict[RouteKey, int] = {}
        self._count = 0

    def id(self, trace: Finished) -> int:
        """The id of the trace's route."""
        key = key_of(trace)
        known = self._ids.get(key)
        return known if known is not None else self._new(key, trace)

    def keys(self, ids: Iterable[int]) -> frozenset[RouteKey]:
        """What those ids stand for; from any thread."""
        wanted = frozenset(ids)
        return frozenset(key for key, number in list(self._ids.items()) if number in wanted)

    def _new(self, key: RouteKey, trace: Finished) -> int:
        app = trace.app.name
        rule = trace.rule
        if rule is None:
            return self._add(key, RouteDef(self._count, app, UNMATCHED_METHOD, UNMATCHED_ROUTE, ""), last=True)
        if self._count < self._limit:
            new = self._add(key, RouteDef(self._count, app, trace.method, rule.route, rule.endpoint))
            if new >= 0:
                return new
        other = (app, "", OTHER_ROUTE)
        known = self._ids.get(other)
        if known is None:
            known = self._add(other, RouteDef(self._count, app, UNMATCHED_METHOD, OTHER_ROUTE, ""), last=True)
        if len(self._ids) < 4 * self._limit:
            self._ids[key] = known
        return known

    def _add(self, key: RouteKey, definition: RouteDef, last: bool = False) -> int:
        if not self._define(encode(Definitions((definition,), ())), last):
            return -1
        self._ids[key] = definition.id
        self._count += 1
        return definition.id


def key_of(trace: Finished) -> RouteKey:
    """The route of a request: known after routing; until then that of one without a rule."""
    rule = trace.rule
    return (trace.app.name, trace.method, rule.route) if rule is not None else (trace.app.name, None, None)


class Statements:
    """Ids of (engine, masked statement, source line, relationship).

    Three steps: what the identity of spans itself remembers, if it was this table that gave it (``token``); a cache
    from what the hot path recorded (objects, raw text) to an id, since a statement that is not known has an identity of
    its own each time; and the table of ids by content. Masking and finding the source line happen on a miss of the
    second.
    """

    def __init__(self, define: Define, settings: Settings) -> None:
        self._define = define
        self._limit = settings.max_statements
        self._text_limit = settings.max_statement_bytes
        self.token = object()
        self._known: dict[tuple[object, ...], tuple[Row, SpanIdentity]] = {}
        self._cached_text = 0
        self._ids: dict[bytes, int] = {}
        self._kinds: list[str] = []
        self._other = -1
        self.executed = ExecutedTable()

    def id(self, identity: SpanIdentity) -> int:
        """The id of a row of queries."""
        return self.described(identity)[1]

    def described(self, identity: SpanIdentity) -> Row:
        """The row, which the identity remembers from now on."""
        row = identity.row
        if row is None or row[0] is not self.token:
            row = identity.row = self._described(identity)
        return row

    def _described(self, identity: SpanIdentity) -> Row:
        key = identity.key()
        known = self._known.get(key)
        if known is not None:
            return known[0]
        if identity.text is OTHER_STATEMENT or guard.off("describing a statement"):
            return self.token, self._other_id(), STATEMENT
        try:
            number = self._resolve(identity)
        except Exception as error:  # noqa: BLE001 - the guard's: one odd statement must not lose the whole frame
            guard.report("describing a statement", error)
            number = self._other_id()
        if len(self._known) >= CACHED_KEYS or self._cached_text > CACHED_TEXT:
            self._known.clear()
            self._cached_text = 0
            self.token = object()  # also what identities remember is looked up anew, and named for ``executed``
        row = self.token, number, self.kind(number)
        if len(identity.text) > CACHED_ONE:
            return row  # as rare as it is long: rather described again than held
        self._known[key] = row, identity  # which keeps alive what the key names by identity
        self._cached_text += len(identity.text)
        return row

    def kind(self, number: int) -> str:
        """The kind of a row (statement, commit, ...)."""
        return self._kinds[number] if 0 <= number < len(self._kinds) else STATEMENT

    def _resolve(self, identity: SpanIdentity) -> int:
        from flasktop.agent.sql import callsite, masking, relationship

        text = (
            masking.mask(identity.text, identity.engine.dialect, self._text_limit)
            if identity.kind == STATEMENT
            else identity.text
        )
        file, line, function = callsite.locate(identity.code, identity.instruction) if identity.code else ("", 0, "")
        name = relationship.name(identity.relationship) if identity.relationship is not None else ""
        text, file = fit_to_travel(text), fit_to_travel(file)
        content = _digest((identity.engine.name, identity.engine.dialect, identity.kind, text, file, line, name))
        known = self._ids.get(content)
        if known is not None:
            self._name(known, identity)
            return known
        number = len(self._kinds)
        engine = identity.engine
        definition = StatementDef(number, identity.kind, engine.name, engine.dialect, text, file, line, function, name)
        if number >= self._limit or not self._add(definition):
            return self._other_id()
        self._ids[content] = number
        self._name(number, identity)
        return number

    def _name(self, number: int, identity: SpanIdentity) -> None:
        if identity.kind == STATEMENT:
            self.executed.name(number, identity.engine, identity.text)

    def _add(self, definition: StatementDef, last: bool = False) -> bool:
        if not self._define(encode(Definitions((), (definition,))), last):
            return False
        self._kinds.append(definition.kind)
        return True

    def _other_id(self) -> int:
        if self._other < 0:
            number = len(self._kinds)
            if self._add(StatementDef(number, STATEMENT, "", "", OTHER_STATEMENT, "", 0, "", ""), last=True):
                self._other = number
        return self._other


def _digest(content: tuple[object, ...]) -> bytes:
    """Stands for ``content`` in the table: the texts themselves are in the journal, and need not be held twice."""
    return blake2b(repr(content).encode(), digest_size=16).digest()


def fit_to_travel(text: str) -> str:
    """``text`` without lone surrogates: a path that is no UTF-8, or a statement that no driver takes, may hold them."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
