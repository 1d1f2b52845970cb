"""The app that ``bench_serve`` and ``soak`` put behind gunicorn: ``tests.benchmarks.served:app``."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response

from tests.benchmarks.contenders import Shop

shop = Shop()
app = shop.app


@app.get("/stream")
def stream() -> Response:
    def pieces() -> Iterator[bytes]:
        for number in range(20):
            yield b"%d\n" % number

    return Response(pieces())


@app.get("/fails")
def fails() -> str:
    raise ZeroDivisionError


app.logger.disabled = True

from flasktop import FlaskTop  # noqa: E402 - last, as in an app; FLASKTOP_ENABLED=0 leaves the app as it was

FlaskTop(app)
