"""Whether budgets last, of a real server whose ledger knows 19 whole days of steady use; and the views of reports that show it."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from herder.cli.shell.main import build_app, run
from herder.control.reads.costs import budget_forecasts, report_outlooks
from herder.ledger.alerts.documented import BUDGET
from herder.ledger.alerts.policies import Level
from herder.ledger.alerts.raising import Alert
from herder.model.stored.recommendation_records import RecommendationRecord
from herder.model.values.money import PICO_PER_USD as USD
from tests.api.conftest import Refusal, Server

DAYS = 19
BUDGETS = {
    "both": {"scope": "group", "limit": None, "period": "once"},
    "labs": {"scope": "division", "limit": "100", "period": "once", "parent": "both"},
    "ops": {"scope": "division", "limit": "10", "period": "once", "overage": "50%"},
    "bob": {"scope": "user", "limit": "1000", "parent": "ops", "period": "month"},
    "words": {"scope": "division", "of": "ops", "unit": "tokens", "limit": "2500000", "period": "once"},
    "window": {"scope": "organisation", "limit": "100", "period": "rolling 7d"},
    "party": {"scope": "event", "limit": "50"},
    "young": {"scope": "user", "of": "eve", "limit": "50"},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Division labs costs $0.20 a day, ops $3.00 and 1,000,000 tokens."""
    made = Server(Path(tmp_path_factory.mktemp("forecasts")))
    made.start()
    rates = [
        {"card": "internal", "resource": "network.inter", "price": "0.02", "from": "2026-01-01"},
        {"card": "internal", "resource": "tokens.input", "product": "m", "price": "3", "from": "2026-01-01"},
    ]
    made.http.post("/rates", json={"rates": rates}).raise_for_status()
    divisions = {"alpha": "labs", "beta": "ops", "gamma": "eves"}
    shared = {"projects": {name: {"division": division} for name, division in divisions.items()}}
    made.http.post(
        "/apply", json={"pools": [], "budgets": BUDGETS, "sharing": shared, "ahead": True}
    ).raise_for_status()
    today = datetime.now(UTC).replace(hour=0, minute=0)
    events = []
    for number in range(1, DAYS + 1):
        day = today - timedelta(days=number)
        events += [
            event(f"n{number}", day, "network.inter", "10", division="labs", user="ann"),
            event(f"t{number}", day, "tokens.input", "1000000", division="ops", user="bob", product="m"),
        ]
    events.append(event("x", today - timedelta(days=2), "network.egress", "7", division="labs", user="ann"))
    events.append(event("e", today - timedelta(days=2), "network.inter", "7", division="eves", user="eve"))
    report = {"source": "meter", "events": events, "leased": True}  # the budgets begin with nothing used
    made.http.post("/usage", json=report).raise_for_status()
    yield made
    made.stop()


def event(name: str, at: datetime, resource: str, quantity: str, **more: str) -> dict[str, Any]:
    return {"id": name, "time": at.isoformat(), "resource": resource, "quantity": quantity, **more}


def told(server: Server, name: str, horizon: str = "30") -> dict[str, Any]:
    answer = server.http.get(f"/budgets/{name}/forecast", params={"horizon": horizon})
    return dict(answer.raise_for_status().json())


def same(amount: str) -> dict[str, str]:
    return {"mean": amount, "p10": amount, "p90": amount}


def test_a_budget_that_holds_and_use_without_a_price(server: Server) -> None:
    found = told(server, "labs")
    assert (found["outlook"], found["used_up_on"], found["used_up_earliest"]) == ("holds", None, None)
    assert (found["in_horizon"], found["period_end"], found["at_period_end"]) == (same("6"), None, None)
    assert (found["learned_days"], found["unpriced"]) == (DAYS, ["network.egress"])
    assert (set(found["by_day"].values()), len(found["by_day"])) == ({"0.2"}, DAYS)
    assert (found["period_start"], found["thresholds"]) == (None, [50, 75, 90, 100])
    assert found["text"] == "Budget labs is enough: $6.00 of $100.00 will be used in 30 days."
    assert told(server, "labs", "60d")["in_horizon"] == same("12")


def test_the_day_on_which_it_is_used_up_with_its_overage(server: Server) -> None:
    found = told(server, "ops")
    day = (datetime.fromisoformat(found["at"]) + timedelta(days=5)).date().isoformat()
    assert (found["limit"], found["most"], found["outlook"]) == ("10", "15", "used_up")
    assert found["used_up_on"] == found["used_up_earliest"] == day
    assert told(server, "ops", "4")["outlook"] == "holds", "5 days are not within 4"


def test_the_end_of_a_period(server: Server) -> None:
    found = told(server, "bob")
    left = datetime.fromisoformat(found["period_end"]) - datetime.fromisoformat(found["at"])
    expected = 3 * left / timedelta(days=1)
    assert float(found["at_period_end"]["mean"]) == pytest.approx(expected, abs=1e-6)
    assert found["in_horizon"] == same("90")


def test_tokens_and_what_is_below(server: Server) -> None:
    found = told(server, "words")
    day = (datetime.fromisoformat(found["at"]) + timedelta(days=2.5)).date().isoformat()
    assert (found["in_horizon"], found["used_up_on"]) == (same("30000000"), day)
    both = told(server, "both")
    assert (both["outlook"], both["limit"], both["in_horizon"]) == ("no_limit", None, same("6"))


