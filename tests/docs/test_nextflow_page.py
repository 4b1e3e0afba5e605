"""The scripts of the page on Nextflow, called as Nextflow's executor for Slurm calls them, with a task script that has its header."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import HERDER, Installation
from tests.docs.page import DOCS

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(240)]
SCRIPTS = re.findall(
    r"```bash\n(#!/bin/bash\n# (\w+)\b.*?)```", (DOCS / "how-to" / "nextflow.md").read_text(), re.DOTALL
)
SQUEUE = ["squeue", "--noheader", "-o", "%i %t", "-t", "all", "-p", "std", "-u", "somebody"]
HEADER = """#!/bin/bash
#SBATCH -J nf-{name}
#SBATCH -o {folder}/.command.log
#SBATCH --no-requeue
#SBATCH --signal B:USR2@30
#SBATCH -c 2
#SBATCH -t {time}
#SBATCH --mem 200M
#SBATCH -p std
"""
CONFIG = """
pools:
  std:
    driver: local
    templates: [{name: small, cpu: 2, memory: 1Gi, price_per_hour: "0.01"}]
    max_workers: 1
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("server"), None)
    made.config.write_text(CONFIG)
    made.start()
    programs = made.folder / "bin"
    programs.mkdir()
    for text, name in SCRIPTS:
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    made.env["PATH"] = f"{programs}:{Path(HERDER[0]).parent}:{os.environ['PATH']}"
    yield made
    made.close()


def called(place: Installation, folder: Path, *words: str) -> str:
    done = subprocess.run(
        words, cwd=folder, env=place.env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def submitted(place: Installation, folder: Path, name: str, task: str, time: str = "01:30:00") -> str:
    """The number that Nextflow reads."""
    folder.mkdir()
    (folder / ".command.run").write_text(HEADER.format(name=name, folder=folder, time=time) + task)
    return str(int(called(place, folder, "sbatch", ".command.run")))


def states(place: Installation, folder: Path) -> dict[str, str]:
    """As Nextflow reads it: two words a line."""
    lines = [line.split() for line in called(place, folder, *SQUEUE).splitlines()]
    assert all(len(words) == 2 for words in lines), lines
    return dict(lines)  # type: ignore[arg-type]


def test_the_page_has_the_three_programs() -> None:
    assert [name for _, name in SCRIPTS] == ["sbatch", "squeue", "scancel"]


def test_tasks_run_in_their_folders_and_are_seen_and_cancelled(place: Installation, tmp_path: Path) -> None:
    place.run("job", "submit", "--wait", "--", "echo", "not of Nextflow")
    good = submitted(
        place, tmp_path / "good", "align (1)", "echo out; echo err >&2; pwd; echo 0 > .exitcode\n"
    )
    bad = submitted(place, tmp_path / "bad", "bad", "exit 3\n")
    slow = submitted(place, tmp_path / "slow", "slow", "sleep 600\n", "00:00:01")
    place.run("job", "wait", good, bad, slow, code=8)
    assert '"cause": "timeout"' in place.run("job", "get", slow, "-o", "json")
    long = submitted(place, tmp_path / "long", "long", "sleep 600\n")
    # Long, too: between the two cancels it may start.
    waits = submitted(place, tmp_path / "waits", "waits", "sleep 600\n")
    place.until(lambda: states(place, tmp_path)[long] == "R", 60, "the long task to run")
    assert states(place, tmp_path) == {good: "CD", bad: "F", slow: "F", long: "R", waits: "PD"}
    assert (tmp_path / "good" / ".command.log").read_text() == f"out\nerr\n{tmp_path}/good\n"
    assert (tmp_path / "good" / ".exitcode").read_text() == "0\n"
    said = place.run("job", "get", good, "-o", "json")
    assert '"cpu_milli": 2000' in said
    assert '"memory_mib": 200' in said
    assert '"key": "nf-align (1)"' in said
    called(place, tmp_path, "scancel", long, waits)
    place.until(
        lambda: {states(place, tmp_path)[each] for each in (long, waits)} == {"CA"}, 40, "the end of both"
    )
