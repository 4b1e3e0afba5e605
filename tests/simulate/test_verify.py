"""A live server's plans, made again from its store: byte for byte, or with the first difference shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, delete, func, insert, select, text, update

from herder.app import whole_app
from herder.cli.shell.main import run
from herder.control.loops.housekeeping import first_kept, forget_observations
from herder.model.stored.records import ObservationRecord
from herder.simulate.history.verify import verify
from herder.store.invariants import violations
from herder.store.opening.database import migrate, open_engine, sqlite_url
from herder.store.rows import tables as t
from herder.wire.api.resources import ScaleRequest
from tests.simulate.live import LiveServer, noop


def herder(*words: str) -> int:
    return run(whole_app(), ["simulate", *words])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a server that made workers, let them go, was stopped, went on and was stopped again."""
    made = tmp_path_factory.mktemp("live")
    with LiveServer(made) as live:
        live.run(*[noop(100, "200m") for _ in range(12)], noop(400, "900m", key="p"), noop(50, parents=["p"]))
        live.until(lambda: not list(live.client.workers.list()))  # the idle ones go
        live.client.pools.scale("std", ScaleRequest(workers=1, ttl_s=3600))
    with LiveServer(made) as live:
        live.run(*[noop(50, f"{100 * size}m") for size in (1, 2, 3, 9)])
    return made


