"""Reports that a real server makes at their times: once each, through restarts and failures, kept while the ledger moves on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, update

from herder.cli.shell.main import build_app, run
from herder.control.kernel.bounds.errors import Invalid
from herder.control.loops import cost_reports as loop
from herder.ledger.quantities import DAY_MS
from herder.model.stored.changes import Changes
from herder.ports.store import StoreDown
from herder.store.rows.report_rows import forget_reports
from herder.store.rows.report_tables import cost_reports
from tests.api.conftest import POOLS, Refusal, Server

PATH = "/costs/report-schedules"
Herder = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Its loop does not look by itself: the tests do."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loop, "LOOK_S", 3_600.0)
        made = Server(tmp_path_factory.mktemp("reports")).start()
        made.http.post("/apply", json={"pools": POOLS}).raise_for_status()
        yield made
        made.stop()


@pytest.fixture
def herder(server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Herder:
    monkeypatch.setenv("HERDER_URL", server.running.url)
    monkeypatch.setenv("HERDER_TOKEN", server.running.token)

    def command(*words: str) -> tuple[int, str, str]:
        code = run(build_app(), list(words))
        out, err = capsys.readouterr()
        return code, out, err

    return command


def put(server: Server, name: str, **body: Any) -> None:
    server.http.put(f"{PATH}/{name}", json={"period": "daily", **body}).raise_for_status()


def overdue(server: Server, name: str, days: float) -> None:
    """As if the schedule had been dealt with for the last time so many days ago."""

    async def back() -> None:
        core = server.running.core
        with core.change(Changes()) as changes:
            record = core.ledger.report_schedules[name]
            record = record._replace(handled_ms=core.clock.now_ms() - int(days * DAY_MS))
            core.ledger.report_schedules[name] = record
            changes.put(record)
        await core.commit(changes)

    server.run(back())


def look(server: Server) -> None:
    server.run(loop.look(server.running.core))


def change(server: Server, work: Callable[[Connection], Any]) -> None:
    """As one transaction of the store's writer."""

    async def called() -> None:
        await server.running.core.store.call(work)

    server.run(called())


