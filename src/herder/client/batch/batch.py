"""`Batch`: builds a batch of shell commands and submits it.

Used by people's own programs. Nothing reaches the server before `run` or `submit`, and what is wrong is refused before anything is sent.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from herder.client.batch.group import JobGroup
from herder.client.batch.job import Job
from herder.client.batch.resources import URL_FOLDER, InputFile, InputGroup, ResourceFile, ResourceGroup
from herder.client.batch.submissions import Submissions
from herder.client.batch.submitted import BatchFailedError, SubmittedBatch
from herder.client.client import HerderClient
from herder.client.connection import connect
from herder.client.errors import InvalidError
from herder.client.http import clock
from herder.wire.api.work import BatchCreate, GroupCreate
from herder.wire.data import DataPath, read_url

_ON_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


class Batch:
    """A batch of jobs with their dependencies.

    >>> from herder import Batch
    >>> batch = Batch(name="hello")
    >>> first = batch.new_job(name="first").command("echo hello")
    >>> second = batch.new_job(name="second").command("echo world").depends_on(first)
    >>> batch.run()  # doctest: +SKIP

    `folder`: an absolute path that all workers see, for the files that jobs hand on; with a server on this machine a folder is made where
    none is given, and removed after the run. `default_cpu`, `default_memory`, `default_storage`, `default_timeout` (seconds) `default_pool`
    and `default_image` are for jobs that do not say otherwise. `client` makes a connection; the default finds the server as the command line
    does. `cancel_after_n_failures` cancels what has not started after so many failed jobs. `callback`: a URL that the server calls with a
    signed message when the batch has ended.
    """

    _job_type = Job

    def __init__(
        self,
        name: str | None = None,
        *,
        project: str = "default",
        attributes: Mapping[str, str] | None = None,
        cancel_after_n_failures: int | None = None,
        default_cpu: str | float | None = None,
        default_memory: str | int | None = None,
        default_storage: str | int | None = None,
        default_timeout: float | None = None,
        default_pool: str | None = None,
        default_image: str | None = None,
        folder: str | Path | None = None,
        callback: str = "",
        client: Callable[[], HerderClient] = connect,
    ) -> None:
        self.name = name or ""
        self.jobs: list[Job] = []
        self._project = project
        self._attributes = dict(attributes or {})
        self._cancel_after, self._callback = cancel_after_n_failures, callback
        self._groups: dict[str, GroupCreate] = {}
        said = {
            "cpu": default_cpu,
            "memory": default_memory,
            "disk": default_storage,
            "timeout_s": default_timeout,
            "pool": default_pool,
            "image": default_image,
        }
        self._defaults: dict[str, Any] = {"env": {}, "cpu": 1, "memory": "standard"} | {
            field: value for field, value in said.items() if value is not None
        }
        self._folder = None if folder is None else Path(folder)
        if self._folder is not None and not self._folder.is_absolute():
            raise ValueError(f"folder is {str(folder)!r}, but must be an absolute path that all workers see.")
        self._client = client
        self._submitted = False
        self._urls: list[DataPath] = []
        """Inputs by URL; a job downloads those that it names."""

    def new_job(self, name: str | None = None, *, attributes: Mapping[str, str] | None = None) -> Job:
        """A job of this batch; it runs what its `command` says."""
        job = self._job_type(self, len(self.jobs), name, self._defaults)
        if attributes:
            job.set(attributes=dict(attributes))
        self.jobs.append(job)
        return job

    new_bash_job = new_job

    def group(
        self,
        path: str,
        *,
        attributes: Mapping[str, str] | None = None,
        cancel_after_n_failures: int | None = None,
        callback: str = "",
    ) -> JobGroup:
        """A job group: jobs that are counted, and can be cancelled, together. `path`: a name, or names with slashes between them for one
        below others. Asked for again without settings it is the same group. `cancel_after_n_failures` cancels what of it has not ended after so many failed
        jobs. `callback`: a URL that the server calls with a signed message when the group has ended."""
        made = GroupCreate(
            path=path,
            attributes=dict(attributes or {}),
            cancel_after_failures=cancel_after_n_failures,
            callback=callback,
        )
        settled = made != GroupCreate(path=path)
        before = self._groups.setdefault(path, made)
        if settled and before != made:
            raise ValueError(f"Group {path} was made with other settings. Give the settings once.")
        return JobGroup(self, path)

    def read_input(self, path: str | Path) -> InputFile:
        """A URL (s3, gs, az, http, https, file), whose file each job that names it downloads, or a path that all workers see. Raises
        ValueError for a URL that is none, or of several files."""
        text = str(path)
        if "://" not in text:
            return InputFile(str(Path(text).absolute()))
        url = read_url(text)
        if url.is_folder or url.is_glob:
            raise ValueError(f"{text} names several files. Give them to a job: job.set(data=...).")
        number = len(self._urls) + 1
        self._urls.append(DataPath(url=text, path=f"{URL_FOLDER}/{number}/{url.name}"))
        return InputFile(f"${{HERDER_SCRATCH}}/{URL_FOLDER}/{number}/{url.name}", by_url=True)

    def read_input_group(self, **paths: str | Path) -> InputGroup:
        """Inputs that belong together: `batch.read_input_group(bed='/data/x.bed', bim='/data/x.bim')`."""
        return InputGroup({name: self.read_input(path) for name, path in paths.items()})

    def write_output(self, resource: ResourceFile | ResourceGroup | InputFile, dest: str | Path) -> None:
        """Copies what a job wrote to a URL, or to a path that its worker sees, at the end of that job; a group with `dest` as its name.
        Raises ValueError for a URL that is none."""
        if isinstance(resource, InputFile):
            raise TypeError("write_output takes a file that a job writes, not an input.")
        target = self._target(dest)
        if isinstance(resource, ResourceGroup):
            for each in resource.files().values():
                self.write_output(each, target + each.name.removeprefix(resource.root))
            return
        self.jobs[resource.job]._deliver(f'"{resource}"', target)

    def run(
        self,
        dry_run: bool = False,
        *,
        wait: bool = True,
        timeout_s: float | None = None,
        progress: bool | None = None,
    ) -> SubmittedBatch | None:
        """Submits the batch and waits until all jobs have ended. Raises BatchFailedError when a job failed, TimedOutError after
        `timeout_s`. `dry_run`: asks the server to check everything, prints its answer and submits nothing (then there is no batch to
        return). `progress`: shows it on stderr; None: on a terminal and in notebooks."""
        if dry_run:
            self._try()
            return None
        found = self.submit()
        return self._ended(found, timeout_s, progress) if wait else found

    def submit(self) -> SubmittedBatch:
        """Submits the batch, once, and returns at once."""
        if self._submitted:
            raise RuntimeError("The batch was submitted already. Build another one to run it again.")
        with self._client() as client:
            jobs, folder = self._made(client)
            try:
                *_, (_, view) = client.batches.submit(self._create(), jobs)
            except InvalidError:
                _remove(folder)
                raise
        self._submitted = True
        return SubmittedBatch(view.id, client=self._client, folder=folder)

    # --- inside

    def _target(self, dest: str | Path) -> str:
        """Raises ValueError."""
        text = str(dest)
        if "://" in text:
            read_url(text)
            return text
        return str(Path(text).absolute())

    def _ended(self, found: SubmittedBatch, timeout_s: float | None, progress: bool | None) -> SubmittedBatch:
        view = found.wait(timeout_s, progress=progress)
        if view.state != "succeeded":
            raise BatchFailedError(found, view)
        found.remove_files()
        return found

    def _file(self, job: int, name: str) -> ResourceFile:
        return self.jobs[job]._file(name)

    def _try(self) -> None:
        with self._client() as client:
            jobs, folder = self._made(client)
            try:
                *_, (_, said) = client.batches.try_submit(self._create(), jobs)
            finally:
                _remove(folder)
        sys.stdout.write(f"{said.text} Nothing was submitted.\n")

    def _create(self) -> BatchCreate:
        return BatchCreate(
            name=self.name,
            project=self._project,
            attributes=self._attributes,
            cancel_after_failures=self._cancel_after,
            groups=list(self._groups.values()),
            callback=self._callback,
        )

    def _made(self, client: HerderClient) -> tuple[Submissions, Path | None]:
        """What is sent, and the folder that was made for it on this machine."""
        if not self.jobs:
            raise ValueError("The batch has no jobs. Add one with new_job().")
        for each in self.jobs:
            each._check()
        if not any(each._uses_files() for each in self.jobs):
            return Submissions(self.jobs, self._urls), None
        folder, made = self._new_folder(client)
        return Submissions(self.jobs, self._urls, folder, self._folder or folder), folder if made else None

    def _new_folder(self, client: HerderClient) -> tuple[Path, bool]:
        if self._folder is not None:
            return self._folder / f"batch-{clock.new_key()}", False
        if urlsplit(client.http.url).hostname not in _ON_THIS_MACHINE:
            raise ValueError(
                "Jobs of this batch hand on files, and the server is on another machine. "
                "Name a folder that all workers see: Batch(folder='/shared/batches')."
            )
        return Path(tempfile.mkdtemp(prefix="herder-batch-")), True


def _remove(folder: Path | None) -> None:
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
