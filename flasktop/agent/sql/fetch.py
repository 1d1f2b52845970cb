"""Rows and fetch time: fetch strategies that do what SQLAlchemy's own do, and count.

A strategy is asked by SQLAlchemy's result object for rows. The record of a statement is itself the strategy of its
result (one object a statement); results that stream get a counting twin of the strategy that SQLAlchemy chose, after
it chose, so that buffering stays as it is without us.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns, thread_time_ns
from typing import Any, Final, NoReturn
from weakref import WeakKeyDictionary

from sqlalchemy.engine import cursor as _cursor

from flasktop.agent.sql import recording
from flasktop.agent.sql.recording import CPU_SHORT_NS
from flasktop.agent.stores import quick_stores
from flasktop.agent.trace import CPU_GAP_NS, SpanRecord

EXACT_ROWS: Final = 8
"""Rows fetched one by one that are timed each; after them one of ``SAMPLE`` is, and stands for all of them."""

SAMPLE: Final = 16

CPU_TRUST_NS: Final = 1_000_000
"""For so long the CPU clock is reckoned from one reading, however many statements that are; then it is read again."""

_Plain: Any = _cursor.CursorFetchStrategy
_Buffered: Any = _cursor.BufferedRowCursorFetchStrategy
DEFAULT_FETCH: Final[Any] = _cursor._DEFAULT_FETCH
_BUFFER_SLOTS: Final = ("_max_row_buffer", "_rowbuffer", "_bufsize", "_growth_factor")


@quick_stores
class Statement(SpanRecord, _Plain, gc=False, eq=False):  # type: ignore[misc]
    """One statement's record, and the strategy that fetches its rows from the cursor.

    ``ended_cpu`` is the CPU clock when the execution (or the last long fetch, at ``fetched_at_ns``) ended, -1 where it
    is not to be read; ``read_ns`` is when it was really read, and not reckoned, the last time (0: never). The bodies of
    ``fetchone`` and ``fetchall`` are SQLAlchemy's own, inlined: a call more a row is most of what counting costs.
    """

    ended_cpu: int = -1
    fetched_at_ns: int = 0
    fetching_ns: int = 0
    read_ns: int = 0

    @property
    def ended_ns(self) -> int:
        """When ``ended_cpu`` was: the end of the execution, or of the last long fetch."""
        return self.fetched_at_ns or self.start_ns + self.execute_ns

    def under_way(self) -> tuple[str, int] | None:
        """As ``trace.UnderWay``."""
        return (self.kind, self.start_ns or perf_counter_ns()) if self.fetching_ns or not self.execute_ns else None

    def fetchone(self, result: Any, dbapi_cursor: Any, hard_close: bool = False) -> Any:
        rows = self.rows
        if rows >= EXACT_ROWS and rows % SAMPLE:
            try:
                row = dbapi_cursor.fetchone()
                if row is None:
                    result._soft_close(hard=hard_close)
                    return None
            except BaseException as error:  # noqa: BLE001 - as SQLAlchemy's own: it always raises
                self.handle_exception(result, dbapi_cursor, error)
            self.rows = rows + 1
            if self.folded is not None:
                self.folded.rows += 1
            return row
        start = self.fetching_ns = perf_counter_ns()
        try:
            row = dbapi_cursor.fetchone()
            if row is None:
                result._soft_close(hard=hard_close)
        except BaseException as error:  # noqa: BLE001 - as SQLAlchemy's own: it always raises
            self.handle_exception(result, dbapi_cursor, error)
        spent = perf_counter_ns() - start
        self.fetching_ns = 0
        if rows < EXACT_ROWS and spent < CPU_SHORT_NS and self.folded is None:  # ``took``, without a call
            if rows < 0:
                rows = 0
            self.rows = rows if row is None else rows + 1
            self.fetch_ns += spent
            if self.cpu_ns >= 0 and self.ended_cpu >= 0:
                self.cpu_ns += spent
        elif row is None:
            self.took(0, start, spent, -1)
        else:
            self.took(1, start, spent, -1, 1 if rows < EXACT_ROWS else SAMPLE)
        return row

    def fetchmany(self, result: Any, dbapi_cursor: Any, size: int | None = None) -> Any:
        start = perf_counter_ns()
        cpu = self.cpu_mark(start)
        rows = _Plain.fetchmany(self, result, dbapi_cursor, size)
        self.took(rows, start, perf_counter_ns() - start, cpu)
        return rows

    def fetchall(self, result: Any, dbapi_cursor: Any) -> Any:
        start = self.fetching_ns = perf_counter_ns()
        late = start - self.start_ns - self.execute_ns > CPU_GAP_NS
        cpu = thread_time_ns() if late and self.ended_cpu >= 0 else -1
        try:
            rows = dbapi_cursor.fetchall()
            result._soft_close()
        except BaseException as error:  # noqa: BLE001 - as SQLAlchemy's own: it always raises
            self.handle_exception(result, dbapi_cursor, error)
        spent = perf_counter_ns() - start
        self.fetching_ns = 0
        if spent < CPU_SHORT_NS and self.rows < 0 and self.folded is None and type(rows) is list:
            self.rows = len(rows)
            self.fetch_ns = spent
            if self.cpu_ns >= 0 and self.ended_cpu >= 0:
                self.cpu_ns += spent
        else:
            self.took(rows, start, spent, cpu)
        return rows

    def yield_per(self, result: Any, dbapi_cursor: Any, num: int) -> None:
        _Plain.yield_per(self, result, dbapi_cursor, num)
        count_stream(result, self)

    def handle_exception(self, result: Any, dbapi_cursor: Any, err: BaseException) -> NoReturn:
        self.failed(err)
        _Plain.handle_exception(self, result, dbapi_cursor, err)
        raise err

    def failed(self, error: BaseException) -> None:
        """Note a failure that came after the execution: while rows were fetched."""
        self.fetching_ns = 0
        if self.failure is None:
            self.failure = type(error)
            if self.folded is not None:
                self.folded.errors += 1

    def cpu_mark(self, start: int) -> int:
        """The CPU clock in ns where a fetch that begins at ``start`` needs it, else -1: ``took`` can reckon it."""
        self.fetching_ns = start
        return thread_time_ns() if start - self.ended_ns > CPU_GAP_NS and self.ended_cpu >= 0 else -1

    def took(self, rows: Any, start: int, spent: int, cpu: int, times: int = 1) -> None:
        """Add a fetch that began at ``start`` and took ``spent`` ns, which counts ``times``.

        Args:
            rows: how many, or what was fetched.
            cpu: what ``cpu_mark`` said when it began.
        """
        self.fetching_ns = 0
        try:
            count = rows if type(rows) is int else len(rows)
            if self.ended_cpu < 0:
                used = 0
            elif spent < CPU_SHORT_NS:
                used = spent
            else:
                used = self._cpu_since(start, spent, cpu)
            self.fetched(count, spent * times, used * times)
        except Exception as fault:  # noqa: BLE001 - the edge of a hook: the app gets its rows
            recording.fetching.failed(fault)

    def _cpu_since(self, start: int, spent: int, cpu: int) -> int:
        """The CPU of a fetch, where it can be told; the clock is kept for a fetch that follows at once."""
        if cpu < 0 and start - self.ended_ns <= CPU_GAP_NS:
            cpu = self.ended_cpu + start - self.ended_ns
        now = self.ended_cpu = thread_time_ns()
        self.fetched_at_ns = self.read_ns = start + spent
        return min(spent, max(0, now - cpu)) if cpu >= 0 else 0


class _Stream(_Buffered):  # type: ignore[misc]
    """SQLAlchemy's buffering strategy, counting the rows that it pulls from the cursor."""

    __slots__ = ("span",)

    span: Statement

    def _buffer_rows(self, result: Any, dbapi_cursor: Any) -> None:
        start, cpu = _clocks(self.span)
        _Buffered._buffer_rows(self, result, dbapi_cursor)
        self.span.took(len(self._rowbuffer), start, perf_counter_ns() - start, cpu)

    def fetchmany(self, result: Any, dbapi_cursor: Any, size: int | None = None) -> Any:
        if size is None:
            return self.fetchall(result, dbapi_cursor)
        start, cpu = _clocks(self.span)
        before = len(self._rowbuffer)
        rows = _Buffered.fetchmany(self, result, dbapi_cursor, size)
        self.span.took(len(rows) + len(self._rowbuffer) - before, start, perf_counter_ns() - start, cpu)
        return rows

    def fetchall(self, result: Any, dbapi_cursor: Any) -> Any:
        start, cpu = _clocks(self.span)
        before = len(self._rowbuffer)
        rows = _Buffered.fetchall(self, result, dbapi_cursor)
        self.span.took(len(rows) - before, start, perf_counter_ns() - start, cpu)
        return rows

    def handle_exception(self, result: Any, dbapi_cursor: Any, err: BaseException) -> NoReturn:
        self.span.failed(err)
        _Buffered.handle_exception(self, result, dbapi_cursor, err)
        raise err


