"""`herder simulate` and `herder simulate compare`, as people and scripts call them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from herder.app import whole_app
from herder.cli.shell.main import run
from tests.simulate.small import EXCERPTS

KEYS = {
    "cost", "bound", "ratio", "vm_hours", "wait_mean_s", "wait_p50_s", "wait_p95_s", "wait_max_s", "workers_started",
    "work_killed_s", "jobs", "seconds",
}  # fmt: skip
SURF = str(EXCERPTS / "surf.csv.gz")


def herder(*words: str) -> int:
    return run(whole_app(), ["simulate", *words])


def test_json_has_the_promised_keys(capsys: pytest.CaptureFixture[str]) -> None:
    template = "cpu=128,memory=512,price=4.5"
    assert (
        herder("--trace", SURF, "--template", template, "--boot", "120", "--limit", "500", "-o", "json") == 0
    )
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) - {"api_version"} == KEYS
    assert answer["jobs"] == 500
    assert answer["ratio"] == pytest.approx(answer["cost"] / answer["bound"])


def test_bounds_come_beside_the_promised_keys(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--trace", SURF, "--limit", "300", "--policy", "first_fit", "--bounds", "-o", "json")
    assert herder(*words) == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) - {"api_version"} == KEYS | {"bounds"}
    bounds = answer["bounds"]
    assert bounds["volume"] <= bounds["waiting"] <= bounds["starting"] <= answer["cost"]
    assert bounds["waiting"] <= bounds["no_wait"] == pytest.approx(answer["bound"])
    assert bounds["wait_s"] == answer["wait_max_s"]
    assert herder(*words, "--bound-wait", "86400") == 0
    assert json.loads(capsys.readouterr().out)["bounds"]["waiting"] < bounds["waiting"]


def test_compare_has_a_bound_for_each_policys_waits(capsys: pytest.CaptureFixture[str]) -> None:
    assert herder("compare", "--trace", SURF, "--limit", "200", "--policy", "first_fit", "--bounds") == 0
    assert capsys.readouterr().out.splitlines()[0].split()[-2:] == ["WAIT_BOUND", "START_BOUND"]


def test_compare_prints_a_row_for_each_policy(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "lazy.yaml"
    file.write_text("policy: first_fit\nname: lazy\nparameters: {idle_s: 1800}\n")
    words = [word for name in ("first_fit", "fixed(20)", str(file)) for word in ("--policy", name)]
    assert herder("compare", "--trace", SURF, "--limit", "300", *words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["POLICY", "first_fit", "fixed(20)", "lazy"]


def test_jobs_that_fit_nowhere_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        herder("--trace", str(EXCERPTS / "openb.csv.gz"), "--template", "gpu=4,price=1", "--limit", "400")
        == 0
    )
    told = capsys.readouterr().err
    assert "8 GPU), because they do not fit any template." in told
    assert "request nothing that a template limits" in told


def test_bad_rows_are_refused_or_listed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "jobs.csv"
    file.write_text("arrival_s,run_s,cpu\n0,10,1\n1,abc,1\n")
    assert herder("--trace", str(file)) == 2
    assert ":3:3: run_s 'abc' is not a number" in capsys.readouterr().err
    assert herder("--trace", str(file), "--skip-bad", "-o", "json") == 0
    said = capsys.readouterr()
    assert "1 bad row was left out" in said.err
    assert json.loads(said.out)["jobs"] == 1


def test_spot_records_interrupt_spot_workers(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "jobs.csv"
    file.write_text("arrival_s,run_s,cpu\n" + "".join(f"{60 * place},1800,16\n" for place in range(120)))
    words = ("--trace", str(file), "--template", "cpu=16,price=0.3,spot=yes", "-o", "json")
    assert herder(*words, "--spot", str(EXCERPTS / "spot_events.csv.gz"), "--seed", "3") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["jobs"] == 120
    assert found["work_killed_s"] > 0


def test_work_that_no_spot_worker_lasts_for_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    words = (
        "--trace",
        SURF,
        "--limit",
        "300",
        "--template",
        "cpu=16,price=0.3,spot=yes",
        "--policy",
        "first_fit",
    )
    assert herder(*words, "--spot", str(EXCERPTS / "spot_events.csv.gz"), "--seed", "3") == 2
    assert "was killed 200 times" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--trace FILE"),
        (("--trace", "/nowhere"), "the file does not exist"),
        (("--trace", SURF, "--policy", "first_fitt"), "Did you mean 'first_fit'"),
        (("--trace", SURF, "--policy", "first_fit(idle=3)"), "has no parameter 'idle'"),
        (
            ("--trace", SURF, "--policy", "herder(min_workers=9,max_workers=3)"),
            "min_workers=9 is above max_workers=3",
        ),
        (
            ("--trace", SURF, "--policy", "karpenter_like(batch_idle_s=20)"),
            "batch_idle_s=20 is above batch_max_s=10",
        ),
        (("--trace", SURF, "--template", "cpu=4"), "lacks price"),
        (("--trace", SURF, "--boot", "soon"), "boot time"),
    ],
)
def test_wrong_usage_says_what_would_be_right(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert herder(*words) == 2
    assert said in capsys.readouterr().err
