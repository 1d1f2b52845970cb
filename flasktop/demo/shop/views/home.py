"""The front page, and the address by which a watchdog sees that the shop is up."""

from __future__ import annotations

import os

from flask import Blueprint, render_template
from sqlalchemy import select

from flasktop.demo.shop.database import db
from flasktop.demo.shop.models import Category, Product

pages = Blueprint("home", __name__)


@pages.get("/")
def front() -> str:
    categories = db.session.execute(select(Category.id, Category.name).order_by(Category.name)).all()
    newest = db.session.scalars(select(Product).order_by(Product.id.desc()).limit(8)).all()
    return render_template("home.html", categories=categories, products=newest)


@pages.get("/healthz")
def health() -> dict[str, int]:
    """Says which worker answered."""
    return {"pid": os.getpid()}
