"""The app that ``bench_serve`` and ``soak`` put behind gunicorn: ``tests.benchmarks.served:app``."""

from __future__ import annotations

import os
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

if os.environ.get("FLASKTOP_ENABLED") != "0":  # off, it would leave the app as it was, but be loaded
    from flasktop import FlaskTop

    FlaskTop(app)
