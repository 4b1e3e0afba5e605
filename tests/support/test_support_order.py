"""The order in which files are begun."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.support.order import LONG, TESTS, long_files_first


def test_long_files_come_first_then_those_with_many_tests() -> None:
    few, many, long = TESTS / "a" / "test_few.py", TESTS / "b" / "test_many.py", TESTS / LONG[0]
    items: list[Any] = [
        SimpleNamespace(path=path, name=name)
        for path, name in ((few, "1"), (many, "1"), (many, "2"), (long, "2"), (long, "1"))
    ]
    long_files_first(items)
    found: list[tuple[Path, str]] = [(each.path, each.name) for each in items]
    assert found == [(long, "2"), (long, "1"), (many, "1"), (many, "2"), (few, "1")]


def test_each_long_file_exists() -> None:
    assert [name for name in LONG if not (TESTS / name).is_file()] == []
