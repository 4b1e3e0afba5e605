"""Writes the documents that are made from the code, or checks that they are up to date.

`make docs` runs it; `make check` runs it with `--check`. `[tool.herder.documents]` in `pyproject.toml` lists them:
the path of a document and the function, as `module:function`, that returns its text. The function must need no network,
no clock and no state of this machine, so that everybody gets the same bytes.
A path with `#part` is a page that people write and of which one part is made: what is between the lines `<!-- part -->` and `<!-- /part -->`.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def documents() -> dict[Path, str]:
    """Every generated document with the text it must have."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    declared: dict[str, str] = project["tool"]["herder"]["documents"]
    texts = {}
    for path, reference in declared.items():
        module, _, function = reference.partition(":")
        text: str = getattr(importlib.import_module(module), function)()
        name, _, part = path.partition("#")
        page = ROOT / name
        text = text.rstrip("\n") + "\n"
        texts[page] = _with_part(texts.get(page) or page.read_text(), part, text) if part else text
    return texts


def _with_part(page: str, part: str, text: str) -> str:
    begin, end = f"<!-- {part} -->\n", f"<!-- /{part} -->\n"
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"The page has no lines {begin.strip()} and {end.strip()}.")
    return f"{before}{begin}\n{text}\n{end}{after}"


def main() -> int:
    """Write, or with `--check` compare; the exit status says whether all is up to date."""
    parser = argparse.ArgumentParser(description="Write the documents that are made from the code.")
    parser.add_argument("--check", action="store_true", help="only say which documents are out of date")
    only_check = parser.parse_args().check
    texts = documents()
    stale = [path for path, text in texts.items() if not path.is_file() or path.read_text() != text]
    for path in stale:
        print(f"{'out of date' if only_check else 'wrote'}: {path.relative_to(ROOT)}")
        if not only_check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(texts[path])
    if only_check and stale:
        print("Run `make docs` and commit what it writes.")
        return 1
    print(f"{len(texts)} generated documents are up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
