"""Corrections of counters: what was booked over several days is taken back on each of them, so that nothing of it stays charged."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Server
from tests.api.test_priced_usage import BEFORE, MONTH, TODAY, check_kept, close, correct, lines, total


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A ledger of its own, with a counter of 80 GB that has come to them over days of two months."""
    made = Server(tmp_path).start()
    row = {"card": "internal", "resource": "network.inter", "from": f"{BEFORE:%Y-%m-%d}", "price": "1"}
    made.http.post("/rates", json={"rates": [row]}).raise_for_status()
    middle = TODAY.replace(day=1)
    counted(made, "c1", middle - timedelta(days=4), 0)
    counted(made, "c2", min(middle + timedelta(days=4), TODAY), 80)
    yield made
    made.stop()


def counted(server: Server, name: str, at: datetime, total: int) -> Any:
    event = {
        "id": name, "time": at.isoformat(), "resource": "network.inter", "project": "alpha", "counter": "nic",
        "total": str(total), "unit": "GB",
    }  # fmt: skip
    server.http.post("/usage", json={"source": "gateway", "events": [event]}).raise_for_status()


def by_month(server: Server) -> dict[str, float]:
    sums: dict[str, float] = {}
    for line in lines(server):
        sums[line["day"][:7]] = sums.get(line["day"][:7], 0) + float(line["amount_usd"])
    return {month: each for month, each in sums.items() if each}


def test_nothing_stays_charged_of_a_counter_that_had_not_grown(server: Server) -> None:
    assert total(server)[0] == 80
    assert by_month(server)[MONTH] >= 40
    correct(server, "c2", "0", unit="GB").raise_for_status()
    assert total(server)[0] == 0
    assert by_month(server) == {}
    check_kept(server)


def test_half_of_it_is_taken_back_on_each_day_and_given_again(server: Server) -> None:
    before = by_month(server)
    correct(server, "c2", "40", unit="GB").raise_for_status()
    assert by_month(server) == {month: each / 2 for month, each in before.items()}
    correct(server, "c2", "80", unit="GB").raise_for_status()
    assert by_month(server) == before
    check_kept(server)
    server.restart()
    assert by_month(server) == before


def test_what_is_of_a_closed_month_is_booked_in_the_open_one(server: Server) -> None:
    close(server)
    tried = correct(server, "c2", "0", unit="GB", dry_run=True).raise_for_status().json()
    done = correct(server, "c2", "0", unit="GB").raise_for_status().json()
    assert f"What is of closed months is booked in {TODAY:%Y-%m}." in tried["text"]
    assert f"What is of closed months is booked in {TODAY:%Y-%m}." in done["text"]
    assert total(server)[0] == 0
    booked = {line["period"]: 0.0 for line in lines(server)}
    for line in lines(server):
        booked[line["period"]] += float(line["amount_usd"])
    assert booked[MONTH] == -booked[f"{TODAY:%Y-%m}"] > 0
    check_kept(server)


def test_a_correction_is_seen_by_who_sees_the_use(server: Server) -> None:
    """The project pays, and no user is named: it is not for everybody's eyes."""
    projects = {"alpha": {"users": {"ann": "viewer"}}}
    tokens = {name: server.person(name) for name in ("ann", "bob")}
    server.http.post("/apply", json={"pools": [], "sharing": {"projects": projects}}).raise_for_status()
    correct(server, "c2", "40", unit="GB").raise_for_status()
    seen = {}
    for name, token in tokens.items():
        with server.client(token) as client:
            seen[name] = len(client.get("/events", params={"kind": "usage.corrected"}).json()["items"])
    assert seen == {"ann": 1, "bob": 0}
