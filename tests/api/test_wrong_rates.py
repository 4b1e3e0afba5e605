"""A rate that is wrong is replaced, and what it left unpriced gets a price: months that are open are priced anew, closed ones are corrected."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from herder.store.ledger_rebuild import rebuild
from tests.api.conftest import Server
from tests.api.test_closed_invoices import BEFORE, MONTH, NOW, close, invoice, report, settings

Add = Callable[..., httpx.Response]


@pytest.fixture
def server(tmp_path: Path):  # type: ignore[no-untyped-def]
    """A ledger of its own."""
    made = Server(tmp_path).start()
    yield made
    made.stop()


@pytest.fixture
def add(server: Server) -> Add:
    def send(price: str, **more: Any) -> httpx.Response:
        day = {} if more.get("replaces") else {"from": f"{MONTH}-01"}
        row = {"card": "internal", "resource": "storage.hot", "price": price, **day, **more}
        return server.http.post("/rates", json={"rates": [row], "new_cards": False})

    return send


def total(server: Server, month: str) -> str:
    return str(invoice(server, month, project="client")["total"])


def test_a_rate_of_an_open_month_is_replaced_from_its_first_day(server: Server, add: Add) -> None:
    settings(server, client={})
    add("40").raise_for_status()
    report(server, "1", 3)
    assert total(server, MONTH) == "120.0"
    wrong, right = f"internal/storage.hot@{MONTH}-01", f"internal/storage.hot@{MONTH}-01.2"
    (change,) = add("0.5", replaces=wrong).raise_for_status().json()["changes"]
    assert (change["change"], change["rate"]["id"], change["before"][0]["price"]) == ("replaced", right, "40")
    assert total(server, MONTH) == "1.5"
    assert server.http.get(f"/rates/{wrong}").json()["replaced_by"] == right
    in_force = server.http.get("/rates", params={"card": "internal"}).json()["items"]
    assert [each["id"] for each in in_force] == [right]
    assert add("0.5", replaces=right).json()["changes"] == []
    add("0.7", replaces=right).raise_for_status()
    assert total(server, MONTH) == "2.1"
    server.restart()
    assert total(server, MONTH) == "2.1"


def test_a_rate_of_a_closed_month_is_corrected_in_the_open_one(server: Server, add: Add) -> None:
    settings(server, client={})
    add("40").raise_for_status()
    report(server, "1", 3)
    close(server)
    before = invoice(server, project="client")
    add("0.5", replaces=f"internal/storage.hot@{MONTH}-01").raise_for_status()
    assert invoice(server, project="client") == before
    assert total(server, NOW) == "-118.5"
    (row,) = invoice(server, NOW, project="client")["tables"]["markup"]["rows"]
    assert (row["at_internal_card"], row["markup"]) == (row["charged"], "0.0"), (
        "the card adds nothing to itself"
    )
    assert server.run(server.running.core.read(rebuild)).differences == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("more", "status", "field", "said"),
    [
        ({"replaces": "internal/cpu@2020-01-01"}, 422, "replaces", "There is no rate"),
        ({"replaces": "nothing"}, 422, "replaces", "There is no rate"),
        ({"replaces": "ID", "resource": "cpu"}, 422, "replaces", "of another card"),
        ({"replaces": "ID", "from": "2020-01-02"}, 422, "from", "begins on the same day"),
        ({"replaces": "OLD"}, 409, "replaces", "was replaced by"),
        ({"price": "9"}, 409, "from", "begins no later"),
        ({"card": "intrenal"}, 422, "card", "There is no rate card 'intrenal'"),
    ],
)
def test_what_replaces_nothing_is_refused(
    server: Server, add: Add, more: dict[str, str], status: int, field: str, said: str
) -> None:
    add("40").raise_for_status()
    old = f"internal/storage.hot@{MONTH}-01"
    add("4", replaces=old).raise_for_status()
    names = {"OLD": old, "ID": f"{old}.2"}
    answer = add(**{"price": "1", **{key: names.get(value, value) for key, value in more.items()}})
    assert (answer.status_code, answer.json()["field"]) == (status, f"rates[0].{field}"), answer.text
    assert said in answer.json()["detail"]


def test_use_that_a_rate_leaves_unpriced_is_told_with_the_command_that_prices_it(
    server: Server, add: Add
) -> None:
    settings(server, client={"rate_card": "external"})
    report(server, "1", 3)
    report(server, "2", 5, BEFORE.replace(day=2))
    told = add("2", card="external", **{"from": ""}).raise_for_status().json()["notes"]
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert told == [
        f"The rate applies from {today} on (UTC); --from names another day.",
        f"Use of storage.hot on 2 days before {today} has no price on card external; the first is {MONTH}-01. To price it, too: "
        f"`herder rate add --card external --resource storage.hot --price 2 --per 1 --from {MONTH}-01`.",
    ]
    assert total(server, MONTH) == "0.0"
    assert add("2", card="external").raise_for_status().json()["notes"] == []
    assert total(server, MONTH) == "16.0"


def test_a_new_card_is_told(server: Server) -> None:
    row = {"card": "gold", "resource": "cpu", "price": "1", "from": f"{MONTH}-01"}
    told = server.http.post("/rates", json={"rates": [row]}).raise_for_status().json()["notes"]
    assert told == ["Card gold is new. No project pays at it: set `rate_card: gold` of a project."]


def test_a_rate_of_a_year_that_was_mistyped_is_replaced(server: Server, add: Add) -> None:
    settings(server, client={})
    (wrong,) = add("40", **{"from": "0206-12-01"}).raise_for_status().json()["changes"]
    assert wrong["rate"]["id"] == "internal/storage.hot@0206-12-01"
    (right,) = add("0.5", replaces=wrong["rate"]["id"]).raise_for_status().json()["changes"]
    assert right["rate"]["from"] == "0206-12-01"
    assert add("0.5", **{"from": "2027-W01-1"}).status_code == 422
