"""Recommendations of a server: from measured use in its store to what is saved by them, with approval and pilot; why a day cost more; returns."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, insert

from herder.cli.shell.main import build_app, run
from herder.control.loops import recommendations as loop
from herder.control.reads.alert_readings import Sources
from herder.control.reads.costs import recommending
from herder.control.reads.costs.recommending import Recommender
from herder.ledger.alerts.documented import OPPORTUNITY
from herder.ledger.quantities import DAY_MS
from herder.model.ids import UserName
from herder.model.stored.changes import Changes
from herder.model.stored.ledger_records import MachineDayRecord, WorkDayRecord
from herder.model.stored.recommendation_records import RecommendationRecord
from herder.model.values.resources import Resources
from herder.model.work.job import AttemptState, JobClass
from herder.store.rows import tables as t
from herder.store.rows.json_forms import encode_class
from herder.store.rows.ledger_tables import machine_days, work_days
from herder.store.rows.recommendation_rows import stored
from tests.api.conftest import Server

USD, HOUR_MS = 10**12, 3_600_000
ASKED = Resources(4000, 8192, 0, 0)
HALF = Resources(2000, 8192, 0, 0)
PRICE = USD * 24 // 100
"""An hour of the machine: a day on which it is requested as a whole costs $5.76, of which CPU pays 4 × 0.05 of 0.24."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("recommendations"))
    made.start()
    yield made
    made.stop()


def day_of_work(number: int, day_ms: int, asked: Resources, cpu_ms: int, state: int) -> list[Any]:
    """One machine, requested by one attempt for 12 hours; the ledger's days and the attempt's row."""
    half = DAY_MS // 2
    month = date_of(day_ms)[:7]
    whole = 4000 * 50 + 8 * 5000
    weight = asked.cpu_milli * 50 + asked.memory_mib // 1024 * 5000
    worker = f"std-{number}"
    machine = MachineDayRecord(
        day_ms, month, worker, "std", "t", "d", "", "", PRICE, half, 0, str(half * whole)
    )
    work = WorkDayRecord(
        day_ms, month, worker, "ann", "ml", 1, half, str(half * asked.cpu_milli), str(half * asked.memory_mib), "0", str(half * weight)
    )  # fmt: skip
    attempt = {
        "job_id": number, "attempt": 1, "worker": worker, "state": state, "cause": "", "message": "", "exit_code": 0,
        "assigned_at_ms": day_ms, "started_at_ms": day_ms, "ended_at_ms": day_ms + half, "cpu_ms": cpu_ms,
        "memory_peak_mib": 6000, "result": None,
    }  # fmt: skip
    return [machine, work, attempt]


def fill(connection: Connection, rows: list[list[Any]], class_id: int, asked: Resources) -> None:
    job_class = JobClass(user=UserName("ann"), project="ml", request=asked)
    plain = {column.name: 0 if "INT" in str(column.type) else "" for column in t.workers.columns}
    connection.execute(
        insert(t.job_classes),
        [{"id": class_id, "user": "ann", "project": "ml", "pool": "std", "spec": encode_class(job_class)}],
    )
    connection.execute(insert(machine_days), [each[0]._asdict() for each in rows])
    connection.execute(insert(work_days), [each[1]._asdict() for each in rows])
    connection.execute(
        insert(t.workers),
        [{**plain, "name": each[2]["worker"], "pool": "std", "ended_at_ms": 1} for each in rows],
    )
    connection.execute(
        insert(t.jobs),
        [
            {
                "id": each[2]["job_id"], "position": 0, "class_id": class_id, "payload": "{}", "created_at_ms": 1,
                "state": 3, "attempts": 1, "failures": 0, "cause": "", "user": "ann", "project": "ml",
            }
            for each in rows
        ],
    )  # fmt: skip
    connection.execute(insert(t.attempts), [each[2] for each in rows])


async def write(server: Server, rows: list[list[Any]], class_id: int, asked: Resources) -> None:
    await server.running.core.store.call(lambda connection: fill(connection, rows, class_id, asked))


async def look(server: Server, now_ms: int) -> None:
    core = server.running.core
    await loop.look(core, Recommender(core), now_ms)


