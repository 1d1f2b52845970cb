"""Searching the reviews by the beginning of their title."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from sqlalchemy import func, select

from flasktop.demo.shop.database import db
from flasktop.demo.shop.models import Review

pages = Blueprint("search", __name__)
FOUND = 20


@pages.get("/search")
def search() -> str:
    """FAULT: lower() hides the column from every index, so each search reads the whole table."""
    words = request.args.get("q", "").lower()
    query = select(Review).where(func.lower(Review.title).like(f"{words}%"))
    reviews = db.session.scalars(query.order_by(Review.rating.desc(), Review.id).limit(FOUND)).all()
    return render_template("search.html", words=words, reviews=reviews)


@pages.get("/search/indexed")
def search_indexed() -> str:
    """The same titles through the index: a prefix is a range of the lower-case key."""
    words = request.args.get("q", "").lower()
    query = select(Review).where(Review.title_key >= words, Review.title_key < words + "\U0010ffff")
    reviews = db.session.scalars(query.order_by(Review.rating.desc(), Review.id).limit(FOUND)).all()
    return render_template("search.html", words=words, reviews=reviews)
