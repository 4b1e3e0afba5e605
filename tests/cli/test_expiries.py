"""`herder worker list --ttl`: which workers end when, and what happens next."""

import csv
import io
import json

import pytest

from herder.client.http import clock
from tests.cli.conftest import Herder
from tests.support import wire_samples
from tests.support.fake_api import FakeApi

NOW_S = 1_767_225_600.0  # 2026-01-01T00:00:00Z


@pytest.fixture
def workers(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now_s", lambda: NOW_S)
    late = wire_samples.worker(
        "late",
        expires_at="2026-01-01T03:00:00.000Z",
        time_left_s=10_800,
        extensions=1,
        extensions_max=3,
        next_step="warning",
        next_at="2026-01-01T02:55:00.000Z",
    )
    past = wire_samples.worker(
        "past",
        expires_at="2025-12-31T23:58:00.000Z",
        time_left_s=-120,
        extensions=3,
        extensions_max=3,
        next_step="drain",
        next_at="2026-01-01T00:03:00.000Z",
    )
    api.workers = {each.name: each for each in (late, wire_samples.worker("never"), past)}


def test_the_first_to_end_is_on_top_with_what_comes_next(workers: None, herder: Herder) -> None:
    lines = herder("worker", "list", "--ttl").out.splitlines()
    assert lines[0].split() == [
        "NAME",
        "STATUS",
        "POOL",
        "JOBS",
        "EXPIRES",
        "AT",
        "LEFT",
        "EXTENSIONS",
        "NEXT",
    ]
    assert [line.split()[0] for line in lines[1:]] == ["past", "late"]
    assert lines[1].split()[-6:] == ["2025-12-31T23:58:00.000Z", "expired", "3/3", "drain", "in", "3m"]
    assert lines[2].split()[-6:] == ["2026-01-01T03:00:00.000Z", "3h", "1/3", "warning", "in", "2h55m"]


def test_programs_get_numbers_and_times(workers: None, herder: Herder) -> None:
    rows = json.loads(herder("worker", "list", "--ttl", "-o", "json").out)["items"]
    assert [(row["name"], row["time_left_s"], row["extensions"], row["next_step"]) for row in rows] == [
        ("past", -120, 3, "drain"),
        ("late", 10_800, 1, "warning"),
    ]
    table = list(csv.DictReader(io.StringIO(herder("worker", "list", "--ttl", "-o", "csv").out)))
    assert [(row["name"], row["time_left_s"], row["extensions"], row["extensions_max"]) for row in table] == [
        ("past", "-120", "3", "3"),
        ("late", "10800", "1", "3"),
    ]


def test_the_limit_is_of_those_that_end_first(workers: None, herder: Herder) -> None:
    found = herder("worker", "list", "--ttl", "--limit", "1")
    assert [line.split()[0] for line in found.out.splitlines()[1:]] == ["past"]
    assert "Only the first 1 are shown" in found.err


def test_without_any_it_says_how_to_have_one(api: FakeApi, herder: Herder) -> None:
    api.workers = {"burst-1-1": wire_samples.worker("burst-1-1")}
    found = herder("worker", "list", "--ttl")
    assert (
        "No worker has a time to live. Set ttl in the pool, or request one: herder pool scale POOL 1 --ttl 4h"
        in found.err
    )
    assert json.loads(herder("worker", "list", "--ttl", "-o", "json").out)["items"] == []
