"""Dry runs ask the server: the same checks as the real call, the same refusals, and nothing is changed."""

from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from herder.client.parts.work import BUNCH_MAX, Batches
from herder.store.rows import tables
from herder.wire.api.work import BatchCreate, JobSubmission
from tests.api.conftest import PlayedWorker, Server

NOOP = {"runtime": "noop"}
SLEEP = {"command": ["sleep", "1"]}

#: What is refused for real, and where.
WRONG_JOBS: list[tuple[dict[str, Any], str]] = [
    ({**SLEEP, "cpu": 1000}, "cpu"),
    ({**SLEEP, "pool": "nope"}, "pool"),
    ({**SLEEP, "gpu": 1}, "gpu"),
    ({**SLEEP, "gpu": 1e300}, "gpu"),
    ({**SLEEP, "cpu": 1e300}, "cpu"),
    ({**SLEEP, "timeout_s": -5}, "timeout_s"),
    ({**SLEEP, "timeout_s": 1e300}, "timeout_s"),
    ({**SLEEP, "retries": -1}, "retries"),
    ({**SLEEP, "priority": "urgent"}, "priority"),
    ({**SLEEP, "selector": {"zone": "moon"}}, "selector"),
    ({**SLEEP, "env": {"A=B": "c"}}, "env"),
    ({**SLEEP, "resources": {"licence/none": 1}}, "resources.licence/none"),
    ({"command": []}, "command"),
    ({**SLEEP, "parents": [0]}, "parents"),
]
WRONG_BATCHES: list[list[dict[str, Any]]] = [
    [{**SLEEP, "parents": ["nobody"]}],
    [{**SLEEP, "key": "a", "parents": ["a"]}],
    [{**SLEEP, "key": "a", "parents": ["b"]}, {**SLEEP, "key": "b", "parents": ["a"]}],
    [{**SLEEP, "key": "a"}, {**SLEEP, "key": "a"}],
    [{**SLEEP, "parents": [7]}],
    [SLEEP, {**SLEEP, "cpu": 1000}],
]


def state_of(server: Server) -> tuple[Any, ...]:
    """Whatever a call could have made."""
    state, directory = server.running.core.state, server.running.core.directory
    tables_counted = (tables.jobs, tables.batches, tables.job_classes, tables.events, tables.plans)
    counts = [select(func.count()).select_from(each) for each in tables_counted]
    rows = server.run(
        server.running.core.read(lambda connection: [connection.execute(c).scalar() for c in counts])
    )
    return (
        *rows,
        state.next_job,
        state.next_batch,
        state.next_class,
        len(state.classes),
        {name: worker.cordoned for name, worker in state.workers.items()},
        sorted(state.pools),
        sorted(directory.users),
        {user: (waits.jobs, waits.bytes) for user, waits in server.running.core.backlog.by_user.items()},
    )


def both(client: httpx.Client, path: str, body: dict[str, Any]) -> tuple[httpx.Response, httpx.Response]:
    dry = client.post(path, params={"dry_run": "true"}, json=body)
    return dry, client.post(path, json=body)


