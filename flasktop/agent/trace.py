"""The hot path's records: a request that runs and its database spans.

Nothing here formats, locks or does I/O. Records are read by the agent's thread after the request ended; until
then only the request's own thread writes them.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from flasktop.agent.engine import Engine, SpanIdentity
from flasktop.agent.stores import quick_stores
from flasktop.protocol.records import OTHER_STATEMENT, STATEMENT, UNKNOWN

if TYPE_CHECKING:
    from flasktop.agent.rules import KnownRule
    from flasktop.agent.sql.held import Taken
    from flasktop.agent.sql.repeats import Repeats

NAME_LIMIT: Final = 80
"""An app's name is cut after so many characters."""

CPU_GAP_NS: Final = 200_000
"""What ends so soon after a reading of the thread's CPU clock, no database of another process asked, is reckoned as CPU
time: only Python ran. A reading is a call of the system, and costs the app some 2 us."""

RECKONED: Final = -1
"""In place of a statement's CPU time: all of its execution and fetching was that."""

UNKNOWN_CPU: Final = -1
UNREAD: Final = -2
"""In place of a reading of the thread's CPU clock: it says nothing of the request; it was not asked."""

FOLDED_KEYS: Final = 1000
"""Statements beyond the cap are summed under so many keys in one trace; further ones share one sum."""

FOLD_LAG: Final = 64
"""How many spans beyond the cap stay whole, so that their rows are still being counted, before they are folded."""


@quick_stores
class SpanRecord(msgspec.Struct, gc=False, eq=False):
    """One database span, times in ns of ``perf_counter_ns``; ``cpu_ns`` is the thread's CPU inside it (0: not read;
    RECKONED: as long as it took), ``used_ns`` says it.

    ``rows`` is -1 while nothing was fetched; ``failure`` is the exception's class; ``folded`` is the sum that took the
    span when it was beyond the cap: whoever adds rows or time to the span later adds them there too, through
    ``fetched``. ``parameters`` is the ordinal of its parameter set, where the request has ``repeats``.

    A struct that the garbage collector does not know of: thousands of these wait for the agent's thread, and would
    bring its next full collection near. So nothing that a record holds may lead back to the record.
    """

    identity: SpanIdentity
    start_ns: int = 0
    execute_ns: int = 0
    batch: int = 0
    fetch_ns: int = 0
    cpu_ns: int = 0
    rows: int = -1
    failure: type[BaseException] | None = None
    folded: FoldedSum | None = None
    parameters: int = UNKNOWN

    @property
    def kind(self) -> str:
        return self.identity.kind

    @property
    def text(self) -> str:
        return self.identity.text

    @property
    def engine(self) -> Engine:
        return self.identity.engine

    def used_ns(self) -> int:
        """The thread's CPU inside it so far."""
        return self.cpu_ns if self.cpu_ns >= 0 else self.execute_ns + self.fetch_ns

    def fetched(self, rows: int, fetch_ns: int, cpu_ns: int) -> None:
        """Add ``rows`` and time of a fetch."""
        self.cpu_ns = self.used_ns()
        self.rows = rows if self.rows < 0 else self.rows + rows
        self.fetch_ns += fetch_ns
        self.cpu_ns += cpu_ns
        if self.folded is not None:
            self.folded.rows += rows
            self.folded.fetch_ns += fetch_ns
            self.folded.cpu_ns += cpu_ns


@quick_stores
class Call(msgspec.Struct, gc=False, eq=False):
    """A database call that is no statement, while it runs. ``start_ns`` 0: it has ended."""

    kind: str
    engine: Engine
    start_ns: int

    def under_way(self) -> tuple[str, int] | None:
        return (self.kind, self.start_ns) if self.start_ns else None


class UnderWay(Protocol):
    """What may be running in the database for a request."""

    def under_way(self) -> tuple[str, int] | None:
        """The kind of span, and since when (ns of ``perf_counter_ns``); None when it has ended. From any thread."""


class FoldedSum:
    """Exact counts and times of spans beyond the cap, for one key. ``sample`` is a copy of one of them."""

    __slots__ = ("count", "cpu_ns", "errors", "execute_ns", "fetch_ns", "rows", "sample")

    def __init__(self, sample: SpanRecord) -> None:
        # A copy: the span itself leads here, and a circle of records is never freed.
        self.sample = SpanRecord(*[getattr(sample, name) for name in SpanRecord.__struct_fields__])
        self.count = self.errors = self.execute_ns = self.fetch_ns = self.cpu_ns = self.rows = 0

    def add(self, span: SpanRecord) -> None:
        self.count += 1
        self.errors += span.failure is not None
        self.execute_ns += span.execute_ns
        self.fetch_ns += span.fetch_ns
        self.cpu_ns += span.used_ns()
        self.rows += max(span.rows, 0)
        span.folded = self


class AppInfo:
    """What the hot path needs to know of an app; ``label`` is its name as the journal's slots hold it."""

    __slots__ = ("label", "mask_paths", "name")

    def __init__(self, name: str, mask_paths: bool = False) -> None:
        # Cut and clean: it travels in every Hello, and a lone surrogate (an odd environment variable) cannot.
        self.label = name[:NAME_LIMIT].encode("utf-8", "replace")
        self.name = self.label.decode()
        self.mask_paths = mask_paths


