"""`Batch`: builds a batch of shell commands and submits it.

Used by people's own programs. Nothing reaches the server before `run` or `submit`, and what is wrong is refused before anything is sent.
"""

import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from herder.client import clock
from herder.client.batch.job import Job
from herder.client.batch.resources import InputFile, InputGroup, ResourceFile, ResourceGroup
from herder.client.batch.submissions import Submissions
from herder.client.batch.submitted import BatchFailedError, SubmittedBatch
from herder.client.client import HerderClient
from herder.client.connection import connect
from herder.client.errors import InvalidError
from herder.wire.work import BatchCreate

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

    def new_job(self, name: str | None = None, *, attributes: Mapping[str, str] | None = None) -> Job:
        """A job of this batch; it runs what its `command` says."""
        if attributes:
            raise TypeError("Jobs have no attributes yet. Give the attributes to the batch.")
        job = self._job_type(self, len(self.jobs), name, self._defaults)
        self.jobs.append(job)
        return job

    new_bash_job = new_job

    def read_input(self, path: str | Path) -> InputFile:
        """A file that all workers see at this absolute path. Raises ValueError for other places: data by URL is planned."""
        text = str(path)
        if "://" in text:
            raise ValueError(f"{text} is a URL. Inputs by URL are planned; give a path that all workers see.")
        return InputFile(str(Path(text).absolute()))

    def read_input_group(self, **paths: str | Path) -> InputGroup:
        """Inputs that belong together: `batch.read_input_group(bed='/data/x.bed', bim='/data/x.bim')`."""
        return InputGroup({name: self.read_input(path) for name, path in paths.items()})

    def write_output(self, resource: ResourceFile | ResourceGroup | InputFile, dest: str | Path) -> None:
        """Copies what a job wrote to a path that its worker sees, at the end of that job; a group with `dest` as its name."""
        if isinstance(resource, InputFile):
            raise TypeError("write_output takes a file that a job writes, not an input.")
        target = self._target(dest)
        if isinstance(resource, ResourceGroup):
            for each in resource.files().values():
                self.write_output(each, target + each.name.removeprefix(resource.root))
            return
        self.jobs[resource.job]._copy(f'"{resource}"', shlex.quote(target))

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
        text = str(dest)
        if "://" in text:
            raise ValueError(
                f"{text} is a URL. Outputs by URL are planned; give a path that all workers see."
            )
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
            callback=self._callback,
        )

    def _made(self, client: HerderClient) -> tuple[Submissions, Path | None]:
        """What is sent, and the folder that was made for it on this machine."""
        if not self.jobs:
            raise ValueError("The batch has no jobs. Add one with new_job().")
        for each in self.jobs:
            each._check()
        if not any(each._uses_files() for each in self.jobs):
            return Submissions(self.jobs), None
        folder, made = self._new_folder(client)
        return Submissions(self.jobs, folder, self._folder or folder), folder if made else None

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
