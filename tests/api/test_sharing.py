"""How the fleet is shared, in a running server: applied while it runs, kept over a restart, told to people."""

import time
from typing import Any

import httpx
import pytest

from herder.wire.worker.exchange import Finished
from tests.api.conftest import PlayedWorker, Refusal, Server

CLASSES = {"urgent": {"value": 100, "preempts": True}, "calm": {"value": -5}}


@pytest.fixture(autouse=True)
def shared(api: httpx.Client) -> None:
    apply(api, fair_share={}, priority_classes={}, projects={}, users={})
    for job in api.get("/jobs", params={"state": "ready"}).json()["items"]:
        api.post(f"/jobs/{job['id']}/cancel", json={}).raise_for_status()


def apply(api: httpx.Client, *, dry_run: bool = False, **sections: Any) -> dict[str, Any]:
    body = {"pools": [], "sharing": sections}
    answer = api.post("/apply", params={"dry_run": str(dry_run).lower()}, json=body).raise_for_status()
    found: dict[str, Any] = answer.json()["sharing"]
    return found


def submit(api: httpx.Client, **job: Any) -> httpx.Response:
    return api.post("/jobs", json={"command": ["true"], "pool": "std", **job})


def test_a_priority_class_is_used_by_name_and_an_unknown_one_is_refused_with_the_known(
    api: httpx.Client, refused: Refusal
) -> None:
    said = refused(422, "POST", "/jobs", json={"command": ["true"], "pool": "std", "priority": "urgent"})
    assert "No class is defined" in said["hint"]
    assert set(apply(api, priority_classes=CLASSES)) == {
        f"priority_classes.{name}.{key}"
        for name in CLASSES
        for key in ("value", "preempts", "role", "description")
    }
    made = submit(api, priority="urgent").json()
    assert api.get(f"/jobs/{made['first_job']}").json()["priority"] == 100
    assert api.get(f"/jobs/{submit(api, priority=7).json()['first_job']}").json()["priority"] == 7
    said = refused(422, "POST", "/jobs", json={"command": ["true"], "pool": "std", "priority": "urgnt"})
    assert said["field"] == "priority"
    assert "urgent (100), calm (-5)" in said["hint"]
    apply(api, priority_classes={"urgent": {"value": 50}})
    again = submit(api, priority="urgent").json()["first_job"]
    assert api.get(f"/jobs/{again}").json()["priority"] == 50, "the name means the new value from now on"


def test_ageing_is_changed_live_and_kept_over_a_restart(server: Server) -> None:
    ageing = {"age_after": "1m", "reserve_after": None, "reservations_max": 2}
    dry = apply(server.http, dry_run=True, fair_share={"ageing": ageing})
    assert dry["fair_share.ageing.age_after"] == ["10m", "1m"]
    assert server.running.core.placer.ageing.age_after_ms == 600_000, "a dry run changes nothing"
    apply(server.http, fair_share={"ageing": ageing})
    assert server.running.core.placer.ageing.age_after_ms == 60_000
    apply(server.http, priority_classes=CLASSES)
    (event, *_) = server.http.get("/events", params={"kind": "sharing.updated", "newest": "true"}).json()[
        "items"
    ]
    assert "priority_classes.urgent.value" in event["text"]
    server.restart()
    core = server.running.core
    assert (core.placer.ageing.age_after_ms, core.placer.ageing.reservations_max) == (60_000, 2)
    assert core.state.sharing.preempting == {100}
    assert apply(server.http, fair_share={"ageing": ageing}, priority_classes=CLASSES) == {}
    assert set(apply(server.http, fair_share={})) == {f"fair_share.ageing.{key}" for key in ageing}


def test_a_fault_in_one_section_changes_nothing(api: httpx.Client, refused: Refusal, server: Server) -> None:
    before = server.running.core.sharing
    sections = {"priority_classes": CLASSES, "projects": {"a": {"nominal_quota": {"cpus": 1}}}}
    said = refused(422, "POST", "/apply", json={"pools": [], "sharing": sections})
    assert "projects.a.nominal_quota.cpus" in said["detail"]
    assert server.running.core.sharing == before


def test_a_job_names_its_project_but_not_another_than_its_batch(api: httpx.Client, refused: Refusal) -> None:
    made = submit(api, project="research").json()["first_job"]
    assert api.get(f"/jobs/{made}").json()["project"] == "research"
    assert api.get(f"/jobs/{submit(api).json()['first_job']}").json()["project"] == "default"
    job = {"command": ["true"], "pool": "std", "project": "other"}
    said = refused(422, "POST", "/batches", json={"project": "research", "jobs": [job]})
    assert said["field"] == "jobs[0].project"


