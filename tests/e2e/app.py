"""The app that the end-to-end tests serve: one route for each thing that a Flask app does.

``E2E_DATABASE`` is the URL of a database that ``prepare`` has filled, ``E2E_SCRATCH`` a folder for what routes leave.
Lines that run a statement end in ``# at: NAME``; ``line_of`` finds them again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from flask import Flask, Response, abort, redirect, render_template, request, send_file
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, create_engine, select, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, registry, relationship
from werkzeug.wrappers import Response as BaseResponse

from flasktop import FlaskTop

mapper = registry()
metadata = MetaData()
shelves = Table("shelf", metadata, Column("id", Integer, primary_key=True), Column("name", String(20)))
books = Table(
    "book",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("shelf_id", Integer, ForeignKey("shelf.id")),
    Column("title", String(40)),
)
notes = Table("note", metadata, Column("id", Integer, primary_key=True), Column("words", String(40)))


class Book:
    id: int
    title: str


class Shelf:
    id: int
    name: str
    books: list[Book]


mapper.map_imperatively(Book, books)
mapper.map_imperatively(Shelf, shelves, properties={"books": relationship(Book, order_by=books.c.id)})

SHELVES = 3
BOOKS = 4
"""Books on each shelf."""


class Teapot(Exception):
    """Has an error handler."""


def line_of(name: str) -> int:
    """The number of the line of this file that is marked ``# at: name``."""
    lines = Path(__file__).read_text().splitlines()
    (number,) = (number for number, line in enumerate(lines, 1) if line.endswith(f"# at: {name}"))
    return number


def prepare(url: str) -> None:
    """Create and fill the tables."""
    engine = create_engine(url, future=True)
    with engine.begin() as connection:
        metadata.drop_all(connection)
        metadata.create_all(connection)
        for shelf in range(1, SHELVES + 1):
            connection.execute(shelves.insert(), {"id": shelf, "name": f"shelf {shelf}"})
            titles = [{"shelf_id": shelf, "title": f"book {number}"} for number in range(BOOKS)]
            connection.execute(books.insert(), titles)
    engine.dispose()


def create_app() -> Flask:
    """The application factory."""
    app = Flask(__name__)
    app.config["FLASKTOP_NAME"] = "e2e"
    url = os.environ["E2E_DATABASE"]
    arguments = {"timeout": 20.0} if url.startswith("sqlite") else {}
    engine = create_engine(url, future=True, connect_args=arguments)
    add_plain_routes(app)
    add_reading_routes(app, engine)
    add_other_database_routes(app, engine)
    FlaskTop(app)
    return app


def add_plain_routes(app: Flask) -> None:
    @app.before_request
    def short_cut() -> str | None:
        return "short cut" if request.path == "/short" else None

    @app.errorhandler(Teapot)
    def teapot(_error: Exception) -> tuple[str, int]:
        return "teapot", 418

    @app.get("/simple")
    def simple() -> str:
        return "simple"

    @app.get("/short")
    def short() -> str:
        raise AssertionError("the short cut answers")

    @app.get("/file")
    def file() -> BaseResponse:
        return send_file(__file__, mimetype="text/plain")

    @app.get("/redirect")
    def elsewhere() -> BaseResponse:
        return redirect("/simple")

    @app.get("/gone/<int:number>")
    def gone(number: int) -> str:
        abort(410)

    @app.get("/raises")
    def raises() -> str:
        raise ZeroDivisionError("on purpose")

    @app.get("/handled")
    def handled() -> str:
        raise Teapot

    @app.get("/slow")
    def slow() -> str:
        scratch = Path(os.environ["E2E_SCRATCH"])
        (scratch / "slow.pid").write_text(str(os.getpid()))
        time.sleep(request.args.get("seconds", 0.0, type=float))
        return "slow"


def add_reading_routes(app: Flask, engine: Engine) -> None:
    @app.get("/template")
    def template() -> str:
        with engine.connect() as connection:
            rows = connection.execute(select(shelves.c.name).order_by(shelves.c.id)).all()  # at: template
        return render_template("shelves.html", rows=rows)

    @app.get("/selects/<int:count>")
    def selects(count: int) -> dict[str, int]:
        found = 0
        with engine.connect() as connection:
            for number in range(count):
                found += len(connection.execute(select(books).where(books.c.id == number + 1)).all())  # at: selects
        return {"found": found}

    @app.get("/in/<int:count>")
    def of_a_list(count: int) -> dict[str, int]:
        with engine.connect() as connection:
            rows = connection.execute(select(books).where(books.c.id.in_(range(1, count + 1)))).all()  # at: in
        return {"found": len(rows)}

    @app.get("/lazy")
    def lazy() -> dict[str, int]:
        with Session(engine, future=True) as session:
            found = session.execute(select(Shelf).order_by(shelves.c.id)).scalars().all()  # at: shelves
            return {"books": sum(len(shelf.books) for shelf in found)}  # at: lazy


def add_other_database_routes(app: Flask, engine: Engine) -> None:
    @app.post("/notes")
    def write() -> tuple[dict[str, bool], int]:
        with engine.begin() as connection:
            connection.execute(notes.insert(), [{"words": "one"}, {"words": "two"}, {"words": "three"}])  # at: notes
        return {"written": True}, 201

    @app.get("/failing")
    def failing() -> dict[str, str]:
        with engine.connect() as connection:
            try:
                connection.execute(text("SELECT secret FROM nowhere WHERE id = 4711"))  # at: failing
            except DBAPIError as error:
                return {"error": type(error).__name__}
        raise AssertionError("there is no such table")

    @app.get("/stream")
    def stream() -> Response:
        def lines() -> Iterator[str]:
            with engine.connect() as connection:
                query = select(books.c.title).order_by(books.c.id)
                for row in connection.execution_options(yield_per=5).execute(query):  # at: stream
                    yield f"{row.title}\n"

        return Response(lines(), mimetype="text/plain")

    @app.get("/async")
    async def asynchronous() -> dict[str, int]:
        with engine.connect() as connection:
            return {"shelves": len(connection.execute(select(shelves.c.id)).all())}  # at: async
