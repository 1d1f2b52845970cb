"""How each category is liked."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, render_template
from sqlalchemy import func, select

from flasktop.demo.shop.database import db
from flasktop.demo.shop.models import Category, Product, Review

pages = Blueprint("stats", __name__)

FRESH_SECONDS = 300.0
_cached: tuple[float, Sequence[Any]] | None = None


@pages.get("/stats")
def stats() -> str:
    """FAULT: the same sums over every review are made anew for each visitor."""
    return render_template("stats.html", rows=_likes())


@pages.get("/stats/cached")
def stats_cached() -> str:
    """The same sums, at most five minutes old."""
    global _cached
    now = time.monotonic()
    if _cached is None or now - _cached[0] > FRESH_SECONDS:
        _cached = (now, _likes())
    return render_template("stats.html", rows=_cached[1])


def _likes() -> Sequence[Any]:
    query = (
        select(Category.name, func.count(Review.id), func.avg(Review.rating))
        .join(Product, Product.category_id == Category.id)
        .join(Review, Review.product_id == Product.id)
        .group_by(Category.name)
        .order_by(Category.name)
    )
    return db.session.execute(query).all()
