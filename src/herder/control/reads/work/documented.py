"""Jobs as `/api/jobs` shows them: our rows and states in the names that Mimir documents."""

from typing import Any

import msgspec
from sqlalchemy import Row

from herder.control.access.access_check import not_known
from herder.control.kernel.core import Core
from herder.control.reads.work.jobs import JobFilter, job_page, job_row, view_of
from herder.model.ids import JobId
from herder.model.permissions import Kind, Principal
from herder.model.work.job import AttemptState, Cause, JobState
from herder.wire.api.documented import (
    SPEC,
    Completion,
    DataAccess,
    DocumentedJob,
    DocumentedJobs,
    Status,
    TaskSpec,
)
from herder.wire.api.work import JobView
from herder.wire.worker.exchange import JobPayload

_ENDED: dict[str, Status] = {
    JobState.SUCCEEDED.label: "completed",
    JobState.FAILED.label: "failed",
    JobState.CANCELLED.label: "cancelled",
    JobState.SKIPPED.label: "cancelled",
}


class _Spec(msgspec.Struct, kw_only=True):
    task_spec: TaskSpec | None = None
    resource_requirements: dict[str, Any] = {}
    data_access: DataAccess | None = None


class DocumentedReads:
    """The part of `Reads` that answers `/api/jobs`."""

    _core: Core

    async def documented_jobs(self, who: Principal, after: int | None, limit: int) -> DocumentedJobs:
        """Those that `who` may see, the newest first."""
        page = await job_page(self._core, who, JobFilter(after=after, limit=limit))
        return DocumentedJobs(
            jobs=[documented(self._core, view) for view in page.items],
            queue_length=_waiting(self._core),
            next=page.next,
        )

    async def documented_named(self, who: Principal, name: str) -> DocumentedJob:
        """By the name that it came with, of several the newest. Raises NotKnown."""
        page = await job_page(self._core, who, JobFilter(name=name, limit=1))
        if not page.items:
            raise not_known(Kind.JOB, name[:200])
        return await self.documented_job(who, page.items[0].id)

    async def documented_job(self, who: Principal, job: int) -> DocumentedJob:
        """Raises NotKnown."""
        row = await job_row(self._core, who, job)
        found = documented(self._core, view_of(self._core, row, {}))
        _add_spec(found, row)
        return found


def _waiting(core: Core) -> int:
    classes = core.state.classes
    return sum(queue.count for class_id, queue in core.state.queues.items() if classes[class_id].type)


def documented(core: Core, view: JobView) -> DocumentedJob:
    failed = view.state == JobState.FAILED.label
    return DocumentedJob(
        job_id=str(view.id),
        type=view.type,
        status=status_of(core, view),
        priority=view.priority,
        submitted_at=view.created_at,
        project_id=view.project,
        started_at=view.started_at,
        completed_at=view.ended_at,
        error_message=view.message or view.cause or None if failed else None,
        retry_count=max(0, view.attempts - 1),
    )


def status_of(core: Core, view: JobView) -> Status:
    """`scheduled`: given to a worker; `spawned`: the worker has it; `executing`: it runs."""
    if view.state == JobState.FAILED.label and view.cause == Cause.TIMEOUT:
        return "timeout"
    if view.state != JobState.RUNNING.label:
        return _ENDED.get(view.state, "queued")
    attempt = core.state.live.get(JobId(view.id))
    if attempt is None or attempt.state is AttemptState.RUNNING:
        return "executing"
    worker = core.state.workers.get(attempt.worker)
    return "scheduled" if worker is not None and attempt.job in worker.unacked else "spawned"


def _add_spec(found: DocumentedJob, row: Row[Any]) -> None:
    """What was submitted, and what its last attempt said of its end. A job may set the variable itself, to anything."""
    payload = msgspec.json.decode(row.payload, type=JobPayload)
    try:
        spec = msgspec.json.decode(payload.env.get(SPEC, "{}"), type=_Spec)
    except msgspec.DecodeError:
        return
    found.task_spec, found.data_access = spec.task_spec, spec.data_access
    found.resource_requirements = spec.resource_requirements
    try:
        found.output_location = msgspec.json.decode(row.result or "", type=Completion).output_location or None
    except msgspec.DecodeError:
        return  # the job has another result, or none
