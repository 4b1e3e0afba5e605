"""`snakemake --executor herder`: the jobs of a workflow are jobs of Herder, in one batch for each run.

Snakemake finds this package by its name and calls what it expects of a plugin. It reaches the server only through the client.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface
from snakemake_interface_executor_plugins.settings import (
    CommonSettings,
    ExecutorSettingsBase,
    SharedFSUsage,
)

from herder.client import ClientError, ConflictError, HerderClient, InvalidError, UnreachableError, connect
from herder.snakemake import submission
from herder.wire.api.work import BatchCreate, EndedJob

ASKED_MOST = 1_000
"""Jobs of one question, as the API allows."""
HELD_S = 2.0
"""How long the server may hold a question open until a job ends. Jobs that are submitted meanwhile are in the next one."""
PAUSE_S = 0.5
SHOWN_MOST = 2_000
"""Characters of the output of a failed job that are shown; the file has all that the server keeps."""

common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    pass_envvar_declarations_to_cmd=False,  # values belong into the environment of a job, not into its command
    init_seconds_before_status_checks=0,
)


@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    server: Optional[str] = field(  # noqa: UP045 - Snakemake knows no other form
        default=None,
        metadata={
            "help": "Address of the server (default: as the command line of Herder finds it).",
            "env_var": False,
            "required": False,
        },
    )
    token_file: Optional[str] = field(  # noqa: UP045
        default=None,
        metadata={"help": "File with your token for that server.", "env_var": False, "required": False},
    )
    project: str = field(
        default="default",
        metadata={"help": "Project of the batch.", "env_var": False, "required": False},
    )
    pool: str = field(
        default="auto",
        metadata={
            "help": "Pool of jobs without the resource herder_pool.",
            "env_var": False,
            "required": False,
        },
    )


class Executor(RemoteExecutor):
    """Submits from Snakemake's main thread and looks for ended jobs in its waiting thread; each has a connection of its own."""

    def __post_init__(self) -> None:
        settings = self.workflow.executor_settings
        self._settings = settings if settings is not None else ExecutorSettings()
        self._batch: int | None = None
        self._told_unreachable = False
        self.next_seconds_between_status_checks = PAUSE_S
        try:
            self._submitting, self._watching = self._connect(), self._connect()
        except ClientError as error:
            raise WorkflowError(_said(error)) from error

    def run_job(self, job: JobExecutorInterface) -> None:
        info = SubmittedJobInfo(job)
        asked = submission(
            rule=job.name,
            number=job.jobid,
            attempt=job.attempt,
            script=self.format_job_exec(job),
            folder=os.getcwd(),
            env={**self._path(), **self.envvars()},
            threads=job.threads,
            resources=job.resources,
            pool=self._settings.pool,
        )
        try:
            batch = self._open_batch()  # the first call: without a server it fails
            with self._submitting.http.patient():  # later restarts are waited for
                made = self._submitting.batches.add_jobs(batch, [asked])
        except InvalidError as error:  # of this job: others may be better
            self.report_job_error(info, msg=f"Herder refused the job. {_said(error)} ")
            return
        except ClientError as error:
            raise WorkflowError(f"Herder accepted no job. {_said(error)}") from error
        info.external_jobid = str(made.first_job)
        self.report_job_submission(info)

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncIterator[SubmittedJobInfo]:
        """Reports jobs that have ended and yields the others."""
        left = {int(each.external_jobid): each for each in active_jobs if each.external_jobid}
        numbers = sorted(left)
        for begin in range(0, len(numbers), ASKED_MOST):
            some = numbers[begin : begin + ASKED_MOST]
            held_s = HELD_S if len(numbers) <= ASKED_MOST else 0.0
            for end in await asyncio.to_thread(self._ended, some, held_s):
                await self._report(left.pop(end.id), end)
        for each in left.values():
            yield each

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """All of the run: those that a question of the waiting thread is about are not among `active_jobs`."""
        if self._batch is None:
            return
        try:
            self._submitting.batches.cancel(self._batch, "Snakemake was stopped")
        except ClientError as error:
            self.logger.error(
                f"Batch {self._batch} of Herder was not cancelled. {_said(error)} "
                f"Cancel it with `herder batch cancel {self._batch}`."
            )

    def shutdown(self) -> None:
        super().shutdown()
        if self._batch is not None:
            try:
                self._submitting.batches.close(self._batch)
            except ConflictError:
                pass  # cancelled: it accepts no jobs anyway
            except ClientError as error:
                self.logger.warning(
                    f"Batch {self._batch} of Herder was not closed. {_said(error)} "
                    f"Close it with `herder batch close {self._batch}`."
                )
        self._submitting.close()
        self._watching.close()

    # --- inside

    def _connect(self) -> HerderClient:
        return connect(url=self._settings.server, token_file=self._settings.token_file)

    def _path(self) -> dict[str, str]:
        """Workers that have the same programs find them as this process does."""
        shared = SharedFSUsage.SOFTWARE_DEPLOYMENT in self.workflow.storage_settings.shared_fs_usage
        return {"PATH": os.environ["PATH"]} if shared and "PATH" in os.environ else {}

    def _open_batch(self) -> int:
        if self._batch is None:
            named = BatchCreate(
                name=f"snakemake {Path.cwd().name}",
                project=self._settings.project,
                keep_open=True,
                commit=True,
            )
            self._batch = self._submitting.batches.create(named).id
            self.logger.info(
                f"The jobs are in batch {self._batch} of Herder: `herder batch get {self._batch}`."
            )
        return self._batch

    def _ended(self, numbers: list[int], held_s: float) -> list[EndedJob]:
        """Of these; none while the server cannot be reached."""
        try:
            found = list(self._watching.jobs.ended(numbers, held_s))
        except UnreachableError as error:
            if not self._told_unreachable:
                self.logger.warning(f"{_said(error)} Snakemake goes on when it answers.")
            self._told_unreachable = True
            return []
        self._told_unreachable = False
        return found

    async def _report(self, info: SubmittedJobInfo, end: EndedJob) -> None:
        if end.state == "succeeded":
            self.report_job_success(info)
            return
        path, last = await asyncio.to_thread(self._output, info, end.id)
        said = end.message or f"Job {end.id} was {end.state}."
        shown = f"Its output ends with:\n{last}\n" if last else "It printed nothing.\n"
        self.report_job_error(info, msg=f"Job {end.id} of Herder: {said} {shown}", aux_logs=[str(path)])

    def _output(self, info: SubmittedJobInfo, number: int) -> tuple[Path, str]:
        """The file into which the output was written, and its end."""
        path = Path(".snakemake", "herder_logs", f"{number}.log").absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        last = ""
        with path.open("w") as file:
            try:
                for piece in self._watching.jobs.logs(number):
                    file.write(piece)
                    last = (last + piece)[-SHOWN_MOST:]
            except ClientError as error:
                file.write(f"\n[{_said(error)}]\n")
        return path, last.strip()


def _said(error: ClientError) -> str:
    return f"{error} {error.hint}".strip() if error.hint else str(error)
