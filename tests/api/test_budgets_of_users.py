"""What users with the role user can do with their own budgets: no more than these allow, and nothing to those above them."""

from collections.abc import Iterator
from itertools import count

import httpx
import pytest

from herder.control.budgets import leases_of_people, moving
from tests.api.conftest import Refusal, Server

BUDGETS = {
    "company": {"limit": "100", "scope": "organisation"},
    "cuser": {"limit": "10", "scope": "user", "parent": "company"},
}


NUMBERS = count(1)


@pytest.fixture
def user(server: Server) -> Iterator[httpx.Client]:
    name = f"cuser{next(NUMBERS)}"
    budgets = {**BUDGETS, "cuser": {**BUDGETS["cuser"], "of": name}}
    server.http.post("/apply", json={"pools": [], "budgets": budgets, "ahead": True}).raise_for_status()
    with server.client(server.person(name)) as client:
        yield client
    for each in server.http.get("/budget-transfers").json()["items"]:
        if each["state"] == "asked":
            server.http.post(f"/budget-transfers/{each['number']}/reject", json={})
    for each in server.http.get("/budget-leases").json()["items"]:
        server.http.post(f"/budget-leases/{each['id']}/settle", json={"cost": each["cost"]})
    for name in reversed(BUDGETS):
        server.http.delete(f"/budgets/{name}").raise_for_status()


def reserve(lease: str, amount: str) -> dict[str, object]:
    return {"id": lease, "budgets": ["cuser"], "amount": amount, "lasts_s": 600}


def test_small_requests_together_are_granted_up_to_the_part_that_needs_no_approver(
    server: Server, user: httpx.Client
) -> None:
    for amount, text in (("1", "were given"), ("0.5", "were given"), ("0.01", "waits for an operator.")):
        body = {"amount": amount, "reason": "more"}
        asked = user.post("/budgets/cuser/requests", json=body).raise_for_status().json()
        assert text in asked["text"]
    assert server.http.get("/budgets/cuser").json()["limit"] == "11.5"


def test_a_user_reports_no_more_than_the_lease_has_reserved_and_an_operator_does(
    server: Server, user: httpx.Client, refused: Refusal
) -> None:
    told = refused(422, "POST", "/budget-leases", user, json=reserve("none", "0"))
    assert told["detail"] == "The lease reserves nothing."
    user.post("/budget-leases", json=reserve("c", "2")).raise_for_status()
    renewal = {"number": 1, "cost": "2.01", "amount": "3", "lasts_s": 600}
    told = refused(409, "PUT", "/budget-leases/c", user, json=renewal)
    sentence = "Lease c can cost $2.00 at most with what it has reserved; $2.01 was reported."
    assert told["detail"] == sentence
    renewal["cost"] = "2"
    user.put("/budget-leases/c", json=renewal).raise_for_status()
    assert user.put("/budget-leases/c", json=renewal).raise_for_status().json()["number"] == 2, "asked again"
    told = refused(409, "POST", "/budget-leases/c/settle", user, json={"cost": "5.01"})
    assert told["detail"].startswith("Lease c can cost $5.00 at most")
    assert server.http.get("/budgets/company").json()["spent"] == "2"
    server.http.post("/budget-leases/c/settle", json={"cost": "5.01"}).raise_for_status()
    assert server.http.get("/budgets/company").json()["spent"] == "5.01"


def test_a_user_has_so_many_leases_on_a_budget_and_no_more(
    user: httpx.Client, refused: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases_of_people, "LEASES_OF_USERS_MAX", 2)
    for name in ("c1", "c2"):
        user.post("/budget-leases", json=reserve(name, "0.1")).raise_for_status()
    told = refused(409, "POST", "/budget-leases", user, json=reserve("c3", "0.1"))
    assert told["detail"] == "Budget cuser has 2 leases; users may have 2."
    user.post("/budget-leases", json=reserve("c2", "0.1")).raise_for_status()
    user.post("/budget-leases/c1/settle", json={"cost": "0"}).raise_for_status()
    user.post("/budget-leases", json=reserve("c3", "0.1")).raise_for_status()


@pytest.mark.parametrize("name", ["", ".", "..", ".a", "a/b", "a\n", "a" * 201])
def test_an_id_of_a_lease_can_be_part_of_an_address(user: httpx.Client, name: str) -> None:
    answer = user.post("/budget-leases", json=reserve(name, "1"))
    assert (answer.status_code, answer.json()["field"]) == (422, "id")


def test_a_cost_that_goes_down_is_refused_in_dollars(user: httpx.Client) -> None:
    user.post("/budget-leases", json=reserve("going-down", "2")).raise_for_status()
    body = {"number": 1, "cost": "1.5", "amount": "2", "lasts_s": 600}
    user.put("/budget-leases/going-down", json=body).raise_for_status()
    answer = user.put("/budget-leases/going-down", json={**body, "number": 2, "cost": "0.5"})
    assert answer.status_code == 409
    assert "was $1.50 before and cannot go down to $0.50;" in answer.json()["detail"]


def test_a_user_has_a_bounded_number_of_requests_however_small(
    server: Server, user: httpx.Client, refused: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is kept while it counts."""
    monkeypatch.setattr(moving, "REQUESTS_OF_USERS_MAX", 3)
    path, tiny = "/budgets/cuser/requests", {"amount": "0.000000000001", "reason": "more"}
    for amount in ("0.000000000001", "0.000000000001", "5"):
        user.post(path, json={**tiny, "amount": amount}).raise_for_status()
    problem = refused(409, "POST", path, client=user, json=tiny)
    assert "has 3 requests that wait or count in this period; users may have 3." in problem["detail"]
    server.http.post(path, json=tiny).raise_for_status()
