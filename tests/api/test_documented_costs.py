"""The paths on costs that Cortex documents: what was reported comes back by agent, division, dimension and day, and sums to the same."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from herder.control.kernel.bounds.errors import Invalid
from herder.control.reads.costs.documented import span_of
from herder.ledger.quantities import DAY_MS
from tests.api.conftest import Server

NOW = datetime.now(UTC)
DAYS = [NOW.replace(hour=0, minute=0) - timedelta(days=day) for day in range(20)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(Path(tmp_path_factory.mktemp("costs")))
    made.start()
    rates = [
        {"card": "internal", "resource": "network.inter", "price": "0.02", "from": "2026-01-01"},
        {"card": "internal", "resource": "tokens.input", "product": "m", "price": "3", "from": "2026-01-01"},
    ]
    made.http.post("/rates", json={"rates": rates}).raise_for_status()
    events = []
    for number, day in enumerate(DAYS):
        at = day.isoformat()
        events += [
            event(f"n{number}", at, "network.inter", "10", division="labs", user="ann"),
            event(f"t{number}", at, "tokens.input", "1000000", division="ops", user="bob", product="m"),
        ]
    events.append(
        event("x", DAYS[0].isoformat(), "tokens.output", "7", division="ops", user="bob", product="m")
    )
    made.http.post("/usage", json={"source": "meter", "events": events}).raise_for_status()
    yield made
    made.stop()


def event(name: str, at: str, resource: str, quantity: str, **more: str) -> dict[str, Any]:
    return {"id": name, "time": at, "resource": resource, "quantity": quantity, **more}


@pytest.fixture
def api(server: Server) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {server.running.token}"}
    with httpx.Client(base_url=f"{server.running.url}/api", headers=headers, timeout=30) as client:
        yield client


def get(api: httpx.Client, path: str, **query: str) -> dict[str, Any]:
    answer = api.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_an_agent_a_division_and_all(api: httpx.Client) -> None:
    day = f"{DAYS[3]:%Y-%m-%d}"
    agent = get(api, "/cost/tokens/bob", period=day)
    assert (agent["total_usd"], agent["tokens"], agent["first_day"]) == ("3", {"input": "1000000"}, day)
    today = get(api, "/cost/tokens/bob", period="daily")
    assert (today["total_usd"], today["unpriced"]) == ("3", {"tokens.output": "7"}), "unpriced is not 0"
    assert get(api, "/cost/tokens/ann", period=day)["total_usd"] == "0"
    labs = get(api, "/cost/division/labs", period="10d")
    assert (labs["total_usd"], labs["by"]["category"], labs["by"]["user"]) == (
        "2",
        {"network": "2"},
        {"ann": "2"},
    )
    everything = get(api, "/cost/organization", period="20d")
    assert everything["total_usd"] == "64"
    assert everything["by"]["division"] == {"labs": "4", "ops": "60"}
    for dimension in ("category", "division", "user", "resource", "product"):
        by = get(api, "/cost/breakdown", dimension=dimension, period="20d")["by"][dimension]
        assert sum(map(Decimal, by.values())) == 64


def test_trends_have_each_day(api: httpx.Client) -> None:
    found = get(api, "/cost/trends", metrics="tokens,compute", window="21d")
    assert len(found["days"]) == 21
    assert found["metrics"]["tokens"] == ["0", *["3"] * 20]
    assert found["metrics"]["compute"] == ["0"] * 21
    assert set(get(api, "/cost/trends")["metrics"]) == {"tokens", "compute", "storage", "network"}


def test_status_and_forecast(api: httpx.Client) -> None:
    status = get(api, "/division/labs/cost-status")
    assert (status["about"], status["today"]["total_usd"], status["forecast"]) == ("division/labs", "0.2", [])
    assert Decimal(status["month_to_date"]["total_usd"]) == Decimal("0.2") * min(NOW.day, 20)
    summary = get(api, "/org/cost-summary")
    month = next(each for each in summary["forecast"] if each["days"] == 30)
    assert abs(Decimal(month["mean_usd"]) - 96) < 1
    assert Decimal(month["low_usd"]) <= Decimal(month["mean_usd"]) <= Decimal(month["high_usd"])


def test_what_came_back(api: httpx.Client) -> None:
    found = get(api, "/analytics/roi", period="20d", hours_saved="8.5", error_reduction="10")
    assert (found["cost_usd"], found["value_usd"], found["net_usd"]) == ("64", "647.5", "583.5")
    assert (found["roi_percent"], found["payback_days"]) == (911.7, 2.0)
    assert found["cost_per_hour_saved_usd"] == "7.529411764706"
    nothing = get(api, "/analytics/roi", period="2020-01")
    assert (nothing["roi_percent"], nothing["payback_days"], nothing["cost_per_hour_saved_usd"]) == (
        None,
    ) * 3


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("/cost/organization", {"period": "week"}, "period"),
        ("/cost/organization", {"period": "2026-13"}, "period"),
        ("/cost/organization", {"period": "999d"}, "period"),
        ("/cost/breakdown", {"dimension": "activity"}, "dimension"),
        ("/cost/trends", {"metrics": "tokens,gold"}, "metrics"),
        ("/cost/trends", {"window": "x"}, "window"),
        ("/analytics/roi", {"hours_saved": "-1"}, "hours_saved"),
        ("/analytics/roi", {"hours_saved": "nan"}, "hours_saved"),
        ("/analytics/roi", {"hours_saved": "1e-999999"}, "hours_saved"),
        ("/analytics/roi", {"hours_saved": "0." + "1" * 61}, "hours_saved"),
        ("/cost/organization", {"period": "9999-12-31"}, "period"),
        ("/cost/organization", {"period": "9999-11"}, "period"),
        ("/analytics/roi", {"hourly_rate": "cheap"}, "hourly_rate"),
    ],
)
def test_what_is_refused(api: httpx.Client, path: str, query: dict[str, str], field: str) -> None:
    answer = api.get(path, params=query)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_others_costs_are_not_seen(server: Server) -> None:
    headers = {"Authorization": f"Bearer {server.person('carl')}"}
    with httpx.Client(base_url=f"{server.running.url}/api", headers=headers) as client:
        assert get(client, "/cost/organization", period="20d")["total_usd"] == "0"


def test_periods() -> None:
    now = DAY_MS * 20_000 + 5
    today = DAY_MS * 20_000
    assert span_of("daily", now, "period") == (today, today + DAY_MS)
    assert span_of("3d", now, "period") == (today - 2 * DAY_MS, today + DAY_MS)
    begin, end = span_of("2026-02", now, "period")
    assert (end - begin) // DAY_MS == 28
    assert span_of("2026-02-01", now, "period")[0] == begin
    with pytest.raises(Invalid):
        span_of("", now, "period")
