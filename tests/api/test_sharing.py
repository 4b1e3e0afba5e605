"""How the fleet is shared, in a running server: applied while it runs, kept over a restart, told to people."""

from typing import Any

import httpx
import pytest

from tests.api.conftest import Refusal, Server

CLASSES = {"urgent": {"value": 100, "preempts": True}, "calm": {"value": -5}}


@pytest.fixture(autouse=True)
def shared(api: httpx.Client) -> None:
    apply(api, fair_share={}, priority_classes={}, projects={}, users={})


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
    assert "none is defined" in said["hint"]
    assert set(apply(api, priority_classes=CLASSES)) == {
        f"priority_classes.{name}.{key}" for name in CLASSES for key in ("value", "preempts", "description")
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
