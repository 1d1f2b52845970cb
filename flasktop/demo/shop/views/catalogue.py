"""Products: one, a page of them, and all of them."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, render_template, request
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from flasktop.demo.shop.database import db
from flasktop.demo.shop.models import Product, Review

pages = Blueprint("catalogue", __name__)
PAGE = 24


@pages.get("/product/<int:key>")
def product(key: int) -> str:
    found = db.session.get(Product, key, options=[joinedload(Product.category)])
    if found is None:
        abort(404)
    reviews = db.session.scalars(select(Review).where(Review.product_id == key).limit(10)).all()
    return render_template("product.html", product=found, reviews=reviews)


@pages.get("/api/products/<int:key>")
def product_as_json(key: int) -> dict[str, Any]:
    found = db.session.get(Product, key)
    if found is None:
        abort(404)
    return {"id": found.id, "name": found.name, "price_cents": found.price_cents, "stock": found.stock}


@pages.get("/products")
def a_page_of_products() -> str:
    page = max(1, request.args.get("page", 1, type=int))
    query = select(Product).order_by(Product.id).limit(PAGE).offset(PAGE * (page - 1))
    return render_template("products.html", products=db.session.scalars(query).all(), page=page)


@pages.get("/products/all")
def all_products() -> str:
    """FAULT: every row of the table becomes an object and a line of HTML, whatever the visitor will read."""
    products = db.session.scalars(select(Product).order_by(Product.name)).all()
    return render_template("products.html", products=products, page=None)
