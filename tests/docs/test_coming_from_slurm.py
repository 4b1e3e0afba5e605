"""Every command of Herder on the page is run on one real server; options and variables of the tables exist. Numbers stand for jobs and
batches that the test creates, as the page says."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from tests.docs.command_tables import APP, Place, commands, rows
from tests.docs.page import DOCS

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(240)]
PAGE = (DOCS / "how-to" / "coming-from-slurm.md").read_text()
ROWS = rows(PAGE)
#: Rows that wait for parts that do not exist yet: one that has come must leave this list.
PLANNED = {"sbatch --hold job.sh", "sshare"}
#: What is added to a row so that the others still have a worker.
ADDED = {"herder worker drain std-7-1 --message disk --yes": ("--dry-run",)}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("slurm"))
    try:
        yield made
        assert made.stop() == 0
    finally:
        made.close()


@pytest.mark.parametrize("command", commands(PAGE))
def test_a_row_works(place: Place, command: str) -> None:
    place.run_row(command, ADDED.get(command, ()))


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