@pytest.mark.parametrize(
    ("job", "field"), WRONG_JOBS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_job_that_is_refused_is_refused_in_a_dry_run(
    api: httpx.Client, job: dict[str, Any], field: str
) -> None:
    dry, real = both(api, "/jobs", job)
    assert (dry.status_code, dry.json()) == (real.status_code, real.json())
    assert dry.status_code == 422
    assert dry.json()["field"] == field
    if field == "parents":
        return  # of a batch that is right
    dry, real = both(api, "/batches", {"jobs": [NOOP, job]})
    assert (dry.status_code, dry.json()) == (real.status_code, real.json())
    assert dry.status_code == 422


@pytest.mark.parametrize("jobs", WRONG_BATCHES, ids=str)
def test_a_batch_that_is_refused_is_refused_in_a_dry_run(
    api: httpx.Client, jobs: list[dict[str, Any]]
) -> None:
    dry, real = both(api, "/batches", {"jobs": jobs, "commit": True})
    assert (dry.status_code, dry.json()) == (real.status_code, real.json())
    assert dry.status_code == 422


def test_a_circle_is_told_by_the_names_of_its_jobs(api: httpx.Client) -> None:
    dry, _ = both(api, "/batches", {"jobs": WRONG_BATCHES[2]})
    assert "a ← b ← a" in dry.json()["detail"]


def test_rights_are_checked_in_a_dry_run(server: Server, api: httpx.Client) -> None:
    job = api.post("/jobs", json={**NOOP, "selector": {}, "sleep_ms": 60_000, "attempts_max": 7}).json()[
        "first_job"
    ]
    with server.client(server.token_of("viewer")) as viewer, server.client(server.person("mallory")) as other:
        for client, path, body, status in (
            (viewer, "/jobs", SLEEP, 403),
            (viewer, "/pools/std/scale", {"workers": 1}, 403),
            (other, "/jobs", {**SLEEP, "priority": 5}, 403),
            (other, f"/jobs/{job}/cancel", {}, 404),
        ):
            dry, real = both(client, path, body)
            assert (dry.status_code, dry.json()) == (real.status_code, real.json())
            assert dry.status_code == status
    api.post(f"/jobs/{job}/cancel", json={}).raise_for_status()


def test_a_dry_run_changes_nothing(server: Server, api: httpx.Client, worker: PlayedWorker) -> None:
    queued = api.post("/jobs", json={**NOOP, "pool": "std", "cpu": "1m", "priority": 3}).json()["first_job"]
    batch = api.post("/batches", json={"jobs": [NOOP, {**NOOP, "parents": [0]}]}).json()["id"]
    fresh = {**SLEEP, "cpu": "77m", "memory": "77Mi"}
    server.run(_settled(server))
    before = state_of(server)
    for path, body in (
        ("/jobs", fresh),
        ("/batches", {"jobs": [fresh], "commit": True, "name": "x"}),
        (f"/batches/{batch}/jobs", {"jobs": [{**fresh, "parents": [1]}]}),
        (f"/batches/{batch}/cancel", {"message": "why"}),
        (f"/jobs/{queued}/cancel", {}),
        ("/pools/std/scale", {"workers": 1}),
        (f"/workers/{worker.name}/cordon", {}),
        (f"/workers/{worker.name}/drain", {}),
        (f"/workers/{worker.name}/remove", {"force": True}),
        (f"/workers/{worker.name}/extend", {"extend_s": 60}),
    ):
        headers = {"Idempotency-Key": f"dry-{path}"}
        answer = api.post(path, params={"dry_run": "true"}, json=body, headers=headers)
        assert answer.status_code == 200, (path, answer.text)
        said = answer.json()
        assert said["dry_run"] is True
        assert "text" not in said or "would" in said["text"], said
    answer = api.delete("/pools/std", params={"dry_run": "true"})
    assert "would be deleted" in answer.json()["text"]
    server.run(_settled(server))
    assert state_of(server) == before
    api.post(f"/batches/{batch}/cancel", json={}).raise_for_status()


async def _settled(server: Server) -> None:
    await server.running.core.settle()


def test_a_parameter_that_a_call_does_not_know_is_refused(server: Server, api: httpx.Client) -> None:
    before = state_of(server)
    answer = api.post("/users", params={"dry_run": "true"}, json={"name": "zoe"})
    assert (answer.status_code, answer.json()["field"]) == (422, "dry_run")
    assert state_of(server) == before
    assert api.get("/jobs", params={"stat": "failed"}).status_code == 422
    assert api.get("/pools", params={"limitt": 1}).status_code == 422


def test_force_is_refused_where_it_would_do_nothing(api: httpx.Client, worker: PlayedWorker) -> None:
    for body, field in (({"force": True}, "force"), ({"timeout_s": 5}, "timeout_s")):
        dry, real = both(api, f"/workers/{worker.name}/cordon", body)
        assert (dry.status_code, dry.json()) == (real.status_code, real.json())
        assert (real.status_code, real.json()["field"]) == (422, field)
        assert real.json()["hint"] == "It is for drain or remove."


def test_a_batch_of_many_calls_is_checked_across_them(server: Server) -> None:
    from herder.client import HerderClient, InvalidError

    with HerderClient(server.running.url, server.running.token) as client:
        jobs = [JobSubmission(runtime="noop", key=f"k{place}") for place in range(BUNCH_MAX + 2)]
        jobs[-1].parents = ["k0", BUNCH_MAX, 5]
        *_, (sent, said) = client.batches.try_submit(BatchCreate(), jobs)
        assert (sent, said.text) == (BUNCH_MAX + 2, f"A batch of {BUNCH_MAX + 2:,} jobs would be submitted.")
        for change, text in (
            ({"key": "k0"}, "already has a job with the key 'k0'"),
            ({"parents": ["k99999"]}, "'k99999' is not a job of this batch"),
            ({"parents": [BUNCH_MAX + 2]}, "outside the batch"),
        ):
            wrong = [*jobs[:-1], JobSubmission(runtime="noop", **change)]
            for submit in (client.batches.try_submit, _whole(client.batches)):
                with pytest.raises(InvalidError, match=text):
                    list(submit(BatchCreate(), wrong))


def _whole(batches: Batches) -> Any:
    return batches.submit
