"""The demo's shop, on the database that the tests have stocked: it has a view that leaks, and healthy ones."""

from __future__ import annotations

import os

from flask import Flask

from flasktop.demo.shop import create_app as create_shop


def create_app() -> Flask:
    return create_shop(os.environ["E2E_DATABASE"])
