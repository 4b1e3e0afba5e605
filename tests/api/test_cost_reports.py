"""Reports, invoices and exports of a real server's ledger: over HTTP and on the command line."""

from __future__ import annotations

import csv
import gzip
import io
import json
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from herder.cli.shell.main import build_app, run
from herder.control.costs.use_by_day import fold, sample
from herder.control.kernel.core import Core
from herder.model.stored.changes import Changes
from tests.api.conftest import POOLS, Refusal, Server

PROJECTS = {"alpha": {"division": "research"}, "beta": {"division": "sales", "rate_card": "external"}}
Herder = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def used(server: Server) -> Server:
    """Two jobs of two projects have run on one worker."""
    shared = {"projects": PROJECTS}
    server.http.post("/apply", json={"pools": POOLS, "sharing": shared}).raise_for_status()
    worker = server.worker()
    for project in PROJECTS:
        job = {"command": ["true"], "cpu": 1, "memory": "1Gi"}
        body = {"project": project, "jobs": [job], "commit": True}
        server.http.post("/batches", json=body).raise_for_status()
    for assigned in worker.take(2):
        worker.end(assigned.job, assigned.attempt)
    job = {"command": ["false"], "cpu": 1, "memory": "1Gi", "retries": 0}
    server.http.post("/batches", json={"project": "alpha", "jobs": [job], "commit": True}).raise_for_status()
    (failing,) = worker.take()
    time.sleep(0.05)  # so that it costs something
    worker.end(failing.job, failing.attempt, "failed", exit_code=1)
    worker.close()
    server.run(sample(server.running.core))
    server.run(fold(server.running.core))
    return server


