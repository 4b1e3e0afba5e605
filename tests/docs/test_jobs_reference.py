"""Each behaviour that `docs/reference/jobs.md` lists has the test that it names, and each guarantee of `ledger.md`."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = {name: (ROOT / f"docs/reference/{name}.md").read_text() for name in ("jobs", "ledger")}
ROW = re.compile(r"^\| (.+) \| `(tests/[\w/]+\.py)(?:::(test_\w+|Test\w+))?` \|$", re.M)
ROWS = [row for page in PAGES.values() for row in ROW.findall(page)]


@pytest.mark.parametrize(
    ("name", "head", "least"), [("jobs", "| behaviour", 30), ("ledger", "| guarantee", 20)]
)
def test_every_row_of_the_page_is_read(name: str, head: str, least: int) -> None:
    page = PAGES[name].split("\n## How fast")[0]
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith(head)]
    assert len(rows) == len(ROW.findall(page)) > least


@pytest.mark.parametrize(("behaviour", "file", "test"), ROWS, ids=[row[0][:60] for row in ROWS])
def test_the_behaviour_has_its_test(behaviour: str, file: str, test: str) -> None:
    assert behaviour.endswith(".")
    tree = ast.parse((ROOT / file).read_text())
    found = {
        each.name
        for each in tree.body
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name.startswith("test_")
    } | {
        target.id
        for each in tree.body
        if isinstance(each, ast.Assign)
        for target in each.targets
        if isinstance(target, ast.Name) and target.id.startswith("Test")
    }
    assert found, f"{file} has no test"
    assert not test or test in found, f"{file} has no {test}"
