"""Alerts of a running server: raised from readings, stored, told by channels, escalated, acknowledged, and the same after a restart."""

import asyncio
import json
from collections.abc import Callable, Iterator
from decimal import InvalidOperation
from pathlib import Path
from typing import Any

import httpx
import pytest

from herder.cli.shell.main import build_app, run
from herder.control.alerts import messages
from herder.control.alerts.texts import alert_view
from herder.control.kernel.driver_calls import DriverCalls
from herder.control.loops import alerts as loop
from herder.control.reads.alert_readings import Sources
from herder.ledger.alerts.documented import STORAGE, TOKEN_BUDGET
from herder.ledger.alerts.policies import Policy
from herder.ledger.alerts.raising import Alert
from herder.ledger.alerts.readings import Reading
from herder.ledger.quantities import DAY_MS
from herder.model.stored.changes import Changes
from herder.model.work.alerts import AlertRules, Channel
from herder.model.work.callbacks import CallbackRules
from herder.notify.handoff import write_handoff
from herder.wire.api.alerts import AlertView
from tests.api.conftest import Server
from tests.support.receiver import Receiver, status

DIVISION = "division/monitoring"


class Watched(Server):
    callbacks = CallbackRules(allow=("127.0.0.0/8",))


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Percent of their limits, by policy; what a test writes here is what the server reads."""
    known: dict[str, int] = {}

    class Played(Sources):
        async def readings(self, changes: Changes, now_ms: int) -> list[Reading]:
            day_ms = now_ms - now_ms % DAY_MS
            subjects = {TOKEN_BUDGET.id: DIVISION, STORAGE.id: "tier/hot"}
            return [
                Reading(policy, subjects[policy], day_ms, day_ms + DAY_MS, now_ms, percent, 100)
                for policy, percent in known.items()
            ]

    monkeypatch.setattr(loop, "Sources", Played)
    monkeypatch.setattr(loop, "PERIOD_S", 0.02)
    return known


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    made: list[Watched] = []

    def start(**rules: Any) -> Watched:
        server = Watched(tmp_path / "data")
        server.alerts = AlertRules(**rules)
        made.append(server)
        server.start()
        return server

    yield start
    for each in made:
        each.stop()


def wait(server: Server, found: Callable[[], Any]) -> Any:
    for _ in range(2000):
        value = found()
        if value:
            return value
        server.run(asyncio.sleep(0.01))
    raise AssertionError("it did not happen")


def items(server: Server, path: str = "/alerts") -> list[dict[str, Any]]:
    return list(server.http.get(path).raise_for_status().json()["items"])


def kinds(server: Server) -> list[str]:
    found = server.http.get("/events", params={"kind": "alert"}).raise_for_status().json()["items"]
    return [each["kind"] for each in found]


def test_raised_told_acknowledged_and_the_same_after_a_restart(
    serve: Callable[..., Watched], used: dict[str, int], tmp_path: Path
) -> None:
    folder = tmp_path / "handoffs"
    folder.mkdir()
    with Receiver() as receiver:
        channels = (
            Channel(name="division_gm", folder=str(folder)),
            Channel(name="coo", url=f"http://127.0.0.1:{receiver.port}/coo"),
        )
        server = serve(channels=channels)
        used[TOKEN_BUDGET.id] = 91
        (alert,) = wait(server, lambda: items(server))
        assert (alert["level"], alert["subject"], alert["used_percent"]) == ("critical", DIVISION, 91.0)
        assert alert["actions"] == ["defer_low_priority", "notify"]
        wait(server, lambda: items(server)[0]["notified"] == ["division_gm", "coo"])
        assert len(receiver.got) == 1
        told = json.loads(receiver.got[0].body)
        assert (told["id"], told["recipient"], told["escalated"]) == (alert["id"], "coo", False)
        assert "webhook-signature" in receiver.got[0].headers
        written = json.loads((folder / f"{alert['id']}.json").read_text())
        assert (written["recipient"], written["text"]) == ("division_gm", alert["text"])
    server.http.post(f"/alerts/{alert['id']}/acknowledge").raise_for_status()
    assert items(server)[0]["acknowledged_by"] == "admin"
    metrics = httpx.get(
        f"{server.running.url}/metrics", headers={"Authorization": f"Bearer {server.running.token}"}
    )
    assert 'herder_alerts{level="critical",policy="token-budget-warning"} 1.0' in metrics.text
    server.restart()
    wait(server, lambda: items(server))
    assert items(server)[0]["state"] == "acknowledged"
    assert len(items(server, "/alerts/history")) == 3, "info, warning and critical, each once"
    assert kinds(server).count("alert.raised") == 3
    used[TOKEN_BUDGET.id] = 10
    wait(server, lambda: not items(server))
    refused = server.http.post(f"/alerts/{alert['id']}/acknowledge")
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        f"Alert {alert['id']} is resolved already.",
    )
    assert server.http.get(f"/alerts/{alert['id']}").json()["resolved_because"] == "below"


def test_nobody_acknowledges_and_the_chain_is_told(
    serve: Callable[..., Watched], used: dict[str, int]
) -> None:
    server = serve(escalate_after_s=0.1, chain=("division_gm", "boss"))
    used[TOKEN_BUDGET.id] = 80
    wait(server, lambda: [each["notified"] for each in items(server)] == [["division_gm", "boss"]])
    assert kinds(server).count("alert.escalated") == 1
    documented = httpx.Client(
        base_url=f"{server.running.url}/api", headers={"Authorization": f"Bearer {server.running.token}"}
    )
    with documented:
        (strategic,) = documented.get("/alerts/strategic").json()["items"]
        assert strategic["level"] == "warning", "it went up to the last one"
        (active,) = documented.get("/alerts/active").json()["items"]
        assert len(documented.get("/alerts/history", params={"period": "7d"}).json()["items"]) == 2
        wrong = documented.get("/alerts/history", params={"period": "week"})
        assert (wrong.status_code, wrong.json()["field"]) == (422, "period")
        kept = documented.post("/alerts/configure", json={"type": "token-budget", "threshold": 75})
        assert (kept.status_code, "herder.yaml" in kept.json()["detail"]) == (409, True)
        done = documented.post(f"/alerts/acknowledge/{active['id']}").raise_for_status().json()
        assert done["text"] == f"Alert {active['id']} was acknowledged by admin."
        assert documented.post("/alerts/acknowledge/none").status_code == 404


def test_a_receiver_that_refuses_is_tried_again_and_then_the_event_says_so(
    serve: Callable[..., Watched], used: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("herder.control.alerts.telling.pause_ms", lambda tries: 10)
    with Receiver(status(500, "no")) as receiver:
        url = f"http://127.0.0.1:{receiver.port}/"
        server = serve(channels=(Channel(name="division_gm", url=url), Channel(name="coo", folder="/none")))
        used[TOKEN_BUDGET.id] = 95
        wait(server, lambda: "alert.undelivered" in kinds(server))
        wait(server, lambda: items(server)[0]["notified"] == ["division_gm", "coo"])
        assert len(receiver.got) == 5
    texts = [each["text"] for each in items(server, "/events?kind=alert.undelivered")]
    assert sorted(texts) == [
        "The alert could not be delivered to coo. The file cannot be written into /none: No such file or directory.",
        "The alert could not be delivered to division_gm. The receiver refused the message (HTTP status 500): no.",
    ]


def test_thresholds_and_alerts_that_are_off(serve: Callable[..., Watched], used: dict[str, int]) -> None:
    server = serve(thresholds={STORAGE.id: {"warning": 60}}, off=(TOKEN_BUDGET.id,))
    used.update({TOKEN_BUDGET.id: 99, STORAGE.id: 61})
    (alert,) = wait(server, lambda: items(server))
    assert (alert["policy"], alert["level"], alert["threshold"]) == (STORAGE.id, "warning", "0")
    policies = {each["id"]: each for each in items(server, "/alerts/policies")}
    assert TOKEN_BUDGET.id not in policies
    assert policies[STORAGE.id]["thresholds"] == {"warning": "60 %", "critical": "90 %", "emergency": "95 %"}
    assert policies["compute-overallocation"]["thresholds"]["warning"] == "200.0 core-hours"


def test_the_command_line(
    serve: Callable[..., Watched],
    used: dict[str, int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = serve()
    monkeypatch.setenv("HERDER_URL", server.running.url)
    monkeypatch.setenv("HERDER_TOKEN", server.running.token)
    monkeypatch.setenv("COLUMNS", "80")

    def cli(*words: str) -> str:
        assert run(build_app(), list(words)) == 0
        found = capsys.readouterr()
        return found.out + found.err

    assert "No alerts." in cli("alert", "list")
    used[TOKEN_BUDGET.id] = 76
    (alert,) = wait(server, lambda: items(server))
    table = cli("alert", "list")
    assert alert["id"] in table
    assert "76%" in table
    shown = cli("alert", "show", alert["id"])
    assert "token-budget-warning, warning: Division monitoring is at 76 % of 100 tokens" in " ".join(
        shown.split()
    )
    assert "acknowledged by admin" in cli("alert", "ack", alert["id"])
    assert "acknowledged" in cli("alert", "list", "--state", "acknowledged")
    assert len(cli("alert", "history", "-o", "name").splitlines()) == 2
    assert "token-budget-warning" in cli("alert", "policies")
    carried_out = {
        each["id"]: each["carried_out"]
        for each in json.loads(cli("alert", "policies", "-o", "json"))["items"]
    }
    assert carried_out["token-budget-warning"] == ["defer_low_priority", "stop_non_critical"]
    assert carried_out["compute-overallocation"] == ["throttle"]
    assert carried_out["cost-variance"] == []


async def test_a_handoff_is_whole_or_not_at_all(tmp_path: Path) -> None:
    assert await write_handoff(DriverCalls(), str(tmp_path), "a.json", "{}") == ""
    assert await write_handoff(DriverCalls(), str(tmp_path), "a.json", "[1]") == ""
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_text() == "[1]"
    said = await write_handoff(DriverCalls(), str(tmp_path / "none"), "a.json", "{}")
    assert said.endswith("No such file or directory.")


def test_an_alert_whose_message_cannot_be_written_does_not_stop_the_others(
    serve: Callable[..., Watched], used: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def view(policy: Policy, alert: Alert) -> AlertView:
        if policy.id == STORAGE.id:
            raise InvalidOperation
        return alert_view(policy, alert)

    monkeypatch.setattr(messages, "alert_view", view)
    names = {
        name for policy in (STORAGE, TOKEN_BUDGET) for each in policy.thresholds for name in each.recipients
    }
    used[STORAGE.id] = 99
    server = serve(channels=tuple(Channel(name=name, folder=str(tmp_path)) for name in sorted(names)))
    wait(server, lambda: items(server))
    used[TOKEN_BUDGET.id] = 91
    wait(server, lambda: [each["policy"] for each in items(server) if each["notified"]] == [TOKEN_BUDGET.id])
