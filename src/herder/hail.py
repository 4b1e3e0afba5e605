"""`import herder.hail as hb` in place of `import hailtop.batch as hb`: the arguments of Hail Batch, on Herder's own `Batch`.

Used by people's own scripts. It translates names, units and defaults and has no logic of its own; what Herder cannot do is refused with
what to write instead, never passed over.
"""

import re
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from math import ceil
from pathlib import Path
from typing import Any, NoReturn, Self

from herder.client.batch import Batch as _Batch
from herder.client.batch import BatchFailedError, InputFile, ResourceFile, ResourceGroup, SubmittedBatch
from herder.client.batch import Job as _Job
from herder.client.batch.resources import InputGroup
from herder.client.client import HerderClient
from herder.client.connection import connect

InputResourceFile = InputFile
JobResourceFile = ResourceFile

__all__ = [
    "Batch",
    "BatchFailedError",
    "InputResourceFile",
    "Job",
    "JobResourceFile",
    "LocalBackend",
    "ResourceFile",
    "ResourceGroup",
    "ServiceBackend",
]
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_ELSEWHERE = {
    "BatchPoolExecutor": "Use herder.Executor.",
    "PythonJob": "Use herder.Executor for calls of Python functions.",
    "concatenate": "Write a job with `cat`.",
    "plink_merge": "Write a job with `plink --merge-list`.",
}


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(
        f"herder.hail has no {name!r}. {_ELSEWHERE.get(name, 'It has ' + ', '.join(__all__) + '.')}"
    )


class LocalBackend:
    """Accepted and without effect: jobs run on the workers of the server, also where that is one on this machine. `tmp_dir` is not used."""

    def __init__(self, tmp_dir: str = "/tmp/", **others: object) -> None:
        self.project: str | None = None
        self.folder: str | None = None


class ServiceBackend:
    """`billing_project` is the project of its batches. A path as `remote_tmpdir` is their folder; a URL is not used, as a batch keeps
    the files of its jobs in a folder that all workers see. Arguments for clouds (`google_project`, `token`, `gcs_...`) have no effect."""

    def __init__(
        self,
        billing_project: str | None = None,
        bucket: str | None = None,
        *,
        remote_tmpdir: str | None = None,
        regions: Sequence[str] | None = None,
        **others: object,
    ) -> None:
        if regions:
            _refuse("regions", "Choose a pool, or `selector` with Job.set().")
        self.project = billing_project
        place = remote_tmpdir or bucket
        self.folder = place if place and place.startswith("/") else None


class Job(_Job):
    """A job with the settings of Hail Batch. A size without a unit is in bytes."""

    @property
    def name(self) -> str | None:
        return self._name

    def memory(self, size: str | float | None) -> Self:
        return self if size is None else super().memory(_sized(size))

    def storage(self, size: str | float | None) -> Self:
        return self if size is None else super().storage(_sized(size))

    def cpu(self, cores: str | float | None) -> Self:
        return self if cores is None else super().cpu(cores)

    def n_max_attempts(self, times: int) -> Self:
        return self.set(attempts_max=times)

    def regions(self, regions: Sequence[str] | None) -> Self:
        return self if not regions else _refuse("regions()", "Choose a pool, or `selector` with Job.set().")

    def cloudfuse(self, bucket: str, mount_point: str, *, read_only: bool = True) -> NoReturn:
        _refuse("cloudfuse()", "Mount the bucket on the workers and give its path to the job.")

    gcsfuse = cloudfuse