def items(client: httpx.Client, **query: str) -> list[dict[str, Any]]:
    answer = client.get("/costs/recommendations", params=query).raise_for_status().json()
    return list(answer["items"])


def test_from_measured_use_to_what_was_saved(
    server: Server, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    core, api = server.running.core, server.http
    assert items(api) == []
    begin = core.clock.now_ms() // DAY_MS * DAY_MS - 9 * DAY_MS
    half = DAY_MS // 2
    done = int(AttemptState.SUCCEEDED)
    before = [
        day_of_work(900_000 + day, begin - day * DAY_MS, ASKED, half, done) for day in range(1, 21)
    ]  # a quarter of 4 cores
    server.run(write(server, before, 900_001, ASKED))
    server.run(look(server, begin))
    (found,) = items(api, priority="high")
    assert (found["rule"], found["action"], found["target"]) == (
        "resource_rightsizing", "cpu 2000m", "ml/ann/std/4000m-8192Mi"
    )  # fmt: skip
    # 12 h a day at $0.24 are $86.40 in 30 days; CPU pays 5/6 of it, and half of that is saved.
    assert (found["monthly_usd"], found["saving_usd"]) == ("72", "36")
    assert found["facts"] == "CPU use was below 40 % for 14 days, with a peak of 1000m of 4000m."
    assert (found["confidence"], found["observed"]) == (0.938, 14)
    assert (found["needs_approval"], found["needs_pilot"]) == (True, True)
    assert (
        found["command"] == "herder job submit --project ml --pool std --cpu 2000m --memory 8192Mi -- COMMAND"
    )
    assert items(api, priority="low") == []
    path = f"/costs/recommendations/{found['id']}"

    refused = api.post(f"{path}/implement")
    assert refused.status_code == 409
    assert "changes more than $10.00 a month" in refused.json()["detail"]
    readings = server.run(Sources(core).readings(Changes(), core.clock.now_ms() + HOUR_MS))
    assert [each.used for each in readings if each.policy == OPPORTUNITY.id] == [36 * USD]
    api.post(f"{path}/approve").raise_for_status()
    begun = api.post(f"{path}/implement").raise_for_status().json()
    assert begun["text"].startswith(f"The pilot of recommendation {found['id']} began, and runs for 7 days.")
    assert "another 8 days to run" in api.post(f"{path}/implement").json()["detail"]
    assert api.get(f"{path}/results").json()["verdict"] == "running"

    # It began nine days ago. Since then its jobs ask for half of the CPU; as many of them succeed.
    record = core.ledger.recommendations[found["id"]]
    core.ledger.recommendations[found["id"]] = record._replace(begun_ms=begin)
    after = [day_of_work(910_000 + day, begin + day * DAY_MS, HALF, half, done) for day in range(1, 9)]
    server.run(write(server, after, 900_002, HALF))
    results = api.get(f"{path}/results").json()
    assert (results["days"], results["realised_usd"], results["realised_percent"]) == (8, "36", 100)
    assert (results["quality_before_percent"], results["quality_after_percent"]) == (100.0, 100.0)
    assert (results["verdict"], results["text"]) == (
        "success", "It saved 100 % of what was projected, and quality fell by 0.0 %."
    )  # fmt: skip
    documented = httpx.Client(base_url=f"{server.running.url}/api", headers=api.headers)
    with documented:
        name = found["id"]
        assert documented.get(f"/optimization/results/{name}").json() == results
        assert documented.get("/optimization/recommendations").json()["implemented"] == 0
        assert documented.get(f"/optimization/impact/{name}").json()["state"] == "pilot"
        documented.post(f"/optimization/implement/{name}").raise_for_status()
        listed = documented.get("/optimization/recommendations").json()
        assert (listed["implemented"], listed["implementation_percent"]) == (1, 100.0)
        assert (
            documented.get("/analytics/roi", params={"hours_saved": "2"}).json()
            == api.get("/costs/roi", params={"hours_saved": "2"}).json()
        )
    assert items(api)[0]["state"] == "implemented"

    monkeypatch.setenv("HERDER_URL", server.running.url)
    monkeypatch.setenv("HERDER_TOKEN", server.running.token)
    for words, said in (
        (["recommend"], "ml/ann/std/4000m-8192Mi"),
        (["recommend", name], "$36.0000 a month of $72.0000"),
        (["results", name], "realised   $36.0000 a month, 100 % of it"),
        (["why", date_of(begin + DAY_MS)], "By "),
        (["roi", "--hours-saved", "10"], "return"),
    ):
        assert run(build_app(), ["cost", *words]) == 0
        assert said in capfd.readouterr().out


def date_of(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d")


def test_bad_questions(server: Server) -> None:
    api = server.http
    wrong = api.get("/costs/recommendations", params={"priority": "huge"})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "priority")
    assert api.get("/costs/recommendations/opt-0").status_code == 404
    assert api.get("/costs/change", params={"day": "2026-11"}).json()["detail"] == "'2026-11' is not a day."


@pytest.mark.parametrize("day", ["daily", "today", "2026-11", "1d", "0001-01-01", "20261128"])
def test_a_change_is_of_a_day(server: Server, day: str) -> None:
    refused = server.http.get("/costs/change", params={"day": day})
    assert (refused.status_code, refused.json()["detail"]) == (422, f"{day!r} is not a day.")


async def keep(server: Server, record: RecommendationRecord) -> None:
    core = server.running.core
    with core.change(Changes()) as changes:
        core.ledger.recommendations[record.id] = record
        changes.put(record)
    await core.commit(changes)


def test_a_pilot_that_saves_too_little_cannot_be_ended_as_a_success(server: Server) -> None:
    core, api = server.running.core, server.http
    (first,) = core.ledger.recommendations.values()
    pilot = first._replace(id="opt-f", state="pilot", saving_pico=str(360 * USD), closed_ms=None)
    server.run(keep(server, pilot))
    results = api.get("/costs/recommendations/opt-f/results").json()
    assert (results["verdict"], results["realised_usd"], results["days"]) == ("failure", "36", 8)
    refused = api.post("/costs/recommendations/opt-f/implement")
    assert refused.status_code == 409
    assert "was not a success. It saved 10 % of what was projected" in refused.json()["detail"]
    nobody = pilot._replace(id="opt-n", pool="big")
    server.run(keep(server, nobody))
    assert api.get("/costs/recommendations/opt-n/results").json()["verdict"] == "unknown"
    assert api.post("/costs/recommendations/opt-n/implement").status_code == 409
    assert api.post("/costs/recommendations/opt-f/approve").status_code == 409
    server.run(look(server, core.clock.now_ms()))
    ended = api.get("/costs/recommendations/opt-f/results").json()
    assert (ended["state"], ended["verdict"], ended["days"]) == ("failed", "failure", 8)
    (told,) = api.get("/events", params={"kind": "recommendation.failed"}).json()["items"]
    assert (told["object"], "It saved 10 % of what was projected" in told["text"]) == (
        "recommendation/opt-f",
        True,
    )
    refused = api.post("/costs/recommendations/opt-f/implement")
    assert (refused.status_code, "is failed, and cannot be" in refused.json()["detail"]) == (409, True)
    assert api.get("/costs/recommendations/opt-n").json()["state"] == "pilot", "its work may still come"
    month_ago = core.clock.now_ms() - 32 * DAY_MS
    server.run(keep(server, nobody._replace(begun_ms=month_ago)))
    server.run(look(server, core.clock.now_ms()))
    assert api.get("/costs/recommendations/opt-n").json()["state"] == "failed"


def test_what_was_begun_is_rolled_back(server: Server) -> None:
    core, api = server.running.core, server.http
    first = next(iter(core.ledger.recommendations.values()))
    for state, said in (
        ("pilot", "The pilot of recommendation opt-r was"),
        ("implemented", "Recommendation opt-r was"),
    ):
        server.run(keep(server, first._replace(id="opt-r", state=state, closed_ms=None)))
        done = api.post("/costs/recommendations/opt-r/roll-back").raise_for_status().json()
        assert done["text"].startswith(f"{said} rolled back by admin.")
    assert api.get("/costs/recommendations/opt-r/results").json()["state"] == "rolled_back"
    assert "is rolled back already" in api.post("/costs/recommendations/opt-r/roll-back").json()["text"]
    assert api.post("/costs/recommendations/opt-r/implement").status_code == 409
    server.run(keep(server, first._replace(id="opt-r", state="open", begun_ms=None)))
    refused = api.post("/costs/recommendations/opt-r/roll-back")
    assert (refused.status_code, "it was not begun" in refused.json()["detail"]) == (409, True)


def test_what_has_changed_since_it_was_approved_is_approved_again(
    server: Server, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    core, api = server.running.core, server.http
    first = next(iter(core.ledger.recommendations.values()))
    approved = first._replace(
        id="opt-r", target="t", state="open", begun_ms=None, begun_by="", closed_ms=None
    )
    server.run(keep(server, approved._replace(approved_by="", approved_ms=None, approved_pico="")))
    api.post("/costs/recommendations/opt-r/approve").raise_for_status()
    assert api.get("/costs/recommendations/opt-r").json()["approved_usd"] == "36"
    known = core.ledger.recommendations["opt-r"]
    grown = [known._replace(saving_pico=str(72 * USD), state="open")]
    threads = []

    def worked_out(*_given: Any) -> list[Any]:
        threads.append(threading.current_thread())
        return []

    monkeypatch.setattr(recommending, "found_in", worked_out)
    monkeypatch.setattr(loop, "changed", lambda *_given: grown)
    server.run(look(server, core.clock.now_ms()))
    assert server.run(thread()) not in threads
    assert len(threads) == 1
    (told,) = api.get("/events", params={"kind": "recommendation.approval_ended"}).json()["items"]
    assert "has changed since admin approved $36.00 a month: it is $72.00 a month now" in told["text"]
    refused = api.post("/costs/recommendations/opt-r/implement").json()["detail"]
    assert "has changed since admin approved $36.00 a month, and is $72.00 now" in refused
    monkeypatch.setenv("HERDER_URL", server.running.url)
    monkeypatch.setenv("HERDER_TOKEN", server.running.token)
    assert run(build_app(), ["cost", "recommend", "opt-r"]) == 0
    said = " ".join(capfd.readouterr().out.split())
    assert "has changed since admin approved $36.0000 a month: it needs an approval again" in said


async def thread() -> threading.Thread:
    return threading.current_thread()


def test_what_is_over_is_forgotten_after_thirteen_months(server: Server) -> None:
    core = server.running.core
    (first, *_) = core.ledger.recommendations.values()
    now_ms = core.clock.now_ms()
    old_ms = now_ms - (loop.KEPT_DAYS + 1) * DAY_MS
    for name in ("opt-f", "opt-n", "opt-r"):  # of the test before, and in a pilot as long as nobody ends it
        server.run(keep(server, first._replace(id=name, state="withdrawn", begun_ms=None, closed_ms=old_ms)))
    server.run(look(server, now_ms))
    assert set(core.ledger.recommendations) == {first.id}
    assert [each.id for each in server.run(kept(server))] == [first.id]


async def kept(server: Server) -> list[RecommendationRecord]:
    found: list[RecommendationRecord] = await server.running.core.read(stored)
    return found


def test_others_see_their_own_alone(server: Server) -> None:
    bob, ann = (server.client(server.person(name)) for name in ("bob", "ann"))
    assert items(bob) == []
    assert [each["target"] for each in items(ann)] == ["ml/ann/std/4000m-8192Mi"]
    for client, count in ((bob, 0), (ann, 2)):
        told = client.get("/events", params={"kind": "recommendation.approved"}).raise_for_status().json()
        assert len(told["items"]) == count


def test_the_loop_looks_by_itself_and_again_after_a_restart(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "FIRST_LOOK_S", 0.0)
    before = items(server.http)
    server.restart()
    for _ in range(2000):
        if server.http.get("/costs/recommendations").json()["looked_at"] is not None:
            break
        server.run(asyncio.sleep(0.01))
    else:
        raise AssertionError("it has not looked")
    assert items(server.http) == before
