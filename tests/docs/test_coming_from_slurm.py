"""Every command of Herder on the page is run on one real server; options and variables of the tables exist. Numbers stand for jobs and
batches that the test creates, as the page says."""

import io
import json
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from herder.app import whole_app
from herder.cli.shell.main import run
from tests.acceptance.conftest import Installation
from tests.docs.page import DOCS

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(240)]
PAGE = (DOCS / "how-to" / "coming-from-slurm.md").read_text()
ROWS = [
    [cell.strip() for cell in line.removeprefix("|").removesuffix("|").split(" | ")]
    for line in PAGE.splitlines()
    if line.startswith("| `")
]
COMMANDS = [row[1].strip("`") for row in ROWS if row[1].startswith("`herder ")]
#: Rows that wait for parts that do not exist yet: one that has come must leave this list.
PLANNED = {"sbatch --hold job.sh", "sshare"}
CONFIG = """
templates:
  small: {cpu: 2, memory: 512Mi, price_per_hour: "0.01"}
pools:
  std: {driver: local, templates: [small], min_workers: 1, max_workers: 1}
  late: {driver: local, templates: [small], max_workers: 1, default_eligible: false}
"""
APP = whole_app()
SCRIPT = "#!/bin/sh\nenv | grep '^HERDER_' | sort\n"
#: What is added to a row so that the others still have a worker.
ADDED = {"herder worker drain std-7-1 --message disk --yes": ["--dry-run"]}


class Place(Installation):
    """`std` runs jobs; `late` is frozen, so that its jobs wait."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, None)
        self.config.write_text(CONFIG)
        (folder / "job.sh").write_text(SCRIPT)
        (folder / "job.sh").chmod(0o755)
        (folder / "commands.txt").write_text("echo one\necho two\n")
        (folder / "jobs.yaml").write_text(
            "jobs:\n  - {name: a, command: [echo, a]}\n  - {name: b, parents: [a], command: [echo, b]}\n"
        )
        self.start()
        self.command("pool", "freeze", "late")
        self.until(
            lambda: bool(self.command("worker", "list", "--state", "ready", "-o", "name")), 60, "a worker"
        )

    def command(self, *words: str) -> str:
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as out:
            for name in [name for name in os.environ if name.startswith("HERDER_")]:
                patch.delenv(name)
            for name in ("HERDER_DATA_DIR", "XDG_CONFIG_HOME"):
                patch.setenv(name, self.env[name])
            patch.chdir(self.folder)
            code = run(APP, list(words))
        assert code == 0, (words, out.getvalue())
        return out.getvalue()

    def batch(self, *more: str) -> str:
        return self.command("batch", "submit", "--lines", "commands.txt", *more, "-o", "name").strip()

    def ended_batch(self) -> str:
        number = self.batch()
        self.command("batch", "wait", number)
        return number

    def stands_for(self, word: str) -> str:
        """A number of the page, or the name of the worker, as it is here."""
        match word:
            case "17":
                waiting = self.command("job", "submit", "--pool", "late", "-o", "name", "--", "true")
                return waiting.strip()
            case "18":
                return self.command(
                    "job", "list", "--batch", self.ended_batch(), "--limit", "1", "-o", "name"
                ).strip()
            case "3":
                return self.batch("--default", "pool=late")
            case "4":
                return self.ended_batch()
            case "5":
                return self.batch("--default", "pool=late", "--keep-open")
            case "std-7-1":
                return self.command("worker", "list", "--state", "ready", "-o", "name").split()[0]
            case _:
                return word


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("slurm"))
    try:
        yield made
        assert made.stop() == 0
    finally:
        made.close()


@pytest.mark.parametrize("command", list(dict.fromkeys(COMMANDS)))
def test_a_row_works(place: Place, command: str) -> None:
    words = shlex.split(command)[1:]
    cut = words.index("--") if "--" in words else len(words)
    place.command(*(place.stands_for(word) for word in words[:cut]), *ADDED.get(command, []), *words[cut:])


def test_variables_of_the_page_are_in_the_environment_of_a_job(place: Place) -> None:
    batch = place.command("batch", "submit", "--array", "7", "-o", "name", "--", "./job.sh").strip()
    place.command("batch", "wait", batch)
    said = dict(
        line.split("=", 1)
        for line in place.command("job", "logs", "--batch", batch).splitlines()
        if "=" in line
    )
    named = {row[1].split("`")[1] for row in ROWS if row[0].startswith("`SLURM_")}
    assert named == {"HERDER_JOB_ID", "HERDER_ARRAY_INDEX", "HERDER_ATTEMPT"}
    assert (said["HERDER_ARRAY_INDEX"], said["HERDER_ATTEMPT"]) == ("7", "1")
    (job,) = json.loads(place.command("job", "list", "--batch", batch, "-o", "json"))["items"]
    assert said["HERDER_JOB_ID"] == str(job["id"])


def test_each_option_of_the_page_exists() -> None:
    submit: Any = get_command(APP).commands["job"].commands["submit"]  # type: ignore[attr-defined]
    options = {name for each in submit.params for name in each.opts}
    named = {code for row in ROWS if row[0].startswith("`--") for code in re.findall(r"`([^`]+)`", row[1])}
    assert len(named) > 12
    assert named <= options


def test_what_is_planned_is_known_and_each_row_has_an_answer() -> None:
    assert {row[0].strip("`") for row in ROWS if row[1].startswith("planned: ")} == PLANNED
    for row in ROWS:
        assert re.match(r"`herder |`--|`HERDER_|planned: \w|none: \w", row[1]), row
