"""Backups of a store and their restore: whole or not there at all, checked, and never in the place of something else."""

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import text

from herder.control.kernel.secret_tokens import new_salt
from herder.model.ids import WorkerName
from herder.model.stored.incarnation import ATTEMPTS_STEP, SALTS, Incarnation, plan_of, put_back, tries
from herder.model.values.times import iso
from herder.store.backup import taking
from herder.store.backup.restoring import mark_put_back, restore
from herder.store.backup.taking import check_backup, take_backup
from herder.store.opening.database import StoreError, migrate, open_engine, sqlite_url
from herder.store.opening.file import StoreFile
from herder.store.rows.incarnation import numbers_following, read_incarnation
from tests.support.engine_world import Agent, World

HOUR_MS = 3_600_000


def untold(done: int, total: int) -> None:
    """Nobody looks."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """With an ended, a running and a queued job; its store is a file."""
    engine = open_engine(sqlite_url(tmp_path))
    migrate(engine)
    made = World(engine=engine)
    _, agent = made.ready_worker(1)
    made.submit(3)
    made.commit()
    made.talk(agent)
    agent.end(next(iter(agent.held)), made.now_ms)
    made.talk(agent)
    made.commit()
    yield made
    engine.dispose()


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"herder.db-wal", "herder.db-shm"}


def test_a_backup_is_one_private_file_that_holds_everything(world: World, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    found = take_backup(
        tmp_path / "herder.db",
        tmp_path / "b.db",
        world.now_ms,
        lambda done, total: told.append((done, total)),
    )
    assert (found.jobs, found.unended_jobs, found.workers) == (3, 2, 1)
    assert found.remembered_until_ms == world.now_ms
    assert told[-1][0] == told[-1][1] > 0
    assert left(tmp_path) == {"herder.db", "b.db"}
    assert stat.S_IMODE((tmp_path / "b.db").stat().st_mode) == 0o600
    assert found.bytes == (tmp_path / "b.db").stat().st_size
    assert check_backup(tmp_path / "b.db").jobs == 3


def test_nothing_is_overwritten_and_nothing_half_is_left(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "b.db").write_text("mine")
    with pytest.raises(StoreError, match="already exists"):
        take_backup(tmp_path / "herder.db", tmp_path / "b.db", world.now_ms, untold)
    assert (tmp_path / "b.db").read_text() == "mine"
    with pytest.raises(StoreError, match="Cannot write"):
        take_backup(tmp_path / "herder.db", tmp_path / "no" / "c.db", world.now_ms, untold)

    def stop(done: int, total: int) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(taking, "OPERATIONS_PER_LOOK", 10)
    with pytest.raises(KeyboardInterrupt):
        take_backup(tmp_path / "herder.db", tmp_path / "c.db", world.now_ms, stop)
    monkeypatch.setattr(taking, "violations", lambda connection: ["Job 1 is odd."])
    with pytest.raises(StoreError, match=r"breaks 1 invariant. Job 1 is odd."):
        take_backup(tmp_path / "herder.db", tmp_path / "c.db", world.now_ms, untold)
    assert left(tmp_path) == {"herder.db", "b.db"}


def test_what_a_killed_backup_has_left_is_taken_over(world: World, tmp_path: Path) -> None:
    (tmp_path / ".b.db.part").write_bytes(b"half" * 1000)
    take_backup(tmp_path / "herder.db", tmp_path / "b.db", world.now_ms, untold)
    assert left(tmp_path) == {"herder.db", "b.db"}


def test_a_restore_keeps_the_present_store_and_skips_all_numbers_of_the_lost_time(
    world: World, tmp_path: Path
) -> None:
    take_backup(tmp_path / "herder.db", tmp_path / "b.db", world.now_ms, untold)
    world.submit(5)
    world.commit()
    world.engine.dispose()
    done = restore(tmp_path / "b.db", tmp_path / "herder.db", world.now_ms + HOUR_MS, untold, salt=7)
    assert done.kept is not None
    assert check_backup(done.kept).jobs == 8, "the present store is whole, its log is in it"
    assert left(tmp_path) == {"herder.db", "b.db", done.kept.name}
    engine = open_engine(sqlite_url(tmp_path))
    with engine.connect() as connection:
        incarnation, numbers = read_incarnation(connection), numbers_following(connection)
        epoch = connection.execute(text("SELECT count(*) FROM leader WHERE epoch < 1000")).scalar()
    assert epoch == 0
    assert incarnation == done.incarnation
    assert incarnation.number == 1
    assert incarnation.next.jobs > 100_000 * 3600
    assert incarnation.next.jobs % 1_000_000 == 1
    assert incarnation.forgotten_plans == ((numbers.plans, incarnation.next.plans),)
    assert numbers.events == incarnation.next.events + 1, "it is told"
    restored = World(engine=engine)
    restored.now_ms = world.now_ms + HOUR_MS
    restored.crash()
    (job,) = restored.submit()
    assert job == incarnation.next.jobs
    restored.commit()
    assert restored.state.next_plan == incarnation.next.plans
    assert restored.faults() == []
    engine.dispose()


def test_attempts_of_jobs_of_before_are_numbered_anew_and_still_counted(world: World, tmp_path: Path) -> None:
    take_backup(tmp_path / "herder.db", tmp_path / "b.db", world.now_ms, untold)
    world.engine.dispose()
    done = restore(tmp_path / "b.db", tmp_path / "herder.db", world.now_ms, untold, salt=7)
    first_number = done.incarnation.attempts_base
    restored = World(engine=open_engine(sqlite_url(tmp_path)))
    restored.now_ms = world.now_ms
    restored.crash()
    assert [(each.job, each.number) for each in restored.state.live.values()] == [(2, 1), (3, 1)]
    _, agent = restored.ready_worker(restored.state.next_plan)
    # The worker of before has ended both in the time that is forgotten, and says that it holds nothing.
    old = Agent(worker=WorkerName("std-1-1"), over={(2, 1), (3, 1)})
    for _ in range(6):
        restored.talk(old)
        restored.talk(agent)
        restored.now_ms += 60_000
        restored.commit()
    numbers = {number for _, number in (*old.ran, *agent.ran)}
    assert first_number == (SALTS + 7) * ATTEMPTS_STEP
    assert first_number + 2 in numbers
    assert all(number > first_number or number == 1 for number in numbers)
    assert tries(first_number + 2) == 2
    assert restored.faults() == []
    restored.engine.dispose()


def test_what_cannot_be_restored_leaves_the_store_as_it_was(world: World, tmp_path: Path) -> None:
    store, good = tmp_path / "herder.db", tmp_path / "b.db"
    take_backup(store, good, world.now_ms, untold)
    world.engine.dispose()
    before = left(tmp_path)
    for name, spoil, says in (
        (
            "newer.db",
            "UPDATE alembic_version SET version_num = '9999'",
            r"newer version of Herder \(schema 9999\)",
        ),
        ("other.db", "DROP TABLE alembic_version", "not a store of Herder"),
        ("wrong.db", "DELETE FROM attempts WHERE job_id = 1", "breaks"),
    ):
        shutil.copy(good, tmp_path / name)
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            connection.execute(spoil)
            connection.commit()
        with pytest.raises(StoreError, match=says):
            restore(tmp_path / name, store, world.now_ms, untold, salt=7)
        (tmp_path / name).unlink()
    damaged = bytearray(good.read_bytes())
    damaged[len(damaged) // 2 :] = b"\xff" * (len(damaged) - len(damaged) // 2)
    (tmp_path / "torn.db").write_bytes(damaged)
    with pytest.raises(StoreError):
        restore(tmp_path / "torn.db", store, world.now_ms, untold, salt=7)
    (tmp_path / "torn.db").unlink()
    with pytest.raises(StoreError, match="There is no file"):
        restore(tmp_path / "none.db", store, world.now_ms, untold, salt=7)
    with pytest.raises(StoreError, match="is the store itself"):
        restore(store, store, world.now_ms, untold, salt=7)
    with StoreFile(store), pytest.raises(StoreError, match="uses the store"):
        restore(good, store, world.now_ms, untold, salt=7)
    assert left(tmp_path) == before
    world.crash()
    assert world.faults() == []


def test_the_store_remembers_until_the_backup_and_not_until_its_newest_row(
    world: World, tmp_path: Path
) -> None:
    """Hours in which nothing happened are remembered, too."""
    taken_ms = world.now_ms + 5 * HOUR_MS
    found = take_backup(tmp_path / "herder.db", tmp_path / "b.db", taken_ms, untold)
    assert found.remembered_until_ms == taken_ms
    world.engine.dispose()
    first = restore(tmp_path / "b.db", tmp_path / "herder.db", taken_ms + HOUR_MS, untold, salt=7)
    assert first.incarnation.taken_at_ms == taken_ms
    assert first.incarnation.why.endswith(f"It remembers nothing that happened after {iso(taken_ms)}.")
    again = open_engine(sqlite_url(tmp_path))
    second = mark_put_back(again, taken_ms + 2 * HOUR_MS, "The store was restored", salt=7)
    again.dispose()
    assert second.taken_at_ms == taken_ms, "the restore itself is nothing that it remembers"


def test_two_stores_from_one_backup_differ(world: World, tmp_path: Path) -> None:
    """In every number, also when they are restored in the same second and the first one has worked in a hurry."""
    take_backup(tmp_path / "herder.db", tmp_path / "b.db", world.now_ms, untold)
    world.engine.dispose()
    one, two = (
        restore(
            tmp_path / "b.db", folder / "herder.db", world.now_ms + HOUR_MS, untold, salt=salt
        ).incarnation
        for folder, salt in ((made(tmp_path / "one"), 7), (made(tmp_path / "two"), 8))
    )
    assert one.number == two.number == 1
    assert two.attempts_base - one.attempts_base == ATTEMPTS_STEP
    assert two.next.jobs - one.next.jobs == 1_000_000
    assert two.next.plans - one.next.plans == 10_000
    assert new_salt() != new_salt()


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_a_second_restore_goes_on_beyond_what_the_first_one_gave(world: World, tmp_path: Path) -> None:
    store, backup = tmp_path / "herder.db", tmp_path / "b.db"
    take_backup(store, backup, world.now_ms, untold)
    world.engine.dispose()
    first = restore(backup, store, world.now_ms, untold, salt=900)
    restored = World(engine=open_engine(sqlite_url(tmp_path)))
    restored.now_ms = world.now_ms
    restored.crash()
    restored.submit(5)
    restored.commit()
    restored.engine.dispose()
    second = restore(backup, store, world.now_ms + 1, untold, salt=7)
    assert second.incarnation.number == 2
    assert second.incarnation.attempts_base > first.incarnation.attempts_base
    for kind in ("jobs", "batches", "events", "plans"):
        assert getattr(second.incarnation.next, kind) > getattr(first.incarnation.next, kind) + 5, kind
    assert second.incarnation.taken_at_ms == first.incarnation.taken_at_ms
    with closing(sqlite3.connect(store)) as connection:
        assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (3,)
        assert connection.execute("SELECT count(*) FROM events WHERE kind = 'store.put_back'").fetchone() == (
            1,
        )


def damaged(name: str, good: bytes) -> bytes:
    return {
        "empty": b"",
        "text": b"no store at all, but a letter",
        "short": good[:60],
        "truncated": good[: len(good) // 2],
        "torn": good[: len(good) // 2] + b"\xff" * (len(good) - len(good) // 2),
    }[name]


@pytest.mark.parametrize(
    ("name", "says", "hint"),
    [
        ("none", "There is no file {file}.", "Name a file"),
        ("folder", "{file} is a folder, not a file.", "Name a file"),
        ("pipe", "{file} is not a regular file.", "Name a file"),
        ("empty", "The file {file} is empty.", "Use another backup."),
        ("text", "The file {file} is not a backup: it is not a database.", "Check that it is"),
        ("short", "The file {file} is truncated: it has 60 of ", "Copy it again"),
        ("truncated", "The file {file} is truncated: it has ", "Copy it again"),
        ("torn", "The file {file} is damaged: ", "Use another backup."),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_name_and_the_remedy(
    world: World, tmp_path: Path, name: str, says: str, hint: str
) -> None:
    store, file = tmp_path / "herder.db", tmp_path / name
    take_backup(store, tmp_path / "b.db", world.now_ms, untold)
    world.engine.dispose()
    if name == "folder":
        file.mkdir()
    elif name == "pipe":
        os.mkfifo(file)
    elif name != "none":
        file.write_bytes(damaged(name, (tmp_path / "b.db").read_bytes()))
    before = left(tmp_path)
    with pytest.raises(StoreError) as refused:
        restore(file, store, world.now_ms, untold, salt=7)
    assert str(refused.value).startswith(says.format(file=file))
    assert "restoring" not in str(refused.value), "the copy is of no interest"
    assert refused.value.hint.startswith(hint)
    assert refused.value.hint.endswith("Nothing was changed.")
    assert left(tmp_path) == before


def test_a_damaged_store_can_be_replaced(world: World, tmp_path: Path) -> None:
    store = tmp_path / "herder.db"
    take_backup(store, tmp_path / "b.db", world.now_ms, untold)
    world.engine.dispose()
    store.write_bytes(b"\xff" * 10_000)
    (tmp_path / "herder.db-wal").write_bytes(b"\xff" * 100)
    done = restore(tmp_path / "b.db", store, world.now_ms, untold, salt=7)
    assert done.kept is not None
    assert done.kept.read_bytes() == b"\xff" * 10_000
    assert not (tmp_path / "herder.db-wal").exists()
    assert check_backup(store).jobs == 3


def test_a_store_that_others_restored_is_marked(world: World) -> None:
    """On either database; twice is twice."""
    first = mark_put_back(world.engine, world.now_ms + 10_000, "The store was restored", salt=7)
    second = mark_put_back(world.engine, world.now_ms + 20_000, "The store was restored", salt=7)
    assert (first.number, second.number) == (1, 2)
    assert second.next.jobs > first.next.jobs
    assert second.forgotten(first.next.plans + 5)
    assert second.forgotten(first.next.plans - 5)
    assert not second.forgotten(second.next.plans)
    world.crash()
    assert world.state.incarnation == second


def test_marking_works_on_postgres(postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    migrate(engine)
    world = World(engine=engine)
    world.submit(2)
    world.commit()
    after = mark_put_back(engine, world.now_ms, "The store was restored", salt=7)
    world.crash()
    assert world.submit()[0] == after.next.jobs
    engine.dispose()


@pytest.mark.parametrize(
    ("name", "plan"),
    [("burst-7-1", 7), ("a-b-12-3", 12), ("x", None), ("x-1", None), ("a-b-c", None), ("a-²-1", None)],
)
def test_the_plan_is_read_from_a_name(name: str, plan: int | None) -> None:
    assert plan_of(WorkerName(name)) == plan


def test_ranges_of_forgotten_plans_are_bounded() -> None:
    found = Incarnation()
    for turn in range(200):
        found = put_back(found, found.next, taken_at_ms=turn, now_ms=turn, why="w", salt=turn)
    assert len(found.forgotten_plans) <= 50
    assert found.forgotten(1)
    assert found.number == 200
    assert found.next.events < 2**53
