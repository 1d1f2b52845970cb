"""The shop's visitors: a modest, seeded mix of requests in a process of its own.

Visits are dealt from a shuffled deck, so that within one deck (``DECK_SECONDS``) every route is seen.
Started by ``flasktop.demo.server`` as ``python -m flasktop.demo.traffic PORT DIRECTORY``.
"""

from __future__ import annotations

import http.client
import math
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_plus, urlencode

from flasktop.demo import lifeline
from flasktop.demo.shop.seed import CATEGORIES, CUSTOMERS, LOOKS, PRODUCTS, THINGS

SEED = 20_260_131
DECK_SECONDS = 6.0
"""How long one deck lasts on average."""

AT_ONCE = 16
"""So many visitors wait for an answer at most; who comes then goes away (a slow shop must not pile them up)."""

TIMEOUT_SECONDS = 20.0

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Visit:
    """One request; ``form`` is the body of a POST."""

    method: str
    path: str
    form: str = ""


Maker = Callable[[random.Random], Visit]


def get(path: str) -> Maker:
    return lambda _chance: Visit("GET", path)


def _product(chance: random.Random) -> Visit:
    return Visit("GET", f"/product/{chance.randint(1, PRODUCTS)}")


def _product_as_json(chance: random.Random) -> Visit:
    return Visit("GET", f"/api/products/{chance.randint(1, PRODUCTS)}")


def _sold_out(chance: random.Random) -> Visit:
    return Visit("GET", f"/product/{PRODUCTS + chance.randint(1, 500)}")


def _page(chance: random.Random) -> Visit:
    return Visit("GET", f"/products?page={chance.randint(1, 30)}")


def _wrong_address(chance: random.Random) -> Visit:
    return Visit("GET", chance.choice(("/wp-login.php", "/robots.txt", "/favicon.ico", "/.env")))


def _search(path: str) -> Maker:
    def make(chance: random.Random) -> Visit:
        return Visit("GET", f"{path}?q={quote_plus(f'{chance.choice(LOOKS)} {chance.choice(THINGS)}')}")

    return make


def _thumbnail(path: str) -> Maker:
    return lambda chance: Visit("GET", f"{path}/{chance.randint(1, len(CATEGORIES))}")


def _cart(path: str, *quantities: int) -> Maker:
    def make(chance: random.Random) -> Visit:
        quantity = chance.choice(quantities)
        form = {"customer": chance.randint(1, CUSTOMERS), "product": chance.randint(1, PRODUCTS), "quantity": quantity}
        return Visit("POST", path, urlencode(form))

    return make


def _post(path: str) -> Maker:
    def make(chance: random.Random) -> Visit:
        form = {"category": chance.randint(1, len(CATEGORIES)), "buyer": f"buyer {chance.randint(1, 900)}"}
        return Visit("POST", path, urlencode(form))

    return make


DECK: tuple[tuple[int, Maker], ...] = (
    (18, _product),
    (14, _page),
    (10, get("/")),
    (10, _product_as_json),
    (8, get("/orders")),
    (4, get("/orders/eager")),
    (5, _search("/search")),
    (6, _search("/search/indexed")),
    (2, get("/products/all")),
    (8, _cart("/cart", 1, 1, 2, 3)),
    (1, _cart("/cart", 0)),  # a visitor who empties the field: the quantity that the database refuses
    (4, _cart("/cart/checked", 1, 1, 2, 3)),
    (1, _cart("/cart/checked", 0)),
    (3, _post("/report")),
    (2, _post("/report/queued")),
    (2, _thumbnail("/thumbnail")),
    (5, _thumbnail("/thumbnail/stored")),
    (3, get("/stats")),
    (8, get("/stats/cached")),
    (6, _post("/quotes")),
    (3, _post("/quotes/bounded")),
    (3, get("/inventory")),
    (3, get("/inventory/closed")),
    (1, get("/export.csv")),
    (4, get("/static/shop.css")),
    (1, _sold_out),
    (2, _wrong_address),
)
"""How often each visit comes in one deck."""


def visits(seed: int = SEED) -> Iterator[Visit]:
    """Yield visits without end, the same ones for the same ``seed``."""
    chance = random.Random(seed)
    while True:
        deck = [make for count, make in DECK for _ in range(count)]
        chance.shuffle(deck)
        for make in deck:
            yield make(chance)


def pause(chance: random.Random, since_start: float) -> float:
    """Return the seconds until the next visit: random, and in slow waves, as people come."""
    mean = DECK_SECONDS / sum(count for count, _ in DECK)
    busy = 1 + 0.35 * math.sin(since_start / 9)
    return min(chance.expovariate(busy / mean), 10 * mean)


def pay(port: int, visit: Visit) -> int:
    """Make the request on a connection of its own, read all of the answer, and return its status (0: none)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        headers = {"Connection": "close"}
        if visit.method == "POST":
            headers["Content-Type"] = FORM
        connection.request(visit.method, visit.path, visit.form or None, headers)
        response = connection.getresponse()
        response.read()
        return response.status
    except (OSError, http.client.HTTPException):
        return 0  # a worker that was killed takes its connections with it; the visitor comes again
    finally:
        connection.close()


def run(port: int) -> None:
    """Send visitors to the shop for ever."""
    places = threading.Semaphore(AT_ONCE)
    chance = random.Random(SEED)
    start = time.monotonic()

    def come(visit: Visit) -> None:
        try:
            pay(port, visit)
        finally:
            places.release()

    for visit in visits():
        time.sleep(pause(chance, time.monotonic() - start))
        if places.acquire(blocking=False):
            threading.Thread(target=come, args=(visit,), daemon=True).start()


def main(arguments: list[str]) -> None:
    port, directory = arguments
    lifeline.hold(Path(directory))
    run(int(port))


if __name__ == "__main__":
    main(sys.argv[1:])
