"""The newest orders and what each is worth."""

from __future__ import annotations

from flask import Blueprint, render_template
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from flasktop.demo.shop.database import db
from flasktop.demo.shop.models import Order

pages = Blueprint("orders", __name__)
SHOWN = 200


@pages.get("/orders")
def orders() -> str:
    """FAULT: the items of each order are loaded when they are touched, one statement an order (N+1)."""
    newest = db.session.scalars(select(Order).order_by(Order.placed_at.desc()).limit(SHOWN)).all()
    rows = []
    for order in newest:
        total = sum(item.price_cents * item.quantity for item in order.items)
        rows.append((order, total))
    return render_template("orders.html", rows=rows)


@pages.get("/orders/eager")
def orders_eager() -> str:
    """The same page in two statements, however many orders."""
    query = select(Order).options(selectinload(Order.items)).order_by(Order.placed_at.desc()).limit(SHOWN)
    rows = []
    for order in db.session.scalars(query).all():
        total = sum(item.price_cents * item.quantity for item in order.items)
        rows.append((order, total))
    return render_template("orders.html", rows=rows)