def test_a_live_servers_plans_come_out_byte_for_byte(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert herder("verify", "--from-events", str(folder), "-o", "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["compared"] == found["equal"] > 5
    assert found["different"] == 0
    assert found["acting"] >= 3  # made, let go, made again
    assert found["plans"] == found["compared"] + found["unobserved"]
    assert found["unobserved"] == 1  # the worker that was asked for by hand
    with open_engine(sqlite_url(folder)).connect() as connection:
        assert violations(connection) == []
        frames = (
            connection.execute(select(t.observations.c.follows).order_by(t.observations.c.plan))
            .scalars()
            .all()
        )
    assert frames.count(None) == 2  # each server begins anew


def test_the_same_log_against_another_policy(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--from-events", str(folder), "-o", "json", "--policy")
    answers = []
    for policy in ("herder", "first_fit", "first_fit"):
        assert herder(*words, policy, "--boot", "1") == 0
        answers.append({**json.loads(capsys.readouterr().out), "seconds": 0})
    assert answers[1] == answers[2]
    assert answers[0]["jobs"] == answers[1]["jobs"] == 18
    assert answers[0] != answers[1]


def test_other_settings_on_the_same_observations(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "herder.yaml"
    config.write_text(
        "pools:\n  std:\n    driver: local\n    max_workers: 3\n    idle_timeout: 1h\n    templates:\n"
        '      - {name: half, cpu: 500m, memory: 256Mi, disk: 1Gi, price_per_hour: "0.01"}\n'
        '      - {name: one, cpu: 1, memory: 512Mi, disk: 1Gi, price_per_hour: "0.02"}\n'
    )
    assert herder("verify", "--from-events", str(folder), "--config", str(config)) == 0
    said = capsys.readouterr().out
    assert int(next(line.split()[1] for line in said.splitlines() if line.startswith("different"))) >= 1
    assert '-   "action": "drain",' in said
    config.write_text(config.read_text().replace("std", "other"))
    assert herder("verify", "--from-events", str(folder), "--config", str(config)) == 2
    assert "pool 'other' did not exist. Its pools were std." in capsys.readouterr().err


def changed(folder: Path, tmp_path: Path, *statements: object) -> str:
    """A copy of the store, tampered with."""
    copy = tmp_path / "herder.db"
    copy.write_bytes((folder / "herder.db").read_bytes())
    engine = open_engine(f"sqlite:///{copy}")
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(statement)  # type: ignore[call-overload]
    engine.dispose()
    return str(copy)


def test_a_plan_that_comes_out_otherwise_is_shown(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tampered = changed(
        folder,
        tmp_path,
        update(t.plans).values(body=func.replace(t.plans.c.body, '"desired":0', '"desired":7')),
    )
    assert herder("verify", "--from-events", tampered) == 1
    said = capsys.readouterr()
    assert '-   "desired": 7,' in said.out
    assert '+   "desired": 0,' in said.out
    assert "differ from what was recorded." in said.err


def test_records_with_a_gap_or_none_are_told(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    o = t.observations.c
    gap = changed(
        folder,
        tmp_path,
        delete(t.observations).where(
            o.plan == select(o.follows).where(o.follows > 1).limit(1).scalar_subquery()
        ),
    )
    assert herder("verify", "--from-events", gap) == 2
    assert "which is missing" in capsys.readouterr().err
    with open_engine(f"sqlite:///{gap}").connect() as connection:
        assert any("builds on that of plan" in sentence for sentence in violations(connection))
    none = changed(folder, tmp_path, delete(t.observations))
    assert herder("verify", "--from-events", none) == 2
    assert "nothing to compare" in capsys.readouterr().err
    old = changed(
        folder,
        tmp_path,
        text("DROP TABLE observations"),
        text("UPDATE alembic_version SET version_num = '0001'"),
    )
    assert herder("verify", "--from-events", old) == 2
    assert "older than the recorder" in capsys.readouterr().err
    assert herder("--from-events", old, "--policy", "first_fit", "-o", "json") == 0


def test_old_observations_go_and_the_rest_can_still_be_read(folder: Path, tmp_path: Path) -> None:
    copy = changed(folder, tmp_path, update(t.observations).values(at_ms=t.observations.c.plan))
    engine = open_engine(f"sqlite:///{copy}")
    with engine.connect() as connection:
        starts = (
            connection.execute(select(t.observations.c.plan).where(t.observations.c.follows.is_(None)))
            .scalars()
            .all()
        )
        first, last = sorted(starts)
        plans = connection.execute(select(t.observations.c.plan)).scalars().all()
        youngest = max(plan for plan in plans if plan < last)  # of those that go together with the first
        sizes = connection.execute(select(t.observations.c.size)).scalars().all()
        assert first_kept(connection, 0, sum(sizes)) == first
        assert first_kept(connection, 0, sum(sizes) - 1) == last
        assert first_kept(connection, youngest, sum(sizes)) == first
        assert first_kept(connection, youngest + 1, sum(sizes)) == last
        assert first_kept(connection, 10**9, 1) == last  # what the next builds on
    with engine.begin() as connection:
        assert not forget_observations(connection, last)
        assert violations_of_observations(connection) == []
    engine.dispose()
    assert verify(copy).compared == verify(copy).equal > 0
    assert verify(copy).unobserved > 1


def violations_of_observations(connection: object) -> list[str]:
    from herder.store import invariants

    return list(invariants._observations(connection))  # type: ignore[arg-type]


def test_an_empty_store_is_migrated_and_has_no_first(tmp_path: Path) -> None:
    engine = open_engine(sqlite_url(tmp_path))
    migrate(engine)
    with engine.begin() as connection:
        assert first_kept(connection, 10**15, 0) == 0
        row = ObservationRecord(4, None, 5, 1, "x")
        connection.execute(insert(t.observations), row._asdict())
        assert first_kept(connection, 10**15, 0) == 4
    engine.dispose()


def as_of_before(rows: Sequence[Row[Any]]) -> list[object]:
    """What marks these observations and their plans as written by the version before."""
    plans = [row.plan for row in rows]
    return [
        update(t.observations).where(t.observations.c.plan.in_(plans)).values(version=1),
        update(t.plans).where(t.plans.c.number.in_(plans)).values(version=1),
    ]


def test_observations_of_an_older_version_are_skipped_and_counted(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = open_engine(f"sqlite:///{folder / 'herder.db'}")
    with engine.connect() as connection:
        rows = connection.execute(select(t.observations).order_by(t.observations.c.plan)).all()
    engine.dispose()
    starts = [row.plan for row in rows if row.follows is None]
    older = [row for row in rows if row.plan < starts[-1]] if len(starts) > 1 else rows
    copy = changed(folder, tmp_path, *as_of_before(older))
    if len(older) < len(rows):
        assert herder("verify", "--from-events", copy) == 0
        assert f"({len(older):,} of its " in capsys.readouterr().out
        assert verify(copy).compared == len(rows) - len(older)
    copy = changed(folder, tmp_path, *as_of_before(rows))
    assert herder("verify", "--from-events", copy) == 2
    assert f"{len(rows)} of its " in capsys.readouterr().err
