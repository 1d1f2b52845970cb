"""From the hot path's records to the journal's messages; runs in the agent's thread."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from flasktop.agent import answers
from flasktop.agent.activity import Activity, statements_of
from flasktop.agent.clock import used_us
from flasktop.agent.finished import Finished, QuickRequest
from flasktop.agent.rules import KnownRule
from flasktop.agent.tables import Routes, Statements, fit_to_travel
from flasktop.agent.trace import CPU_GAP_NS, UNREAD, RequestTrace, SpanRecord
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
CACHED_RULES = 4096
"""Rules, with a method each, whose routes are remembered."""

_COMMITS = (COMMIT, ROLLBACK)

TraceRow = tuple[Any, ...]
"""The fields of a ``Trace`` in their order, which is what a ``Trace`` is when it travels; its spans are SpanRows."""
QUICK: Final = Trace.__struct_fields__.index("path") + 1
"""So many of them are told of a quick request: all that have no default."""
SpanRow = tuple[int, int, int, int, int, int, str, int]
"""The fields of a ``Span``."""
Sums = tuple[int, int, int, int, int, int]
"""Execute, fetch, commit (or rollback) and connect (or pool wait) in us; statements; rows."""
_NO_SUMS: Final = (0, 0, 0, 0, 0, 0)
_TIMES: Final = 4
"""So many of them are times."""


class TraceEncoder:
    """Makes messages of records; ids come from the worker's tables."""

    def __init__(self, routes: Routes, statements: Statements) -> None:
        self._routes = routes
        self._statements = statements
        self._of_rules: dict[tuple[KnownRule, str], int] = {}

    def trace(self, record: RequestTrace, number: int, now_ns: int) -> TraceRow:
        """A finished request, as it travels: the fields of ``Trace`` in their order."""
        start_ns = record.start_ns
        duration_ns = record.end_ns - start_ns
        duration_us = duration_ns // 1000 if duration_ns > 0 else 0
        cpu_us, sql_cpu_us, wait_us, sums, spans, folded = self._times(record, duration_us)
        execute_us, fetch_us, commit_us, connect_us, statements, rows = sums
        request_key = body_key = UNKNOWN
        if record.answer is not None:
            request_key, body_key = answers.keys(record) or (UNKNOWN, UNKNOWN)
        path = record.path
        if record.query or record.app.mask_paths or len(path) > PATH_LIMIT or not path.isascii():
            path = shown_path(record)
        return (
            number, self._routes.id(record), max(now_ns - start_ns, 0) // 1000, duration_us,
            (record.first_byte_ns - start_ns) // 1000 if record.first_byte_ns else UNKNOWN,
            cpu_us, sql_cpu_us, wait_us, record.status, record.bytes_sent, path,
            record.flags, record.raised.__name__ if record.raised else "", execute_us, fetch_us,
            commit_us + connect_us, commit_us, statements, rows, spans, folded, request_key, body_key,
        )  # fmt: skip

    def quick(self, record: QuickRequest, number: int, now_ns: int) -> TraceRow:
        """The same of one that ended as most do: the ``QUICK`` first fields, since the others have their defaults."""
        start_ns, sent, path, cpu_ns = record.start_ns, record.bytes_sent, record.path, record.cpu_ns
        duration_ns = record.end_ns - start_ns
        duration_us = duration_ns // 1000
        cpu_us = in_sql = wait_us = UNKNOWN
        if cpu_ns == UNREAD and duration_ns < CPU_GAP_NS:
            cpu_us, in_sql, wait_us = duration_us, 0, 0
        elif cpu_ns >= 0:
            cpu_us, in_sql = cpu_ns // 1000, 0
            wait_us = duration_us - cpu_us
        if record.query or record.app.mask_paths or len(path) > PATH_LIMIT or not path.isascii():
            path = shown_path(record)
        route = self._of_rules.get((record.rule, record.method))
        if route is None:
            route = self._of_rule(record)
        return (
            number, route, (now_ns - start_ns) // 1000, duration_us,
            duration_us if sent else UNKNOWN, cpu_us, in_sql, wait_us, record.status, sent, path,
        )  # fmt: skip

    def _of_rule(self, record: QuickRequest) -> int:
        """The id of a route, remembered by its rule, which is one app's: that compares no texts."""
        if len(self._of_rules) >= CACHED_RULES:
            self._of_rules.clear()
        number = self._of_rules[record.rule, record.method] = self._routes.id(record)
        return number

    def _times(
        self, record: RequestTrace, duration_us: int
    ) -> tuple[int, int, int, Sums, tuple[SpanRow, ...], tuple[Folded, ...]]:
        """CPU, CPU inside SQL and waiting of a request, in us, UNKNOWN where it cannot be told; and its spans."""
        spans, folded, sums, sql_cpu_ns = self._spans(record) if record.spans is not None else ((), (), _NO_SUMS, 0)
        cpu_us = used_us(record)
        if cpu_us == UNKNOWN:
            return UNKNOWN, UNKNOWN, UNKNOWN, sums, spans, folded
        sql_cpu_us = min(sql_cpu_ns // 1000, cpu_us)
        wait_us = duration_us - sum(sums[:_TIMES]) - (cpu_us - sql_cpu_us)
        return cpu_us, sql_cpu_us, max(wait_us, 0), sums, spans, folded

    def outside(self, span: SpanRecord, now_ns: int) -> OutsideSpan:
        """The message of a span outside any request."""
        said = Span(
            self._statements.id(span.identity),
            0,
            (span.execute_ns + 500) // 1000,
            (span.fetch_ns + 500) // 1000,
            span.rows,
            span.batch,
            span.failure.__name__ if span.failure is not None else "",
        )
        return OutsideSpan(said, max(now_ns - span.start_ns, 0) // 1000)

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
            self._statements.id(database.identity)
            if activity.kind == STATEMENT and isinstance(database, SpanRecord)
            else UNKNOWN,
        )

    def _spans(self, record: RequestTrace) -> tuple[tuple[SpanRow, ...], tuple[Folded, ...], Sums, int]:
        """The spans of a request as they travel, what was folded, the sums of both, and the CPU in ns inside them."""
        record.fold_rest()
        origin_ns = record.start_ns
        execute_us = fetch_us = commit_us = connect_us = statements = rows = cpu_ns = 0
        ours, describe = self._statements.token, self._statements.described
        made = []
        for span in record.spans or ():
            row = span.identity.row
            if row is None or row[0] is not ours:
                row = describe(span.identity)
            _, number, kind = row
            took = (span.execute_ns + 500) // 1000
            fetched = (span.fetch_ns + 500) // 1000
            count = span.rows
            used = span.cpu_ns  # ``used_ns``, without a call
            cpu_ns += used if used >= 0 else span.execute_ns + span.fetch_ns
            if kind == STATEMENT:
                execute_us += took
                fetch_us += fetched
                statements += 1
                if count > 0:
                    rows += count
            elif kind in _COMMITS:
                commit_us += took
            else:
                connect_us += took
            start_us = (span.start_ns - origin_ns) // 1000
            failure = span.failure
            made.append(
                (number, start_us if start_us > 0 else 0, took, fetched, count, span.batch,
                 "" if failure is None else failure.__name__, span.parameters)
            )  # fmt: skip
        sums = (execute_us, fetch_us, commit_us, connect_us, statements, rows)
        if not record.folded:
            return tuple(made), (), sums, cpu_ns
        folded = self._folded(record)
        cpu_ns += sum(total.cpu_ns for total in record.folded.values())
        return tuple(made), folded, self._with_folded(sums, folded), cpu_ns

    def _folded(self, record: RequestTrace) -> tuple[Folded, ...]:
        return tuple(
            Folded(
                self._statements.id(total.sample.identity),
                total.count,
                total.errors,
                total.execute_ns // 1000,
                total.fetch_ns // 1000,
                total.rows,
            )
            for total in (record.folded or {}).values()
        )

    def _with_folded(self, sums: Sums, folded: tuple[Folded, ...]) -> Sums:
        execute_us, fetch_us, commit_us, connect_us, statements, rows = sums
        for part in folded:
            kind = self._statements.kind(part.statement)
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


def shown_path(record: Finished) -> str:
    """The request's path as it is shown: decoded from WSGI's latin-1, cut, values of the query string masked."""
    if record.app.mask_paths:
        return record.rule.route if record.rule is not None else ""
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
