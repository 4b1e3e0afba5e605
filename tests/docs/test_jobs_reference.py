"""Each behaviour that `docs/reference/jobs.md` lists has the test that it names."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/jobs.md").read_text()
ROWS = re.findall(r"^\| (.+) \| `(tests/[\w/]+\.py)(?:::(test_\w+))?` \|$", PAGE, re.M)


def test_every_row_of_the_page_is_read() -> None:
    rows = [
        line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| behaviour")
    ]
    assert len(rows) == len(ROWS) > 30


@pytest.mark.parametrize(("behaviour", "file", "test"), ROWS, ids=[row[0][:60] for row in ROWS])
def test_the_behaviour_has_its_test(behaviour: str, file: str, test: str) -> None:
    assert behaviour.endswith(".")
    tree = ast.parse((ROOT / file).read_text())
    found = {
        each.name
        for each in tree.body
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name.startswith("test_")
    }
    assert found, f"{file} has no test"
    assert not test or test in found, f"{file} has no {test}"