class Batch(_Batch):
    """A batch with the arguments of Hail Batch. `project` is the billing project, also without a backend; `client` makes a connection, as
    in `herder.Batch`."""

    _job_type = Job

    def __init__(
        self,
        name: str | None = None,
        backend: LocalBackend | ServiceBackend | None = None,
        attributes: Mapping[str, str] | None = None,
        *,
        requester_pays_project: str | None = None,
        default_image: str | None = None,
        default_memory: str | float | None = None,
        default_cpu: str | float | None = None,
        default_storage: str | float | None = None,
        default_regions: Sequence[str] | None = None,
        default_timeout: float | None = None,
        default_shell: str | None = None,
        default_python_image: str | None = None,
        default_spot: bool | None = None,
        project: str | None = None,
        cancel_after_n_failures: int | None = None,
        client: Callable[[], HerderClient] = connect,
    ) -> None:
        if requester_pays_project:
            _refuse("requester_pays_project", "Leave it out.")
        if default_regions:
            _refuse("default_regions", "Choose a pool, or `selector` with Job.set().")
        _refuse_shell("default_shell", default_shell)
        self._spot = default_spot
        super().__init__(
            name,
            project=project or (None if backend is None else backend.project) or "default",
            attributes=attributes,
            cancel_after_n_failures=cancel_after_n_failures,
            default_cpu=default_cpu,
            default_memory=None if default_memory is None else _sized(default_memory),
            default_storage=None if default_storage is None else _sized(default_storage),
            default_timeout=default_timeout,
            default_image=default_image,
            folder=None if backend is None else backend.folder,
            client=client,
        )

    def new_job(
        self,
        name: str | None = None,
        attributes: Mapping[str, str] | None = None,
        shell: str | None = None,
    ) -> Job:
        _refuse_shell("shell", shell)
        job = super().new_job(name, attributes=attributes)
        assert isinstance(job, Job)
        return job if self._spot is None else job.spot(self._spot)

    new_bash_job = new_job

    def new_python_job(
        self, name: str | None = None, attributes: Mapping[str, str] | None = None
    ) -> NoReturn:
        _refuse("new_python_job()", "Use herder.Executor for calls of Python functions.")

    def write_output(
        self, resource: ResourceFile | ResourceGroup | InputFile | InputGroup, dest: str | Path
    ) -> None:
        """Copies a file to a URL or a path that workers see; an input by a job of its own. Of a group of inputs, `dest` gets the names as endings."""
        if isinstance(resource, InputGroup):
            for name, each in resource.files().items():
                self.write_output(each, f"{dest}.{name}")
        elif isinstance(resource, InputFile):
            job = self.new_job(name=f"write {Path(dest).name}").command(f"test -e {resource}")
            job._deliver(str(resource), self._target(dest))
        else:
            super().write_output(resource, dest)

    def run(
        self,
        dry_run: bool = False,
        verbose: bool = False,
        delete_scratch_on_exit: bool = True,
        wait: bool = True,
        open: bool = False,  # noqa: A002 - the name of Hail Batch
        disable_progress_bar: bool = False,
        callback: str | None = None,
        token: str | None = None,
        **others: Any,
    ) -> SubmittedBatch | None:
        """As `herder.Batch.run`; it raises BatchFailedError when a job failed. `open` shows the batch in a browser. `verbose`, `token` and
        `delete_scratch_on_exit` have no effect: the folder of the batch is removed when it has succeeded."""
        if callback is not None:
            self._callback = callback
        if others:
            _refuse(next(iter(others)), "Leave it out.")
        if not open or dry_run:
            return super().run(dry_run, wait=wait, progress=False if disable_progress_bar else None)
        found = self.submit()
        with self._client() as client:
            webbrowser.open(f"{client.http.url.rstrip('/')}/batches/{found.id}")
        return self._ended(found, None, False if disable_progress_bar else None) if wait else found


def _sized(size: str | float) -> str:
    """With a unit of Herder; a number alone is in bytes, as in Hail Batch. lowmem, standard and highmem stay."""
    text = str(size).strip()
    return f"{ceil(Decimal(text) / 2**20)}Mi" if _NUMBER.fullmatch(text) else text


def _refuse_shell(name: str, shell: str | None) -> None:
    if shell not in (None, "/bin/bash", "bash", "/bin/sh", "sh"):
        _refuse(f"{name}={shell!r}", "Call the program in the command.")


def _refuse(what: str, instead: str) -> NoReturn:
    raise TypeError(f"{what} of Hail Batch has no equal here. {instead}")
