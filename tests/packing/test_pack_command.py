"""`herder pack`: the forms of its files and of its answer, and what it says of bad rows."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from herder.cli.shell.main import build_app, run

ITEMS = "id,cpu_milli,memory_mib,disk_mib,gpu,count\nweb,500,1024,,,40\ndb,2000,16384,0,0,3\n"
TEMPLATES = """
- {name: small, cpu_milli: 8000, memory_mib: 32768, disk_mib: 0, gpu: 0, pods: 110, price_per_hour: 0.38}
- {name: tiny, cpu_milli: 2000, memory_mib: 8192, price_per_hour: "0.1", limit: 3}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "items.csv").write_text(ITEMS)
    (tmp_path / "templates.yaml").write_text(TEMPLATES)
    return tmp_path


def pack(*more: str) -> int:
    return run(build_app(), ["pack", "--items", "items.csv", "--templates", "templates.yaml", *more])


def answer(capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    assert pack("-o", "json", *more) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_answer_has_the_agreed_form(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "--seconds", "1")
    assert found["cost_per_hour"] == pytest.approx(1.24)
    assert found["lower_bound_per_hour"] == pytest.approx(1.24)
    assert found["gap"] == 0
    assert found["unplaced"] == []
    assert found["seconds"] < 30
    placed: dict[str, int] = {}
    for worker in found["workers"]:
        assert worker["template"] in ("small", "tiny")
        for name, count in worker["items"].items():
            placed[name] = placed.get(name, 0) + count * worker["count"]
    assert placed == {"web": 40, "db": 3}


def test_without_time_there_is_an_answer_all_the_same(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(capsys, "--seconds", "0")
    assert found["cost_per_hour"] >= found["lower_bound_per_hour"] > 0
    assert found["gap"] == pytest.approx(found["cost_per_hour"] / found["lower_bound_per_hour"] - 1)


def test_workers_that_are_there_are_filled_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "workers.csv").write_text("id,cpu_milli,memory_mib,count\nold,16000,65536,2\n")
    found = answer(capsys, "--existing", "workers.csv")
    assert (found["cost_per_hour"], found["lower_bound_per_hour"], found["gap"], found["workers"]) == (
        0,
        0,
        0,
        [],
    )
    assert {row["worker"] for row in found["existing"]} == {"old"}


def test_what_fits_nowhere_is_reported_with_what_it_lacks(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "items.csv").write_text("id,cpu_milli,memory_mib\nbig,9000,1\nok,1,1\n")
    found = answer(capsys)
    assert [(row["id"], row["count"]) for row in found["unplaced"]] == [("big", 1)]
    assert "small" in found["unplaced"][0]["reason"]
    assert "1000m CPU" in found["unplaced"][0]["reason"]


def test_a_limit_that_binds_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "templates.yaml").write_text(
        "- {name: t, cpu_milli: 500, memory_mib: 1024, price_per_hour: 1, limit: 7}\n"
    )
    (folder / "items.csv").write_text("id,cpu_milli,memory_mib,count\nweb,500,1024,9\n")
    found = answer(capsys)
    assert [(row["id"], row["count"]) for row in found["unplaced"]] == [("web", 2)]
    assert "limit" in found["unplaced"][0]["reason"]
    assert "2 more of t would be enough" in found["unplaced"][0]["reason"]
    assert found["cost_per_hour"] == found["lower_bound_per_hour"] == 7


def test_ten_million_items_are_folded_and_none_is_lost(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "items.csv").write_text(
        "\ufeffid,cpu_milli,memory_mib,count\r\nweb,700,1024,10000000\r\nzero,0,0,5\r\ndb,3000,9000,77\r\n"
    )
    found = answer(capsys, "--seconds", "0.2")
    placed: dict[str, int] = {}
    for worker in found["workers"]:
        for name, count in worker["items"].items():
            placed[name] = placed.get(name, 0) + count * worker["count"]
    placed |= {row["id"]: placed.get(row["id"], 0) + row["count"] for row in found["unplaced"]}
    assert placed == {"web": 10_000_000, "zero": 5, "db": 77}
    assert len(found["workers"]) < 50


def test_no_items_cost_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "items.csv").write_text("id,cpu_milli,memory_mib\n")
    found = answer(capsys)
    assert (found["cost_per_hour"], found["lower_bound_per_hour"], found["gap"], found["workers"]) == (
        0,
        0,
        0,
        [],
    )


def test_people_get_a_table_and_the_gap(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pack() == 0
    out = capsys.readouterr().out
    assert "TEMPLATE" in out
    assert "cost $1.2400/h, equal to the lower bound" in out


def test_csv_is_nothing_but_csv(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pack("-o", "csv") == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert sum(int(row["count"]) for row in rows) == 4


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("items.csv", "id,cpu_milli,memory_mib\nweb,x,1\n", "items.csv:2:5: cpu_milli is 'x'"),
        ("items.csv", "id,cpu_milli,memory_mib\nweb,1,-2\n", "items.csv:2:7: memory_mib is '-2'"),
        ("items.csv", "id,cpu_milli,memory_mib\nweb,1\n", "items.csv:2:6: memory_mib is ''"),
        ("items.csv", "id,cpu_milli,memory_mib\n,1,2\n", "items.csv:2:1: The id is empty."),
        ("items.csv", "id,cpu_milli,memory_mib\na,1,2\na,1,2\n", "items.csv:3:1: 'a' is also on line 2"),
        ("items.csv", "id,cpu_milli,memory_mib\na,1,2,3\n", "items.csv:2:7: 4 cells are more than the 3 columns of the header"),
        ("items.csv", "id,cpu_milli\na,1\n", "items.csv:1:1: The header line lacks memory_mib"),
        ("items.csv", "id,cpu_milli,memory_mib,gpus\na,1,1,1\n", "items.csv:1:25: There is no column 'gpus'"),
        ("items.csv", "id,cpu_milli,memory_mib\na,99999999999999,1\n", "items.csv:2:3: cpu_milli is"),
        ("items.csv", "", "items.csv:1:1: The header line lacks"),
        ("templates.yaml", "[]", "templates.yaml:1:1: There is no list of templates."),
        ("templates.yaml", "- {name: a", "templates.yaml:"),
        ("templates.yaml", "- 5\n", "templates.yaml:1:3: This is not a template."),
        ("templates.yaml", "- name: a\n  cpu_milli: 1.5\n  memory_mib: 1\n  price_per_hour: 1\n", "templates.yaml:2:14: cpu_milli is '1.5'"),
        ("templates.yaml", "- name: a\n  cpu_milli: 1\n  memory_mib: 1\n  price_per_hour: -1\n", "templates.yaml:4:19: price_per_hour is '-1'"),
        ("templates.yaml", "- name: a\n  cpu_milli: 1\n  memory_mib: 1\n", "templates.yaml:1:3: price_per_hour is missing"),
        ("templates.yaml", "- name: a\n  cpus: 1\n", "templates.yaml:2:3: There is no key 'cpus'"),
    ],
)  # fmt: skip
def test_bad_files_are_refused_with_the_place_and_the_remedy(
    folder: Path, capsys: pytest.CaptureFixture[str], file: str, text: str, said: str
) -> None:
    (folder / file).write_text(text)
    assert pack() == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert re.fullmatch(r".+\. [A-Z'].+\.", captured.err.splitlines()[0]), "a remedy follows"
    assert captured.out == ""


def test_a_file_that_is_not_there_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "items.csv").unlink()
    assert pack() == 2
    assert "items.csv cannot be read" in capsys.readouterr().err
