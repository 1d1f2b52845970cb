"""The end-to-end app as a module's global, as ``gunicorn tests.e2e.plain:app`` wants it."""

from __future__ import annotations

from tests.e2e.app import create_app

app = create_app()
