"""The files of a batch: inputs, and what jobs write for one another. In a command each is its path.

Made by `job` and `batch`. The files of jobs lie in a folder of the batch that all workers see, under `$HERDER_BATCH_FOLDER`.
"""

import re
import shlex
from collections.abc import Mapping

FOLDER_VARIABLE = "HERDER_BATCH_FOLDER"
_OF_JOB = re.compile(r"\$\{" + FOLDER_VARIABLE + r"\}/(\d+)/")


#: In the folder of a job: where its inputs by URL are, and where its outputs wait to be copied.
URL_FOLDER = "herder-inputs"
SAVE_FOLDER = "herder-outputs"
_BY_URL = re.compile(re.escape(f"${{HERDER_SCRATCH}}/{URL_FOLDER}/") + r"(\d+)/")


class InputFile:
    """A file that was there before the batch. `str` is its path, quoted for a shell. `by_url`: below the folder of each job that names it."""

    def __init__(self, path: str, *, by_url: bool = False) -> None:
        self.path = path
        self._by_url = by_url

    def __str__(self) -> str:
        if self._by_url:
            folder, _, name = self.path.rpartition("/")
            return f'"{folder}"/{shlex.quote(name)}'
        return shlex.quote(self.path)

    def __repr__(self) -> str:
        return f"InputFile({self.path!r})"


class InputGroup:
    """Inputs that belong together: `group.bed`, `group['bed']`."""

    def __init__(self, files: Mapping[str, InputFile]) -> None:
        self._files = dict(files)

    def __getattr__(self, name: str) -> InputFile:
        if name.startswith("_") or name not in self._files:
            raise AttributeError(f"The group has no file {name!r}. It has {', '.join(self._files)}.")
        return self._files[name]

    def __getitem__(self, name: str) -> InputFile:
        return self._files[name]

    def __str__(self) -> str:
        """The common beginning of their paths, as programs want it that take one name for several files."""
        if any(each._by_url for each in self._files.values()):
            raise ValueError("The files of a group by URL have no common beginning. Name each: group.bed.")
        paths = [each.path for each in self._files.values()]
        common = min(paths)
        while not all(path.startswith(common) for path in paths):
            common = common[:-1]
        return shlex.quote(common.rstrip("."))


class ResourceFile:
    """A file that a job writes. `str` is its path in a command of this or another job, which then depends on this one."""

    def __init__(self, job: int, name: str, ending: str = "") -> None:
        self.job = job
        self.name = name
        self.ending = ending

    def add_extension(self, ending: str) -> "ResourceFile":
        """Before the first use: the file is called so at its end, for programs that look at it."""
        self.ending = ending
        return self

    @property
    def path(self) -> str:
        return f"${{{FOLDER_VARIABLE}}}/{self.job}/{self.name}{self.ending}"

    def __str__(self) -> str:
        return self.path

    def __repr__(self) -> str:
        return f"ResourceFile({self.path!r})"


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
        return ResourceFile(self._job, self._name).path


def urls_named_in(command: str) -> set[int]:
    """The numbers, from 1 on, of the inputs by URL that the command names."""
    return {int(found) for found in _BY_URL.findall(command)}


def jobs_named_in(command: str) -> set[int]:
    """The places of the jobs whose files the command names."""
    return {int(found) for found in _OF_JOB.findall(command)}
