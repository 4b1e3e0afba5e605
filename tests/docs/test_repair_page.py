"""The table on the page about repair is the one that holds without settings, and each condition and rung is explained."""

import re

from herder.model.fleet.repair import DEFAULT_POLICY, Condition, Rung
from herder.settings import load_texts
from tests.docs.page import DOCS

PAGE = (DOCS / "how-to" / "repair.md").read_text()


def test_the_table_is_the_default() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (pool,) = load_texts([("repair.md", text)]).pools
    assert pool.repair == DEFAULT_POLICY


def test_each_condition_and_each_rung_has_a_row() -> None:
    rows = "\n".join(line for line in PAGE.splitlines() if line.startswith("| "))
    assert [each for each in Condition if each not in rows] == []
    assert [each for each in Rung if f"| `{each}` |" not in rows] == []
