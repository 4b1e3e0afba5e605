"""API and dashboard do everything through `Commands` and `Reads`: they never look into `Core`."""

import ast
from collections.abc import Iterator
from pathlib import Path

import herder

SOURCE = Path(herder.__file__).parent
#: What the front of the API may use of it, around each write: is anything taken in now, the step that is all or nothing, its time, and
#: the commit that the answer waits for.
AROUND_A_WRITE = {"no_change", "take_in_work", "change", "clock", "commit", "settle"}
FRONT = "api/http/route_table.py"


def uses_of_core(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Attribute):
            holder = node.value
            name = (
                holder.id
                if isinstance(holder, ast.Name)
                else holder.attr
                if isinstance(holder, ast.Attribute)
                else ""
            )
            if name in ("core", "_core"):
                yield node.attr, node.lineno


def test_faces_do_not_reach_into_the_core() -> None:
    found = [
        (path.relative_to(SOURCE).as_posix(), line, attribute)
        for face in ("api", "web")
        for path in sorted((SOURCE / face).rglob("*.py"))
        for attribute, line in uses_of_core(path)
    ]
    assert found, "the front of the API commits"
    beyond = [each for each in found if each[0] != FRONT or each[2] not in AROUND_A_WRITE]
    assert not beyond, f"give Reads or Commands a method for it: {beyond}"
