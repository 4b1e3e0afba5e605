"""Herder's own store as the source of a simulation: what it says of jobs, that it is left alone, and what is no store."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Engine, insert, text

from herder.app import whole_app
from herder.cli.shell.main import run
from herder.model.ids import UserName
from herder.model.stored.records import AttemptRecord, BatchRecord, JobClassRecord, JobParent
from herder.model.values.resources import Resources
from herder.model.work.job import AttemptState, Cause, JobClass, JobState
from herder.simulate.history.trace_from_store import OwnLog
from herder.simulate.history.world_from_store import read_own_store
from herder.simulate.traces.rows import TraceError
from herder.store.opening.database import migrate, open_engine, sqlite_url
from herder.store.rows import tables as t
from tests.simulate.live import LiveServer, noop

AT = 1_700_000_000_000
BIG = JobClass(user=UserName("ann"), request=Resources(2000, 4096, 10, 1), timeout_s=60.0)
SMALL = JobClass(user=UserName("bob"), request=Resources(500, 256, 10), pool="std")


def herder(*words: str) -> int:
    return run(whole_app(), ["simulate", *words])


def bytes_of(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.iterdir()) if path.is_file())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_real_server_is_replayed_beside_it_and_after_it(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    url = None if kind == "sqlite" else str(request.getfixturevalue("postgres_url"))
    where = url or str(tmp_path)
    with LiveServer(tmp_path, url) as live:
        live.run(
            noop(300, "400m"), noop(700, "900m", key="first"), noop(200, parents=["first"]), name="nightly"
        )
        live.start(noop(60_000))
        assert herder("--from-events", where, "--policy", "first_fit", "-o", "json") == 0
        beside = read_own_store(where)
    said = capsys.readouterr()
    assert json.loads(said.out)["jobs"] == 4
    assert "1 job had not ended" in said.err
    assert "std/half (0.5 cores, 0.25 GiB, 0.01 per hour, at most 3)" in said.err
    before = bytes_of(tmp_path)
    after = read_own_store(where)
    assert bytes_of(tmp_path) == before

    for log in (beside.log, after.log):
        trace = log.trace
        assert trace.names == ["nightly"] * 3 + ["default"]
        assert trace.arrival_s[:3] == [0.0] * 3
        assert trace.arrival_s[3] > 0.9  # after the batch: two jobs of 0.9 s one after the other
        least = (0.3, 0.7, 0.2)
        assert all(run_s >= at_least for run_s, at_least in zip(trace.run_s, least, strict=False))
        assert trace.parents[2] == (1,)
        assert trace.shapes[trace.shape_of[1]] == Resources(900, 64, 0, 0)
        assert set(trace.users) == {"admin"}
    assert (beside.log.running, after.log.running, after.log.lost) == (
        1,
        0,
        1,
    )  # the stop took its worker away
    assert herder("verify", "--from-events", where) == 0
    capsys.readouterr()
    assert herder("compare", "--from-events", where, "--policy", "herder", "--policy", "first_fit") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "POLICY",
        "herder",
        "first_fit",
    ]


@pytest.fixture
def store(tmp_path: Path) -> Engine:
    made = open_engine(sqlite_url(tmp_path))
    migrate(made)
    return made


def fill(store: Engine, *attempts: AttemptRecord, jobs: dict[int, tuple[int, int, JobState]]) -> None:
    """`jobs`: number to (class, batch or 0, state), each created 100 s after the one before."""
    with store.begin() as connection:
        for number, job_class in ((1, BIG), (2, SMALL)):
            spec = msgspec.json.encode(job_class).decode()
            row = JobClassRecord(number, job_class.user, job_class.project, job_class.pool, spec)
            connection.execute(insert(t.job_classes), row._asdict())
        batch = BatchRecord(
            7, "ann", "default", "nightly", "running", "{}", None, "{}", 2, "0", AT, AT + 50_000, None
        )
        connection.execute(insert(t.batches), batch._asdict())
        for number, (class_id, in_batch, state) in jobs.items():
            values = {
                "id": number, "batch_id": in_batch or None, "position": 0, "class_id": class_id, "payload": "{}",
                "created_at_ms": AT + number * 100_000, "state": int(state),
            }  # fmt: skip
            connection.execute(insert(t.jobs), values)
        for attempt in attempts:
            connection.execute(insert(t.attempts), attempt._asdict())
    store.dispose()


def attempt(
    job: int, number: int, state: AttemptState, seconds: int | None, cause: Cause = Cause.NONE
) -> AttemptRecord:
    """One that was assigned 1,000 s after the beginning and took so long; None: it goes on."""
    at = AT + 1_000_000
    end = None if seconds is None else at + seconds * 1000
    return AttemptRecord(job, number, "w", int(state), cause.value, "", None, at, at, end, 0, 0, None)


def test_what_counts_as_a_jobs_work(store: Engine, tmp_path: Path) -> None:
    done, failed, lost = AttemptState.SUCCEEDED, AttemptState.FAILED, AttemptState.LOST
    fill(
        store,
        attempt(1, 1, lost, 900, Cause.WORKER_LOST),
        attempt(1, 2, failed, 20, Cause.EXIT_CODE),
        attempt(1, 3, done, 30),
        attempt(2, 1, AttemptState.RUNNING, None),
        attempt(3, 1, failed, 5, Cause.INFRASTRUCTURE),
        attempt(3, 2, lost, 7, Cause.WORKER_LOST),
        attempt(4, 1, AttemptState.CANCELLED, 40, Cause.CANCELLED),
        jobs={
            1: (1, 7, JobState.SUCCEEDED),
            2: (2, 0, JobState.RUNNING),
            3: (2, 0, JobState.READY),
            4: (1, 0, JobState.CANCELLED),
            5: (1, 0, JobState.READY),
            6: (1, 0, JobState.CANCELLED),
            20: (1, 0, JobState.BLOCKED),
        },
    )
    log = read_own_store(str(tmp_path)).log
    # The log ends with the submission of job 20, 2,000 s after the beginning, and so 1,000 s after job 2 was assigned.
    assert log.trace.run_s == [50.0, 1000.0, 7.0, 40.0]
    assert log.trace.arrival_s == [0.0, 150.0, 250.0, 350.0]
    assert log.trace.users == ["ann", "bob", "bob", "ann"]
    assert log.trace.limit_s == [60.0, None, None, 60.0]
    assert log.trace.shapes == [Resources(2000, 4096, 10, 1000), Resources(500, 256, 10, 0)]
    assert (log.running, log.lost, log.bound) == (1, 3, 2)
    assert log.never_ran == {"ready": 1, "cancelled": 1, "blocked": 1}
    notes = " ".join(log.notes())
    assert "1 job (blocked) never ran and was left out, because the run time is unknown." in notes
    assert "2 jobs name a pool" in notes


def test_a_parent_that_never_ran_holds_nobody_up(store: Engine, tmp_path: Path) -> None:
    fill(
        store,
        attempt(2, 1, AttemptState.SUCCEEDED, 9),
        attempt(3, 1, AttemptState.SUCCEEDED, 9),
        jobs={1: (1, 7, JobState.CANCELLED), 2: (1, 7, JobState.SUCCEEDED), 3: (1, 7, JobState.SUCCEEDED)},
    )
    with store.begin() as connection:
        for child, parent in ((2, 1), (3, 1), (3, 2)):
            connection.execute(insert(t.job_parents), JobParent(child, parent, 7)._asdict())
    store.dispose()
    assert read_own_store(str(tmp_path)).log.trace.parents == [(), (0,)]
    assert read_own_store(str(tmp_path), limit=2).log.trace.parents == []


def test_the_same_store_gives_the_same_trace_and_none_of_its_bytes_change(
    store: Engine, tmp_path: Path
) -> None:
    fill(store, attempt(1, 1, AttemptState.RUNNING, None), jobs={1: (1, 0, JobState.RUNNING)})
    folder = tmp_path / "copy"
    folder.mkdir()
    with (
        store.begin() as connection
    ):  # a server that died: what it wrote last is in the log beside the file alone
        connection.execute(text("UPDATE jobs SET created_at_ms = created_at_ms - 1000"))
        connection.execute(insert(t.users), {"name": "late", "role": "user", "weight": 1, "created_at_ms": 0})
    with store.connect() as connection:
        connection.execute(text("SELECT * FROM jobs")).all()
        for name in ("herder.db", "herder.db-wal"):
            shutil.copy(tmp_path / name, folder / name)
    before = bytes_of(folder)
    logs: list[OwnLog] = [
        read_own_store(where).log for where in (str(folder), f"sqlite:///{folder}/herder.db")
    ]
    assert logs[0].trace == logs[1].trace
    assert logs[0].trace.origin_s == (AT + 99_000) / 1000
    after = bytes_of(folder)
    assert {name: after[name] for name in before} == before
    store.dispose()


def _tables(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE jobs (id INTEGER)")
    connection.commit()
    connection.close()


def _newer(path: Path) -> None:
    made = open_engine(f"sqlite:///{path}")
    migrate(made)
    with made.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    made.dispose()


def _empty(path: Path) -> None:
    made = open_engine(f"sqlite:///{path}")
    migrate(made)
    made.dispose()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "There is no store at"),
        (
            lambda path: path.write_bytes(b"arrival_s,run_s,cpu\n" * 500),
            "Check that it is a store of Herder.",
        ),
        (_tables, "is a database, but not a store of Herder"),
        (_newer, "was written by a newer version of Herder (schema 9999)"),
        (_empty, "no job has run there yet"),
    ],
)
def test_what_is_no_store_with_jobs(
    make: Callable[[Path], object], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "herder.db"
    make(path)
    assert herder("--from-events", str(path), "-o", "json") == 2
    said = capsys.readouterr()
    assert says in said.err
    assert said.out == ""
    with pytest.raises(TraceError):
        read_own_store(str(tmp_path))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--from-events", "postgresql://me:s3cret@127.0.0.1:1/db"), "Cannot read the store"),
        (("--from-events", "mysql://u@h/d"), "not supported"),
        (("--from-events", "::://"), "not a database URL"),
        (("--from-events", "x.db", "--trace", "y.csv"), "Give one source of work"),
    ],
)
def test_addresses_that_are_none(
    words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert herder(*words) == 2
    said = capsys.readouterr().err
    assert says in said
    assert "s3cret" not in said
