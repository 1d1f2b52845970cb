"""Every string of every message, neutralised once on entry.

Nearly all text is harmless, so a message is looked through first and rebuilt only where something is not.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from operator import attrgetter
from typing import Final, TypeVar, cast

import msgspec

from flasktop.protocol.blackbox import SlotRecord
from flasktop.protocol.commands import Answered, Failed, Working
from flasktop.protocol.events import DiedRequest
from flasktop.protocol.messages import Bye, Definitions, Frame, Hello, Refusal
from flasktop.protocol.records import (
    HeldConnection,
    InFlight,
    OutsideSpan,
    Pool,
    RouteDef,
    Sample,
    Span,
    StatementDef,
    Trace,
)
from flasktop.protocol.talk import ToReader
from flasktop.protocol.text import neutral

M = TypeVar("M")

_PATH: Final = attrgetter("path")
_ERROR: Final = attrgetter("error")
_SPANS: Final = attrgetter("spans")
_ROUTE_TEXTS: Final = attrgetter("app", "method", "route", "endpoint")
_STATEMENT_TEXTS: Final = attrgetter("kind", "engine", "dialect", "file", "function", "relationship")


def neutral_message(message: ToReader) -> ToReader:
    """Return ``message`` with every string neutral: the same object where nothing had to change."""
    if isinstance(message, Frame):
        return neutral_frame(message)
    if isinstance(message, Definitions):
        return neutral_definitions(message)
    if isinstance(message, Hello):
        return neutral_hello(message)
    if isinstance(message, Refusal):
        return Refusal(neutral(message.message), neutral(message.hint))
    if isinstance(message, Bye):
        return Bye(neutral(message.reason))
    if isinstance(message, (Working, Answered, Failed)):
        return neutral_deep(message)
    return message


def neutral_deep(value: M) -> M:
    """Return ``value`` with every text in it neutral, however deep; the same object where nothing had to change."""
    return cast(M, _deep(value))


def _deep(value: object) -> object:
    if isinstance(value, str):
        return value if _harmless(value) else neutral(value, multiline=True)
    if isinstance(value, tuple):
        return _each(value, _deep)
    if isinstance(value, dict):
        return {_deep(key): _deep(each) for key, each in value.items()}
    if isinstance(value, msgspec.Struct):
        changes = {
            name: new
            for name in value.__struct_fields__
            if (new := _deep(old := getattr(value, name))) is not old and not isinstance(old, (int, float))
        }
        return msgspec.structs.replace(value, **changes) if changes else value
    return value


def neutral_hello(hello: Hello) -> Hello:
    """Return ``hello`` with names, directory and versions neutral."""
    return msgspec.structs.replace(
        hello,
        apps=tuple(map(neutral, hello.apps)),
        server=neutral(hello.server),
        directory=neutral(hello.directory),
        flasktop=neutral(hello.flasktop),
        python=neutral(hello.python),
        flask=neutral(hello.flask),
        sqlalchemy=neutral(hello.sqlalchemy),
        grants=tuple(map(neutral, hello.grants)),
    )


def neutral_definitions(definitions: Definitions) -> Definitions:
    """Return ``definitions`` with every text neutral; statements keep their line breaks."""
    if _all_defined_harmless(definitions):
        return definitions
    return Definitions(
        _each(definitions.routes, _neutral_route),
        _each(definitions.statements, _neutral_statement),
    )


def neutral_frame(frame: Frame) -> Frame:
    """Return ``frame`` with paths, error names and what the sample names neutral."""
    traces = frame.traces if _all_harmless(frame.traces) else _each(frame.traces, _neutral_trace)
    outside = _each(frame.outside, _neutral_outside)
    sample = frame.sample and _neutral_sample(frame.sample)
    if traces is frame.traces and outside is frame.outside and sample is frame.sample:
        return frame
    return msgspec.structs.replace(frame, traces=traces, outside=outside, sample=sample)


def died_requests(pid: int, records: tuple[SlotRecord, ...]) -> tuple[DiedRequest, ...]:
    """The requests in flight of a dead worker, neutral."""
    return tuple(
        DiedRequest(
            app=neutral(record.app),
            pid=pid,
            method=neutral(record.method),
            route=neutral(record.route),
            path=neutral(record.path),
            age_ms=record.age_ms,
        )
        for record in records
    )


def _harmless(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _all_harmless(traces: tuple[Trace, ...]) -> bool:
    """Whether all text of many traces is harmless: joined and looked at once, since nearly always it is."""
    errors = map(_ERROR, chain.from_iterable(map(_SPANS, traces)))
    return _harmless("".join(chain(map(_PATH, traces), map(_ERROR, traces), errors)))


def _all_defined_harmless(definitions: Definitions) -> bool:
    """The same of definitions, of which a reader that attaches to many workers gets very many at once."""
    routes, statements = definitions.routes, definitions.statements
    texts = "".join([statement.text for statement in statements])
    names = "".join(chain.from_iterable([*map(_ROUTE_TEXTS, routes), *map(_STATEMENT_TEXTS, statements)]))
    return _harmless(names) and _harmless(texts.replace("\n", "").replace("\t", ""))


def _each(items: tuple[M, ...], change: Callable[[M], M]) -> tuple[M, ...]:
    """Apply ``change`` to each; the same tuple where it changed nothing."""
    changed = tuple(map(change, items))
    return items if all(map(_same, items, changed)) else changed


def _same(one: object, other: object) -> bool:
    return one is other


def _neutral_route(route: RouteDef) -> RouteDef:
    return RouteDef(route.id, neutral(route.app), neutral(route.method), neutral(route.route), neutral(route.endpoint))


def _neutral_statement(statement: StatementDef) -> StatementDef:
    return msgspec.structs.replace(
        statement,
        kind=neutral(statement.kind),
        engine=neutral(statement.engine),
        dialect=neutral(statement.dialect),
        text=neutral(statement.text, multiline=True),
        file=neutral(statement.file),
        function=neutral(statement.function),
        relationship=neutral(statement.relationship),
    )


def _neutral_trace(trace: Trace) -> Trace:
    spans = _each(trace.spans, _neutral_span)
    if spans is trace.spans and _harmless(trace.path) and _harmless(trace.error):
        return trace
    return msgspec.structs.replace(trace, spans=spans, path=neutral(trace.path), error=neutral(trace.error))


def _neutral_span(span: Span) -> Span:
    return span if _harmless(span.error) else msgspec.structs.replace(span, error=neutral(span.error))


def _neutral_outside(outside: OutsideSpan) -> OutsideSpan:
    span = _neutral_span(outside.span)
    return outside if span is outside.span else OutsideSpan(span, outside.start_us)


def _neutral_sample(sample: Sample) -> Sample:
    running = _each(sample.running, _neutral_in_flight)
    pools = _each(sample.pools, _neutral_pool)
    held = _each(sample.held, _neutral_held)
    unchanged = running is sample.running and pools is sample.pools and held is sample.held
    if unchanged and all(map(_harmless, sample.apps)):
        return sample
    apps = tuple(map(neutral, sample.apps))
    return msgspec.structs.replace(sample, apps=apps, running=running, pools=pools, held=held)


def _neutral_held(held: HeldConnection) -> HeldConnection:
    texts = ("engine", "file", "function")
    if all(_harmless(getattr(held, text)) for text in texts):
        return held
    return msgspec.structs.replace(held, **{text: neutral(getattr(held, text)) for text in texts})


def _neutral_in_flight(request: InFlight) -> InFlight:
    texts = ("method", "path", "app", "thread", "doing", "kind")
    if all(_harmless(getattr(request, text)) for text in texts):
        return request
    return msgspec.structs.replace(request, **{text: neutral(getattr(request, text)) for text in texts})


def _neutral_pool(pool: Pool) -> Pool:
    return pool if _harmless(pool.engine) else msgspec.structs.replace(pool, engine=neutral(pool.engine))
