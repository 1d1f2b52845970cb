"""How many requests this worker can run at the same time, where its server lets that be known for certain."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any, Final

from flasktop.agent.guard import guard
from flasktop.protocol.records import UNKNOWN

DEPTH: Final = 400
"""Frames looked at between the app and its server."""

_UWSGI_OTHER: Final = ("async", "gevent", "asyncio", "tornado", "greenlet", "ugreen", "uwsgi-green")


def known(environ: dict[str, Any], greenlets: str) -> int:
    """Ask the server that calls us: in the thread of a request, once for each worker. UNKNOWN where it is not certain.

    Servers say nothing of it in the environ, so the frames of this request are looked at: the server's own object is
    the ``self`` of the one that serves it. Subclasses of its class may do as they like: of them nothing is known.
    """
    try:
        if greenlets:
            return UNKNOWN
        if "uwsgi.version" in environ:
            return _of_uwsgi()
        return _of_frames(sys._getframe(1))
    except Exception as error:  # noqa: BLE001 - the guard's: a server of another version; nothing is known then
        guard.report("asking for the server's threads", error)
        return UNKNOWN


def _of_frames(frame: FrameType | None) -> int:
    for _ in range(DEPTH):
        if frame is None:
            break
        find = _SERVERS.get((frame.f_globals.get("__name__", ""), frame.f_code.co_name))
        if find is not None:
            return find(frame.f_locals["self"])
        frame = frame.f_back
    return UNKNOWN


def _is(served_by: object, module: str, name: str) -> bool:
    kind = type(served_by)
    return kind.__module__ == module and kind.__name__ == name


def _of_gunicorn_sync(worker: Any) -> int:
    return 1 if _is(worker, "gunicorn.workers.sync", "SyncWorker") else UNKNOWN


def _of_gunicorn_threads(worker: Any) -> int:
    return _count(worker.cfg.threads) if _is(worker, "gunicorn.workers.gthread", "ThreadWorker") else UNKNOWN


def _of_waitress(dispatcher: Any) -> int:
    return _count(len(dispatcher.threads)) if _is(dispatcher, "waitress.task", "ThreadedTaskDispatcher") else UNKNOWN


def _of_werkzeug(handler: Any) -> int:
    """One at a time where it was told so; with threads it starts one for each request, without end."""
    return 1 if _is(handler.server, "werkzeug.serving", "BaseWSGIServer") else UNKNOWN


_SERVERS: Final = {
    ("gunicorn.workers.sync", "handle_request"): _of_gunicorn_sync,
    ("gunicorn.workers.gthread", "handle_request"): _of_gunicorn_threads,
    ("waitress.task", "handler_thread"): _of_waitress,
    ("werkzeug.serving", "run_wsgi"): _of_werkzeug,
}


def _of_uwsgi() -> int:
    """``--threads`` of each process, else one; with an engine of greenlets or the like it is not certain."""
    options = {_text(name): value for name, value in sys.modules["uwsgi"].opt.items()}
    if any(options.get(name) for name in _UWSGI_OTHER):
        return UNKNOWN
    threads = options.get("threads", options.get("thread", b"1"))
    return _count(int(_text(threads)))


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _count(number: Any) -> int:
    return number if type(number) is int and number > 0 else UNKNOWN
