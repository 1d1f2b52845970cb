"""The heap app as a module's global."""

from __future__ import annotations

from tests.e2e.heap_app import create_app

app = create_app()