@pytest.fixture
def herder(used: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Herder:
    monkeypatch.setenv("HERDER_URL", used.running.url)
    monkeypatch.setenv("HERDER_TOKEN", used.running.token)

    def command(*words: str) -> tuple[int, str, str]:
        code = run(build_app(), list(words))
        out, err = capsys.readouterr()
        return code, out, err

    return command


def test_use_that_is_logged_all_the_time_does_not_keep_the_fold(
    used: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    core, commits = used.running.core, []
    commit = type(core).commit

    def busy(mine: Core, changes: Changes) -> Any:
        if mine is core:
            commits.append(changes)
            assert len(commits) < 10, "it goes on for ever"
            core.ledger.sample_due = True  # so that each commit logs more
        return commit(mine, changes)

    async def once() -> int:
        async with core.booking:
            await sample(core)
            before = core.ledger.last_entry
            monkeypatch.setattr(type(core), "commit", busy)
            try:
                assert await fold(core) >= before
            finally:
                monkeypatch.undo()
            return before

    before = used.run(once())
    assert core.ledger.last_entry > before
    used.run(fold(core))


def test_a_report_sums_to_what_was_spent(used: Server) -> None:
    spent = used.http.get("/costs").raise_for_status().json()["total_usd"]
    report = used.http.get("/costs/report").raise_for_status().json()
    assert Decimal(report["total"]) == Decimal(spent) > 0
    assert {row["project"] for row in report["tables"]["projects"]["rows"]} >= {"alpha", "beta"}
    assert sum(Decimal(row["cost"]) for row in report["tables"]["projects"]["rows"]) == Decimal(spent)
    found = {row["metric"]: row for row in report["tables"]["efficiency"]["rows"]}
    assert found["retry overhead"]["value"] not in (None, "0.0 %")
    assert found["tokens per job"]["state"] == "unknown"


def test_work_that_spot_workers_lost_is_counted(used: Server) -> None:
    def lost() -> dict[str, Any]:
        report = used.http.get("/costs/report").raise_for_status().json()
        row: dict[str, Any] = report["tables"]["preemptions"]["rows"][0]
        return row

    before = lost()
    spot = {"name": "cheap", "cpu": 2, "memory": "4Gi", "disk": "10Gi", "price_per_hour": "0.10", "spot": "prefer",
            "zones": [{"name": "b", "spot_price_per_hour": "0.03"}]}  # fmt: skip
    pool = {"name": "spot", "driver": "pretend", "templates": [spot], "max_workers": 1}
    used.http.post("/apply", json={"pools": [*POOLS, pool]}).raise_for_status()
    worker = used.worker("spot")
    job = {"command": ["sleep", "9"], "cpu": 1, "memory": "1Gi", "pool": "spot"}
    used.http.post("/batches", json={"project": "alpha", "jobs": [job], "commit": True}).raise_for_status()
    worker.take()
    time.sleep(0.05)  # so that it costs something
    used.http.post(f"/workers/{worker.name}/remove", json={"force": True}).raise_for_status()
    worker.close()
    used.run(sample(used.running.core))
    for _ in range(300):
        used.run(fold(used.running.core))
        if (found := lost())["attempts"] == before["attempts"] + 1:
            break
        time.sleep(0.05)
    assert found["attempts"] == before["attempts"] + 1
    assert Decimal(found["cost"]) > Decimal(before["cost"])


@pytest.mark.parametrize("view", ["full", "executive", "resources", "showback", "chargeback", "hybrid"])
@pytest.mark.parametrize(
    ("form", "kind"), [("html", "text/html"), ("csv", "text/csv"), ("text", "text/plain")]
)
def test_views_and_formats(used: Server, view: str, form: str, kind: str) -> None:
    answer = used.http.get("/costs/report", params={"view": view, "format": form, "method": "equal"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith(kind)
    assert ("std" if (view, form) == ("resources", "csv") else "research") in answer.text


@pytest.mark.parametrize("period", ["daily", "weekly", "monthly"])
def test_periods(used: Server, period: str) -> None:
    report = used.http.get("/costs/report", params={"period": period}).raise_for_status().json()
    assert report["first_day"] <= report["last_day"]


def test_an_invoice_is_a_draft_that_says_what_has_no_price(used: Server) -> None:
    asked = {"project": "beta", "month": month(used)}
    invoice = used.http.get("/costs/invoice", params=asked).raise_for_status().json()
    assert (invoice["id"], invoice["payment_status"]) == (f"{month(used)}-beta-external", "draft")
    assert {row["resource"] for row in invoice["tables"]["unpriced"]["rows"]} == {"cpu", "memory"}


def test_what_is_booked_in_a_month_is_its_lines_and_its_invoices(used: Server) -> None:
    asked = {"booked": "true", "first": month(used), "last": month(used)}
    report = used.http.get("/costs/report", params=asked).raise_for_status().json()
    assert "by month of booking" in report["title"]
    assert "by day of use" in used.http.get("/costs/report").json()["title"]
    lines = used.http.get("/costs/lines", params=asked).raise_for_status().json()["items"]
    assert sum(Decimal(line["amount_usd"] or 0) for line in lines) == Decimal(report["total"]) > 0
    charges = used.http.get("/costs/report", params={**asked, "view": "chargeback"}).json()
    invoice = used.http.get("/costs/invoice", params={"project": "alpha", "month": month(used)}).json()
    (alpha,) = [row for row in charges["tables"]["projects"]["rows"] if row["project"] == "alpha"]
    assert (alpha["charge"] or "0.00") == f"{Decimal(invoice['total']):.2f}"
    exported = used.http.get("/costs/export", params=asked).raise_for_status().text
    assert exported.count("\n") == len(lines) + 1


def test_a_division_that_does_not_exist_is_refused(herder: Herder) -> None:
    code, out, err = herder("cost", "report", "--view", "division", "--division", "nosuch")
    assert (code, out) == (2, "")
    assert "Name one of research, sales." in err


@pytest.mark.parametrize("command", ["show", "lines", "report", "trends"])
def test_a_wrong_day_is_told_by_the_name_of_its_option(herder: Herder, command: str) -> None:
    code, _, told = herder("cost", command, "--from", "2026-13-01")
    assert code == 2
    assert "--from" in told


def test_trends_are_a_series(herder: Herder, tmp_path: Path) -> None:
    code, out, err = herder("cost", "trends", "-o", "csv")
    assert code == 0, err
    assert out.splitlines()[0] == "time,value"
    (tmp_path / "daily.csv").write_text(out)
    code, out, err = herder("cost", "forecast", "--series", str(tmp_path / "daily.csv"), "--horizon", "2")
    assert code == 0, err


def month(used: Server) -> str:
    return str(used.http.get("/costs/months").json()["items"][-1]["month"])


@pytest.mark.parametrize(
    ("path", "asked", "says"),
    [
        ("report", {"view": "odd"}, "There is no view 'odd'"),
        ("report", {"view": "division"}, "needs a division"),
        ("report", {"view": "division", "division": "nosuch"}, "There is no division 'nosuch'"),
        ("report", {"booked": "true", "first": "2026-11-02"}, "are booked; 2026-11-02 is within one"),
        ("report", {"booked": "true", "period": "weekly"}, "is of whole months, not 'weekly'"),
        ("export", {"booked": "true", "first": "2026-10", "last": "2026-10-30"}, "2026-10-30 is within one"),
        ("report", {"method": "odd"}, "There is no method 'odd'"),
        ("report", {"period": "hourly"}, "There is no period 'hourly'"),
        ("report", {"period": "daily", "first": "2026-11-01"}, "exclude one another"),
        ("report", {"format": "pdf"}, "There is no format 'pdf'"),
        ("report", {"table": "odd"}, "name one of projects"),
        ("invoice", {"project": "beta"}, "is not a month"),
        ("invoice", {"month": "2026-11"}, "one project or of one division"),
        ("invoice", {"month": "2026-11", "project": "a", "division": "b"}, "one project or of one division"),
        ("invoice", {"month": "2026-11", "project": "beta", "due_days": 400}, "it is 0 to 366"),
        ("export", {"first": "2026-11-02", "last": "2026-11-01"}, "is after the last one"),
        ("export", {"format": "parquet"}, "There is no format 'parquet'"),
        ("report", {"first": "9999-12-31", "last": "9999-12-31"}, "Nothing is kept of 9999-12-31"),
        ("report", {"first": "1969-12-31", "last": "1970-01-02"}, "Nothing is kept of 1969-12-31"),
        ("report", {"first": "9999-12", "last": "9999-12"}, "Nothing is kept of 9999-12"),
        ("invoice", {"month": "9999-12", "project": "beta"}, "Nothing is kept of 9999-12"),
    ],
)
def test_what_makes_no_sense_is_refused(
    used: Server, refused: Refusal, path: str, asked: dict[str, Any], says: str
) -> None:
    assert says in refused(422, "GET", f"/costs/{path}", params=asked)["detail"]


def test_nobody_gets_an_invoice_of_somebody_else(used: Server, refused: Refusal) -> None:
    stranger = used.client(used.person("stranger"))
    asked = {"month": month(used), "project": "beta"}
    told = refused(404, "GET", "/costs/invoice", client=stranger, params=asked)["detail"]
    asked["project"] = "no-such-project"
    assert (
        refused(404, "GET", "/costs/invoice", params=asked)["detail"].replace("no-such-project", "beta")
        == told
    )
    report = stranger.get("/costs/report").raise_for_status().json()
    assert (report["total"], report["tables"]["projects"]["rows"]) == ("0.0", [])


def test_an_export_is_checked_and_is_what_was_spent(used: Server, herder: Herder, tmp_path: Path) -> None:
    file = tmp_path / "costs.csv.gz"
    first = month(used)
    code, out, err = herder(
        "cost", "export", "--format", "focus", "--from", first, "--to", first, "-o", str(file)
    )
    assert (code, out) == (0, ""), err
    rows = list(csv.DictReader(io.StringIO(gzip.decompress(file.read_bytes()).decode())))
    assert f"{len(rows)} lines exported." in err
    spent = used.http.get("/costs").json()["total_usd"]
    assert sum(Decimal(row["BilledCost"]) for row in rows) == Decimal(spent)
    code, out, err = herder("cost", "check-focus", str(file), "-o", "json")
    assert code == 0, err
    found = json.loads(out)
    assert (found["rows"], found["lines"], found["violations"]) == (len(rows), True, [])
    assert {Decimal(each) for each in found["totals"].values()} == {Decimal(spent)}


def test_an_export_to_stdout(used: Server, herder: Herder) -> None:
    code, out, _ = herder("cost", "export", "--from", month(used), "--to", month(used), "-o", "-", "--quiet")
    assert code == 0
    assert out.startswith("AvailabilityZone,BilledCost,")


def test_a_broken_file_ends_with_1(herder: Herder, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("BilledCost\n12\n")
    code, out, _ = herder("cost", "check-focus", str(tmp_path / "a.csv"))
    assert code == 1
    assert "1 row, not from a ledger of Herder." in out
    assert "BillingAccountId" in out
    (tmp_path / "b.csv").write_text("BilledCost\ntwelve\n")
    code, _, err = herder("cost", "check-focus", str(tmp_path / "b.csv"))
    assert (code, "row 1: BilledCost is 'twelve', which is not a number" in err) == (1, True)
    code, _, err = herder("cost", "check-focus", str(tmp_path / "none.csv"))
    assert (code, "none.csv cannot be read" in err) == (1, True)


def test_the_command_line_shows_reports(used: Server, herder: Herder, tmp_path: Path) -> None:
    code, out, err = herder("cost", "report", "--view", "showback")
    assert code == 0, err
    assert "What each project cost" in out
    assert max(map(len, out.splitlines())) <= 80
    code, out, _ = herder("cost", "invoice", "--project", "alpha", "--month", month(used), "-o", "json")
    assert json.loads(out)["bill_to"] == "alpha"
    code, out, _ = herder(
        "cost", "invoice", "--division", "sales", "--month", month(used), "-o", "csv", "--table", "unpriced"
    )
    assert out.splitlines()[0] == "resource,product,quantity,unit,card"
    assert "\\x" not in out
    page = tmp_path / "page.html"
    code, _, err = herder(
        "cost", "invoice", "--project", "alpha", "--month", month(used), "--html", str(page)
    )
    assert (code, str(page) in err) == (0, True)
    assert page.read_text().startswith("<!doctype html>")
