"""The shop: a small Flask app whose routes come in pairs, a classic fault beside its healthy twin.

=====================  ==========================  ============================================
route                  healthy twin                the fault
=====================  ==========================  ============================================
/orders                /orders/eager               one statement an order (N+1)
/search                /search/indexed             a search that no index can serve
/products/all          /products?page=             a list without a limit
POST /report           POST /report/queued         waiting for a slow service
/thumbnail/<key>       /thumbnail/stored/<key>     CPU work in the view
/stats                 /stats/cached               an expensive result computed each time
POST /quotes           POST /quotes/bounded        a global that grows
/inventory             /inventory/closed           a connection kept after the request
POST /cart             POST /cart/checked          a constraint that nobody handles
=====================  ==========================  ============================================

``/export.csv`` streams its rows and is as it should be.
"""

from __future__ import annotations

from flask import Flask, render_template

from flasktop import FlaskTop
from flasktop.demo.shop.database import db
from flasktop.demo.shop.views import BLUEPRINTS


def create_app(database_url: str) -> Flask:
    """Return the shop on the database at ``database_url``, which ``seed.stock`` has filled."""
    app = Flask(__name__)
    app.config.from_mapping(DATABASE_URL=database_url, FLASKTOP_NAME="shop", FLASKTOP_IGNORE="/healthz")
    db.init_app(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    app.add_template_filter(money)
    app.register_error_handler(404, not_found)
    FlaskTop(app)
    return app


def money(cents: int) -> str:
    """Write ``cents`` as a price."""
    return f"€ {cents / 100:,.2f}"


def not_found(_error: Exception) -> tuple[str, int]:
    return render_template("not_found.html"), 404