@quick_stores
class RequestTrace(msgspec.Struct, gc=False, eq=False):
    """One request while it runs. Created by the middleware, filled by the Flask and SQLAlchemy hooks.

    ``end_ns`` is 0 until it has ended, which it does once; spans that come later are outside any request. ``rule`` is
    what is remembered of its URL rule, None where none matched, or none is known yet. ``direct``: nobody listens to
    what is said to ``start_response``, since Flask's response tells it; ``response`` is one that hands a file to the
    server, until it has. ``cpu_start_ns`` is UNKNOWN_CPU where the thread's clock says nothing, and UNREAD while it was
    not asked. ``inside`` is True while the app's callable runs, and stays so where the request ends with that. ``body``
    is the app's own, where its end tells that the request has ended. ``thread`` is the ident of the thread that began
    it; under gevent and eventlet ``greenlet`` is its greenlet instead (weakly: a greenlet that everybody has dropped
    must be able to end). ``database`` is the last database call that began: whether it still runs, it says itself.
    ``answer`` is, of a slow GET, the first chunk's length and the keys of the request and of that chunk (see
    ``agent/answers.py``); ``taken`` are the connections that it took from pools; ``repeats`` numbers the parameters of
    its statements, where the request is sampled for that. As for ``SpanRecord``, nothing that it holds may lead back
    to it. An attribute that is set costs more than one that is given when it is made.
    """

    app: AppInfo
    method: str
    path: str
    query: str
    start_ns: int
    slot: int = -1
    thread: int = 0
    direct: bool = False
    cpu_start_ns: int = UNREAD
    rule: KnownRule | None = None
    status: int = 0
    headers: Iterable[tuple[str, str]] | None = None
    flags: int = 0
    end_ns: int = 0
    first_byte_ns: int = 0
    cpu_end_ns: int = -1
    bytes_sent: int = 0
    raised: type[BaseException] | None = None
    ignored: bool = False
    inside: bool = True
    complete: bool = False
    response: Any = None
    body: weakref.ref[Any] | None = None
    greenlet: weakref.ref[Any] | None = None
    database: UnderWay | None = None
    spans: list[SpanRecord] | None = None
    overflow: deque[SpanRecord] | None = None
    folded: dict[tuple[object, ...], FoldedSum] | None = None
    answer: tuple[int, int, int] | None = None
    taken: dict[int, Taken] | None = None
    repeats: Repeats | None = None

    def fold(self, span: SpanRecord) -> None:
        """Take a span beyond the cap: keep it whole for a while, then add it to its key's sum."""
        if self.overflow is None:
            self.overflow = deque()
            self.folded = {}
        self.overflow.append(span)
        if len(self.overflow) > FOLD_LAG:
            self._fold_oldest()

    def fold_rest(self) -> None:
        """Fold what is still whole; called once, when the request has ended."""
        while self.overflow:
            self._fold_oldest()

    def _fold_oldest(self) -> None:
        assert self.overflow is not None and self.folded is not None
        span = self.overflow.popleft()
        key = span.identity.key()
        total = self.folded.get(key)
        if total is None:
            if len(self.folded) >= FOLDED_KEYS and span.kind == STATEMENT:
                # Endless texts (literals in raw SQL): each would hold its text, so they are summed without it.
                key = (OTHER_STATEMENT,)
                total = self.folded.get(key)
            if total is None:
                total = self.folded[key] = FoldedSum(_other_statement() if key == (OTHER_STATEMENT,) else span)
        total.add(span)


def _other_statement() -> SpanRecord:
    return SpanRecord(SpanIdentity(STATEMENT, OTHER_STATEMENT, Engine("", ""), None, 0))


current_trace: Final[ContextVar[RequestTrace | None]] = ContextVar("flasktop_trace", default=None)
"""The request that this thread, greenlet or coroutine serves; None outside any request."""


class SpanSink:
    """Where finished spans go: into the current request, or among those outside any request.

    One for the process; the agent sets ``span_cap`` and drains ``outside`` (bounded: beyond ``outside_cap`` spans
    are counted in ``outside_dropped`` and not kept). ``active`` is False while no agent runs in this process:
    hooks then do nothing. ``seen_cap`` is how many texts each engine keeps the parameters of until the agent's thread
    takes them (0: none, nobody may ask for plans). ``rouse`` is set while that thread rests: called once when there is
    something outside any request.
    """

    __slots__ = ("active", "outside", "outside_cap", "outside_dropped", "rouse", "seen_cap", "span_cap")

    def __init__(self) -> None:
        self.active = False
        self.span_cap = 500
        self.seen_cap = 0
        self.outside: deque[SpanRecord] = deque()
        self.outside_cap = 10_000
        self.outside_dropped = 0
        self.rouse: Callable[[], None] | None = None

    def add(self, span: SpanRecord) -> None:
        trace = current_trace.get()
        if trace is None or trace.end_ns:
            if len(self.outside) < self.outside_cap:
                self.outside.append(span)
            else:
                self.outside_dropped += 1
            if (rouse := self.rouse) is not None:
                self.rouse = None
                rouse()
        elif (spans := trace.spans) is None:
            trace.spans = [span]
        elif len(spans) < self.span_cap:
            spans.append(span)
        else:
            trace.fold(span)


sink: Final = SpanSink()
