"""The programs of the page on Hail Batch are run as they stand, each as a script of its own, and every command of its table, against real
servers with local workers."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import Installation
from tests.client.running import started
from tests.docs.command_tables import Place, commands, rows
from tests.docs.page import DOCS, run_program

PAGE = (DOCS / "how-to" / "coming-from-hail.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SHOWN = ["hello Alice\nhello Bob\nhello Dan\n", "['Alice', 'Bob'] 2\nsucceeded\n"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made, _ = started(tmp_path_factory.mktemp("server"))
    yield made
    made.close()


def test_each_program_of_the_page_is_tried() -> None:
    assert len(PROGRAMS) == len(SHOWN)


@pytest.mark.parametrize("place", range(len(SHOWN)))
def test_a_program_of_the_page_runs(place: int, server: Installation, tmp_path: Path) -> None:
    assert run_program(PROGRAMS[place], tmp_path, server.env) == SHOWN[place]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("hail"))
    try:
        yield made
        assert made.stop() == 0
    finally:
        made.close()


@pytest.mark.slow
@pytest.mark.acceptance
@pytest.mark.timeout(120)
@pytest.mark.parametrize("command", commands(PAGE))
def test_a_row_works(place: Place, command: str) -> None:
    place.run_row(command)


def test_each_command_of_hailctl_has_an_answer() -> None:
    answers = [row[1] for row in rows(PAGE) if row[0].startswith("`hailctl ")]
    assert len(answers) > 15
    assert all(each.startswith(("`herder ", "none: ", "none here: ")) for each in answers)