def test_users_and_projects_say_what_they_hold_and_a_held_back_job_names_its_quota(
    api: httpx.Client, worker: PlayedWorker
) -> None:
    quota = {"nominal_quota": {"cpu": "400m", "jobs": 5}, "cohort": "science"}
    apply(
        api, projects={"research": quota, "lender": {"nominal_quota": {"cpu": "100m"}, "cohort": "science"}}
    )
    made = [submit(api, project="research", cpu="250m").json()["first_job"] for _ in range(3)]
    assert [each.job for each in worker.take(2)] == made[:2]
    (lender, research) = (
        each for each in api.get("/projects").json()["items"] if each["name"] in ("research", "lender")
    )
    assert research["used"] == {"cpu_milli": 500, "memory_mib": 256, "gpu": 0, "jobs": 2}
    assert research["borrowed"] == {"cpu_milli": 100, "jobs": 0}
    assert research["may_start"] == {"cpu_milli": 0, "jobs": 3}
    assert (research["queued_jobs"], lender["used"]["jobs"]) == (1, 0)
    (admin,) = (each for each in api.get("/users").json()["items"] if each["name"] == "admin")
    assert (admin["used"]["cpu_milli"], admin["quota"]) == (500, {})
    said = api.get(f"/jobs/{made[2]}/explain").json()
    assert "project research uses 500m CPU" in said["summary"]
    fact = next(each for each in said["facts"] if each["kind"] == "quota")
    assert fact["evidence"]["quota"] == "project research"
    assert (fact["evidence"]["nominal"], fact["evidence"]["borrowed"]) == (400, 100)
    assert "expected to start" not in said["summary"]
    plan = api.get("/plans/next").json()
    assert [each["reason"]["kind"] for each in plan["unplaced"]] == ["quota"]
    apply(api, users={"admin": {"quota": {"jobs": 2}}})
    said = api.get(f"/jobs/{made[2]}/explain").json()
    assert "user admin uses 2 running jobs" in said["summary"]
    apply(api, users={}, projects={})
    assert [each.job for each in worker.take(1)] == [made[2]], "it starts when the quota is gone"
    for job in made:
        worker.end(job)


def test_a_quota_is_not_set_by_making_a_user(refused: Refusal) -> None:
    user = {"name": "x", "role": "user", "weight": 1, "quota": {"jobs": 1}}
    assert "'quota'" in refused(422, "POST", "/users", json=user)["detail"]


def test_preemption_is_told_to_both_sides_and_the_one_that_gave_way_runs_again(
    api: httpx.Client, worker: PlayedWorker
) -> None:
    quick = {"minimum_run_time": "0s", "wait_first": "0s", "soon": "0s"}
    apply(api, priority_classes=CLASSES, fair_share={"preemption": quick})
    whole = {"cpu": worker_cpu(api, worker)}
    gives = submit(api, **whole).json()["first_job"]
    worker.take(1)
    takes = submit(api, priority="urgent", **whole).json()["first_job"]
    stopped: list[tuple[int, int]] = []
    for _ in range(300):
        stopped += worker.exchange().cancel
        if stopped:
            break
        time.sleep(0.02)
    assert stopped == [(gives, 1)]
    said = api.get(f"/jobs/{takes}/explain").json()
    assert "attempts are being stopped there for it" in next(
        each["text"] for each in said["facts"] if each["kind"] == "reserved"
    )
    assert f"takes the place of job {gives}" in said["facts"][-1]["text"]
    assert [each.job for each in ended(worker, gives, state="cancelled", cause="cancelled")] == [takes]
    said = api.get(f"/jobs/{gives}/explain").json()
    assert said["facts"][-1]["kind"] == "preempted"
    assert f"Preempted by job {takes}, which has priority 100 (urgent)" in said["facts"][-1]["text"]
    (again,) = ended(worker, takes)
    assert (again.job, again.attempt) == (gives, 2)
    first, second = api.get(f"/jobs/{gives}").json()["history"]
    assert (first["state"], first["cause"], second["state"]) == ("cancelled", "preempted", "assigned")
    worker.end(gives, attempt=2)
    assert api.get(f"/jobs/{gives}").json()["state"] == "succeeded"


def ended(worker: PlayedWorker, job: int, state: Any = "succeeded", **more: Any) -> list[Any]:
    """Report the end of a first attempt; answers what there is to do next."""
    done = Finished(job=job, attempt=1, state=state, started_at_ms=1, ended_at_ms=2**53, **more)
    found = list(worker.exchange(finished=[done]).assign)
    return found or worker.take(1)


def worker_cpu(api: httpx.Client, worker: PlayedWorker) -> str:
    return f"{api.get(f'/workers/{worker.name}').json()['cpu_milli']}m"