def _clocks(span: Statement) -> tuple[int, int]:
    start = perf_counter_ns()
    return start, span.cpu_mark(start)


def count_stream(result: Any, span: Statement) -> None:
    """Replace a result's strategy by one that does the same and counts into ``span``."""
    try:
        strategy = result.cursor_strategy
        if type(strategy) is _Buffered:
            stream: Any = _Stream.__new__(_Stream)
            for slot in _BUFFER_SLOTS:
                setattr(stream, slot, getattr(strategy, slot))
            stream.span = span
            result.cursor_strategy = stream
        elif strategy is DEFAULT_FETCH:
            result.cursor_strategy = span
    except Exception as fault:  # noqa: BLE001 - the edge of a hook: SQLAlchemy's own strategy stays
        recording.fetching.failed(fault)


_roomy: Final[WeakKeyDictionary[Any, Any]] = WeakKeyDictionary()


def roomy(context_class: Any) -> Any:
    """The class of a dialect's execution contexts, with room for a strategy in each.

    Python keeps the attributes of an instance in an array as long as the class has had fewer than some 30 names of
    them; SQLAlchemy's contexts use these up, and one name more, set on each, turns the array into a dictionary: 0.7 us
    a statement. In a subclass the names are counted anew, and this one comes first.
    """
    known = _roomy.get(context_class)
    if known is not None:
        return known
    made: Any = type(
        context_class.__name__,
        (context_class,),
        {"__module__": context_class.__module__, "__qualname__": context_class.__qualname__},
    )
    made.__new__(made).cursor_fetch_strategy = DEFAULT_FETCH
    _roomy[context_class] = made
    return made


