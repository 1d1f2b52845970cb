"""Who this worker is: what its Hello tells readers."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from flasktop._version import __version__
from flasktop.protocol.messages import PROTOCOL_VERSION, Hello

APPS_TOLD: Final = 12
LABEL_LIMIT: Final = 100
DIRECTORY_LIMIT: Final = 800
"""What a Hello tells is bounded, so that it fits into the journal's header: apps, characters, bytes of UTF-8."""

TITLE: Final = b"gunicorn: "
"""With what setproctitle makes gunicorn's processes begin."""


def hello(
    pid: int,
    *,
    process_started: float,
    agent_started: float,
    apps: Sequence[str],
    group: int,
    server: str,
    directory: str,
    grants: tuple[str, ...],
) -> Hello:
    """The worker's first message, with the clocks and the versions of now."""
    flask, sqlalchemy = sys.modules.get("flask"), sys.modules.get("sqlalchemy")
    return Hello(
        PROTOCOL_VERSION,
        pid,
        process_started,
        agent_started,
        time.perf_counter(),
        time.time(),
        tuple(apps[:APPS_TOLD]),
        group,
        server[:LABEL_LIMIT],
        directory,
        __version__,
        platform.python_version(),
        _version_of("flask") if flask else "",
        str(getattr(sqlalchemy, "__version__", "")),
        grants,
    )


def working_directory() -> str:
    """The process's directory, bounded; empty where it has been deleted (as deployments do)."""
    try:
        return os.fsencode(os.getcwd())[:DIRECTORY_LIMIT].decode("utf-8", "replace")
    except OSError:
        return ""


@lru_cache(maxsize=4)
def _version_of(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def server_group() -> int:
    """The pid that the workers of one server share: their master's where this process is its fork, else its own.

    A forked worker has its master's command line (gunicorn with setproctitle: the same first word).
    """
    mine, parent = os.getpid(), os.getppid()
    own, its = _command_line(mine), _command_line(parent)
    titled = own.startswith(TITLE) and its.startswith(TITLE)
    return parent if own and (own == its or titled) else mine


def _command_line(pid: int) -> bytes:
    """The words of a process, each with a NUL behind it; empty where they cannot be told."""
    if sys.platform == "linux":  # without psutil, which takes long to load where other threads are busy
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return b""
    else:
        import psutil

        try:
            return b"".join(os.fsencode(word) + b"\0" for word in psutil.Process(pid).cmdline())
        except psutil.Error:
            return b""


def server_label(environ: dict[str, Any], greenlet_library: str) -> str:
    """How the server that called us is named, such as ``gunicorn gthread`` or ``flask run``."""
    software = str(environ.get("SERVER_SOFTWARE", "")).lower()
    if "uwsgi" in sys.modules or "uwsgi.version" in environ:
        return "uWSGI"
    if software.startswith("gunicorn"):
        threads = "gthread" if environ.get("wsgi.multithread") else "sync"
        return f"gunicorn {greenlet_library or threads}"
    if software.startswith("werkzeug"):
        return "flask run" if "flask.cli" in sys.modules and os.environ.get("FLASK_RUN_FROM_CLI") else "werkzeug"
    return software.split("/")[0] or "WSGI"
