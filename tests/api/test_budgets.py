"""Budgets over the API and the command line: apply, leases, requests and their approval, reallocation, the documented paths."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from herder.cli.shell.main import build_app, run
from tests.api.conftest import Refusal, Server

BUDGETS = {
    "fleet": {"limit": "800", "scope": "organisation"},
    "burst": {"limit": "200", "scope": "pool", "parent": "fleet", "approvers": ["coo"]},
    "spot": {"limit": "100", "scope": "pool", "parent": "fleet"},
    "work": {"limit": None, "scope": "project", "parent": "fleet"},
}


@pytest.fixture
def fresh(server: Server) -> Iterator[Server]:
    server.http.post("/apply", json={"pools": [], "budgets": BUDGETS, "ahead": True}).raise_for_status()
    yield server
    for each in server.http.get("/budget-transfers").json()["items"]:
        if each["state"] == "asked":
            server.http.post(f"/budget-transfers/{each['number']}/reject", json={})
    for each in server.http.get("/budget-leases").json()["items"]:
        server.http.post(f"/budget-leases/{each['id']}/settle", json={"cost": each["cost"]})
    for name in reversed(BUDGETS):
        server.http.delete(f"/budgets/{name}").raise_for_status()


def reserve(client: httpx.Client, lease: str, budget: str, amount: str) -> httpx.Response:
    body = {"id": lease, "budgets": [budget], "amount": amount, "lasts_s": 600}
    return client.post("/budget-leases", json=body)


def shown(server: Server, name: str) -> dict[str, Any]:
    return dict(server.http.get(f"/budgets/{name}").json())


def test_a_lease_is_reserved_renewed_and_settled_in_the_whole_tree(fresh: Server, refused: Refusal) -> None:
    http = fresh.http
    first = reserve(http, "one", "burst", "150").raise_for_status().json()
    assert (first["number"], first["state"]) == (1, "live")
    assert reserve(http, "one", "burst", "150").raise_for_status().json() == first, "asked for again"
    assert (shown(fresh, "burst")["left"], shown(fresh, "fleet")["left"]) == ("50", "650")
    body = {"id": "two", "budgets": ["burst"], "amount": "50.01", "lasts_s": 600}
    told = refused(409, "POST", "/budget-leases", http, json=body)
    assert told["detail"] == "Budget burst has $50.00 of $200.00 left; $50.01 was asked for."
    fresh.restart()
    http = fresh.http
    renewal = {"number": 1, "cost": "30", "amount": "170", "lasts_s": 600}
    second = http.put("/budget-leases/one", json=renewal).raise_for_status().json()
    assert (second["number"], second["cost"], shown(fresh, "burst")["left"]) == (2, "30", "0")
    http.post("/budget-leases/one/settle", json={"cost": "42.5"}).raise_for_status()
    assert (shown(fresh, "burst")["spent"], shown(fresh, "burst")["left"]) == ("42.5", "157.5")
    assert shown(fresh, "fleet")["spent"] == "42.5"
    assert http.get("/budget-leases/one").status_code == 404


def test_a_request_waits_for_its_approver_and_a_small_one_does_not(fresh: Server, refused: Refusal) -> None:
    ann, coo = fresh.client(fresh.person("oann", "operator")), fresh.client(fresh.person("coo", "user"))
    with ann, coo:
        ann.post("/budgets/burst/requests", json={"amount": "30", "reason": "more"}).raise_for_status()
        assert shown(fresh, "burst")["limit"] == "230", "15 % of it"
        asked = ann.post("/budgets/burst/requests", json={"amount": "60", "reason": "release"}).json()
        assert asked["text"].endswith("for budget burst waits for coo.")
        number = asked["object"].partition("/")[2]
        path = f"/budget-transfers/{number}/approve"
        told = refused(403, "POST", path, ann, json={})
        assert told["detail"] == "oann is not an approver of budget burst."
        told = refused(403, "POST", path, coo, json={"from": "spot"})
        assert told["detail"] == "coo cannot decide about budget spot."
        coo.post(path, json={"message": "once"}).raise_for_status()
        assert shown(fresh, "burst")["limit"] == "290"
        assert refused(409, "POST", path, coo, json={})["detail"] == f"Transfer {number} is granted already."
        coo.post(f"/budget-transfers/{number}/take-back", json={}).raise_for_status()
        assert shown(fresh, "burst")["limit"] == "230"


def test_what_moves_is_left_over_at_the_giver_and_named_in_the_refusal(
    fresh: Server, refused: Refusal
) -> None:
    reserve(fresh.http, "s", "spot", "80").raise_for_status()
    body = {"from": "spot", "to": "burst", "amount": "30", "reason": "r", "repay_days": 7}
    told = refused(409, "POST", "/budget-transfers", fresh.http, json=body)
    assert told["detail"] == "Budget spot has $20.00 of $100.00 left; $30.00 was asked for."
    fresh.http.post("/budget-transfers", json={**body, "amount": "20"}).raise_for_status()
    (moved,) = [each for each in fresh.http.get("/budget-transfers").json()["items"] if each["from"]]
    assert (moved["amount"], moved["repaid"], bool(moved["next_repayment"])) == ("20", "0", True)
    fresh.http.post(f"/budget-transfers/{moved['number']}/take-back", json={}).raise_for_status()


def test_what_cannot_be_is_refused_by_apply_as_by_a_file(fresh: Server, refused: Refusal) -> None:
    def told(status: int = 422, **budgets: Any) -> str:
        body = {"pools": [], "budgets": budgets}
        dry = refused(status, "POST", "/apply?dry_run=true", fresh.http, json=body)["detail"]
        assert refused(status, "POST", "/apply", fresh.http, json=body)["detail"] == dry
        return str(dry)

    before = fresh.http.get("/budgets").json()
    assert "'-1' is negative" in told(x={"limit": "-1"})
    assert "has the parent z, which does not exist" in told(x={"limit": "1", "parent": "z"})
    assert "above themselves: fleet → burst → fleet" in told(fleet={**BUDGETS["fleet"], "parent": "burst"})
    assert "is in tokens and its parent fleet in usd" in told(
        x={"limit": "1", "unit": "tokens", "parent": "fleet"}
    )
    assert "are both for pool burst" in told(x={"limit": "1", "scope": "pool", "of": "burst"})
    reserve(fresh.http, "b", "spot", "80").raise_for_status()
    assert told(409, spot={**BUDGETS["spot"], "limit": "79"}) == (
        "Budget spot has $80.00 spent or reserved already; set at least that, or wait for leases to end."
    )
    assert "exists with another period" in told(409, burst={**BUDGETS["burst"], "period": "day"})
    fresh.http.post("/budget-leases/b/settle", json={"cost": "0"}).raise_for_status()
    assert fresh.http.get("/budgets").json() == before


def test_a_user_spends_from_their_own_budget_and_their_projects(fresh: Server, refused: Refusal) -> None:
    with fresh.client(fresh.person("buser")) as user:
        body = {"id": "u", "budgets": ["burst"], "amount": "1", "lasts_s": 60}
        told = refused(403, "POST", "/budget-leases", user, json=body)
        assert told["detail"] == "buser cannot spend from budget burst."
        fresh.http.put(
            "/budgets/buser", json={"settings": {"limit": "5", "scope": "user"}}
        ).raise_for_status()
        reserve(user, "u", "buser", "5").raise_for_status()
        user.post("/budget-leases/u/settle", json={"cost": "1"}).raise_for_status()
    fresh.http.delete("/budgets/buser").raise_for_status()


def test_the_documented_paths(fresh: Server) -> None:
    headers = {"Authorization": f"Bearer {fresh.running.token}"}
    with httpx.Client(base_url=f"{fresh.running.url}/api", headers=headers) as client:
        assert client.get("/budget/status/pool/burst").raise_for_status().json()["limit"] == "200"
        assert client.get("/budget/status/pool/none").status_code == 404
        for field in ("entity", "division"):
            body = {field: "spot", "amount": 5, "reason": "r"}
            client.post("/budget/request", json=body).raise_for_status()
        assert shown(fresh, "spot")["limit"] == "110"
        assert client.post("/budget/request", json={"amount": 5, "reason": "r"}).status_code == 422
        client.post(
            "/budget/reallocate", json={"from": "spot", "to": "burst", "amount": 10}
        ).raise_for_status()
        assert (shown(fresh, "spot")["limit"], shown(fresh, "burst")["limit"]) == ("100", "210")
        with fresh.client(fresh.person("asker", "operator")) as asker:
            asked = asker.post("/budgets/burst/requests", json={"amount": "90", "reason": "r"}).json()
        number = asked["object"].partition("/")[2]
        client.post(f"/budget/approve/{number}", json={}).raise_for_status()
        assert shown(fresh, "burst")["limit"] == "300"


def test_metrics(fresh: Server) -> None:
    more = {
        "words": {"scope": "group", "unit": "tokens", "limit": None},
        "metered": {"scope": "pool", "limit": "40", "overage": "25%"},
    }
    fresh.http.post(
        "/apply", json={"pools": [], "budgets": {**BUDGETS, **more}, "ahead": True}
    ).raise_for_status()
    reserve(fresh.http, "one", "metered", "10").raise_for_status()
    reserve(fresh.http, "two", "metered", "5").raise_for_status()
    fresh.http.post("/budget-leases/two/settle", json={"cost": "4.5"}).raise_for_status()
    text = fresh.client(fresh.running.token).get(fresh.running.url + "/metrics").raise_for_status().text
    found = {
        line.partition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if "herder_budget_" in line and line[0] != "#"
    }
    metered = {
        name: found[f'herder_budget_{name}{{budget="metered",unit="usd"}}']
        for name in ("limit", "spent", "reserved", "left")
    }
    assert metered == {"limit": 40, "spent": 4.5, "reserved": 10, "left": 35.5}  # with overage
    assert {name for name in found if "words" in name} == {
        f'herder_budget_{name}{{budget="words",unit="tokens"}}' for name in ("spent", "reserved")
    }
    fresh.http.post("/budget-leases/one/settle", json={"cost": "10"}).raise_for_status()
    for name in more:
        fresh.http.delete(f"/budgets/{name}").raise_for_status()


def test_the_command_line(fresh: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def herder(*words: str) -> str:
        code = run(build_app(), [*words, "--server", fresh.running.url, "--token-file", str(token)])
        told = capsys.readouterr()
        assert code == 0, told.err
        return told.out

    path, token = tmp_path / "herder.yaml", tmp_path / "token"
    token.write_text(fresh.running.token)
    path.write_text(
        "budgets:\n  fleet: {scope: organisation, limit: 800}\n  gpu: {scope: pool, parent: fleet, limit: 1000}\n"
    )
    assert "+ budgets.gpu.limit: " in herder("apply", "-f", str(path), "--dry-run", "--ahead")
    assert not any(each["name"] == "gpu" for each in fresh.http.get("/budgets").json()["items"])
    herder("apply", "-f", str(path), "--yes", "--ahead")
    herder("budget", "set", "gpu", "--limit", "900", "--set", "thresholds=50%,80%")
    table = herder("budget", "list")
    assert max(map(len, table.splitlines())) <= 80
    assert "$900.00" in table
    reserve(fresh.http, "g", "gpu", "10").raise_for_status()
    assert "g " in herder("budget", "leases")
    herder("budget", "request", "gpu", "--amount", "50", "--reason", "r")
    herder("budget", "reallocate", "spot", "gpu", "--amount", "5", "--reason", "r")
    (moved,) = [
        each for each in json.loads(herder("budget", "requests", "-o", "json"))["items"] if each["from"]
    ]
    herder("budget", "take-back", str(moved["number"]))
    assert "$950.00" in herder("budget", "show", "gpu")
    told = herder("budget", "delete", "gpu", "--yes")
    assert (
        "Budget gpu is being deleted by admin. It limits nothing now, and is gone when 1 lease has ended"
        in told
    )
    assert "deleting: limits nothing now, waits for 1 lease to end" in herder("budget", "show", "gpu")
    assert reserve(fresh.http, "h", "gpu", "1").status_code == 409
    assert "cancelled" in herder("budget", "keep", "gpu")
    herder("budget", "delete", "gpu", "--yes")
    assert "deleting" in herder("budget", "list")
    assert "settled at $3.50" in herder("budget", "settle", "g", "--cost", "3.5")
    assert "gpu" not in herder("budget", "list")


def test_a_budget_by_hand_is_for_something_that_exists_or_said_to_come_later(
    fresh: Server, refused: Refusal
) -> None:
    before = fresh.http.get("/budgets").json()
    for scope in ("pool", "user", "project", "division"):
        body: dict[str, Any] = {"settings": {"limit": "5", "scope": scope}}
        told = refused(422, "PUT", "/budgets/nowhere", fresh.http, json=body)
        sentence = f"There is no {scope} 'nowhere', so budget nowhere would limit nothing."
        assert told["detail"] == sentence
        assert "--ahead" in told["hint"]
    with fresh.client(fresh.person("known")):
        body = {"settings": {"limit": "5", "scope": "user"}}
        assert "known" in refused(422, "PUT", "/budgets/nowhere", fresh.http, json=body)["hint"]
    assert fresh.http.get("/budgets").json() == before
    for name, settings, words in (
        ("nowhere", {"limit": "5", "scope": "pool"}, "It limits pool nowhere."),
        ("some", {"limit": "5"}, "It is a group: it limits only the budgets below it."),
    ):
        done = fresh.http.put(f"/budgets/{name}", json={"settings": settings, "ahead": True})
        assert words in done.raise_for_status().json()["text"]
    changed = fresh.http.put("/budgets/nowhere", json={"settings": {"limit": "6"}}).raise_for_status().json()
    assert changed["text"] == "Budget nowhere is changed."
    for name in ("nowhere", "some"):
        fresh.http.delete(f"/budgets/{name}").raise_for_status()


def test_files_name_budgets_of_what_exists_or_comes_with_them_or_later(
    fresh: Server, refused: Refusal
) -> None:
    before = fresh.http.get("/budgets").json()
    shared = {"projects": {"tests": {"division": "east"}}}
    known = {
        "t": {"limit": "1", "scope": "project", "of": "tests"},
        "e": {"limit": "1", "scope": "division", "of": "east"},
    }
    wrong = {
        "n": {"limit": "1", "scope": "pool", "of": "nowhere"},
        "m": {"limit": "1", "scope": "user", "of": "nobody"},
    }
    for way in ("/apply", "/apply?dry_run=true"):
        told = refused(
            422, "POST", way, fresh.http, json={"pools": [], "budgets": {**known, **wrong}, "sharing": shared}
        )
        assert told["detail"] == (
            "There is no pool 'nowhere', so budget n would limit nothing. The same is true of 1 other budget: m."
        )
        assert "--ahead" in told["hint"]
        assert fresh.http.get("/budgets").json() == before
    made = {"pools": [], "budgets": known, "sharing": shared}
    fresh.http.post("/apply?dry_run=true", json=made).raise_for_status()
    ahead = {"pools": [], "budgets": {**known, **wrong}, "sharing": shared, "ahead": True}
    fresh.http.post("/apply", json=ahead).raise_for_status()
    again = {"pools": [], "budgets": {"n": {**wrong["n"], "limit": "2"}}}
    fresh.http.post("/apply", json=again).raise_for_status()
    for way in ("/apply?dry_run=true", "/apply"):
        emptied = fresh.http.post(way, json={"pools": [], "sharing": {"projects": {}}}).raise_for_status()
        assert emptied.json()["warnings"] == [
            "Project tests is removed: the section projects is replaced, and the files do not name it. Add it to the files to keep it.",
            "Budgets e and t limit nothing then: what they are for does not exist. Delete them with `herder budget delete NAME`, or keep the projects.",
        ]
    for name in (*known, *wrong):
        fresh.http.delete(f"/budgets/{name}").raise_for_status()


def test_overage_counts_in_both_numbers_of_a_refusal(fresh: Server, refused: Refusal) -> None:
    overage = {"settings": {"limit": "100", "overage": "10%"}}
    fresh.http.put("/budgets/spot", json=overage).raise_for_status()
    body = {"id": "o", "budgets": ["spot"], "amount": "110.01", "lasts_s": 60}
    told = refused(409, "POST", "/budget-leases", fresh.http, json=body)
    assert told["detail"] == "Budget spot has $110.00 of $110.00 left; $110.01 was asked for."


def test_dollars_and_tokens_of_a_subject_are_side_by_side(
    fresh: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = tmp_path / "token"
    token.write_text(fresh.running.token)
    day = {"unit": "tokens", "period": "day"}
    more = {
        "tokens": {"limit": 83_000, **day},
        "spot-tokens": {"limit": 20_000, "scope": "pool", "of": "spot", "parent": "tokens", **day},
    }
    fresh.http.post("/apply", json={"pools": [], "budgets": more, "ahead": True}).raise_for_status()
    words = ["budget", "list", "--by-subject", "-o", "json", "--server", fresh.running.url]
    assert run(build_app(), [*words, "--token-file", str(token)]) == 0
    rows = {each["name"]: each for each in json.loads(capsys.readouterr().out)["items"]}
    spot = rows["pool spot"]
    assert (spot["usd_limit"], spot["usd_share"], spot["periods"]) == ("$100.00", "12.5 %", "month, day")
    assert (spot["tokens_limit"], spot["tokens_left"], spot["tokens_share"]) == ("20,000", "20,000", "24.1 %")
    assert rows["pool burst"]["tokens_limit"] is None
    for name in ("spot-tokens", "tokens"):
        fresh.http.delete(f"/budgets/{name}").raise_for_status()


def test_one_budget_shows_its_newest_transfers(fresh: Server) -> None:
    move = {"from": "spot", "to": "burst", "amount": "0.01", "reason": "r"}
    made = [
        fresh.http.post("/budget-transfers", json=move).raise_for_status().json()["object"] for _ in range(22)
    ]
    found = shown(fresh, "burst")
    newest = [int(each.partition("/")[2]) for each in reversed(made)]
    assert [each["number"] for each in found["transfers"]] == newest[:20]
    assert found["transfers_total"] >= 22
    for number in newest:
        fresh.http.post(f"/budget-transfers/{number}/take-back", json={}).raise_for_status()


def test_one_budget_shows_what_was_moved_and_a_lease_its_unit(fresh: Server) -> None:
    spent = Decimal(shown(fresh, "burst")["spent"])
    move = {"from": "spot", "to": "burst", "amount": "20", "reason": "r", "repay_days": 2}
    fresh.http.post("/budget-transfers", json=move).raise_for_status()
    reserve(fresh.http, "l", "burst", "30").raise_for_status()
    burst, spot = shown(fresh, "burst"), shown(fresh, "spot")
    assert [(each["from"], each["amount"]) for each in burst["transfers"]] == [("spot", "20")]
    assert (burst["periods"][0]["moved"], spot["periods"][0]["moved"]) == ("20", "-20")
    assert (Decimal(burst["used"]), burst["reserved"]) == (spent, "30"), "what people use is not metered"
    assert [each["unit"] for each in fresh.http.get("/budget-leases").json()["items"]] == ["usd"]
    fresh.http.post("/budget-leases/l/settle", json={"cost": "12"}).raise_for_status()
    assert Decimal(shown(fresh, "burst")["used"]) == spent + 12
    number = burst["transfers"][0]["number"]
    fresh.http.post(f"/budget-transfers/{number}/take-back", json={}).raise_for_status()
