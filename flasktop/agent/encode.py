"""From the hot path's records to the journal's messages; runs in the agent's thread."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from flasktop.agent import answers
from flasktop.agent.activity import Activity, statements_of
from flasktop.agent.sql.repeats import ordinal
from flasktop.agent.tables import Routes, Statements, fit_to_travel
from flasktop.agent.trace import RequestTrace, SpanRecord
from flasktop.protocol.records import (
    COMMIT,
    ROLLBACK,
    STATEMENT,
    UNKNOWN,
    Folded,
    InFlight,
    OutsideSpan,
    Span,
    Trace,
)

METHOD_LIMIT = 32
"""A method is cut after so many characters: clients may send any word."""
THREAD_LIMIT = 80
"""A thread's name is cut after so many characters."""
PATH_LIMIT = 512
"""A path is cut after so many characters."""

_COMMITS = (COMMIT, ROLLBACK)


class TraceEncoder:
    """Makes messages of records; ids come from the worker's tables."""

    def __init__(self, routes: Routes, statements: Statements) -> None:
        self._routes = routes
        self._statements = statements

    def trace(self, record: RequestTrace, number: int, now_ns: int) -> Trace:
        """The message of a finished request."""
        record.fold_rest()
        duration_us = max(record.end_ns - record.start_ns, 0) // 1000
        if record.repeats is None:
            spans = tuple([self._span(span, record.start_ns) for span in record.spans or ()])
        else:
            spans = tuple([self._span(span, record.start_ns, ordinal(span)) for span in record.spans or ()])
        folded = self._folded(record)
        execute_us, fetch_us, commit_us, connect_us, statements, rows = self._sums(spans, folded)
        other_us = commit_us + connect_us
        cpu_us, sql_cpu_us = _cpu(record)
        wait_us = UNKNOWN
        if cpu_us != UNKNOWN:
            outside_sql = max(cpu_us - sql_cpu_us, 0)
            wait_us = max(duration_us - execute_us - fetch_us - other_us - outside_sql, 0)
        request_key, body_key = answers.keys(record) or (UNKNOWN, UNKNOWN)
        return Trace(
            number,
            self._routes.id(record),
            max(now_ns - record.start_ns, 0) // 1000,
            duration_us,
            (record.first_byte_ns - record.start_ns) // 1000 if record.first_byte_ns else UNKNOWN,
            cpu_us,
            sql_cpu_us,
            wait_us,
            execute_us,
            fetch_us,
            other_us,
            statements,
            rows,
            record.status,
            record.bytes_sent,
            record.flags,
            shown_path(record),
            record.raised.__name__ if record.raised else "",
            spans,
            folded,
            commit_us,
            request_key,
            body_key,
        )

    def outside(self, span: SpanRecord, now_ns: int) -> OutsideSpan:
        """The message of a span outside any request."""
        return OutsideSpan(self._span(span, span.start_ns), max(now_ns - span.start_ns, 0) // 1000)

    def running(self, record: RequestTrace, activity: Activity, now_ns: int) -> InFlight:
        """The message of a request that still runs."""
        database: object = record.database
        return InFlight(
            decoded(record.method[:METHOD_LIMIT]),
            self._routes.id(record) if record.rule is not None else UNKNOWN,
            shown_path(record),
            max(now_ns - record.start_ns, 0) // 1000,
            record.app.name,
            record.start_ns // 1000,
            activity.thread_id,
            fit_to_travel(activity.thread[:THREAD_LIMIT]),
            statements_of(record),
            activity.cpu_ns // 1000 if activity.cpu_ns != UNKNOWN else UNKNOWN,
            activity.doing,
            max(now_ns - activity.since_ns, 0) // 1000 if activity.since_ns else UNKNOWN,
            activity.kind,
            self._statements.id(database)
            if activity.kind == STATEMENT and isinstance(database, SpanRecord)
            else UNKNOWN,
        )

    def _span(self, span: SpanRecord, origin_ns: int, parameters: int = UNKNOWN) -> Span:
        return Span(
            self._statements.id(span),
            max(span.start_ns - origin_ns, 0) // 1000,
            (span.execute_ns + 500) // 1000,
            (span.fetch_ns + 500) // 1000,
            span.rows,
            span.batch,
            span.failure.__name__ if span.failure is not None else "",
            parameters,
        )

    def _folded(self, record: RequestTrace) -> tuple[Folded, ...]:
        if not record.folded:
            return ()
        return tuple(
            Folded(
                self._statements.id(total.sample),
                total.count,
                total.errors,
                total.execute_ns // 1000,
                total.fetch_ns // 1000,
                total.rows,
            )
            for total in record.folded.values()
        )

    def _sums(self, spans: Iterable[Span], folded: Iterable[Folded]) -> tuple[int, int, int, int, int, int]:
        """Execute, fetch, commit (or rollback) and connect (or pool wait) in us; statements; rows."""
        execute_us = fetch_us = commit_us = connect_us = statements = rows = 0
        kind_of = self._statements.kind
        for span in spans:
            kind = kind_of(span.statement)
            if kind == STATEMENT:
                execute_us += span.execute_us
                fetch_us += span.fetch_us
                statements += 1
                if span.rows > 0:
                    rows += span.rows
            elif kind in _COMMITS:
                commit_us += span.execute_us
            else:
                connect_us += span.execute_us
        for part in folded:
            kind = kind_of(part.statement)
            if kind == STATEMENT:
                execute_us += part.execute_us
                fetch_us += part.fetch_us
                statements += part.count
                rows += part.rows
            elif kind in _COMMITS:
                commit_us += part.execute_us
            else:
                connect_us += part.execute_us
        return execute_us, fetch_us, commit_us, connect_us, statements, rows


def _cpu(record: RequestTrace) -> tuple[int, int]:
    """CPU of the request and the part inside SQL, in us; both UNKNOWN where the thread's clock cannot tell."""
    if record.cpu_start_ns < 0 or record.cpu_end_ns < 0:
        return UNKNOWN, UNKNOWN
    sql_ns = sum([span.cpu_ns for span in record.spans or ()])
    if record.folded:
        sql_ns += sum(total.cpu_ns for total in record.folded.values())
    cpu_ns = max(record.cpu_end_ns - record.cpu_start_ns, 0)
    return cpu_ns // 1000, min(sql_ns, cpu_ns) // 1000


def shown_path(record: RequestTrace) -> str:
    """The request's path as it is shown: decoded from WSGI's latin-1, cut, values of the query string masked."""
    if record.app.mask_paths:
        return record.rule or ""
    path = decoded(record.path[: 4 * PATH_LIMIT])
    if len(path) > PATH_LIMIT:
        path = path[:PATH_LIMIT] + "…"
    return path + masked_query(record.query) if record.query else path


def decoded(path: str) -> str:
    """A path as its sender meant it: WSGI hands on each byte as one character."""
    return path if path.isascii() else path.encode("latin-1", "replace").decode("utf-8", "replace")


def masked_query(query: str) -> str:
    """``?name=…&other=…``: the names of a query string without their values, bounded."""
    names = [part.partition("=") for part in query[:PATH_LIMIT].split("&", 16)[:16] if part]
    # A part without "=" may itself be a value (a token, a search): it is masked whole.
    return "?" + "&".join(f"{quote(name, safe='[]%+', errors='replace')}=…" if sign else "…" for name, sign, _ in names)
