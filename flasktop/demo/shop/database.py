"""The shop's engine and sessions: plain SQLAlchemy, one session a request."""

from __future__ import annotations

from typing import Any

from flask import Flask, current_app, g
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool


class Database:
    """Gives every app its engine and every request its session."""

    def init_app(self, app: Flask) -> None:
        """Make the engine of ``app`` from its ``DATABASE_URL``; close the session when a request ends."""
        app.extensions["shop_engine"] = make_engine(app.config["DATABASE_URL"])
        app.teardown_appcontext(self._close)

    @property
    def engine(self) -> Engine:
        engine: Engine = current_app.extensions["shop_engine"]
        return engine

    @property
    def session(self) -> Session:
        """The session of this request, made when it is first asked for."""
        if "session" not in g:
            g.session = Session(self.engine, future=True)
        session: Session = g.session
        return session

    def _close(self, _error: BaseException | None) -> None:
        session: Session | None = g.pop("session", None)
        if session is not None:
            session.close()


def make_engine(url: str) -> Engine:
    """Return an engine with a counted pool, also for SQLite (whose default differs between SQLAlchemy's versions)."""
    if not url.startswith("sqlite"):
        return create_engine(url, future=True)
    # A connection may go back to the pool from another thread than the one that took it out (see views.inventory).
    arguments = {"check_same_thread": False, "timeout": 10.0}
    engine = create_engine(url, future=True, poolclass=QueuePool, pool_size=5, max_overflow=15, connect_args=arguments)
    event.listen(engine, "connect", _tune)
    return engine


def _tune(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous = OFF")  # the shop is thrown away afterwards
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


db = Database()
