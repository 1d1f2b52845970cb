"""What waits: the calls that block, told from the frames of a stack or from the source of the line that it ends in."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final, Literal

from flasktop.findings.sites import bare, call_name, packages
from flasktop.stats.calltree import Frame

Kind = Literal["sleep", "http", "mail", "process", "result", "lock", "network"]
"""What is waited for: time itself, an HTTP service, mail or files of another machine, another process, the result of
another thread or task, a lock, or bytes of the network in some other way."""

WAITS: Final[dict[str, Kind]] = {
    **dict.fromkeys(("requests", "urllib3", "httpx", "httpcore", "http", "urllib", "aiohttp", "httplib2"), "http"),
    **dict.fromkeys(("botocore", "boto3", "grpc", "stripe", "twilio"), "http"),
    **dict.fromkeys(("smtplib", "imaplib", "poplib", "ftplib", "paramiko"), "mail"),
    **dict.fromkeys(("subprocess", "multiprocessing"), "process"),
    **dict.fromkeys(("concurrent", "asyncio", "celery"), "result"),
    **dict.fromkeys(("socket", "ssl"), "network"),
}
"""Packages whose functions wait, and for what."""

DATABASES: Final = frozenset({
    "sqlalchemy", "sqlite3", "psycopg", "psycopg2", "asyncpg", "pg8000", "pymysql", "MySQLdb", "mysql", "oracledb",
    "cx_Oracle", "pyodbc", "pymssql", "pymongo", "mongoengine", "motor", "redis", "valkey", "pymemcache",
    "memcache", "pylibmc", "cassandra", "peewee",
})  # fmt: skip
"""What waits in these is a query: other rules, or none, speak of it."""

SERVERS: Final = frozenset({
    "werkzeug", "flask", "gunicorn", "waitress", "wsgiref", "socketserver", "cheroot", "eventlet", "gevent",
})  # fmt: skip
"""What waits in these waits for the visitor's body or is the server's own affair."""

LOCKS: Final = ("lock", "mutex", "sem", "semaphore")

NETWORK: Final = ("recv", "recv_into", "recvfrom", "accept")


def of_frames(tail: tuple[Frame, ...]) -> tuple[Kind, str] | None:
    """What the library frames below a line of the app wait for, and the call's name; None: for nothing that is known.

    Waiting on an event, a condition or a queue is None on purpose: long polling is made of it.
    """
    if not tail:
        return None
    names = packages(tail)
    if names[0] in SERVERS or not DATABASES.isdisjoint(names) or not SERVERS.isdisjoint(names[1:]):
        return None
    for name, frame in zip(names, tail, strict=True):
        if name in WAITS:
            return WAITS[name], call_name(frame)
    if names[0] == "threading":
        if bare(tail[0].function) == "join":
            return "result", "Thread.join"
        if bare(tail[0].function) in ("acquire", "__enter__"):
            return "lock", call_name(tail[0])
    return None


def of_names(names: tuple[str, ...]) -> tuple[Kind, str] | None:
    """The same of the calls that a line makes (see ``on_line``): those that end in no Python code."""
    for name in names:
        owner, _, function = name.rpartition(".")
        if name == "time.sleep":
            return "sleep", name
        if name in ("os.system", "os.wait", "os.waitpid"):
            return "process", name
        if function in NETWORK and owner:
            return "network", name
        if function == "acquire" or name.startswith("with "):
            lock = owner.rpartition(".")[2] if function == "acquire" else name.rpartition(" ")[2].rpartition(".")[2]
            if lock.lower().strip("_").endswith(LOCKS):
                return "lock", name
    return None


def on_line(text: str, line: int) -> tuple[str, ...]:
    """The calls that a line of a Python file makes, by the full names that its imports give them; ``with`` in front of
    what a ``with`` enters. Empty for what is no Python.

    >>> on_line("from time import sleep as nap\\nnap(3)\\n", 2)
    ('time.sleep',)
    >>> on_line("with _lock:\\n    pass\\n", 1)
    ('with _lock',)
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    imported = dict(_imports(tree))
    found: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.func.lineno <= line <= (node.func.end_lineno or node.func.lineno):
            found[_dotted(node.func, imported)] = None
        elif isinstance(node, ast.With) and not isinstance(node.items[0].context_expr, ast.Call):
            for item in node.items:
                if item.context_expr.lineno == line:
                    found[f"with {_dotted(item.context_expr, imported)}"] = None
    return tuple(name for name in found if name)


def _imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    yield alias.asname, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _dotted(node: ast.expr, imported: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return imported.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value, imported)
        return f"{owner}.{node.attr}" if owner else ""
    return f"{_dotted(node.func, imported)}()" if isinstance(node, ast.Call) else ""
