"""Invoices of closed months: card, division, id and amounts are as they were at the close, whatever is set afterwards."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from herder.cli.shell.main import build_app, run
from herder.control.loops import metering
from tests.api.conftest import Server

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
BEFORE = (TODAY.replace(day=1) - timedelta(days=1)).replace(day=1)
MONTH, NOW = f"{BEFORE:%Y-%m}", f"{TODAY:%Y-%m}"


@pytest.fixture
def server(tmp_path: Path):  # type: ignore[no-untyped-def]
    made = Server(tmp_path).start()
    yield made
    made.stop()


def settings(server: Server, **projects: dict[str, str]) -> None:
    server.http.post("/apply", json={"pools": [], "sharing": {"projects": projects}}).raise_for_status()


def rate(server: Server, card: str, price: str) -> None:
    row = {"card": card, "resource": "storage.hot", "from": f"{MONTH}-01", "price": price}
    server.http.post("/rates", json={"rates": [row]}).raise_for_status()


def report(server: Server, name: str, quantity: int, day: datetime = BEFORE) -> None:
    event = {"id": name, "time": day.isoformat(), "resource": "storage.hot", "quantity": quantity, "project": "client"}  # fmt: skip
    server.http.post("/usage", json={"source": "meter", "events": [event]}).raise_for_status()


def close(server: Server) -> None:
    server.http.post(f"/costs/months/{MONTH}/close").raise_for_status()
    server.run(metering.once(server.running.core))
    assert MONTH in server.running.core.ledger.closed


def invoice(server: Server, month: str = MONTH, **asked: str) -> dict[str, Any]:
    found: dict[str, Any] = (
        server.http.get("/costs/invoice", params={"month": month, **asked}).raise_for_status().json()
    )
    return found


def test_a_closed_month_is_billed_at_the_card_and_to_the_division_of_its_close(server: Server) -> None:
    settings(server, client={"division": "sales", "rate_card": "external"}, other={"division": "sales"})
    rate(server, "internal", "1")
    rate(server, "external", "2")
    report(server, "1", 3)
    close(server)
    before = [invoice(server, project="client"), invoice(server, division="sales")]
    assert [(each["id"], each["total"], each["division"]) for each in before] == [
        (f"{MONTH}-client-external", "6.0", "sales"),
        (f"{MONTH}-sales-external", "6.0", "sales"),
    ]
    settings(server, client={"division": "newdiv"}, other={"division": "sales"})
    rate_after = {"card": "internal", "resource": "storage.hot", "from": f"{TODAY:%Y-%m-%d}", "price": "9"}
    server.http.post("/rates", json={"rates": [rate_after]}).raise_for_status()
    assert [invoice(server, project="client"), invoice(server, division="sales")] == before
    assert server.http.get("/costs/invoice", params={"month": MONTH, "division": "newdiv"}).status_code == 404
    settings(server)
    assert invoice(server, project="client") == before[0]


def test_a_correction_keeps_its_card_beside_the_new_one(server: Server) -> None:
    settings(server, client={"division": "sales", "rate_card": "external"})
    rate(server, "internal", "1")
    rate(server, "external", "2")
    report(server, "1", 3)
    close(server)
    settings(server, client={"division": "sales"})
    report(server, "2", 4)
    report(server, "3", 5, min(TODAY, datetime.now(UTC)))
    found = invoice(server, NOW, project="client")
    sections = [(row["card"], row["id"], row["amount"]) for row in found["tables"]["sections"]["rows"]]
    assert sections == [
        ("external", f"{NOW}-client-external", "8.00"),
        ("internal", f"{NOW}-client-internal", "5.00"),
    ]
    assert (found["total"], found["amount_due"]) == ("13.0", "8.0")


def test_a_preview_says_what_a_close_would_close(server: Server) -> None:
    settings(server, client={"rate_card": "external"})
    empty = server.http.get(f"/costs/months/{MONTH}/preview").raise_for_status().json()
    assert empty["text"] == f"{MONTH} would be closed with 0 lines: nothing is booked in it."
    rate(server, "internal", "1")
    report(server, "1", 3)
    told = server.http.get(f"/costs/months/{MONTH}/preview").raise_for_status().json()["text"]
    assert told.startswith(f"{MONTH} would be closed with 2 lines: cost $3.00, external $0.00.")
    assert "storage.hot on card external" in told
    assert f"--from {MONTH}-01" in told
    assert MONTH not in server.running.core.ledger.closed
    close(server)
    assert server.http.get(f"/costs/months/{MONTH}/preview").status_code == 409
    assert server.http.get(f"/costs/months/{NOW}/preview").status_code == 422


def test_a_close_on_the_command_line_needs_a_yes(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HERDER_URL", server.running.url)
    monkeypatch.setenv("HERDER_TOKEN", server.running.token)
    assert run(build_app(), ["cost", "close", MONTH]) == 2
    assert "nothing is booked in it" in capsys.readouterr().err
    assert run(build_app(), ["cost", "close", MONTH, "--dry-run"]) == 0
    assert MONTH not in server.running.core.ledger.closing
    assert run(build_app(), ["cost", "close", MONTH, "--yes"]) == 0
    assert MONTH in {*server.running.core.ledger.closing, *server.running.core.ledger.closed}


@pytest.mark.parametrize(
    "path", ["invoice?month=2026-10&project=client", "lines?first=2026-10", "export?first=2026-10"]
)
def test_a_card_that_exists_nowhere_is_refused(server: Server, path: str) -> None:
    settings(server, client={"rate_card": "gold"})
    answer = server.http.get(f"/costs/{path}&card=golf")
    assert (answer.status_code, answer.json()["field"]) == (422, "card")
    assert answer.json()["hint"] == "Did you mean 'gold'?"
    assert server.http.get(f"/costs/{path}&card=gold").status_code == 200


def test_use_is_of_a_division_that_exists_and_is_that_of_its_project(server: Server) -> None:
    settings(server, alpha={"division": "research"}, beta={"division": "sales"})

    def send(**more: str) -> tuple[int, str, str]:
        event = {"id": "1", "time": BEFORE.isoformat(), "resource": "cpu", "quantity": 1, **more}
        answer = server.http.post("/usage", params={"dry_run": True}, json={"source": "m", "events": [event]})
        told = answer.json()
        return answer.status_code, told.get("detail", ""), told.get("hint", "")

    assert send(division="salse") == (422, "There is no division 'salse'.", "Did you mean 'sales'?")
    assert (
        send(project="alpha", division="sales")[1]
        == "Project alpha belongs to division research, not to 'sales'."
    )
    assert send(project="alpha", division="research")[0] == send(division="sales")[0] == 200


def test_who_sees_a_part_of_the_costs_is_told_so(server: Server) -> None:
    """Else the sum of the own projects would look like the invoice of the division."""
    rate(server, "internal", "0.02")
    settings(server, client={"division": "sales", "users": {"ann": "viewer"}}, other={"division": "sales"})  # type: ignore[dict-item]
    report(server, "1", 100)
    note = "It has only the costs that ann sees"
    with server.client(server.person("ann")) as ann:
        for who, path, asked, part in (
            (ann, "invoice", {"month": MONTH, "division": "sales"}, True),
            (ann, "invoice", {"month": MONTH, "project": "client"}, False),
            (ann, "report", {"first": f"{MONTH}-01", "last": f"{MONTH}-28"}, True),
            (ann, "report", {"first": f"{MONTH}-01", "last": f"{MONTH}-28", "view": "showback"}, True),
            (server.http, "invoice", {"month": MONTH, "division": "sales"}, False),
        ):
            made = who.get(f"/costs/{path}", params=asked).raise_for_status().json()
            assert any(each.startswith(note) for each in made["notes"]) == part, (path, asked)
