"""Recorded workflows, as `herder batch submit --from-wfformat` reads them, and their makespans."""

import gzip
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from herder.cli.input.workflows import SCALE_MAX, Workflow, fitted, read_workflow
from herder.cli.shell.exit_codes import CommandError
from herder.cli.views.work.makespans import critical_path_s, makespan_text
from herder.simulate.traces.formats.wfformat import tasks_of

#: The child stands first in the file.
TASKS = [
    {"id": "join", "parents": ["left", "right"], "runtimeInSeconds": 10, "coreCount": 4},
    {"id": "split", "parents": [], "runtimeInSeconds": 20.5, "memoryInBytes": 3 * 2**30},
    {"id": "left", "parents": ["split"], "runtimeInSeconds": 30, "avgCPU": 150.0},
    {"id": "right", "parents": ["split"], "runtimeInSeconds": 0},
]


def written(folder: Path, tasks: list[dict[str, Any]]) -> str:
    path = folder / "small.json.gz"
    path.write_bytes(gzip.compress(json.dumps({"name": "w", "tasks": tasks}).encode()))
    return str(path)


def read(folder: Path, tasks: list[dict[str, Any]] = TASKS, **more: Any) -> Workflow:
    defaults = more.pop("defaults", {})
    return read_workflow(written(folder, tasks), tasks_of, defaults, **{"scale": 0.01, "real": False, **more})


def test_each_task_is_a_job_with_its_name_parents_cores_and_memory(tmp_path: Path) -> None:
    flow = read(tmp_path, defaults={"memory": "64Mi", "pool": "std"})
    assert flow.file.batch.name == "small"
    assert [
        (job.key, job.parents, job.cpu, job.memory, job.runtime, job.sleep_ms, job.pool)
        for job in flow.file.jobs
    ] == [
        ("split", [], "1000m", "3072Mi", "noop", 205, "std"),
        ("left", [0], "2000m", "64Mi", "noop", 300, "std"),
        ("right", [0], "1000m", "64Mi", "noop", 0, "std"),
        ("join", [1, 2], "4000m", "64Mi", "noop", 100, "std"),
    ]


def test_real_jobs_are_processes_that_sleep(tmp_path: Path) -> None:
    jobs = read(tmp_path, real=True, scale=0.1).file.jobs
    assert [job.command for job in jobs[:2]] == [["sleep", "2.050"], ["sleep", "3.000"]]
    assert {(job.runtime, job.sleep_ms) for job in jobs} == {("process", 0)}


@pytest.mark.parametrize("scale", [0, -1, float("nan"), float("inf"), SCALE_MAX * 2])
def test_a_scale_out_of_bounds_is_refused(tmp_path: Path, scale: float) -> None:
    with pytest.raises(CommandError, match="is not a scale"):
        read(tmp_path, scale=scale)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"runtimeInSeconds": -1}, "tasks[split].runtimeInSeconds: -1 is not an amount. Write a number"),
        ({"parents": ["join"]}, "depends on itself through other jobs"),
        ({"parents": ["nobody"]}, "job 'split' waits for 'nobody', which does not exist"),
        ({"id": "left"}, "two tasks are 'left'"),
        ({"runtimeInSeconds": None}, "tasks[split].runtimeInSeconds: nothing is not an amount"),
    ],
)
def test_what_is_no_workflow_is_refused_by_task(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    tasks = [{**task, **(change if task["id"] == "split" else {})} for task in TASKS]
    with pytest.raises(CommandError) as refused:
        read(tmp_path, tasks)
    assert refused.value.message.startswith(f"{tmp_path}/small.json.gz: ")
    assert said in refused.value.message
    assert "--skip-bad" not in refused.value.message
    assert refused.value.hint == "Nothing was submitted."


def test_a_file_without_tasks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="has no tasks"):
        read(tmp_path, [])


def pool(name: str, *sizes: tuple[int, int], eligible: bool = True) -> Any:
    templates = [SimpleNamespace(cpu_milli=cpu, memory_mib=memory) for cpu, memory in sizes]
    return SimpleNamespace(name=name, templates=templates, settings={"default_eligible": eligible})


def test_requests_above_any_template_are_reduced_and_named(tmp_path: Path) -> None:
    pools = [pool("std", (2000, 1024), (1000, 2048)), pool("big", (64000, 65536), eligible=False)]
    flow, said = fitted(read(tmp_path), pools)
    assert [(job.cpu, job.memory) for job in flow.file.jobs] == [
        ("1000m", "2048Mi"),
        ("2000m", "128Mi"),
        ("1000m", "128Mi"),
        ("2000m", "128Mi"),
    ]
    assert said == (
        "2 tasks request more than any template has; their requests were reduced: "
        "task 'split' from 1 CPU and 3 GiB to 1 CPU and 2 GiB, and 1 more."
    )


@pytest.mark.parametrize("pools", [[], [pool("std", (4000, 4096))]])
def test_requests_that_fit_stay_as_they_are(tmp_path: Path, pools: list[Any]) -> None:
    flow = read(tmp_path)
    assert fitted(flow, pools) == (flow, "")


def test_only_templates_of_the_named_pool_count(tmp_path: Path) -> None:
    pools = [pool("std", (1000, 1024)), pool("big", (64000, 65536), eligible=False)]
    assert fitted(read(tmp_path, defaults={"pool": "big"}), pools)[1] == ""


def test_the_critical_path_is_the_longest_chain(tmp_path: Path) -> None:
    flow = read(tmp_path)
    assert critical_path_s(flow.parents, flow.run_s) == pytest.approx(0.605)
    assert critical_path_s([], []) == 0.0


def at(second: float) -> str:
    return f"2026-01-01T00:00:{second:06.3f}Z"


def job(number: int, start: float | None, end: float, state: str = "succeeded") -> Any:
    started_at = None if start is None else at(start)
    return SimpleNamespace(id=number, started_at=started_at, ended_at=at(end), state=state)


def test_the_makespan_is_set_against_both_critical_paths(tmp_path: Path) -> None:
    flow = read(tmp_path)
    batch: Any = SimpleNamespace(committed_at=at(1), created_at=at(0), ended_at=at(5))
    jobs = [job(9, 4.5, 5), job(6, 2, 3), job(7, 3, 4), job(8, 3.5, 3.6)]
    assert makespan_text(flow.parents, flow.run_s, flow.scale, batch, jobs).splitlines() == [
        "Makespan: 4.0 s. The first job started after 1.0 s.",
        "Critical path of the recorded times × 0.01: 0.6 s; the makespan is 6.61 times as long.",
        "Critical path of the attempts: 2.5 s; the makespan is 1.60 times as long.",
    ]
    jobs[0] = job(9, None, 5, "skipped")
    assert makespan_text(flow.parents, flow.run_s, flow.scale, batch, jobs).splitlines()[-1] == (
        "Only 3 of 4 jobs succeeded, so the times are not of the whole workflow."
    )
    none_ran = [job(number, None, 5, "cancelled") for number in range(4)]
    assert makespan_text(flow.parents, flow.run_s, flow.scale, batch, none_ran).startswith("No job has run")
