"""Costs over HTTP: what work cost is there within moments, sums are exact, each line is explained, and everybody sees their own."""

from decimal import Decimal
from typing import Any

import httpx

from herder.control.loops import metering
from tests.api.conftest import PlayedWorker, Refusal, Server


def lines(client: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    return list(client.get("/costs/lines", params={"limit": 500, **query}).raise_for_status().json()["items"])


def test_bad_questions_are_answered_with_what_is_right(refused: Refusal) -> None:
    assert "There is no dimension colour." in refused(422, "GET", "/costs?by=project,colour")["detail"]
    assert refused(422, "GET", "/costs?first=2026-13-01")["field"] == "first"
    assert "after the last one" in refused(422, "GET", "/costs?first=2026-02-01&last=2026-01-01")["detail"]
    assert "more than" in refused(422, "GET", "/costs?first=1990-01-01&last=2026-01-01")["detail"]
    for month in ("2026-1", "２０２６-１０", "0001-01"):
        assert "is not a month" in refused(422, "POST", f"/costs/months/{month}/close")["detail"]
    for day in ("0001-01-01", "9999-12-31"):
        assert "Nothing is kept of" in refused(422, "GET", f"/costs?first={day}&last={day}")["detail"]
    assert "has not ended" in refused(422, "POST", "/costs/months/2999-01/close")["detail"]
    assert refused(404, "GET", "/costs/lines/0000000000000000")["hint"] == "`herder cost lines` lists them."


def test_what_a_job_cost_is_there_and_explained(
    server: Server, api: httpx.Client, worker: PlayedWorker
) -> None:
    ann, bob = (server.client(server.person(name)) for name in ("cost-ann", "cost-bob"))
    job = (
        ann.post("/jobs", json={"runtime": "noop", "cpu": 1, "pool": "std"})
        .raise_for_status()
        .json()["first_job"]
    )
    worker.take()
    worker.end(job)
    server.run(_sampled(server))
    mine = lines(ann)
    assert {(line["user"], line["kind"]) for line in mine} == {("cost-ann", "workload")}
    assert lines(bob) == []
    everything = lines(api)
    kinds = {line["kind"] for line in everything if line["worker"] == worker.name}
    assert kinds >= {"workload", "idle"}
    sums = api.get("/costs?by=kind,user").json()
    assert Decimal(sums["total_usd"]) == sum(Decimal(line["amount_usd"]) for line in everything)
    assert Decimal(sums["total_usd"]) == sum(Decimal(group["cost_usd"]) for group in sums["groups"])
    found = ann.get(f"/costs/lines/{mine[0]['id']}").raise_for_status().json()
    assert [event["object"] for event in found["events"]] == [f"job/{job}"]
    assert found["parts"] == [], "what others asked for of the machine is not told to everybody"
    assert len(api.get(f"/costs/lines/{mine[0]['id']}").json()["parts"]) >= 2
    assert bob.get(f"/costs/lines/{mine[0]['id']}").status_code == 404


def test_a_month_that_is_over_is_closed(server: Server, api: httpx.Client, refused: Refusal) -> None:
    assert api.post("/costs/months/2021-03/close").raise_for_status().json()["object"] == "month/2021-03"
    server.run(_sampled(server))
    answer = api.post("/costs/months/2021-03/close")
    assert (answer.status_code, answer.json()["detail"]) == (409, "2021-03 is closed.")
    later = refused(409, "POST", "/costs/months/2021-02/close")
    assert later["detail"] == "2021-03 is closed, and months are closed in order."
    api.post("/costs/months/2021-05/close").raise_for_status()
    server.run(_sampled(server))
    states = {each["month"]: each["state"] for each in api.get("/costs/months").json()["items"]}
    assert [states[f"2021-0{number}"] for number in (3, 4, 5, 6)] == ["closed", "closed", "closed", "open"]
    (event,) = api.get("/events", params={"object": "month/2021-03"}).json()["items"]
    assert event["text"] == "2021-03 was closed with 0 lines."


async def _sampled(server: Server) -> None:
    core = server.running.core
    core.ledger.sample_due = True
    await metering.once(core)
