"""A backup of a busy server, restored: what had ended has ended, nothing is lost, and workers of the time after it confuse nothing."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from herder.store.backup.restoring import restore
from herder.store.backup.taking import take_backup
from herder.store.invariants import violations
from herder.store.opening.database import open_engine, sqlite_url
from herder.store.rows.tables import jobs
from herder.wire.worker.exchange import Finished
from tests.api.conftest import POOLS, PlayedWorker, Server

JOB = {"command": ["true"], "runtime": "noop", "cpu": "100m", "memory": "64Mi"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "data").start()
    made.http.post("/apply", json={"pools": POOLS}).raise_for_status()
    yield made
    made.stop()


class Load:
    """Submits and runs jobs until it is told to stop."""

    def __init__(self, server: Server, workers: list[PlayedWorker]) -> None:
        self.server, self.workers = server, workers
        self.accepted: list[int] = []
        self.ended: set[int] = set()
        self.over = threading.Event()
        self._threads = [threading.Thread(target=self._submit)]
        self._threads += [threading.Thread(target=self._work, args=(worker,)) for worker in workers]
        for thread in self._threads:
            thread.start()

    def _submit(self) -> None:
        with self.server.client(self.server.running.token) as http:
            while not self.over.is_set():
                answer = http.post("/jobs", json=JOB)
                if answer.status_code == 200:
                    body = answer.json()
                    self.accepted += range(body["first_job"], body["first_job"] + body["count"])

    def _work(self, worker: PlayedWorker) -> None:
        while not self.over.is_set():
            self.ended |= run_some(worker)

    def stop(self) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join(30)


def run_some(worker: PlayedWorker, held: dict[tuple[int, int], None] | None = None) -> set[int]:
    """Takes what there is and ends it at once, as a worker does whose jobs take no time; the jobs that have ended."""
    held = worker.__dict__.setdefault("held", {}) if held is None else held
    done = [
        Finished(job=job, attempt=attempt, state="succeeded", started_at_ms=1, ended_at_ms=2**53)
        for job, attempt in held
    ]
    answer = worker.exchange(held=list(held), finished=done)
    held.clear()
    held.update(dict.fromkeys((each.job, each.attempt) for each in answer.assign))
    return {each.job for each in done}


def states(http: httpx.Client, numbers: list[int]) -> dict[int, str]:
    return {number: http.get(f"/jobs/{number}").json()["state"] for number in numbers}


def test_a_backup_under_load_loses_nothing_and_forgotten_workers_change_nothing(
    server: Server, tmp_path: Path
) -> None:
    known = server.worker()
    load = Load(server, [known])
    while len(load.ended) < 30:
        time.sleep(0.01)
    accepted, ended = list(load.accepted), set(load.ended)
    backup = take_backup(
        tmp_path / "data" / "herder.db",
        tmp_path / "b.db",
        time.time_ns() // 1_000_000,
        lambda done, total: None,
    )
    assert backup.jobs >= len(accepted)
    later = server.worker()
    assert later.name != known.name
    while len(load.accepted) < len(accepted) + 50:
        time.sleep(0.01)
    load.stop()
    machines = dict(server.running.core.drivers["pretend"].world.machines)  # type: ignore[attr-defined]
    server.stop()

    done = restore(
        tmp_path / "b.db",
        tmp_path / "data" / "herder.db",
        time.time_ns() // 1_000_000,
        lambda d, t: None,
        salt=7,
    )
    engine = open_engine(sqlite_url(tmp_path / "data"))
    with engine.connect() as connection:
        assert violations(connection) == []
    with engine.connect() as connection:
        restored = {row.id: row.state for row in connection.execute(select(jobs.c.id, jobs.c.state))}
    engine.dispose()
    assert set(accepted) <= set(restored), "whatever was accepted before the backup is in it"

    server.start()
    server.running.core.drivers["pretend"].world.machines.update(machines)  # type: ignore[attr-defined]
    was_ended = [number for number in ended if states(server.http, [number])[number] == "succeeded"]
    assert set(was_ended) == ended & set(restored), "what had ended has ended"

    sweep = server.http.get("/drivers/pretend/sweep").raise_for_status().json()
    assert [each["worker"] for each in sweep["unknown"]] == [later.name]

    # The worker of after the backup: its token opens nothing, what it holds changes nothing.
    later.http = server.client(later.token)
    answer = later.http.post("/worker/exchange", json={"number": 99, "wait": False})
    assert answer.status_code == 401
    with server.client(later.activation_token) as http:
        assert http.post("/worker/activate", json={"nonce": "n"}).status_code == 503, "a person decides"

    # The worker of before goes on. What it holds of the forgotten time it is told to stop.
    known.http = server.client(known.token)
    told = known.exchange(held=[(max(load.accepted), 1)])
    assert (max(load.accepted), 1) in told.cancel or max(load.accepted) in restored
    first = server.http.post("/jobs", json=JOB).raise_for_status().json()["first_job"]
    assert first >= done.incarnation.next.jobs
    waiting = [*restored, first]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if run_some(known):
            continue
        if set(states(server.http, waiting).values()) == {"succeeded"}:
            break
    assert set(states(server.http, waiting).values()) == {"succeeded"}, "none is lost"

    # A person adopts the other one: it activates as the worker that it was, and its old attempt is not its own any more.
    adopted, again = (
        server.http.post(
            "/drivers/pretend/sweep", json={"action": "adopt"}, headers={"Idempotency-Key": "one"}
        )
        .raise_for_status()
        .json()
        for _ in range(2)
    )
    assert adopted["text"] == "1 machine of driver pretend is adopted."
    assert again == adopted, "the same request again is answered as the first, and acts once"
    with server.client(later.activation_token) as http:
        again = http.post("/worker/activate", json={"nonce": "n"}).raise_for_status().json()
    assert again["token"] == later.token
    assert (first, 1) in later.exchange(held=[(first, 1)]).cancel, "it is not its own"
    assert server.http.get(f"/workers/{later.name}").json()["state"] == "ready"
    engine = open_engine(sqlite_url(tmp_path / "data"))
    with engine.connect() as connection:
        assert violations(connection) == []
    engine.dispose()


def test_a_copied_file_is_noticed_by_the_mark_in_the_data_folder(server: Server, tmp_path: Path) -> None:
    """Nobody has used `herder admin restore`."""
    store = tmp_path / "data" / "herder.db"
    first = server.http.post("/jobs", json=JOB).raise_for_status().json()["first_job"]
    take_backup(store, tmp_path / "b.db", time.time_ns() // 1_000_000, lambda done, total: None)
    for _ in range(3):
        server.http.post("/jobs", json=JOB).raise_for_status()
    server.restart()  # the mark says how far it was
    server.stop()
    for suffix in ("", "-wal", "-shm"):
        store.with_name(store.name + suffix).unlink(missing_ok=True)
    store.write_bytes((tmp_path / "b.db").read_bytes())
    server.start()
    after = server.http.post("/jobs", json=JOB).raise_for_status().json()["first_job"]
    assert (first, after > 20_000_000) == (1, True)
    (told,) = [each["text"] for each in server.http.get("/events?kind=store.put_back").json()["items"]]
    assert told.startswith("The store is older than at ")
    server.restart()
    assert len(server.http.get("/events?kind=store.put_back").json()["items"]) == 1


def test_an_empty_store_in_a_used_data_folder_gives_no_name_again(server: Server, tmp_path: Path) -> None:
    name = server.worker().name
    server.restart()
    server.stop()
    store = tmp_path / "data" / "herder.db"
    for suffix in ("", "-wal", "-shm"):
        store.with_name(store.name + suffix).unlink(missing_ok=True)
    server.start()
    server.http.post("/apply", json={"pools": POOLS}).raise_for_status()
    assert server.http.post("/jobs", json=JOB).raise_for_status().json()["first_job"] == 1
    again = server.worker().name
    assert int(again.split("-")[1]) > 10_000 > int(name.split("-")[1])
    (told,) = [each["text"] for each in server.http.get("/events?kind=store.put_back").json()["items"]]
    assert "which is not this store" in told


def test_a_server_starts_again_with_running_attempts_untouched(server: Server) -> None:
    worker = server.worker()
    job = server.http.post("/jobs", json=JOB).raise_for_status().json()["first_job"]
    (assigned,) = worker.take(1)
    key = (assigned.job, assigned.attempt)
    assert key == (job, 1)
    worker.exchange(started=[(*key, 1)], held=[key])
    machines = dict(server.running.core.drivers["pretend"].world.machines)  # type: ignore[attr-defined]
    server.restart()
    server.running.core.drivers["pretend"].world.machines.update(machines)  # type: ignore[attr-defined]
    worker.http = server.client(worker.token)
    answer = worker.exchange(held=[key])
    assert (answer.cancel, answer.stop, answer.drain) == ([], False, False)
    detail = server.http.get(f"/jobs/{job}").json()
    assert (detail["state"], detail["attempts"]) == ("running", 1)
    worker.end(*key)
    detail = server.http.get(f"/jobs/{job}").json()
    assert (detail["state"], detail["attempts"]) == ("succeeded", 1)
