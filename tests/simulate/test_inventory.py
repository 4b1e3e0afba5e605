"""Templates from a list of real machines, and files that come with traces and hold no jobs."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from herder.app import whole_app
from herder.cli.shell.main import run
from herder.simulate.traces import read_trace
from herder.simulate.traces.rows import TraceError
from herder.simulate.world.inventory import KINDS_MAX, templates_of

HEAD = "sn,cpu_milli,memory_mib,gpu,model\n"


def file_of(folder: Path, text: str) -> Path:
    path = folder / "machines.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    return path


def test_each_kind_is_a_template_with_its_count(tmp_path: Path) -> None:
    found = templates_of(
        file_of(tmp_path, HEAD + "a,64000,131072,2,T4\nb,8000,8192,0,\nc,64000,131072,2,T4\n")
    )
    assert [(each.name, each.most, each.amounts) for each in found] == [
        ("64c-128g-2T4", 2, (64000, 131072, None, 2000)),
        ("8c-8g", 1, (8000, 8192, None, 0)),
    ]
    assert [each.price for each in found] == [pytest.approx(64 * 0.04 + 128 * 0.005 + 2), pytest.approx(0.36)]


def test_a_price_in_the_file_counts(tmp_path: Path) -> None:
    text = "cpu_milli,memory_mib,gpu,price\n1000,1024,0,7.5\n"
    assert templates_of(file_of(tmp_path, text))[0].price == 7.5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "a,64000,131072,2,T4\nb,many,8192,0,\n", ":3:3: cpu_milli 'many' is not a number"),
        (HEAD + "a,64000,0,2,T4\n", "memory_mib '0' is below 1"),
        (HEAD, "the file has no machine"),
        ("sn,cpu\n", "column 'cpu_milli' is missing"),
        (HEAD + "".join(f"{n},{n + 1},1,0,\n" for n in range(KINDS_MAX + 1)), "List at most 64 kinds"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TraceError) as error:
        templates_of(file_of(tmp_path, text))
    assert said in str(error.value)


def test_the_command_takes_machines_as_templates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = tmp_path / "jobs.csv"
    jobs.write_text("arrival_s,run_s,cpu\n0,3480,2\n")
    machines = file_of(tmp_path, HEAD + "a,4000,8192,0,\n")
    words = [
        "simulate",
        "--trace",
        str(jobs),
        "--template",
        str(machines),
        "--policy",
        "first_fit",
        "-o",
        "json",
    ]
    assert run(whole_app(), words) == 0
    assert json.loads(capsys.readouterr().out)["cost"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "a,64000,131072,2,T4\n", "give it as --template FILE"),
        ("timestamp,carbon_intensity\n2021-01-01 00:00:00,464.6\n", "a series of carbon intensity"),
    ],
)
def test_files_without_jobs_say_what_they_are_for(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TraceError, match="has no jobs") as error:
        read_trace(file_of(tmp_path, text))
    assert said.lower() in str(error.value).lower()
