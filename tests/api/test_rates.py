"""Rates over the API: added once, followed without gap or overlap, decimals as they are written, and refused with the place and the remedy."""

from collections.abc import Callable
from itertools import count
from typing import Any

import httpx
import pytest

from tests.api.conftest import Server

NUMBERS = count()
Make = Callable[..., dict[str, Any]]


@pytest.fixture
def rate() -> Make:
    """Makes rates of a card of this test."""
    card = f"card-{next(NUMBERS)}"
    return lambda **more: {"card": card, "resource": "cpu", "from": "2026-11-01", "price": "0.05", **more}


def add(server: Server, *rates: dict[str, Any], dry_run: bool = False) -> httpx.Response:
    return server.http.post("/rates", params={"dry_run": dry_run}, json={"rates": list(rates)})


def listed(server: Server, **query: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        page = server.http.get("/rates", params={**query, **after}).raise_for_status().json()
        items += page["items"]
        if page["next"] is None:
            return items
        after = {"after": page["next"]}


def test_a_rate_holds_from_its_day_until_the_next_one(server: Server, rate: Make) -> None:
    add(server, rate(), rate(**{"from": "2026-11-20", "price": 0.055})).raise_for_status()
    days = [
        (each["from"], each["until"], each["tiers"]) for each in listed(server, card=rate()["card"], all=True)
    ]
    assert days == [
        ("2026-11-01", "2026-11-20", [{"above": 0, "price": "0.05"}]),
        ("2026-11-20", None, [{"above": 0, "price": "0.055"}]),
    ]
    assert [each["from"] for each in listed(server, card=rate()["card"], on="2026-11-19")] == ["2026-11-01"]
    assert [each["from"] for each in listed(server, card=rate()["card"], on="2026-11-20")] == ["2026-11-20"]
    assert listed(server, card=rate()["card"], on="2026-10-31") == []
    found = server.http.get(f"/rates/{rate()['card']}/cpu@2026-11-01").raise_for_status().json()
    assert (found["until"], found["unit"], found["per"]) == ("2026-11-20", "core-hours", 1)


def test_a_list_that_is_added_again_adds_nothing_and_a_dry_run_neither(server: Server, rate: Make) -> None:
    first = add(server, rate(), rate(resource="tokens.input", product="gpt-5", price="1.25"), dry_run=True)
    first.raise_for_status()
    assert [each["change"] for each in first.json()["changes"]] == ["added", "added"]
    assert listed(server, card=rate()["card"], all=True) == []
    add(server, rate()).raise_for_status()
    assert add(server, rate()).json()["changes"] == []
    assert add(server, rate(**{"from": "2026-12-01"})).json()["changes"] == [], "that price holds already"
    (changed,) = add(server, rate(**{"from": "2026-12-01", "price": "0.06"})).json()["changes"]
    assert (changed["change"], changed["before"]) == ("changed", [{"above": 0, "price": "0.05"}])


def test_pages_hold_whole_subjects_and_all_of_them_come(server: Server, rate: Make) -> None:
    models = [
        rate(resource="tokens.input", product=f"m{number:03}", price=str(number)) for number in range(25)
    ]
    later = [{**each, "from": "2026-11-09", "price": "7777"} for each in models]
    add(server, *models, *later).raise_for_status()
    assert len(listed(server, card=rate()["card"], all=True, limit=7)) == 50
    assert [each["product"] for each in listed(server, card=rate()["card"], limit=7)] == [
        f"m{number:03}" for number in range(25)
    ]


@pytest.mark.parametrize(
    ("wrong", "status", "field", "said"),
    [
        ({"price": "1e-41"}, 422, "price", "is not a price"),
        ({"price": "-1"}, 422, "price", "is not a price"),
        ({"price": "NaN"}, 422, "price", "is not a price"),
        ({"price": None}, 422, "price", "no price"),
        ({"tiers": [{"price": "1"}]}, 422, "price", "both"),
        ({"price": None, "tiers": [{"above": 5, "price": "1"}]}, 422, "tiers", "from 0 on"),
        ({"price": None, "tiers": [{"price": "1"}, {"price": "2"}]}, 422, "tiers", "not in order"),
        ({"resource": "cpus"}, 422, "resource", "no resource"),
        ({"resource": "tokens.input.above_3k"}, 422, "resource", "no resource"),
        ({"card": "cost"}, 422, "card", "has no rate"),
        ({"card": "In House"}, 422, "card", "name of a rate card"),
        ({"per": 0}, 422, "per", "0 units"),
        ({"from": "2026-11-31"}, 422, "from", "is not a day"),
        ({"from": "2026-11"}, 422, "from", "is not a day"),
        ({"from": "2026-10-31", "price": None}, 422, "price", "no price"),
        ({"price": "0.06"}, 409, "from", "begins no later"),
        ({"from": "2026-12-01", "until": "2027-01-01"}, 422, "until", "nothing follows"),
    ],
)  # fmt: skip
def test_a_rate_that_cannot_be_added_is_refused_with_its_place_and_nothing_is_added(
    server: Server, rate: Make, wrong: dict[str, Any], status: int, field: str, said: str
) -> None:
    add(server, rate()).raise_for_status()
    body = {"rates": [rate(resource="memory"), {k: v for k, v in rate(**wrong).items() if v is not None}]}
    answer = server.http.post("/rates", json=body)
    assert answer.status_code == status, answer.text
    problem = answer.json()
    assert problem["field"] == f"rates[1].{field}"
    assert said in problem["detail"]
    assert [each["resource"] for each in listed(server, card=rate()["card"], all=True)] == ["cpu"]


@pytest.mark.parametrize(("until", "said"), [("2026-11-09", "a gap"), ("2026-11-11", "an overlap")])
def test_a_gap_and_an_overlap_are_refused(server: Server, rate: Make, until: str, said: str) -> None:
    answer = add(server, rate(until=until), rate(**{"from": "2026-11-10", "price": "1"}))
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_a_price_is_kept_as_the_decimal_that_was_written(server: Server, rate: Make) -> None:
    price = "0.1000000000000000055511151231257827"
    text = f'{{"card": "{rate()["card"]}", "resource": "tokens.input", "price": {price}}}'
    server.http.post("/rates", content=f'{{"rates": [{text}]}}').raise_for_status()
    (found,) = listed(server, card=rate()["card"])
    assert found["tiers"][0]["price"] == price
    assert found["per"] == 1_000_000


def test_a_rate_begins_within_two_years(server: Server, rate: Make) -> None:
    answer = add(server, rate(**{"from": "9999-12-31"}))
    assert (answer.status_code, answer.json()["field"]) == (422, "rates[0].from")
    assert "more than two years ahead" in answer.json()["detail"]
    add(server, rate()).raise_for_status()
