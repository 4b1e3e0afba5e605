"""The style of this repository, as tests: sizes, names, docstrings, leftovers, pinned files, changelog fragments.

What ruff, mypy and import-linter can check is theirs; here is the rest. A limit is never raised to let a file pass.
"""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
BENCH = ROOT / "bench"
TOOLS = ROOT / "tools"
MIGRATIONS = SOURCE / "herder" / "store" / "migrations" / "versions"
VENDOR = SOURCE / "herder" / "web" / "static" / "vendor"
RULES_VENDOR = SOURCE / "herder" / "reports" / "focus" / "vendor"

FILE_LINES = 400
FUNCTION_LINES = 60
GUIDE_LINES = 80
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common"}
FRAGMENT = re.compile(r"\d+(-[a-z0-9-]+)?\.(feature|change|fix|removal|security|docs)\.md")
# Put together from parts, so that this file does not hold what it forbids.
LEFTOVER = re.compile(r"\b(" + "|".join(["FIX" + "ME", "TO" + "DO", "XX" + "X"]) + r")\b")
INDEX_URL = re.compile(
    "|".join(
        ["--(extra-)?index-" + "url", "--find-" + "links", "pypi" + r"\.org/simple", "python" + "hosted"]
    )
)
GENERATED_FOLDERS = {".git", ".venv", ".cache", "__pycache__", "build", "dist", "node_modules"}


def python_files() -> list[Path]:
    return sorted(path for folder in (SOURCE, BENCH, TOOLS) for path in folder.rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def repository_files() -> Iterator[Path]:
    """What git holds or would hold; without git, all files that are not built ones."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, check=False, capture_output=True, text=True,
    )  # fmt: skip
    if listing.returncode == 0:
        found = [ROOT / line for line in listing.stdout.split("\0") if line]
    else:
        found = [path for path in ROOT.rglob("*") if not GENERATED_FOLDERS.intersection(path.parts)]
    yield from (path for path in found if path.is_file())


def text_of(path: Path) -> str | None:
    data = path.read_bytes()
    return None if b"\0" in data[:8192] else data.decode(errors="replace")


def test_there_is_source_to_check() -> None:
    assert len(python_files()) > 5


def test_files_are_short() -> None:
    too_long = {
        name(path): lines
        for path in python_files()
        if (lines := len(path.read_text().splitlines())) > FILE_LINES
    }
    assert not too_long, f"over {FILE_LINES} lines; split them by noun: {too_long}"


def test_functions_are_short() -> None:
    too_long = [
        f"{name(path)}:{node.lineno} {node.name} has {length} lines"
        for path in python_files()
        if MIGRATIONS not in path.parents  # a list of tables, written once
        for node in ast.walk(ast.parse(path.read_text(), str(path)))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    ]
    assert not too_long, f"over {FUNCTION_LINES} lines: {too_long}"


def test_every_module_says_what_it_is() -> None:
    silent = [name(path) for path in python_files() if not ast.get_docstring(ast.parse(path.read_text()))]
    assert not silent, (
        f"the module begins with a paragraph (what, who calls it, what it must never do): {silent}"
    )


def test_no_module_is_a_drawer() -> None:
    drawers = [name(path) for path in SOURCE.rglob("*") if path.stem in BANNED_NAMES]
    assert not drawers, f"name it after the noun it holds: {drawers}"


def test_no_package_is_empty() -> None:
    empty = [
        name(init.parent)
        for init in SOURCE.rglob("__init__.py")
        if not any(path != init and "__pycache__" not in path.parts for path in init.parent.rglob("*"))
        and len(ast.parse(init.read_text()).body) < 2
    ]
    assert not empty, f"a folder appears when it has something in it: {empty}"


def test_a_migration_depends_on_no_code_that_changes() -> None:
    """It does next year what it did when it was written: standard library, SQLAlchemy, Alembic, and what lies beside it."""
    folder = ".".join(MIGRATIONS.relative_to(SOURCE).parts)
    found = [
        f"{name(path)}: {module}"
        for path in sorted(MIGRATIONS.glob("*.py"))
        for module in imported(path)
        if not module.startswith(f"{folder}.")
        and module.partition(".")[0] not in {"sqlalchemy", "alembic", *sys.stdlib_module_names}
    ]
    assert not found, f"copy into the migration what it needs of today's code: {found}"


def imported(path: Path) -> Iterator[str]:
    """Modules, wherever in the file they are imported."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield f"{'.' * node.level}{node.module or ''}"


def test_nothing_is_left_for_later() -> None:
    left = [
        f"{name(path)}:{number}"
        for path in SOURCE.rglob("*")
        if path.is_file() and VENDOR not in path.parents and "__pycache__" not in path.parts
        for number, line in enumerate((text_of(path) or "").splitlines(), start=1)
        if LEFTOVER.search(line)
    ]
    assert not left, f"do it now or file an issue: {left}"


@pytest.mark.parametrize("vendor", [VENDOR, RULES_VENDOR], ids=["web", "focus"])
def test_vendored_files_are_the_ones_we_pinned(vendor: Path) -> None:
    pins = vendor / "vendor.toml"
    assert pins.is_file(), (
        f"{name(pins)} must list every vendored file: [[file]] path, version, source, licence, sha256"
    )
    pinned = {entry["path"]: entry["sha256"] for entry in tomllib.loads(pins.read_text())["file"]}
    held = {
        path.relative_to(vendor).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in vendor.rglob("*")
        if path.is_file() and path != pins
    }
    assert held == pinned


def test_changelog_fragments_are_named_and_filled() -> None:
    fragments = [path for path in (ROOT / "changes").iterdir() if path.name != "README.md"]
    misnamed = [name(path) for path in fragments if not FRAGMENT.fullmatch(path.name)]
    assert not misnamed, f"see changes/README.md for the name: {misnamed}"
    empty = [name(path) for path in fragments if not path.read_text().strip()]
    assert not empty


def test_no_file_names_a_package_index() -> None:
    found = [
        name(path)
        for path in repository_files()
        if VENDOR not in path.parents and INDEX_URL.search(text_of(path) or "")
    ]
    assert not found, f"where packages come from is the installer's setting, not the repository's: {found}"


def test_the_lock_has_a_hash_for_every_package() -> None:
    for lock in sorted((ROOT / "requirements").glob("*.lock")):
        entries = re.split(r"\n(?=[a-z0-9])", lock.read_text())[1:]
        assert entries, name(lock)
        assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_guide_stays_short() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= GUIDE_LINES


#: They are tested in the simulated world, by what users see when a port fails (`tests/simulation`).
LOOPS = {"launch", "sweep", "lifecycle", "readings"}


def test_no_test_reaches_into_a_loop() -> None:
    reached = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            package = node.module if isinstance(node, ast.ImportFrom) else None
            names = (
                [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            )
            full = {f"{package}.{each}" if package else each for each in names} | {package or ""}
            if any(each.startswith(f"herder.control.loops.{loop}") for each in full for loop in LOOPS):
                reached.append(name(path))
    assert reached == []
