"""Putting a product into a cart."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request
from sqlalchemy.exc import IntegrityError

from flasktop.demo.shop.database import db
from flasktop.demo.shop.models import CartLine

pages = Blueprint("cart", __name__)


@pages.post("/cart")
def add() -> tuple[dict[str, Any], int]:
    """FAULT: a quantity of 0 violates a constraint, and nobody handles that: status 500."""
    line = _line_of_form()
    db.session.add(line)
    db.session.commit()
    return {"line": line.id}, 201


@pages.post("/cart/checked")
def add_checked() -> tuple[dict[str, Any], int]:
    """The same with the constraint's answer handed on: status 409."""
    line = _line_of_form()
    db.session.add(line)
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        return {"error": "Order at least one."}, 409
    return {"line": line.id}, 201


def _line_of_form() -> CartLine:
    return CartLine(
        customer_id=request.form.get("customer", 1, type=int),
        product_id=request.form.get("product", 1, type=int),
        quantity=request.form.get("quantity", 1, type=int),
    )