def test_what_is_unknown_is_null(server: Server) -> None:
    window = told(server, "window")
    assert (window["outlook"], window["used_up_on"], window["at_period_end"]) == ("unknown", None, None)
    assert window["in_horizon"] is not None
    for name, why in (
        ("party", "no line of the ledger is of what it limits"),
        ("young", "the ledger has 2 whole days of its use, and 14 are needed"),
    ):
        found = told(server, name)
        assert (found["outlook"], found["in_horizon"], found["at_period_end"]) == ("unknown", None, None)
        assert found["text"] == f"Budget {name} has no forecast: {why}."


@pytest.mark.parametrize("horizon", ["0", "366", "x", "-1", "1.5"])
def test_a_horizon_is_1_to_365_days(server: Server, refused: Refusal, horizon: str) -> None:
    said = refused(422, "GET", f"/budgets/labs/forecast?horizon={horizon}", server.http)
    assert said["field"] == "horizon"


def test_the_documented_path_says_the_same(server: Server) -> None:
    headers = {"Authorization": f"Bearer {server.running.token}"}
    with httpx.Client(base_url=f"{server.running.url}/api", headers=headers) as client:
        found = client.get("/budget/forecast/labs", params={"horizon": "60"}).raise_for_status().json()
        assert client.get("/budget/forecast/none").status_code == 404
    assert {**found, "at": ""} == {**told(server, "labs", "60"), "at": ""}


def test_the_command(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HERDER_URL", server.running.url)
    monkeypatch.setenv("HERDER_TOKEN", server.running.token)
    assert run(build_app(), ["budget", "forecast", "labs", "--horizon", "60"]) == 0
    out = capsys.readouterr().out
    assert "Spent in 60 days: $12.00 ($12.00 to $12.00)" in " ".join(out.split())
    assert run(build_app(), ["budget", "forecast", "party", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["in_horizon"] is None


def test_forecasts_are_made_in_a_thread_of_their_own_and_not_of_very_many_budgets(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, usual = set(), budget_forecasts.growth

    def seen(*given: Any) -> Any:
        threads.add(threading.current_thread().name)
        return usual(*given)

    monkeypatch.setattr(budget_forecasts, "growth", seen)
    for module in (budget_forecasts, report_outlooks):
        monkeypatch.setattr(module, "FORECASTS_MAX", 1)
    report = server.http.get("/costs/report?view=executive&format=html").raise_for_status().text
    assert [name.rpartition("_")[0] for name in threads] == ["herder-forecasts"]
    assert f"{len(BUDGETS) - 1} budgets that have used less of their limits are not estimated." in report
    assert told(server, "labs")["in_horizon"] is not None, "one alone always has its own"


def test_views_of_reports(server: Server) -> None:
    core = server.running.core
    now_ms = core.clock.now_ms()

    async def put() -> None:
        for name, subject in (("a1", "budget/labs"), ("a2", "division/ops")):
            core.ledger.alerts.alerts[name] = Alert(
                id=name, policy=BUDGET.id, subject=subject, level=Level.WARNING, from_ms=now_ms, to_ms=now_ms + 1,
                raised_ms=now_ms, threshold=75, used=80 * USD, limit=100 * USD, projected=None,
            )  # fmt: skip
        for name, state in (("r1", "open"), ("r2", "implemented")):
            core.ledger.recommendations[name] = RecommendationRecord(
                name, "cache_improvements", f"project {name}", "cache contexts", "why", "how", "alpha", "ann", "", str(9 * USD),
                str(4 * USD), 20, 20, state, now_ms, "", None, "", None, None,
            )  # fmt: skip

    server.run(put())
    tables = server.http.get("/costs/report?view=executive").raise_for_status().json()["tables"]
    assert list(tables)[:5] == ["divisions", "budgets", "token_budgets", "alerts", "opportunities"]
    found = {row["budget"]: row for row in tables["budgets"]["rows"]}
    assert {*found} == {*BUDGETS} - {"words"}
    assert (found["labs"]["limit"], found["labs"]["spent"], found["labs"]["used_up_on"]) == (
        "100.0",
        "0.0",
        "holds",
    )
    assert (found["party"]["expected"], found["party"]["used_up_on"]) == (None, "unknown")
    assert found["ops"]["used_up_on"] == told(server, "ops")["used_up_on"]
    expected = Decimal(found["bob"]["expected"])
    assert float(expected) == pytest.approx(float(told(server, "bob")["at_period_end"]["mean"]), rel=0.01)
    assert [row["left"] for row in tables["token_budgets"]["rows"]] == [2_500_000]
    assert {row["subject"] for row in tables["alerts"]["rows"]} == {"budget/labs", "division/ops"}
    assert [(row["target"], row["saving_per_month"]) for row in tables["opportunities"]["rows"]] == [
        ("project r1", "4.0")
    ]
    of_labs = server.http.get("/costs/report?view=division&division=labs").raise_for_status().json()["tables"]
    assert "opportunities" not in of_labs
    assert [row["budget"] for row in of_labs["budgets"]["rows"]] == ["labs"]
    assert [row["subject"] for row in of_labs["alerts"]["rows"]] == ["budget/labs"]
    of_ops = server.http.get("/costs/report?view=division&division=ops").raise_for_status().json()["tables"]
    assert [row["budget"] for row in of_ops["budgets"]["rows"]] == ["bob", "ops"]
    page = server.http.get("/costs/report?view=executive&format=html").raise_for_status().text
    assert "What could be saved" in page
    assert "Active alerts" in page
    rows = server.http.get("/costs/report?view=executive&format=csv&table=budgets").raise_for_status().text
    assert rows.splitlines()[0] == "budget,of,limit,spent,left,expected,used_up_on"
    text = server.http.get("/costs/report?view=executive&format=text").raise_for_status().text
    assert max(map(len, text.splitlines())) <= 80, text
