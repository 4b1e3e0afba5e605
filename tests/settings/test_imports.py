"""`herder.settings` imports its names late: the names are in three lists, which must be the same."""

import ast
from pathlib import Path

import herder.settings
from herder import settings


def for_type_checkers() -> dict[str, set[str]]:
    """Module and names, as the block under TYPE_CHECKING has them."""
    tree = ast.parse(Path(herder.settings.__file__).read_text())
    (block,) = (
        node
        for node in tree.body
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    )
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    assert len(imports) == len(block.body)
    return {
        (node.module or "").removeprefix("herder.settings."): {each.name for each in node.names}
        for node in imports
    }


def test_the_three_lists_of_names_are_the_same() -> None:
    late = {home: set(names) for home, names in settings._HOMES.items()}
    assert late == for_type_checkers()
    assert sorted(name for names in late.values() for name in names) == sorted(settings.__all__)


def test_each_name_is_found_in_its_home() -> None:
    for name in settings.__all__:
        assert getattr(settings, name) is not None
