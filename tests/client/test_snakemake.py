"""Workflows of the real Snakemake on real local workers: failures with their output, retries, refusals, Ctrl-C."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from herder.client import connect
from tests.acceptance.conftest import Installation
from tests.support import snakemake

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
CONFIG = """
pools:
  std:
    driver: local
    templates: [{name: small, cpu: 2, memory: 4Gi, disk: 4Gi, price_per_hour: "0.01"}]
    max_workers: 1
"""
WORKFLOW = """
rule all:
    input: "good.txt", "bad.txt", "big.txt", "second.txt"

rule good:
    output: "good.txt"
    resources: mem_mb=400, disk_mb=10
    shell: "echo $HERDER_JOB_ID > {output}"

rule bad:
    output: "bad.txt"
    resources: mem_mb=400, disk_mb=10
    shell: "echo what went wrong; exit 3"

rule big:
    output: "big.txt"
    threads: 64
    resources: mem_mb=400, disk_mb=10
    shell: "touch {output}"

rule second:
    output: "second.txt"
    resources: mem_mb=lambda wildcards, attempt: 300 + 100 * attempt, disk_mb=10, attempt=lambda wildcards, attempt: attempt
    shell: "test {resources.attempt} = 2 && touch {output}"
"""
CHAIN = """
rule second:
    input: "first.txt"
    output: "second.txt"
    resources: mem_mb=400, disk_mb=10
    shell: "touch {output}"

rule first:
    output: "first.txt"
    resources: mem_mb=400, disk_mb=10
    shell: "touch running; until test -e go; do sleep 0.1; done; touch {output}"
"""
LONG = """
rule long:
    output: "long.txt"
    resources: mem_mb=400, disk_mb=10
    shell: "touch running; sleep 600; touch {output}"
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    snakemake.environment()
    made = Installation(tmp_path_factory.mktemp("server"), None)
    made.config.write_text(CONFIG)
    made.start()
    yield made
    made.close()


@contextmanager
def started(folder: Path, place: Installation, workflow: str, *more: str) -> Iterator[subprocess.Popen[str]]:
    """Snakemake, and nothing of it afterwards."""
    (folder / "Snakefile").write_text(workflow)
    words = ["--executor", "herder", "--jobs", "5", "--cores", "64", "--herder-project", "flows", *more]
    with subprocess.Popen(
        # A job of a shell in the background ignores Ctrl-C, and so does all that it starts.
        ["env", "--default-signal=INT", str(snakemake.environment() / "snakemake"), *words],
        cwd=folder,
        env={**os.environ, **place.env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_failed_rule_is_told_with_its_output_and_the_others_go_on(
    place: Installation, tmp_path: Path
) -> None:
    with started(tmp_path, place, WORKFLOW, "--keep-going", "--retries", "1") as process:
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 1, said
    with connect(env=place.env) as client:
        (batch,) = client.batches.list("project:flows")
        jobs = {each.key: each for each in client.jobs.list(batch=batch.id)}
        good, bad = jobs["good-1"], jobs["bad-2"]
        assert {key: each.state for key, each in jobs.items()} == {
            "good-1": "succeeded",
            "bad-2": "failed",
            "bad-2-2": "failed",
            "second-4": "failed",
            "second-4-2": "succeeded",
        }
    assert batch.state == "failed"
    assert (tmp_path / "good.txt").read_text() == f"{good.id}\n"
    assert (tmp_path / "second.txt").exists()
    assert f"Job {bad.id} of Herder: Exit code 1." in said, said
    assert "what went wrong" in said, said
    assert "what went wrong" in (tmp_path / ".snakemake" / "herder_logs" / f"{bad.id}.log").read_text()
    assert "Herder refused the job." in said, said
    assert [jobs[key].memory_mib for key in ("second-4", "second-4-2")] == [382, 477]


def test_a_server_that_restarts_is_waited_for(place: Installation, tmp_path: Path) -> None:
    with started(tmp_path, place, CHAIN) as process:
        place.until((tmp_path / "running").exists, 60, "the first rule to run")
        place.kill()
        (tmp_path / "go").touch()
        place.start()
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert (tmp_path / "second.txt").exists()


def test_ctrl_c_cancels_what_runs(place: Installation, tmp_path: Path) -> None:
    with started(tmp_path, place, LONG) as process:
        place.until((tmp_path / "running").exists, 60, "the rule to run")
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode != 0, said
    with connect(env=place.env) as client:
        batch = next(iter(client.batches.list("project:flows")))
        view = client.batches.wait(batch.id, 30)
        (job,) = client.jobs.list(batch=batch.id)
    assert (view.state, job.state) == ("cancelled", "cancelled")
    assert not (tmp_path / "long.txt").exists()


def test_without_a_server_it_says_how_to_get_one(place: Installation, tmp_path: Path) -> None:
    with started(tmp_path, place, LONG, "--herder-server", "http://127.0.0.1:9") as process:
        said, _ = process.communicate(timeout=100)
    assert process.returncode == 1, said
    assert "127.0.0.1:9" in said, said
