"""The shop's pages, one module a subject."""

from __future__ import annotations

from flasktop.demo.shop.views import (
    cart,
    catalogue,
    export,
    home,
    inventory,
    orders,
    quotes,
    reports,
    search,
    stats,
    thumbnails,
)

BLUEPRINTS = (
    home.pages,
    catalogue.pages,
    search.pages,
    orders.pages,
    cart.pages,
    reports.pages,
    quotes.pages,
    stats.pages,
    thumbnails.pages,
    inventory.pages,
    export.pages,
)