def watch_stream(context: Any, span: Statement) -> None:
    """Count the rows of a result that will stream: SQLAlchemy chooses its strategy first, then it is twinned."""
    original: Callable[[], Any] = context._setup_result_proxy

    def set_up() -> Any:
        del context._setup_result_proxy
        start, cpu = _clocks(span)
        try:
            result = original()
        except BaseException as error:
            span.failed(error)
            raise
        span.fetching_ns = 0
        prefetched = _prefetched(result)
        if prefetched:
            span.took(prefetched, start, perf_counter_ns() - start, cpu)
        count_stream(result, span)
        return result

    context._setup_result_proxy = set_up


def _prefetched(result: Any) -> int:
    strategy: Any = getattr(result, "cursor_strategy", None)
    return len(strategy._rowbuffer) if type(strategy) is _Buffered else 0


def watch_returning(context: Any, span: Statement) -> None:
    """Count the rows that a batch of ``insertmanyvalues`` returns; SQLAlchemy fetches them without any result."""
    original: Callable[[Any], Any] = type(context).fetchall_for_returning.__get__(context)

    def fetchall(cursor: Any) -> Any:
        start, cpu = _clocks(span)
        rows = original(cursor)
        span.took(rows, start, perf_counter_ns() - start, cpu)
        return rows

    context.fetchall_for_returning = fetchall
