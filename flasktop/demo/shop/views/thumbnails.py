"""The little picture beside a category's name."""

from __future__ import annotations

from flask import Blueprint, Response, abort
from sqlalchemy import select

from flasktop.demo.shop.database import db
from flasktop.demo.shop.models import Category
from flasktop.demo.shop.thumbnails import SIZE, draw

pages = Blueprint("thumbnails", __name__)

DENSITIES = (1, 2, 3)
"""Pixels a point: one picture for each kind of screen, of which a visitor gets the first."""


@pages.get("/thumbnail/<int:key>")
def thumbnail(key: int) -> Response:
    """FAULT: the same pictures are drawn for each visitor; meanwhile other threads fight for the interpreter."""
    hue = db.session.scalar(select(Category.hue).where(Category.id == key))
    if hue is None:
        abort(404)
    pictures = [draw(hue, SIZE * density) for density in DENSITIES]
    return Response(pictures[0], mimetype="image/png")


@pages.get("/thumbnail/stored/<int:key>")
def thumbnail_stored(key: int) -> Response:
    """The picture as it was drawn once, when the category was made."""
    picture = db.session.scalar(select(Category.thumbnail).where(Category.id == key))
    if picture is None:
        abort(404)
    return Response(picture, mimetype="image/png")
