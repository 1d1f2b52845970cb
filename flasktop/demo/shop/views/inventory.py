"""What is nearly sold out."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, render_template
from sqlalchemy import select
from sqlalchemy.engine import Connection

from flasktop.demo.shop.database import db
from flasktop.demo.shop.models import Product

pages = Blueprint("inventory", __name__)

LOW = select(Product.id, Product.name, Product.stock).where(Product.stock < 3).order_by(Product.stock).limit(40)

KEPT = 4
"""So many connections are out at a time: enough to be seen, not so many that the pool runs dry and the demo stops."""

_kept: deque[Connection] = deque()


@pages.get("/inventory")
def inventory() -> str:
    """FAULT: the connection is not given back when the request ends."""
    connection = db.engine.connect()
    _kept.append(connection)
    rows = connection.execute(LOW).all()
    while len(_kept) > KEPT:
        _kept.popleft().close()
    return _page(rows)


@pages.get("/inventory/closed")
def inventory_closed() -> str:
    """The same with the connection given back at once."""
    with db.engine.connect() as connection:
        rows = connection.execute(LOW).all()
    return _page(rows)


def _page(rows: Sequence[Any]) -> str:
    return render_template("inventory.html", rows=rows)
