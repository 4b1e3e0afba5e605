"""A recorded workflow as a real batch: no job starts before its parents have ended, and the makespan is printed."""

import json
import re
from pathlib import Path

import pytest

from herder.simulate.traces.formats.wfformat import tasks_of
from tests.acceptance.conftest import Installation

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]
CONFIG = """
pools:
  std:
    driver: local
    templates:
      - {name: large, cpu: 4, memory: 2Gi, price_per_hour: "0.01"}
    max_workers: 2
"""
#: One task splits, eight work and are larger than the template, two merge four each, one ends.
TASKS = [
    {"id": "end", "parents": ["merge_0", "merge_1"], "runtimeInSeconds": 2},
    *(
        {
            "id": f"merge_{half}",
            "parents": [f"work_{number}" for number in range(half, 8, 2)],
            "runtimeInSeconds": 3,
        }
        for half in range(2)
    ),
    *(
        {"id": f"work_{number}", "parents": ["split"], "runtimeInSeconds": 5 + number, "coreCount": 6}
        for number in range(8)
    ),
    {"id": "split", "parents": [], "runtimeInSeconds": 10, "memoryInBytes": 64 * 2**20},
]


@pytest.mark.parametrize("more", [[], ["--real"]], ids=["noop", "process"])
def test_jobs_run_in_the_order_of_dependencies(tmp_path: Path, more: list[str]) -> None:
    file = tmp_path / "flow.json"
    file.write_text(json.dumps({"name": "flow", "tasks": TASKS}))
    place = Installation(tmp_path, None)
    place.config.write_text(CONFIG)
    words = ["batch", "submit", "--from-wfformat", str(file), "--scale", "0.01", *more]
    try:
        place.start()
        assert "nothing was changed" in place.run(*words, "--dry-run")
        assert json.loads(place.run("batch", "list", "-o", "json"))["items"] == []
        out = place.run(*words, "--wait")
        jobs = json.loads(place.run("job", "list", "--batch", "1", "-o", "json"))["items"]
        assert place.stop() == 0
    finally:
        place.close()

    assert "12 succeeded" in out
    assert re.search(r"Makespan: [0-9.]+ s\. The first job started after [0-9.]+ s\.", out)
    assert "Critical path of the recorded times × 0.01: 0.3 s; the makespan is " in out
    assert re.search(
        r"Critical path of the attempts: [0-9.]+ s; the makespan is [0-9.]+ times as long\.", out
    )
    by_name = {job["key"]: job for job in jobs}
    tasks = tasks_of(file)
    assert by_name.keys() == {task.id for task in tasks}
    assert {by_name[f"work_{number}"]["cpu_milli"] for number in range(8)} == {4000}
    for task in tasks:
        for parent in task.parents:
            assert by_name[parent]["ended_at"] <= by_name[task.id]["started_at"], (parent, task.id)