def reports(server: Server, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.http.get("/costs/reports", params={"schedule": name}).json()["items"]
    return found


def events(server: Server, name: str) -> list[tuple[str, str]]:
    found = server.http.get("/events", params={"object": f"report/{name}"}).json()["items"]
    return [(each["kind"], each["text"]) for each in found]


def test_each_missed_time_is_made_up_once_also_through_a_restart(server: Server) -> None:
    put(server, "missed", cron="0 3 * * *", timezone="Europe/Berlin")
    look(server)
    assert reports(server, "missed") == []
    overdue(server, "missed", 3)
    server.restart()
    assert server.http.get(f"{PATH}/missed").json()["waiting"] == 3
    look(server)
    made = reports(server, "missed")
    assert len(made) == 3
    assert len({each["due_at"] for each in made}) == 3
    assert all(each["first_day"] == each["due_at"][:10] for each in made)
    assert made == sorted(made, key=lambda each: each["due_at"], reverse=True)
    server.restart()
    look(server)
    assert reports(server, "missed") == made
    assert [kind for kind, _ in events(server, "missed")].count("report.made") == 3


def test_a_time_whose_report_is_stored_is_not_made_again(server: Server) -> None:
    """As after a restore of the schedules alone, or when the clock was set back."""
    put(server, "again")
    overdue(server, "again", 1)
    look(server)
    made = reports(server, "again")
    overdue(server, "again", 1)
    look(server)
    assert reports(server, "again") == made
    assert server.http.get(f"{PATH}/again").json()["waiting"] == 0


def test_what_fails_is_told_and_tried_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    put(server, "failing")
    overdue(server, "failing", 1)
    right = loop._Reads.cost_report

    async def wrong(*given: Any) -> Any:
        raise Invalid("There is no division 'x'.")

    monkeypatch.setattr(loop._Reads, "cost_report", wrong)
    look(server)
    look(server)  # not yet due
    assert reports(server, "failing") == []
    told = [text for kind, text in events(server, "failing") if kind == "report.failed"]
    assert len(told) == 1
    assert "There is no division 'x'." in told[0]
    assert "It is tried again at" in told[0]
    assert (
        server.http.get(f"{PATH}/failing").json() | {"waiting": 1, "last_text": told[0]}
        == server.http.get(f"{PATH}/failing").json()
    )
    monkeypatch.setattr(loop._Reads, "cost_report", right)
    server.restart()
    look(server)
    assert reports(server, "failing") == []  # the pause is kept through a restart
    put(server, "failing")  # which tries at once
    look(server)
    assert len(reports(server, "failing")) == 1


def test_the_pause_after_failures_doubles_and_has_a_bound(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(server, "pauses")
    overdue(server, "pauses", 1)
    core = server.running.core

    async def wrong(*given: Any) -> Any:
        raise Invalid("No.")

    monkeypatch.setattr(loop._Reads, "cost_report", wrong)
    pauses = []
    for _ in range(9):
        look(server)
        record = core.ledger.report_schedules["pauses"]
        assert record.next_try_ms is not None
        pauses.append(round((record.next_try_ms - core.clock.now_ms()) / 60_000))
        core.ledger.report_schedules["pauses"] = record._replace(next_try_ms=0)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def fails(monkeypatch: pytest.MonkeyPatch, schedule: str, error: Exception, times: int | None = None) -> None:
    """The reports of this schedule cannot be made, or only the first so many tries fail."""
    right, left = loop._made, [times]

    async def wrong(*given: Any) -> Any:
        if given[1].name == schedule and left != [0]:
            left[0] = None if left[0] is None else left[0] - 1
            raise error
        return await right(*given)

    monkeypatch.setattr(loop, "_made", wrong)


def later(server: Server, name: str) -> None:
    """As if the pause after a failure was over."""
    known = server.running.core.ledger.report_schedules
    known[name] = known[name]._replace(next_try_ms=None)


@pytest.mark.parametrize("error", [Invalid("There is no division 'x'."), KeyError("x")])
def test_a_report_that_is_never_made_is_skipped_and_the_next_one_is_made(
    server: Server, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    name = f"never-{type(error).__name__.lower()}"
    put(server, name)
    overdue(server, name, 2)
    monkeypatch.setattr(loop, "TRIES_MAX", 3)
    fails(monkeypatch, name, error, times=3)
    for _ in range(3):
        assert reports(server, name) == []
        look(server)
        later(server, name)
    (made,) = reports(server, name)
    told = events(server, name)
    assert [kind for kind, _ in told].count("report.failed") == 2
    (skipped,) = [text for kind, text in told if kind == "report.skipped"]
    assert "was not made after 3 tries and is skipped. " in skipped
    assert ("There is no division 'x'." in skipped) or ("An error inside of Herder (KeyError)" in skipped)
    assert made["id"] not in skipped
    assert server.http.get(f"{PATH}/{name}").json()["waiting"] == 0


def test_a_report_that_was_asked_for_and_is_never_made_is_not_asked_for_any_more(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(server, "asked")
    overdue(server, "asked", 1)
    asked = server.http.post(f"{PATH}/asked/run").raise_for_status().json()["object"].partition("/")[2]
    fails(monkeypatch, "asked", Invalid("No."), times=loop.ASKED_TRIES_MAX)
    for _ in range(loop.ASKED_TRIES_MAX):
        look(server)
        later(server, "asked")
    (made,) = reports(server, "asked")
    assert made["id"] != asked
    (skipped,) = [text for kind, text in events(server, "asked") if kind == "report.skipped"]
    assert skipped.startswith(f"Report {asked} was not made after 5 tries and is skipped. No.")
    server.http.post(f"{PATH}/asked/run").raise_for_status()


def test_a_store_that_is_away_is_no_failure_of_a_report(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(server, "away")
    overdue(server, "away", 1)
    fails(monkeypatch, "away", StoreDown("The store is away."))
    with pytest.raises(StoreDown):
        look(server)
    assert [kind for kind, _ in events(server, "away")] == ["report.scheduled"]


def test_above_the_bound_of_all_the_oldest_are_deleted_and_named(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(server, "bound")
    overdue(server, "bound", 3)
    look(server)
    newest, *older = reports(server, "bound")
    before = len(reports(server, ""))
    core = server.running.core
    keep = replace(core.settings.retention, reports_max=1)
    monkeypatch.setattr(core, "settings", replace(core.settings, retention=keep))
    look(server)
    assert len(reports(server, "")) == 1
    told = server.http.get("/events", params={"kind": "report.deleted"}).json()["items"]
    assert sum(len(each["data"]["reports"]) for each in told) == before - 1
    named = next(each for each in told if each["object"] == "report/bound")
    assert set(named["data"]["reports"]) >= {each["id"] for each in older[1:]}
    assert "more than 1 are stored (reports_max)." in named["text"]
    assert newest["due_at"] >= older[0]["due_at"]


def test_a_schedule_that_is_deleted_while_its_report_is_made_makes_none(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(server, "meanwhile")
    overdue(server, "meanwhile", 1)
    right = loop._made

    async def slow(*given: Any) -> Any:
        made = await right(*given)
        if given[1].name != "meanwhile":  # one that another test has left waiting
            return made
        gone = await asyncio.to_thread(server.http.delete, f"{PATH}/meanwhile")
        assert gone.status_code == 200, gone.text
        return made

    monkeypatch.setattr(loop, "_made", slow)
    look(server)
    assert reports(server, "meanwhile") == []
    kinds = [kind for kind, _ in events(server, "meanwhile")]
    assert "report.made" not in kinds
    assert kinds.count("report.skipped") == 1  # it was due


def test_a_change_of_the_times_tells_what_is_skipped(server: Server) -> None:
    put(server, "moved")
    overdue(server, "moved", 2)
    put(server, "moved", cron="0 7 * * *")
    skipped = [text for kind, text in events(server, "moved") if kind == "report.skipped"]
    assert skipped == ["2 reports of moved were due and were not made: its times were changed."]
    assert server.http.get(f"{PATH}/moved").json()["waiting"] == 0


def test_more_missed_times_than_are_made_up_are_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("herder.control.costs.report_times.CATCH_UP", 2)
    put(server, "many")
    overdue(server, "many", 5)
    look(server)
    assert len(reports(server, "many")) == 2
    assert [kind for kind, _ in events(server, "many")].count("report.skipped") == 1


def test_a_stored_report_stays_as_it_was_in_every_format(
    server: Server, herder: Herder, tmp_path: Path
) -> None:
    put(server, "kept", view="showback")
    asked = server.http.post(f"{PATH}/kept/run").raise_for_status().json()
    assert server.http.post(f"{PATH}/kept/run").status_code == 409
    name = asked["object"].partition("/")[2]
    look(server)
    (made,) = reports(server, "kept")
    assert made["id"] == name
    texts = {
        form: server.http.get(f"/costs/reports/{name}", params={"format": form}).text
        for form in ("json", "csv", "html", "text")
    }
    assert json.loads(texts["json"])["digest"] == f"sha256:{made['digest']}"
    assert json.loads(texts["json"])["kind"] == "showback"
    worker = server.worker()
    worker.close()
    put(server, "kept", view="full")
    for form, text in texts.items():
        assert server.http.get(f"/costs/reports/{name}", params={"format": form}).text == text
    page = tmp_path / "kept.html"
    assert herder("cost", "reports", "get", name, "--html", str(page))[0] == 0
    assert page.read_text() == texts["html"]
    code, out, _ = herder("cost", "reports", "list", "kept", "-o", "name")
    assert (code, out) == (0, f"{name}\n")
    assert herder("cost", "reports", "get", "none")[0] == 3


def test_figures_that_were_changed_in_the_store_are_not_shown(server: Server, refused: Refusal) -> None:
    put(server, "changed")
    overdue(server, "changed", 1)
    look(server)
    (made,) = reports(server, "changed")

    def spoil(connection: Connection) -> None:
        connection.execute(update(cost_reports).where(cost_reports.c.id == made["id"]).values(body="{}"))

    change(server, spoil)
    problem = refused(409, "get", f"/costs/reports/{made['id']}")
    assert "are not those of its hash" in problem["detail"]


def test_reports_are_for_those_who_see_all_costs(server: Server) -> None:
    put(server, "whose")
    overdue(server, "whose", 1)
    look(server)
    (made,) = reports(server, "whose")
    user = server.client(server.token_of("user"))
    assert user.get("/costs/reports").json()["items"] == []
    assert user.get(PATH).json()["items"] == []
    assert user.get(f"/costs/reports/{made['id']}").status_code == 404
    operator = server.client(server.token_of("operator"))
    assert operator.get(f"/costs/reports/{made['id']}").status_code == 200
    assert operator.post(f"{PATH}/whose/run").status_code == 403


def test_reports_are_deleted_when_they_were_kept_long_enough(server: Server) -> None:
    put(server, "short", keep_s=86_400)
    overdue(server, "short", 1)
    look(server)
    assert len(reports(server, "short")) == 1
    core = server.running.core
    for days, left in ((0.9, 1), (1.1, 0)):
        at_ms = core.clock.now_ms() + int(days * DAY_MS)
        change(server, partial(forget_reports, after=0, before_ms=at_ms))
        assert len(reports(server, "short")) == left


def test_a_long_list_comes_in_pages(server: Server) -> None:
    put(server, "pages", cron="0 * * * *")
    overdue(server, "pages", 0.2)
    look(server)
    found = [each["id"] for each in reports(server, "pages")]
    assert len(found) >= 4
    paged: list[str] = []
    after = None
    while True:
        asked = {"schedule": "pages", "limit": "2", **({"after": after} if after else {})}
        page = server.http.get("/costs/reports", params=asked).raise_for_status().json()
        paged += [each["id"] for each in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert paged == found
    assert server.http.get("/costs/reports", params={"after": "x"}).status_code == 422


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"period": "hourly"}, "period"),
        ({"period": "daily", "view": "none"}, "view"),
        ({"period": "daily", "method": "none"}, "method"),
        ({"period": "weekly", "booked": True}, "booked"),
        ({"period": "daily", "view": "division"}, "division"),
        ({"period": "daily", "division": "sales"}, "division"),
        ({"period": "daily", "view": "division", "division": "none"}, "division"),
        ({"period": "daily", "cron": "* * * * *"}, "cron"),
        ({"period": "daily", "timezone": "Mars"}, "timezone"),
        ({"period": "daily", "keep_s": 60}, "keep_s"),
    ],
)
def test_what_cannot_be_set_changes_nothing(server: Server, body: dict[str, Any], field: str) -> None:
    answer = server.http.put(f"{PATH}/wrong", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["field"] == field
    assert server.http.get(f"{PATH}/wrong").status_code == 404
    assert events(server, "wrong") == []


def test_the_commands_set_list_and_delete_schedules(server: Server, herder: Herder) -> None:
    words = ("--period", "monthly", "--view", "chargeback", "--booked", "--time-zone", "Europe/Berlin")
    code, _, told = herder("cost", "reports", "set", "bills", *words)
    assert code == 0
    code, out, _ = herder("cost", "reports", "schedules", "-o", "json")
    (found,) = [each for each in json.loads(out)["items"] if each["name"] == "bills"]
    assert found["cron"] == "0 9 1W * *"
    assert found["next_at"] in out
    code, _, told = herder("cost", "reports", "set", "bills", "--period", "daily", "--cron", "* * * * *")
    assert code == 2
    assert "--cron" in told
    assert herder("cost", "reports", "delete", "bills", "--yes")[0] == 0
    assert server.http.get(f"{PATH}/bills").status_code == 404
