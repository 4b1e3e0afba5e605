"""Fetches the vendored browser libraries by package name and pins them. Run by a maintainer for an upgrade, never at run time.

    python -m tools.vendor_fetch

It needs `npm` (only here), which checks the packages' own hashes. Afterwards remove the folders of the old versions, change
the names in `templates/base.html`, and run the browser tests.
"""

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import herder.web

VENDOR = Path(herder.web.__file__).parent / "static" / "vendor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    package: str
    version: str
    licence: str
    files: dict[str, str]
    """Path in the package → path in our folder."""

    @property
    def folder(self) -> str:
        return f"{self.package}-{self.version}"


LIBRARIES = (
    Library(
        package="htmx.org",
        version="4.0.1",
        licence="0BSD",
        files={
            "dist/htmx.min.js": "htmx.min.js",
            "dist/ext/hx-sse.min.js": "ext/hx-sse.min.js",
            "LICENSE": "LICENSE",
        },
    ),
    Library(
        package="uplot",
        version="1.6.32",
        licence="MIT",
        files={
            "dist/uPlot.iife.min.js": "uPlot.iife.min.js",
            "dist/uPlot.min.css": "uPlot.min.css",
            "LICENSE": "LICENSE",
        },
    ),
)


def fetch(library: Library, into: Path) -> None:
    """Put the library's files under `into`."""
    with tempfile.TemporaryDirectory() as scratch:
        command = ["npm", "pack", "--silent", f"{library.package}@{library.version}"]
        packed = subprocess.run(command, cwd=scratch, check=True, capture_output=True, text=True)
        with tarfile.open(Path(scratch) / packed.stdout.split()[-1]) as archive:
            for source, target in library.files.items():
                member = archive.extractfile(f"package/{source}")
                if member is None:
                    raise FileNotFoundError(f"{library.package}@{library.version} has no file {source}")
                path = into / library.folder / target
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as out:
                    shutil.copyfileobj(member, out)


def pins(libraries: tuple[Library, ...], folder: Path) -> str:
    """`vendor.toml`: every file with where it is from and its hash."""
    lines = ["# Written by tools.vendor_fetch; a test compares the files with it.\n"]
    for library in libraries:
        for source, target in library.files.items():
            path = f"{library.folder}/{target}"
            digest = hashlib.sha256((folder / path).read_bytes()).hexdigest()
            lines += [
                "[[file]]",
                f'path = "{path}"',
                f'version = "{library.version}"',
                f'source = "npm:{library.package}@{library.version}/{source}"',
                f'licence = "{library.licence}"',
                f'sha256 = "{digest}"\n',
            ]
    return "\n".join(lines)


def main() -> None:
    for library in LIBRARIES:
        fetch(library, VENDOR)
    (VENDOR / "vendor.toml").write_text(pins(LIBRARIES, VENDOR))


if __name__ == "__main__":
    main()
