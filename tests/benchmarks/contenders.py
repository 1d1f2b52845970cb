"""One process that serves a small app, bare or watched, and tells what CPU it uses. Started by ``bench_cost``.

    python -m tests.benchmarks.contenders NAME

Reads ``PATH COUNT`` lines and serves so many requests of that path; after each line it prints the CPU seconds that the
whole process, all its threads, has used so far.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Final

from flask import Flask

SELECTS: Final = 10
"""ORM selects of one request to ``/ten``."""
TRIVIAL: Final = "/item/7"
TEN: Final = "/ten"


class Shop:
    """The app: a trivial view, and one that loads ten objects with one ORM select each, from SQLite in memory."""

    def __init__(self, recorded: bool = False, **config: Any) -> None:
        from flask_sqlalchemy import SQLAlchemy
        from sqlalchemy import Column, Integer, String, select

        self.app = Flask("bench")
        self.app.config.update(
            SQLALCHEMY_DATABASE_URI="sqlite://", SQLALCHEMY_RECORD_QUERIES=recorded, SECRET_KEY="bench", **config
        )
        self.db: Any = SQLAlchemy()
        self.db.init_app(self.app)
        model: Any = self.db.Model

        class Item(model):  # type: ignore[misc]
            id: Any = Column(Integer, primary_key=True)
            name: Any = Column(String(50))

        def ten() -> str:
            session = self.db.session
            for number in range(1, SELECTS + 1):
                session.execute(select(Item).where(Item.id == number)).scalars().one()
            return "hello"

        self.app.add_url_rule("/item/<int:number>", "item", lambda number: "hello")
        self.app.add_url_rule(TEN, "ten", ten)
        with self.app.app_context():
            self.db.create_all()
            self.db.session.add_all([Item(name=f"item {number}") for number in range(SELECTS)])
            self.db.session.commit()


def bare() -> Flask:
    return Shop().app


def flasktop() -> Flask:
    from flasktop import FlaskTop

    app = Shop().app
    FlaskTop(app)
    return app


def recorded_queries() -> Flask:
    return Shop(recorded=True).app


def debug_toolbar() -> Flask:
    from flask_debugtoolbar import DebugToolbarExtension

    app = Shop(recorded=True, DEBUG_TB_ENABLED=True).app
    DebugToolbarExtension(app)
    return app


def prometheus() -> Flask:
    from prometheus_flask_exporter import PrometheusMetrics

    app = Shop().app
    PrometheusMetrics(app)
    return app


def opentelemetry() -> Flask:
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Nowhere(SpanExporter):  # type: ignore[misc, unused-ignore]
        def export(self, spans: Any) -> Any:
            return SpanExportResult.SUCCESS

    shop = Shop()
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere(), schedule_delay_millis=200))
    FlaskInstrumentor().instrument_app(shop.app, tracer_provider=provider)
    with shop.app.app_context():
        # It refuses SQLAlchemy 2.1 by its number alone, and works with it.
        SQLAlchemyInstrumentor().instrument(engine=shop.db.engine, tracer_provider=provider, skip_dep_check=True)
    return shop.app


def sentry() -> Flask:
    import sentry_sdk
    from sentry_sdk.transport import Transport

    class Nowhere(Transport):  # type: ignore[misc, unused-ignore]
        def capture_envelope(self, envelope: Any) -> None:
            pass

    sentry_sdk.init(dsn="http://key@localhost/1", transport=Nowhere, traces_sample_rate=1.0)
    return Shop().app


APPS: Final[dict[str, Callable[[], Flask]]] = {
    "bare": bare,
    "flasktop": flasktop,
    "recorded queries": recorded_queries,
    "debug toolbar": debug_toolbar,
    "prometheus": prometheus,
    "opentelemetry": opentelemetry,
    "sentry": sentry,
}


def serving(app: Flask) -> Callable[[str, int], None]:
    """What a WSGI server does, and nothing else: call, take every piece, close."""
    from werkzeug.test import EnvironBuilder

    environs = {path: EnvironBuilder(path=path).get_environ() for path in (TRIVIAL, TEN)}

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], object]:
        return sys.stdout.buffer.write

    def serve(path: str, count: int) -> None:
        environ = environs[path]
        for _ in range(count):
            body: Any = app(dict(environ), start_response)
            for _chunk in body:
                pass
            body.close()

    return serve


def main(name: str) -> None:
    serve = serving(APPS[name]())
    for path in (TRIVIAL, TEN):
        serve(path, 200)
    print("ready", flush=True)
    for line in sys.stdin:
        path, count = line.split()
        serve(path, int(count))
        print(time.process_time(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
