"""Real databases for tests: where they are, and whether they answer.

``FLASKTOP_TEST_POSTGRES_URL`` and ``FLASKTOP_TEST_MARIADB_URL`` override the defaults. A database that does not
answer skips its tests, saying why, unless ``FLASKTOP_TEST_REQUIRE_SERVICES=1``: then they fail.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import create_engine, text

OLD_SQLALCHEMY = sqlalchemy.__version__.startswith("1.")
POSTGRES_DRIVER = "psycopg2" if OLD_SQLALCHEMY else "psycopg"

SERVERS = {
    "postgresql": (
        "FLASKTOP_TEST_POSTGRES_URL",
        f"postgresql+{POSTGRES_DRIVER}://postgres@127.0.0.1:5432/test",
    ),
    "mariadb": ("FLASKTOP_TEST_MARIADB_URL", "mysql+pymysql://root@127.0.0.1:3306/test"),
}


def database_url(name: str, folder: Path) -> str:
    """The URL of database ``name`` (``sqlite``: a file in ``folder``); skips or fails where it does not answer."""
    if name == "sqlite":
        return f"sqlite:///{folder / 'test.db'}"
    variable, default = SERVERS[name]
    url = os.environ.get(variable, default)
    fault = _fault(url)
    if fault:
        reason = f"{name} does not answer at {url}: {fault}; set {variable}"
        if os.environ.get("FLASKTOP_TEST_REQUIRE_SERVICES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return url


@lru_cache(maxsize=8)
def _fault(url: str) -> str:
    """Why a database cannot be used; empty where it can."""
    try:
        engine = create_engine(url)
        with engine.connect() as connection:
            connection.execute(text("select 1"))
        engine.dispose()
    except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return ""
