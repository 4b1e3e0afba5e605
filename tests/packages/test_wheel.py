"""The wheel: it has what runs, nothing of the tests, and the same bytes each time."""

import hashlib
import zipfile
from pathlib import Path

from tests.packages.conftest import ROOT, build_wheel

SOURCE = ROOT / "src" / "herder"


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as opened:
        return set(opened.namelist())


def test_it_has_templates_static_files_and_migrations(wheel: Path) -> None:
    found = names(wheel)
    kinds = {"web/templates": "*.html", "web/static": "*.*", "store/migrations": "*.py"}
    for folder, pattern in kinds.items():
        wanted = {
            f"herder/{path.relative_to(SOURCE).as_posix()}"
            for path in (SOURCE / folder).rglob(pattern)
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert len(wanted) > 5, folder
        assert wanted <= found
    assert "herder/py.typed" in found


def test_it_has_nothing_but_the_packages(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in names(wheel)}
    assert tops == {"herder", "snakemake_executor_plugin_herder", f"{wheel.name.split('-py3')[0]}.dist-info"}
    assert not [name for name in names(wheel) if "__pycache__" in name]


def test_two_builds_have_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    again = build_wheel(tmp_path)
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(wheel.read_bytes()).digest()
    later = build_wheel(tmp_path / "later", "1800000000")
    assert later.read_bytes() != wheel.read_bytes()
