from __future__ import annotations

import random
import socket
from itertools import islice

from flask import Flask
from werkzeug.exceptions import HTTPException

from flasktop.demo import traffic

DECK_LENGTH = sum(count for count, _ in traffic.DECK)


def test_one_deck_visits_every_route_of_the_shop(shop: Flask) -> None:
    adapter = shop.url_map.bind("127.0.0.1")

    def route(visit: traffic.Visit) -> str:
        try:
            rule, _ = adapter.match(visit.path.partition("?")[0], method=visit.method, return_rule=True)
        except HTTPException:
            return "unmatched"
        return rule.rule

    seen = {route(visit) for visit in islice(traffic.visits(), DECK_LENGTH)}
    wanted = {rule.rule for rule in shop.url_map.iter_rules()} - {"/healthz"}
    assert seen == wanted | {"unmatched"}


def test_one_deck_holds_quantities_that_the_cart_takes_and_one_that_it_refuses() -> None:
    forms = [visit.form for visit in islice(traffic.visits(), DECK_LENGTH) if visit.path == "/cart"]
    refused = [form for form in forms if form.endswith("quantity=0")]

    assert len(refused) == 1
    assert len(forms) > 1


def test_the_same_seed_brings_the_same_visits() -> None:
    assert list(islice(traffic.visits(5), 300)) == list(islice(traffic.visits(5), 300))
    assert list(islice(traffic.visits(5), 300)) != list(islice(traffic.visits(6), 300))


def test_the_traffic_is_modest() -> None:
    chance = random.Random(1)
    since, count = 0.0, 0
    while since < 120:
        since += traffic.pause(chance, since)
        count += 1

    assert 15 <= count / 120 <= 30


def test_a_visit_to_a_shop_that_is_not_there_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]

    assert traffic.pay(port, traffic.Visit("GET", "/")) == 0
