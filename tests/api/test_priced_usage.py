"""Reported use, from the report to the lines: priced at the rate of its day, corrected later where its month is closed, and computed anew with the same result."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from herder.control.loops import metering
from herder.store.ledger_rebuild import rebuild
from tests.api.conftest import Server

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
BEFORE = (TODAY.replace(day=1) - timedelta(days=1)).replace(day=1)
"""The first day of the month before this one."""
MONTH = f"{BEFORE:%Y-%m}"


@pytest.fixture
def server(tmp_path: Path):  # type: ignore[no-untyped-def]
    """A ledger of its own."""
    made = Server(tmp_path).start()
    yield made
    made.stop()


def use(name: str, day: datetime, tokens: int, **more: Any) -> dict[str, Any]:
    time = min(day + timedelta(hours=1), datetime.now(UTC)).isoformat()
    return {"id": name, "time": time, "model": "m", "tokens": {"input": tokens}, "project": "alpha", **more}


def report(server: Server, *requests: dict[str, Any]) -> str:
    answer = server.http.post("/usage/tokens", json={"source": "gateway", "requests": requests})
    return str(answer.raise_for_status().json()["text"])


def rate(server: Server, day: datetime, price: str, **more: Any) -> None:
    row = {
        "card": "internal",
        "resource": "tokens.input",
        "product": "m",
        "from": f"{day:%Y-%m-%d}",
        "price": price,
        **more,
    }
    server.http.post("/rates", json={"rates": [row]}).raise_for_status()


def total(server: Server) -> tuple[Decimal, dict[str, str]]:
    days = {"first": f"{BEFORE:%Y-%m-%d}", "last": f"{TODAY:%Y-%m-%d}"}
    found = server.http.get("/costs", params=days).raise_for_status().json()
    return Decimal(found["total_usd"]), found["unpriced"]


def lines(server: Server) -> list[dict[str, Any]]:
    days = {"first": f"{BEFORE:%Y-%m-%d}", "last": f"{TODAY:%Y-%m-%d}", "card": "cost"}
    found: list[dict[str, Any]] = (
        server.http.get("/costs/lines", params=days).raise_for_status().json()["items"]
    )
    return found


def close(server: Server) -> None:
    server.http.post(f"/costs/months/{MONTH}/close").raise_for_status()
    server.run(metering.once(server.running.core))
    months = {each["month"]: each["state"] for each in server.http.get("/costs/months").json()["items"]}
    assert months[MONTH] == "closed"


def budget(server: Server, name: str) -> dict[str, Any]:
    return dict(server.http.get(f"/budgets/{name}").raise_for_status().json())


def with_budgets(server: Server) -> None:
    """The division has dollars and tokens, project alpha of it dollars."""
    files = {
        "pools": [],
        "sharing": {"projects": {"alpha": {"division": "research"}}},
        "budgets": {
            "research": {"scope": "division", "limit": "10", "period": "year"},
            "alpha": {"scope": "project", "limit": "5", "parent": "research", "period": "month"},
            "research-tokens": {"scope": "division", "of": "research", "unit": "tokens", "limit": "3000000", "period": "month"},
        },
    }  # fmt: skip
    server.http.post("/apply", json=files).raise_for_status()
    rate(server, BEFORE, "2")


def check_kept(server: Server) -> None:
    assert server.run(server.running.core.read(rebuild)).differences == []  # type: ignore[arg-type]


def test_use_costs_the_rate_of_its_day_and_none_is_unpriced_until_there_is_one(server: Server) -> None:
    report(server, use("1", BEFORE, 1_000_000), use("2", BEFORE + timedelta(days=9), 2_000_000))
    assert total(server) == (0, {"tokens.input.above_512k": "3000000"})
    rate(server, BEFORE, "3")
    assert total(server) == (9, {})
    rate(server, BEFORE + timedelta(days=9), "2.5")
    assert total(server) == (8, {})
    check_kept(server)


def test_a_large_prompt_costs_the_price_of_its_bound_also_when_that_comes_later(server: Server) -> None:
    rate(server, BEFORE, "1")
    report(server, use("1", BEFORE, 1_000_000), use("2", BEFORE, 10, prompt_tokens=150_000))
    assert total(server)[0] == Decimal("1.00001")
    rate(server, BEFORE, "2", resource="tokens.input.above_200k")
    assert total(server)[0] == Decimal("2.00001")


def test_what_comes_after_the_close_is_a_correction_and_the_closed_month_stays(server: Server) -> None:
    rate(server, BEFORE, "3")
    report(server, use("1", BEFORE, 1_000_000))
    close(server)
    stored = lines(server)
    assert [(line["period"], line["corrects"], line["amount_usd"]) for line in stored] == [(MONTH, "", "3")]
    told = report(server, use("2", BEFORE, 500_000), use("3", TODAY, 1_000_000))
    assert f" {MONTH} is closed: that use is booked in {TODAY:%Y-%m}." in told
    rate(server, BEFORE + timedelta(days=1), "4")
    after = lines(server)
    assert stored[0] in after
    now = f"{TODAY:%Y-%m}"
    assert {(line["period"], line["corrects"], line["amount_usd"]) for line in after} == {
        (MONTH, "", "3"),
        (now, MONTH, "1.5"),
        (now, "", "4"),
    }
    assert total(server)[0] == Decimal("8.5")
    check_kept(server)
    server.restart()
    assert lines(server) == after
    check_kept(server)


def test_a_report_after_a_close_comes_after_it_whatever_the_clock_says(server: Server) -> None:
    report(server, use("1", BEFORE, 5))
    close(server)
    closed = server.running.core.ledger.closed
    closed[MONTH] += 60_000  # as if the clock had been set back by a minute since
    report(server, use("2", BEFORE, 7))
    rate(server, BEFORE, "3")
    added = server.http.get("/rates/internal/tokens.input/m@" + f"{BEFORE:%Y-%m-%d}").json()["added_at"]
    assert datetime.fromisoformat(added).timestamp() * 1000 > closed[MONTH]
    booked = [(day["month"], day["base_units"]) for day in server.http.get("/usage").json()["items"]]
    assert booked == [(MONTH, "5"), (f"{TODAY:%Y-%m}", "7")]


def now(name: str, tokens: int, **more: Any) -> dict[str, Any]:
    return use(name, datetime.now(UTC), tokens, **more)


def test_budgets_pay_for_reported_use_once_and_keep_it_over_a_restart(server: Server) -> None:
    with_budgets(server)
    body = {"source": "gateway", "requests": [now("1", 1_000_000)]}
    said = server.http.post("/usage/tokens", params={"dry_run": True}, json=body).json()["text"]
    assert said.endswith(
        "Budgets that would be charged: alpha $2.00, research $2.00, research-tokens 1,000,000 tokens."
    )
    assert budget(server, "alpha")["used"] == "0"
    said = server.http.post("/usage/tokens", json=body).raise_for_status().json()["text"]
    assert said.endswith("Charged to budgets: alpha $2.00, research $2.00, research-tokens 1,000,000 tokens.")
    assert "budgets" not in server.http.post("/usage/tokens", json=body).raise_for_status().json()["text"]
    server.restart()
    assert [budget(server, name)["used"] for name in ("alpha", "research", "research-tokens")] == [
        "2",
        "2",
        "1000000",
    ]
    assert total(server)[0] == 2


def test_reported_use_above_a_budget_is_booked_and_nothing_more_is_granted(server: Server) -> None:
    with_budgets(server)
    body = {"source": "gateway", "requests": [now("1", 4_000_000)]}
    said = server.http.post("/usage/tokens", json=body).raise_for_status().json()["text"]
    assert (
        "alpha $8.00 ($3.00 more than it may spend), research $8.00, research-tokens 4,000,000 tokens (1,000,000 tokens more"
        in said
    )
    assert (budget(server, "alpha")["used"], budget(server, "alpha")["left"]) == ("8", "-3")
    lease = {"id": "one", "budgets": ["alpha"], "amount": "1", "lasts_s": 60}
    assert server.http.post("/budget-leases", json=lease).status_code == 409


def test_what_leases_have_paid_for_is_not_charged_again(server: Server) -> None:
    with_budgets(server)
    body = {"source": "gateway", "requests": [now("1", 1_000_000)], "leased": True}
    assert "budgets" not in server.http.post("/usage/tokens", json=body).raise_for_status().json()["text"]
    assert budget(server, "alpha")["used"] == "0"
    assert total(server)[0] == 2
    with server.client(server.person("ann", "user")) as ann:
        refused = ann.post("/usage/tokens", json={**body, "source": "own"})
    assert (refused.status_code, refused.json()["field"]) == (403, "leased")


def test_a_counter_is_paid_by_leases_or_by_budgets_and_not_by_both(server: Server) -> None:
    """Else a total that is corrected downwards would take off what was never charged."""
    with_budgets(server)
    row = {"card": "internal", "resource": "network.inter", "from": f"{BEFORE:%Y-%m-%d}", "price": "1"}
    server.http.post("/rates", json={"rates": [row]}).raise_for_status()

    def counted(name: str, total: int, *, leased: bool, dry_run: bool = False) -> Any:
        event = {
            "id": name, "time": datetime.now(UTC).isoformat(), "resource": "network.inter", "project": "alpha",
            "counter": "nic", "total": str(total), "unit": "GB",
        }  # fmt: skip
        body = {"source": "meter", "events": [event], "leased": leased}
        return server.http.post("/usage", params={"dry_run": dry_run}, json=body)

    counted("1", 2, leased=True).raise_for_status()
    for dry_run in (True, False):
        refused = counted("2", 3, leased=False, dry_run=dry_run)
        assert (refused.status_code, refused.json()["field"]) == (409, "events[0].counter")
        assert "all its reports have leased true" in refused.json()["detail"]
    counted("3", 4, leased=True).raise_for_status()
    assert budget(server, "alpha")["used"] == "0"
    assert total(server)[0] == 4
    plain = {"source": "gateway", "requests": [now("1", 1_000_000)]}
    server.http.post("/usage/tokens", json=plain).raise_for_status()
    other = server.http.post("/usage/tokens", json={**plain, "leased": True})
    assert other.status_code == 409
    assert "with the leased false, not true" in other.json()["detail"]
    server.restart()
    assert counted("4", 5, leased=False).status_code == 409


def correct(server: Server, name: str, quantity: str, *, dry_run: bool = False, **more: Any) -> Any:
    body = {"source": "gateway", "id": name, "quantity": quantity, "reason": "a typing error", **more}
    return server.http.post("/usage/corrections", params={"dry_run": dry_run}, json=body)


def test_a_mistake_is_corrected_in_the_ledger_and_in_its_budgets(server: Server) -> None:
    with_budgets(server)
    report(server, now("1", 2_000_000))
    tried = correct(server, "1", "500000", dry_run=True).raise_for_status().json()
    assert "would count as 500000 tokens in place of 2000000 tokens." in tried["text"]
    assert tried["text"].endswith(
        "Budgets that would be charged: alpha -$3.00, research -$3.00, research-tokens -1,500,000 tokens."
    )
    assert (total(server)[0], budget(server, "alpha")["used"]) == (4, "4")
    correct(server, "1", "500000").raise_for_status()
    assert (total(server)[0], budget(server, "alpha")["used"]) == (1, "1")
    assert budget(server, "research-tokens")["used"] == "500000"
    again = correct(server, "1", "500000").raise_for_status().json()
    assert again["text"].endswith("counts as 500000 tokens already.")
    report(server, now("2", 1))  # the event itself is known as it was reported
    correct(server, "1", "600000").raise_for_status()
    assert Decimal(budget(server, "alpha")["used"]) == Decimal("1.200002")
    check_kept(server)
    server.restart()
    assert total(server)[0] == Decimal("1.200002")
    check_kept(server)
    (told,) = server.http.get("/events", params={"kind": "usage.corrected", "limit": 1}).json()["items"]
    assert told["text"].endswith("Reason: a typing error")


def test_a_mistake_in_a_closed_month_is_corrected_in_the_open_one(server: Server) -> None:
    rate(server, BEFORE, "3")
    report(server, use("1", BEFORE, 1_000_000))
    close(server)
    text = correct(server, "1", "0").raise_for_status().json()["text"]
    now_month = f"{TODAY:%Y-%m}"
    assert f"Its month is closed: the difference is booked in {now_month}." in text
    found = {(line["period"], line["corrects"], line["amount_usd"]) for line in lines(server)}
    assert found == {(MONTH, "", "3"), (now_month, MONTH, "-3")}
    (name,) = [line["id"] for line in lines(server) if line["corrects"]]
    (event,) = server.http.get(f"/costs/lines/{name}").raise_for_status().json()["events"]
    assert (event["object"], event["base_quantity"]) == ("report/gateway/1~1", "-1000000")
    assert total(server)[0] == 0
    check_kept(server)


def test_what_cannot_be_corrected_is_refused_and_changes_nothing(server: Server) -> None:
    report(server, now("1", 10), {**now("2", 5), "tokens": {"input": 5, "output": 7}})
    report(server, now("1~1", 1))

    def counted(name: str, count: int) -> None:
        event = {
            "id": name, "time": datetime.now(UTC).isoformat(), "resource": "network.inter", "project": "alpha",
            "counter": "nic", "total": str(count), "unit": "GB",
        }  # fmt: skip
        server.http.post("/usage", json={"source": "gateway", "events": [event]}).raise_for_status()

    counted("c1", 5)
    counted("c2", 9)
    before = server.http.get("/usage").json()["items"]
    for status, field, said, asked in (
        (404, None, "has reported no event 'none'", correct(server, "none", "1")),
        (422, "quantity", "is not an amount of use", correct(server, "1", "-1")),
        (422, "resource", "has several resources", correct(server, "2", "1")),
        (422, "resource", "has no tokens.cache", correct(server, "2", "1", resource="tokens.cache")),
        (422, "reason", "needs a reason", correct(server, "1", "1", reason=" ")),
        (422, "unit", "is not a unit of tokens.input", correct(server, "1", "1", unit="GB")),
        (409, "id", "has reported an event '1~1'", correct(server, "1", "1")),
        (422, "quantity", "to 5 GB at least", correct(server, "c2", "4")),
        (422, "quantity", "9 GB at most", correct(server, "c2", "10")),
    ):
        problem = asked.json()
        assert (asked.status_code, problem.get("field") or None) == (status, field), problem
        assert said in problem["detail"]
    assert server.http.get("/usage").json()["items"] == before
    lent = {"source": "gateway", "requests": [now("lent", 1)], "leased": True}
    server.http.post("/usage/tokens", json=lent).raise_for_status()
    refused = correct(server, "lent", "2")
    assert (refused.status_code, refused.json()["field"]) == (409, "id")
    assert "leases have paid for" in refused.json()["detail"]
    correct(server, "c2", "6").raise_for_status()
    correct(server, "2", "1", resource="tokens.output").raise_for_status()
    correct(server, "2", "2", resource="tokens.input").raise_for_status()
    correct(server, "2", "3", resource="tokens.output").raise_for_status()
    used = {each["resource"]: each["base_units"] for each in server.http.get("/usage").json()["items"]}
    assert (used["tokens.input"], used["tokens.output"]) == ("14", "3"), "of input 10, 1, 2 and what was lent"
    assert "is a correction itself" in correct(server, "2~1", "1").json()["detail"]
    with server.client(server.person("ann", "user")) as ann:
        body = {"source": "gateway", "id": "2", "quantity": "1", "reason": "mine"}
        assert ann.post("/usage/corrections", json=body).status_code == 403
    check_kept(server)


def test_use_without_a_rate_and_use_of_a_period_that_is_over(server: Server) -> None:
    with_budgets(server)
    report(server, now("1", 1_000, model="unknown"), use("2", BEFORE, 1_000_000))
    assert budget(server, "alpha")["used"] == "0", "the month before is over, and it was before the budget"
    assert budget(server, "research-tokens")["used"] == "1000", "tokens are tokens"


def test_the_growth_of_a_counter_is_charged(server: Server) -> None:
    with_budgets(server)
    row = {"card": "internal", "resource": "network.inter", "from": f"{BEFORE:%Y-%m-%d}", "price": "1"}
    server.http.post("/rates", json={"rates": [row]}).raise_for_status()

    def counted(name: str, total: int) -> None:
        event = {
            "id": name, "time": datetime.now(UTC).isoformat(), "resource": "network.inter", "project": "alpha",
            "counter": "nic", "total": str(total), "unit": "GB",
        }  # fmt: skip
        server.http.post("/usage", json={"source": "meter", "events": [event]}).raise_for_status()

    counted("1", 1)
    counted("2", 3)
    assert budget(server, "alpha")["used"] == "3"
