"""Quotes for large buyers: the price of a whole page of products, kept for when they come back."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from flask import Blueprint, request
from sqlalchemy import select

from flasktop.demo.shop.database import db
from flasktop.demo.shop.models import Product

pages = Blueprint("quotes", __name__)

LINES = 480
FORGET_AT = 700
"""The fault is real, but a demo left alone over night must not eat the machine."""

KEPT = 4
"""How many quotes the healthy twin keeps: few, so that it is soon full, and stays so."""


@dataclass
class QuoteLine:
    product_id: int
    description: str
    price_cents: int


@dataclass
class Quote:
    buyer: str
    lines: list[QuoteLine]


QUOTES: dict[str, Quote] = {}
RECENT_QUOTES: OrderedDict[str, Quote] = OrderedDict()


@pages.post("/quotes")
def quote() -> tuple[dict[str, Any], int]:
    """FAULT: every quote stays in a global of the module for as long as the process lives."""
    if len(QUOTES) >= FORGET_AT:
        QUOTES.clear()
    number = uuid4().hex
    QUOTES[number] = _quote()
    return {"quote": number, "kept": len(QUOTES)}, 201


@pages.post("/quotes/bounded")
def quote_bounded() -> tuple[dict[str, Any], int]:
    """The same with an end: the oldest quote goes when there are too many."""
    number = uuid4().hex
    RECENT_QUOTES[number] = _quote()
    while len(RECENT_QUOTES) > KEPT:
        RECENT_QUOTES.popitem(last=False)
    return {"quote": number, "kept": len(RECENT_QUOTES)}, 201


def _quote() -> Quote:
    category = request.form.get("category", 1, type=int)
    query = select(Product).where(Product.category_id == category).order_by(Product.id).limit(LINES)
    lines = [
        QuoteLine(product.id, f"{product.name}: {product.description}", product.price_cents * 9 // 10)
        for product in db.session.scalars(query)
    ]
    return Quote(request.form.get("buyer", "unknown"), lines)
