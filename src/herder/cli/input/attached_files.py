"""The user's files that are sent with a job: `--input`, `--stdin`, and a program named by its path.

Used by `job_rows.py`. Only regular files of text are read, and only up to what the server takes; a folder is read with all below it.
Paths are relative to `base`, which is the current folder, or that of the job file.
"""

import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from herder.cli.shell.exit_codes import Code, CommandError

#: Of one file, and of all that one job takes along: the server takes so much of a job in all.
BYTES_MAX = 256 * 1024
FILES_MAX = 100
#: Of a folder, left out.
SKIPPED = frozenset({".git", "__pycache__", ".venv", "node_modules"})


@dataclass(slots=True)
class Inputs:
    base: Path
    _texts: dict[Path, str] = field(default_factory=dict)
    """Those read before: jobs of one file often take the same along."""

    def read(self, given: str | Sequence[Any]) -> dict[str, str]:
        """By the name that the job finds it under. `PATH`, or `NAME=PATH`. Raises CommandError."""
        found: dict[str, str] = {}
        for each in [given] if isinstance(given, str) else given:
            if not isinstance(each, str) or not each:
                raise _wrong(f"{each!r} is not the path of a file.", "Write PATH or NAME=PATH.")
            name, path = self._named(each)
            for inside, file in _files(name, path):
                found[inside] = self.text(file)
                if len(found) > FILES_MAX:
                    raise _wrong(
                        f"{path} has more than {FILES_MAX} files.", "Store them where the job can fetch them."
                    )
        return found

    def stdin(self, given: Any) -> Any:
        """A path, `-` for this command's own, or `{text: …}`. Raises CommandError."""
        if isinstance(given, dict) and given.keys() == {"text"}:
            return given["text"]
        if given == "-":
            return _own_stdin()
        return self.text(self.base / given) if isinstance(given, str) and given else given

    def folder(self, given: str) -> str:
        """An absolute path: the job runs somewhere else than this command."""
        return str((self.base / Path(given).expanduser()).resolve())

    def text(self, path: Path) -> str:
        if path not in self._texts:
            self._texts[path] = _text(path)
        return self._texts[path]

    def _named(self, given: str) -> tuple[str, Path]:
        name, equals, path = given.partition("=")
        if equals and name and path and not (self.base / given).exists():
            return name, self.base / Path(path).expanduser()
        path_given = Path(given).expanduser()
        inside = path_given.is_absolute() or ".." in path_given.parts
        name = path_given.resolve().name if inside else path_given.as_posix()
        return name, self.base / path_given


def local_program(
    command: Sequence[str], taken: Mapping[str, str], cwd: str, inputs: Inputs
) -> tuple[list[str], dict[str, str]]:
    """`./script.sh` of the person who submits: it is sent along and started where the job runs. With a folder to run in, and for
    absolute paths, it is a program of the machine that runs the job. Answers the command, and what is to be sent along."""
    program = Path(command[0])
    if cwd or program.is_absolute():
        return list(command), {}
    name = program.as_posix()
    if name in taken:
        return [f"./{name}", *command[1:]], {}
    if ".." in program.parts:
        name = program.name
    path = inputs.base / program
    if path.is_dir():
        raise _wrong(
            f"{command[0]} is a folder.",
            f"Send it with --input {command[0]}, and name the program in it.",
        )
    text = inputs.text(path)
    if not text.startswith("#!"):
        raise _wrong(
            f"{command[0]} does not begin with #!, so Herder does not know which program runs it.",
            "Begin it with a line such as #!/bin/sh.",
        )
    return [f"./{name}", *command[1:]], {name: text}


def _files(name: str, path: Path) -> Iterator[tuple[str, Path]]:
    if not path.is_dir():
        yield name, path
        return
    prefix = "" if name == "." else f"{name}/"
    for file in sorted(path.rglob("*")):
        inside = file.relative_to(path)
        if not SKIPPED.intersection(inside.parts) and file.is_file():
            yield prefix + inside.as_posix(), file


def _text(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise _wrong(f"{path} is not a file.", "Name a file, or a folder with --input.")
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "this is not a valid path"
        raise _wrong(
            f"{path}: {reason}.", "Check the path. The file is read on this machine and sent with the job."
        ) from None
    return _decoded(str(path), data)


def _own_stdin() -> str:
    stream = getattr(sys.stdin, "buffer", None)
    return _decoded("stdin", stream.read(BYTES_MAX + 1) if stream is not None else sys.stdin.read().encode())


def _decoded(what: str, data: bytes) -> str:
    if len(data) > BYTES_MAX:
        raise _wrong(
            f"{what} is larger than {BYTES_MAX // 1024} KiB.", "Store it where the job can fetch it."
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise _wrong(
            f"{what} is not UTF-8 text.", "Store it where the job can read it, and give its path."
        ) from None


def _wrong(message: str, hint: str) -> CommandError:
    return CommandError(message, hint=hint, code=Code.USAGE)
