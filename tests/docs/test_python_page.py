"""The programs of the page on Python are run as they stand, each as a script of its own, against a real server with local workers."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import Installation
from tests.client.running import started
from tests.docs.page import DOCS, run_program

PROGRAMS = re.findall(r"```python\n(.*?)```", (DOCS / "how-to" / "python.md").read_text(), re.DOTALL)
SHOWN = [r"job \d+ gives \d+\n\d+\n", r"\d+ succeeded \{'counted': 3\}\n"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made, _ = started(tmp_path_factory.mktemp("server"))
    yield made
    made.close()


def test_each_program_of_the_page_is_tried() -> None:
    assert len(PROGRAMS) == len(SHOWN)


@pytest.mark.parametrize("place", range(len(SHOWN)))
def test_a_program_of_the_page_runs(place: int, server: Installation, tmp_path: Path) -> None:
    said = run_program(PROGRAMS[place], tmp_path, server.env)
    assert re.fullmatch(SHOWN[place], said), said
