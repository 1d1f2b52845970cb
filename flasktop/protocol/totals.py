"""Exact sums since a worker's start, which ride along with frames.

The rules of all structs on the wire are those of ``protocol/messages.py``.
"""

from __future__ import annotations

from flasktop.protocol.records import Message


class RouteTotal(Message, frozen=True):
    """Exact sums of one route since the worker's start. ``cpu_known`` counts the traces behind ``cpu_us``,
    ``sql_cpu_us`` and ``wait_us``; ``first_byte_known`` those behind ``first_byte_us`` and ``body_us`` (from
    there to the end)."""

    route: int
    count: int
    errors: int
    duration_us: int
    max_us: int
    first_byte_us: int
    first_byte_known: int
    cpu_us: int
    sql_cpu_us: int
    wait_us: int
    cpu_known: int
    execute_us: int
    fetch_us: int
    other_us: int
    statements: int
    rows: int
    bytes_sent: int
    statuses: dict[int, int]
    commit_us: int = 0
    body_us: int = 0


class StatementTotal(Message, frozen=True):
    """Exact sums of one statement since the worker's start. ``routes`` are the ids of the routes that ran it
    (UNKNOWN among them: outside any request)."""

    statement: int
    count: int
    errors: int
    execute_us: int
    fetch_us: int
    rows: int
    routes: tuple[int, ...]
