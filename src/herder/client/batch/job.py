"""One job of a batch that is being built. Every setting returns the job, so that they can be written one after the other.

Made by `Batch.new_job`. A name that is no setting (`job.ofile`) is a file that the job writes.
"""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

from msgspec import structs

from herder.client.batch.resources import (
    FOLDER_VARIABLE,
    SAVE_FOLDER,
    ResourceFile,
    ResourceGroup,
    jobs_named_in,
    urls_named_in,
    with_paths,
)
from herder.model.values.resources import parse_cpu
from herder.wire.api.work import Expression, JobSubmission, OnRetry
from herder.wire.data import DataPath, JobData
from herder.wire.worker.exchange import SecretUse

if TYPE_CHECKING:
    from herder.client.batch.batch import Batch

SHELL = ("/bin/bash", "-e", "-o", "pipefail", "-c")
SHELL_OF_IMAGE = ("/bin/sh", "-e", "-c")
MEMORY_PER_CORE_MIB = {"lowmem": 921, "standard": 3_840, "highmem": 6_656}
"""Names of Hail Batch for the memory of a job by its CPU: 0.9, 3.75 and 6.5 GiB a core."""


class Job:
    """Settings of one job; the fields are those of `herder job submit`.

    A batch may have a million of them: what a job does not say for itself it shares with the others, and is never changed in place.
    """

    __slots__ = (
        "_batch",
        "_copies",
        "_fields",
        "_files",
        "_name",
        "_parents",
        "_place",
        "_saves",
        "_scripts",
        "_words",
    )

    def __init__(self, batch: "Batch", place: int, name: str | None, defaults: Mapping[str, Any]) -> None:
        self._batch = batch
        self._place = place
        self._name = name
        self._fields = defaults
        self._scripts: tuple[str, ...] = ()
        self._words: tuple[str, ...] = ()
        self._parents: set[int] | None = None
        self._files: dict[str, ResourceFile | ResourceGroup] | None = None
        self._copies: tuple[tuple[str, str], ...] = ()
        self._saves: tuple[DataPath, ...] = ()

    def command(self, command: str | list[str]) -> Self:
        """A line (or script) of bash, or one program with its arguments as a list. Lines that are added run one after the other and
        end with the first that fails."""
        if isinstance(command, str):
            self._scripts += (command,)
            self._follow(jobs_named_in(command))
        else:
            self._words = tuple(map(str, command))
            if any(map(jobs_named_in, self._words)):
                raise ValueError(
                    f"{self} names a file of a job in a list of arguments. Write the command as one string."
                )
        if self._scripts and self._words:
            raise ValueError(f"{self} has a script and a list of arguments. Use one form of command for it.")
        return self

    def depends_on(self, *jobs: "Job") -> Self:
        """It starts when these have succeeded (with `always_run`: ended)."""
        for each in jobs:
            if each._batch is not self._batch:
                raise ValueError(f"{each} belongs to another batch. A job depends on jobs of its own batch.")
            if each is self:
                raise ValueError(f"{self} cannot depend on itself.")
            self._follow((each._place,))
        return self

    def cpu(self, cores: str | float) -> Self:
        """Cores: 2, 0.5 or "500m"."""
        return self._set(cpu=cores)

    def memory(self, size: str | int) -> Self:
        """With a unit ("4Gi"); or lowmem, standard, highmem: by its CPU as in Hail Batch."""
        return self._set(memory=size)

    def memory_profile(self, name: str) -> Self:
        """It requests what earlier jobs of the user and project with this name have used, in place of `memory`; needs
        `on_retry(memory_factor=2)`."""
        return self._set(memory_profile=name)

    def image(self, name: str) -> Self:
        """Runs in a container of this image; a script runs in its /bin/sh. Files that jobs hand on need workers that let jobs mount the
        folder of the batch (HERDER_CONTAINER_MOUNTS)."""
        return self._set(image=name)

    def storage(self, size: str | int) -> Self:
        """Disk, with a unit ("10Gi")."""
        return self._set(disk=size)

    def gpu(self, gpus: float, model: str = "") -> Self:
        return self._set(gpu=gpus, gpu_model=model)

    def env(self, name: str, value: str) -> Self:
        return self._set(env={**self._fields["env"], name: str(value)})

    def secret(self, name: str, *, env: str = "", file: str = "") -> Self:
        """A secret of `herder secret create`, as the variable `env` or as the file `file` below `$HERDER_SECRETS`."""
        uses = [*self._fields.get("secrets", ()), SecretUse(name=name, env=env, file=file)]
        return self._set(secrets=uses)

    def timeout(self, seconds: float | None) -> Self:
        return self._set(timeout_s=seconds)

    def queue_timeout(self, seconds: float | None) -> Self:
        """It fails when no worker has started it so long after it became ready."""
        return self._set(queue_timeout_s=seconds)

    def deadline(self, at: str) -> Self:
        """It is cancelled when it has not ended by then: a time with its zone, or from the submission on (`+2h`)."""
        return self._set(deadline=at)

    def retries(self, times: int) -> Self:
        """After a failure of its own. Lost workers and preemptions are tried again anyway."""
        return self._set(retries=times)

    def on_retry(
        self, *, memory_factor: float = 1, memory_max: str | int = "", on_demand_after: int | None = None
    ) -> Self:
        """How the next attempt differs. After out of memory it requests `memory_factor` times the memory, at most `memory_max` ("64Gi"). When
        `on_demand_after` spot workers were taken back or lost while the job ran on them, it runs only on workers that are not spot."""
        asked = OnRetry(memory_factor=memory_factor, memory_max=memory_max, on_demand_after=on_demand_after)
        return self._set(on_retry=asked)

    def checkpoint(self, url: str) -> Self:
        """In this folder, which its workers share (file:///shared/checkpoints/), it has one that its next attempt finds again:
        `$HERDER_CHECKPOINT_DIR`."""
        data = self._fields.get("data") or JobData()
        return self._set(data=structs.replace(data, checkpoint=url))

    def priority(self, priority: int | str) -> Self:
        return self._set(priority=priority)

    def pool(self, name: str) -> Self:
        return self._set(pool=name)

    def spot(self, spot: bool) -> Self:
        """False: only on workers that are not taken back. True (as without): anywhere."""
        fixed = [] if spot else [Expression(key="spot", operator="NotIn", values=["true"])]
        return self._set(affinity=fixed)

    def always_run(self, always: bool = True) -> Self:
        """Also when a job that it depends on has failed, or the batch is cancelled."""
        return self._set(always_run=always)

    def set(self, **fields: Any) -> Self:
        """Any other field of the API's JobSubmission."""
        unknown = sorted(set(fields) - set(JobSubmission.__struct_fields__))
        if unknown:
            raise TypeError(
                f"{unknown[0]!r} is not a field of a job. Fields: {', '.join(JobSubmission.__struct_fields__)}."
            )
        return self._set(**fields)

    def declare_resource_group(self, **groups: Mapping[str, str]) -> Self:
        """`ofile={'bed': '{root}.bed', 'bim': '{root}.bim'}`: files that a program writes under the name `job.ofile`."""
        known = self._own_files()
        for name, files in groups.items():
            group = known[name] = ResourceGroup(self._place, name, files)
            for each in group.files().values():
                known.setdefault(each.name, each)
        return self

    def __getattr__(self, name: str) -> ResourceFile | ResourceGroup:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._own_files().setdefault(name, ResourceFile(self._place, name))

    def __getitem__(self, name: str) -> ResourceFile | ResourceGroup:
        return getattr(self, name)  # type: ignore[no-any-return]

    def __str__(self) -> str:
        return f"Job {self._name or self._place}"

    def _set(self, **fields: Any) -> Self:
        self._fields = {**self._fields, **fields}
        return self

    def _follow(self, places: Iterable[int]) -> None:
        """It starts after the jobs in these places; itself is not one of them."""
        for place in places:
            if place != self._place:
                if self._parents is None:
                    self._parents = set()
                self._parents.add(place)

    def _own_files(self) -> dict[str, ResourceFile | ResourceGroup]:
        if self._files is None:
            self._files = {}
        return self._files

    def _file(self, name: str) -> ResourceFile:
        found = (self._files or {}).get(name)
        return found if isinstance(found, ResourceFile) else ResourceFile(self._place, name)

    def _deliver(self, path: str, target: str) -> None:
        """After its commands the file goes to a URL, or to a path that its worker sees."""
        if "://" in target:
            self._save(path, target)
        else:
            self._copy(path, shlex.quote(target))

    def _copy(self, path: str, to: str) -> None:
        """After its commands: written beside the target and then renamed, so that no half of a file is ever seen there."""
        self._copies += ((path, to),)

    def _save(self, path: str, url: str) -> None:
        """After its commands it is put where the agent takes outputs from."""
        number = len(self._saves) + 1
        self._saves += (DataPath(path=f"{SAVE_FOLDER}/{number}", url=url),)
        self._copies += ((path, f'"${{HERDER_SCRATCH}}/{SAVE_FOLDER}/{number}"'),)

    def _data(self, urls: Sequence[DataPath], data: JobData | None) -> JobData | None:
        """With the inputs that its script names or copies, and its outputs."""
        texts = (*self._scripts, *(path for path, _ in self._copies)) if urls else ()
        named = sorted(set().union(*map(urls_named_in, texts)))
        if not (named or self._saves):
            return data
        given = data or JobData()
        return structs.replace(
            given,
            inputs=[*given.inputs, *(urls[number - 1] for number in named)],
            outputs=[*given.outputs, *self._saves],
        )

    def _uses_files(self) -> bool:
        return bool(self._files or self._copies or any(map(jobs_named_in, self._scripts)))

    def _check(self) -> None:
        """Raises ValueError when it has no command, or a memory by cores that cannot be read."""
        if not (self._scripts or self._words):
            raise ValueError(f"{self} has no command. Give it one with command().")
        if self._fields.get("memory") in MEMORY_PER_CORE_MIB:
            _memory_mib(self._fields["memory"], self._fields.get("cpu", 1))

    def _submission(self, urls: Sequence[DataPath] = ()) -> JobSubmission:
        """Raises ValueError."""
        self._check()
        fields = dict(self._fields)
        if urls or self._saves:
            fields["data"] = self._data(urls, fields.get("data"))
        if fields.get("memory") in MEMORY_PER_CORE_MIB:
            fields["memory"] = _memory_mib(fields["memory"], fields.get("cpu", 1))
        words = self._words or (*(SHELL_OF_IMAGE if fields.get("image") else SHELL), self._script())
        return JobSubmission(command=[*words], parents=sorted(self._parents or ()), **fields)

    def _script(self) -> str:
        if not self._uses_files():
            return "\n".join(self._scripts)
        copies = [
            f'mkdir -p -- "$(dirname -- {to})"\ncp -r -- {file} {to}.$$.part\nmv -fT -- {to}.$$.part {to}'
            for file, to in ((with_paths(each, self._batch._file), to) for each, to in self._copies)
        ]
        scripts = [with_paths(each, self._batch._file) for each in self._scripts]
        opening = f'mkdir -p -- "${{{FOLDER_VARIABLE}}}/{self._place}"'
        return "\n".join((opening, *scripts, *copies))


@lru_cache(maxsize=1024)
def _memory_mib(name: str, cpu: str | float) -> int:
    return max(1, MEMORY_PER_CORE_MIB[name] * parse_cpu(cpu) // 1000)
