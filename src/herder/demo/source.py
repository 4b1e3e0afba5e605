"""The input of the demo: the Python files of a folder, divided into groups, one for each job, and assigned to the two users.

Called by `command.py` before anything is started. Reads names and sizes, never contents; changes nothing.
"""

import os
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from herder.cli.shell.exit_codes import Code, CommandError

FILES_MAX = 10_000
"""Most files of one demo: the merge job is handed every file's figures in one piece (about 150 bytes each)."""
BYTES_MAX = 100 * 2**20
"""Most bytes of one demo: about a minute of two cores."""
PART_BYTES = 350_000
"""A package larger than this becomes several jobs, smaller modules come together up to it: about 0.2 s of work."""
PART_FILES = 200
"""Most files of one job: their names travel with the job."""
_NEVER = frozenset({"__pycache__", "site-packages", "dist-packages"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The files of one job, as paths below the source's root."""

    key: str
    files: tuple[str, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    root: Path
    title: str
    left_out: str
    groups: tuple[Group, ...]

    @property
    def files(self) -> int:
        return sum(len(group.files) for group in self.groups)

    @property
    def size_bytes(self) -> int:
        return sum(group.size_bytes for group in self.groups)


def survey(folder: Path | None) -> Source:
    """Python's own library, or the folder that was given. Raises CommandError when there is nothing to count."""
    if folder is None:
        root = Path(sysconfig.get_path("stdlib"))
        title, skipped = "Python's standard library", {"test"}
        left_out = "Left out: its package test, installed packages."
    else:
        root, title, skipped = folder.expanduser().resolve(), "your folder", set[str]()
        left_out = "Left out: installed packages, files that are not Python."
    if not root.is_dir():
        raise CommandError(
            f"There is no folder {root}.", hint="Give another --input DIR.", code=Code.NOT_FOUND
        )
    sizes = _sizes(root, skipped)
    if not sizes:
        raise CommandError(
            f"There are no Python files in {root}.",
            hint="Give a folder with .py files, or omit --input to count Python's standard library.",
            code=Code.USAGE,
        )
    return Source(root=root, title=title, left_out=left_out, groups=tuple(_groups(sizes)))


def deal(groups: Sequence[Group], users: Sequence[str]) -> dict[str, list[Group]]:
    """About as much to each user: the largest first, each to who has least. Users without any are left out."""
    dealt: dict[str, list[Group]] = {user: [] for user in users}
    for group in sorted(groups, key=lambda each: (-each.size_bytes, each.key)):
        least = min(users, key=lambda user: (sum(each.size_bytes for each in dealt[user]), users.index(user)))
        dealt[least].append(group)
    return {user: sorted(given, key=lambda each: each.key) for user, given in dealt.items() if given}


def _sizes(root: Path, skipped: set[str]) -> dict[str, int]:
    """Path below `root` → bytes, of every regular, readable Python file with a name that JSON can hold."""
    sizes: dict[str, int] = {}
    total = 0
    for folder, below, names in os.walk(root):
        top = Path(folder) == root
        below[:] = sorted(name for name in below if name not in _NEVER and not (top and name in skipped))
        for name in sorted(names):
            path = os.path.join(folder, name)
            if not name.endswith(".py") or not os.path.isfile(path) or not os.access(path, os.R_OK):
                continue
            below_root = os.path.relpath(path, root)
            if below_root.isprintable():
                sizes[below_root] = os.path.getsize(path)
                total += sizes[below_root]
        if len(sizes) > FILES_MAX or total > BYTES_MAX:
            raise CommandError(
                f"{root} is too large for a demo (at most {FILES_MAX:,} Python files and {BYTES_MAX >> 20} MiB).",
                hint="Give a smaller folder with --input.",
                code=Code.USAGE,
            )
    return sizes


def _groups(sizes: dict[str, int]) -> Iterator[Group]:
    """A job for each package, several for a large one; single modules come together."""
    base = _common_folder(list(sizes))
    packages: dict[str, list[str]] = {}
    for path in sizes:
        head, _, rest = path.removeprefix(base).partition("/")
        packages.setdefault(head if rest else "", []).append(path)
    for package, files in sorted(packages.items()):
        parts = list(_parts(files, sizes))
        for number, part in enumerate(parts, 1):
            if package:
                key = package if len(parts) == 1 else f"{package} {number}/{len(parts)}"
            else:
                first, last = (Path(each).stem for each in (part[0], part[-1]))
                key = f"{first}.py" if first == last else f"{first}–{last}.py"
            yield Group(key=key, files=tuple(part), size_bytes=sum(sizes[each] for each in part))


def _common_folder(paths: list[str]) -> str:
    """`src/` when everything lies below it: then what is inside makes the groups."""
    common = os.path.commonpath([os.path.dirname(path) for path in paths])
    return common + "/" if common else ""


def _parts(files: list[str], sizes: dict[str, int]) -> Iterator[list[str]]:
    part: list[str] = []
    taken = 0
    for path in sorted(files):
        if part and (taken + sizes[path] > PART_BYTES or len(part) == PART_FILES):
            yield part
            part, taken = [], 0
        part.append(path)
        taken += sizes[path]
    if part:
        yield part
