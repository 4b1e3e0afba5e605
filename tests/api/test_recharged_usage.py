"""What budgets pay of reported use whose rate or whose time comes later, and of use of periods of which nothing was known, on both stores."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.api.conftest import Server
from tests.api.test_priced_usage import (
    BEFORE,
    TODAY,
    budget,
    correct,
    now,
    rate,
    report,
    total,
    use,
    with_budgets,
)

SHARES = ("alpha", "research", "research-tokens")


def used(server: Server) -> list[str]:
    return [budget(server, name)["used"] for name in SHARES]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A ledger of its own."""
    made = Server(tmp_path).start()
    yield made
    made.stop()


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_late_use_of_a_month_without_any_is_charged_after_a_restart(
    store: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server = Server(tmp_path)
    server.store_url = request.getfixturevalue("postgres_url") if store == "postgresql" else None
    server.start()
    try:
        with_budgets(server)
        leases = server.running.core.budgets
        leases.budgets["alpha"].created_at_ms = int(BEFORE.timestamp()) * 1000  # as if it had been there then
        leases.touched_budgets.add("alpha")
        report(server, now("1", 1_000_000))
        server.restart()
        body = {"source": "gateway", "requests": [use("2", BEFORE, 1_500_000)]}
        tried = server.http.post("/usage/tokens", params={"dry_run": True}, json=body).json()
        assert tried["text"].endswith("Budgets that would be charged: alpha $3.00, research $3.00.") == (
            BEFORE.year == TODAY.year
        )
        assert spent(server) == [2 * 10**12], "a dry run makes no period"
        server.http.post("/usage/tokens", json=body).raise_for_status()
        assert spent(server) == [3 * 10**12, 2 * 10**12]
        server.restart()
        assert spent(server) == [3 * 10**12, 2 * 10**12]
    finally:
        server.stop()


def spent(server: Server) -> list[int]:
    """Of project alpha, by month."""
    return [span.spent for _, span in sorted(server.running.core.budgets.budgets["alpha"].spans.items())]


def test_use_that_gets_its_rate_later_or_another_one_is_charged_then(server: Server) -> None:
    with_budgets(server)
    report(server, now("1", 1_000_000, model="new"))
    lent = {"source": "other", "requests": [now("1", 1_000_000, model="new")], "leased": True}
    server.http.post("/usage/tokens", json=lent).raise_for_status()
    assert used(server) == ["0", "0", "1000000"]
    row = {
        "card": "internal",
        "resource": "tokens.input",
        "product": "new",
        "from": f"{TODAY:%Y-%m-%d}",
        "price": "3",
    }
    tried = server.http.post("/rates", params={"dry_run": True}, json={"rates": [row]}).json()
    assert tried["notes"][-1] == "Budgets that would be charged: alpha $3.00, research $3.00."
    assert used(server) == ["0", "0", "1000000"]
    said = server.http.post("/rates", json={"rates": [row]}).raise_for_status().json()
    assert said["notes"][-1] == "Charged to budgets: alpha $3.00, research $3.00."
    assert used(server) == ["3", "3", "1000000"]
    assert server.http.post("/rates", json={"rates": [row]}).raise_for_status().json()["notes"] == []
    cheaper = {**row, "price": "2.5", "replaces": f"internal/tokens.input/new@{TODAY:%Y-%m-%d}"}
    said = server.http.post("/rates", json={"rates": [cheaper]}).raise_for_status().json()
    assert said["notes"][-1] == "Charged to budgets: alpha -$0.50, research -$0.50."
    server.restart()
    assert used(server) == ["2.5", "2.5", "1000000"]
    told = server.http.get("/events", params={"kind": "rate.added"}).json()["items"]
    assert told[-1]["text"].endswith("Charged to budgets: alpha -$0.50, research -$0.50.")
    external = {**row, "card": "external", "price": "9"}
    assert server.http.post("/rates", json={"rates": [external]}).raise_for_status().json()["notes"] == []


def test_corrected_use_and_counters_get_their_rate_later(server: Server) -> None:
    with_budgets(server)

    def counted(name: str, total: int, minutes: int) -> None:
        event = {
            "id": name, "time": (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat(), "resource": "network.inter",
            "project": "alpha", "counter": "nic", "total": str(total), "unit": "GB",
        }  # fmt: skip
        server.http.post("/usage", json={"source": "gateway", "events": [event]}).raise_for_status()

    counted("c1", 1, 0)
    counted("c0", 0, 1)
    counted("c2", 4, 0)
    correct(server, "c2", "3").raise_for_status()
    assert used(server)[:2] == ["0", "0"]
    row = {"card": "internal", "resource": "network.inter", "from": f"{BEFORE:%Y-%m-%d}", "price": "1"}
    server.http.post("/rates", json={"rates": [row]}).raise_for_status()
    assert used(server)[:2] == ["3", "3"]
    assert total(server)[0] == 3


def test_a_budget_that_was_created_since_is_not_changed_by_what_it_was_never_charged(server: Server) -> None:
    """Else what is taken back of it would be what others have spent."""
    rate(server, BEFORE, "2")
    report(server, now("1", 1_000_000), now("2", 1_000_000, model="new"))
    correct(server, "1", "900000").raise_for_status()
    with_budgets(server)
    report(server, now("3", 1_000_000))
    assert used(server) == ["2", "2", "1000000"]
    correct(server, "1", "0").raise_for_status()
    rate(server, BEFORE, "5", product="new")
    rate(server, BEFORE, "1", replaces=f"internal/tokens.input/m@{BEFORE:%Y-%m-%d}")
    assert used(server) == ["1", "1", "1000000"]
    assert total(server)[0] == 6
