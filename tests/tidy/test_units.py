"""A figure keeps its unit: what is called `…_ms` is never set from, added to, compared with or passed as something called `…_s`.

Money, ids and resources have types of their own, which mypy checks. Times and sizes are plain numbers whose names say the unit; this
looks at every assignment, sum, comparison, argument and default of the product whose two sides both name one.
"""

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "herder"
#: Longest first: `_per_s` is no time.
UNITS = ("_per_s", "_ms", "_us", "_s", "_mib", "_kib", "_bytes", "_milli")


def unit_of(node: ast.expr | None) -> str | None:
    """By the name of a variable, an attribute or a function that is called; None when there is none that says."""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Name):
        name = node.id
    elif isinstance(node, ast.Attribute):
        name = node.attr
    else:
        return None
    return next((unit for unit in UNITS if name.lower().endswith(unit)), None)


def _named(name: str) -> ast.expr:
    return ast.Name(id=name, ctx=ast.Load())


def sides(node: ast.AST) -> Iterator[tuple[ast.expr | None, ast.expr | None]]:
    """What is put together here as one kind of figure."""
    if isinstance(node, ast.Assign):
        yield from ((target, node.value) for target in node.targets)
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        if not isinstance(node, ast.AugAssign) or isinstance(node.op, ast.Add | ast.Sub):
            yield node.target, node.value
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        yield node.left, node.right
    elif isinstance(node, ast.Compare):
        parts = [node.left, *node.comparators]
        yield from itertools.pairwise(parts)
    elif isinstance(node, ast.keyword) and node.arg is not None:
        yield _named(node.arg), node.value
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("min", "max"):
        yield from zip(node.args, node.args[1:], strict=False)


def mixed(text: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(text)):
        for one, other in sides(node):
            units = unit_of(one), unit_of(other)
            if None not in units and units[0] != units[1]:
                found.append(ast.unparse(node))
    return found


def test_no_figure_changes_its_unit_by_name() -> None:
    found = {
        str(path.relative_to(SOURCE)): wrong
        for path in sorted(SOURCE.rglob("*.py"))
        if (wrong := mixed(path.read_text()))
    }
    assert not found


@pytest.mark.parametrize(
    "text",
    [
        "until_ms = idle_s",
        "until_ms: int = pool.idle_timeout_s",
        "now_ms - boot_s",
        "now_ms >= spec.until_s",
        "wait(timeout_s=left_ms)",
        "total_s += took_ms",
        "max(first_ms, boot_s(worker))",
        "memory_mib = used_kib",
    ],
)
def test_a_mixture_is_found(text: str) -> None:
    assert mixed(text)


@pytest.mark.parametrize(
    "text", ["until_ms = now_ms + int(idle_s * 1000)", "rate_per_s = jobs / took_s", "a_s + b_s"]
)
def test_a_conversion_is_none(text: str) -> None:
    assert not mixed(text)
