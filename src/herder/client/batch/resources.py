"""The files of a batch: inputs, and what jobs write for one another. In a command each is its path.

Made by `job` and `batch`. The files of jobs lie in a folder of the batch that all workers see, under `$HERDER_BATCH_FOLDER`. Files are
strings, as programs join and format them; since an ending may be added later, the string of a job's file is a mark for its path, which
`with_paths` puts in when the batch is sent.
"""

import re
import shlex
from collections.abc import Callable, Mapping
from typing import NoReturn

FOLDER_VARIABLE = "HERDER_BATCH_FOLDER"
_OF_JOB = re.compile(r"\$\{" + FOLDER_VARIABLE + r"\}/(\d+)/")
_MARK = re.compile(r"\$\{" + FOLDER_VARIABLE + r"\}/(\d+)/:([^:/]+):")
#: In the folder of a job: where its inputs by URL are, and where its outputs wait to be copied.
URL_FOLDER = "herder-inputs"
SAVE_FOLDER = "herder-outputs"
_BY_URL = re.compile(re.escape(f"${{HERDER_SCRATCH}}/{URL_FOLDER}/") + r"(\d+)\"?/")


class InputFile(str):
    """A file that was there before the batch. As a string it is its path, quoted for a shell. `by_url`: below the folder of each job that
    names it."""

    path: str
    by_url: bool

    def __new__(cls, path: str, *, by_url: bool = False) -> "InputFile":
        folder, _, name = path.rpartition("/")
        made = super().__new__(cls, f'"{folder}"/{shlex.quote(name)}' if by_url else shlex.quote(path))
        made.path, made.by_url = path, by_url
        return made

    def __repr__(self) -> str:
        return f"InputFile({self.path!r})"


class InputGroup:
    """Inputs that belong together: `group.bed`, `group['bed']`."""

    def __init__(self, files: Mapping[str, InputFile]) -> None:
        self._files = dict(files)

    def files(self) -> dict[str, InputFile]:
        return dict(self._files)

    def __getattr__(self, name: str) -> InputFile:
        if name.startswith("_") or name not in self._files:
            raise AttributeError(f"The group has no file {name!r}. It has {', '.join(self._files)}.")
        return self._files[name]

    def __getitem__(self, name: str) -> InputFile:
        return self._files[name]

    def __str__(self) -> str:
        """The common beginning of their paths, as programs want it that take one name for several files. Raises ValueError."""
        if any(each.by_url for each in self._files.values()):
            raise ValueError("The files of a group by URL have no common beginning. Name each: group.bed.")
        paths = [each.path for each in self._files.values()]
        common = min(paths)
        while not all(path.startswith(common) for path in paths):
            common = common[:-1]
        return shlex.quote(common.rstrip("."))


class ResourceFile(str):
    """A file that a job writes. As a string it stands for its path in a command of this or another job, which then depends on this one."""

    job: int
    name: str
    ending: str

    def __new__(cls, job: int, name: str) -> "ResourceFile":
        if not name or ":" in name or "/" in name:
            raise ValueError(f"{name!r} cannot name a file of a job. Use a name without ':' and '/'.")
        made = super().__new__(cls, f"${{{FOLDER_VARIABLE}}}/{job}/:{name}:")
        made.job, made.name, made.ending = job, name, ""
        return made

    def add_extension(self, ending: str) -> "ResourceFile":
        """The file is called so at its end, for programs that look at it."""
        self.ending = ending
        return self

    @property
    def path(self) -> str:
        return f"${{{FOLDER_VARIABLE}}}/{self.job}/{self.name}{self.ending}"

    def __repr__(self) -> str:
        return f"ResourceFile({self.path!r})"

    def __call__(self, *_: object, **__: object) -> NoReturn:
        """`job.comand("x")`: every name of a job that is not a method is a file of it."""
        from herder.client.batch.job import Job
        from herder.settings.syntax.problems import did_you_mean

        methods = [name for name in dir(Job) if not name.startswith("_")]
        raise TypeError(f"A job has no method {self.name!r}. {did_you_mean(self.name, methods)}")


class ResourceGroup:
    """Files that a program writes under one name: `str` is that name, `group.bed` one of the files."""

    def __init__(self, job: int, name: str, files: Mapping[str, str]) -> None:
        self._job = job
        self._name = name
        self._files = {key: ResourceFile(job, form.format(root=name)) for key, form in files.items()}

    def files(self) -> dict[str, ResourceFile]:
        return dict(self._files)

    @property
    def root(self) -> str:
        return self._name

    def __getattr__(self, name: str) -> ResourceFile:
        if name.startswith("_") or name not in self._files:
            raise AttributeError(
                f"The group {self._name} has no file {name!r}. It has {', '.join(self._files)}."
            )
        return self._files[name]

    def __getitem__(self, name: str) -> ResourceFile:
        return self._files[name]

    def __str__(self) -> str:
        return f"${{{FOLDER_VARIABLE}}}/{self._job}/{self._name}"


def urls_named_in(command: str) -> set[int]:
    """The numbers, from 1 on, of the inputs by URL that the command names."""
    return {int(found) for found in _BY_URL.findall(command)}


def jobs_named_in(command: str) -> set[int]:
    """The places of the jobs whose files the command names."""
    return {int(found) for found in _OF_JOB.findall(command)} if FOLDER_VARIABLE in command else set()


def with_paths(command: str, file_of: Callable[[int, str], ResourceFile]) -> str:
    """The command with paths in place of the marks of files; `file_of`: the file of a job by the job's place and the file's name."""
    return _MARK.sub(lambda found: file_of(int(found[1]), found[2]).path, command)
