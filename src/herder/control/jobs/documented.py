"""Jobs in the form that Mimir documents: a submission of it becomes one of ours, and an attempt says by itself that it has ended.

Called by the routes of `/api/jobs`. Checks are those of `submission.py`; nothing here decides anything of its own.
"""

from functools import partial

import msgspec
from sqlalchemy import select

from herder.control.jobs.attempts.attempt_environment import attempt_of
from herder.control.jobs.submitting import submission
from herder.control.kernel.bounds.errors import Conflict, Invalid, Unauthenticated
from herder.control.kernel.core import Core
from herder.engine.attempts.attempt import ended
from herder.model.permissions import Principal
from herder.model.stored.changes import Changes
from herder.model.work.job import Cause
from herder.store.rows import tables as t
from herder.wire.api.documented import (
    INPUTS,
    OUTPUT,
    PIPELINE,
    SPEC,
    Completion,
    DocumentedSubmission,
    TaskSpec,
)
from herder.wire.api.work import JobsAdded, JobSubmission
from herder.wire.nesting import LEVELS_MAX, nested_too_deeply
from herder.wire.worker.exchange import Finished

#: Characters of an error message, and bytes of a report, that are kept of an attempt.
MESSAGE_MAX = 4000
REPORT_BYTES_MAX = 2**16


def submission_of(body: DocumentedSubmission) -> JobSubmission:
    """Raises Invalid."""
    if not body.type:
        raise Invalid("The job has no type.", field="type", hint="`herder job types` shows the types.")
    if not body.project_id:
        raise Invalid("The job has no project.", field="project_id", hint="Omit it for the default project.")
    wants = body.resource_requirements
    job = JobSubmission(type=body.type, project=body.project_id, priority=body.priority, env=_variables(body))
    if wants.cpu != "":
        job.cpu = wants.cpu
    if wants.memory != "":
        job.memory = wants.memory
    if wants.gpu:
        job.gpu = int(wants.gpu)
    return job


def _variables(body: DocumentedSubmission) -> dict[str, str]:
    spec = {
        "type": body.type,
        "project_id": body.project_id,
        "task_spec": TaskSpec(pipeline_id=body.pipeline_id, parameters=body.parameters),
        "resource_requirements": body.resource_requirements,
        "data_access": body.data_access,
    }
    found = {SPEC: msgspec.json.encode(spec).decode()}
    if body.pipeline_id:
        found[PIPELINE] = body.pipeline_id
    if body.data_access.input_datasets:
        found[INPUTS] = " ".join(body.data_access.input_datasets)
    if body.data_access.output_location:
        found[OUTPUT] = body.data_access.output_location
    return found


def submit(
    core: Core, who: Principal, body: DocumentedSubmission, changes: Changes, now_ms: int
) -> JobsAdded:
    return submission.submit(core, who, submission_of(body), changes, now_ms)


async def complete(core: Core, token: str, job_id: str, body: Completion) -> str:
    """The attempt that shows its token has ended; what still runs of it is stopped. Answers the status.

    A report of an attempt that has ended changes nothing: it is answered again when it says the same, else refused. Raises Unauthenticated,
    also for the token of another job, Conflict and StoreTroubled.
    """
    core.take_in_work()
    job, number = attempt_of(core, token)
    if job_id != str(job) and not await _is_key(core, job, job_id):
        raise Unauthenticated(f"The token does not belong to an attempt of job {job_id[:63]}.")
    report = msgspec.json.encode(body)
    attempt = core.state.live.get(job)
    if attempt is None or attempt.number != number or attempt.cancelling:
        if attempt is None and await _was_told(core, job, number, report.decode()):
            return body.status
        raise Conflict(
            f"Attempt {number} of job {job} has ended; its report changes nothing.",
            hint=f"`GET /api/jobs/{job}` shows the state of the job.",
        )
    if len(report) > REPORT_BYTES_MAX:
        raise Invalid(
            f"The report has {len(report):,} bytes; the maximum is {REPORT_BYTES_MAX:,}.",
            field="metadata",
            hint="Store large results under output_location.",
        )
    if nested_too_deeply(report):
        raise Invalid(
            f"The report is nested more than {LEVELS_MAX} levels deep.",
            field="metadata",
            hint="Store such results under output_location.",
        )
    failed = body.status == "failed"
    message = body.error_message[:MESSAGE_MAX] or "The attempt reported that it failed."
    now_ms = core.clock.now_ms()
    end = Finished(
        job=job,
        attempt=number,
        state="failed" if failed else "succeeded",
        started_at_ms=attempt.started_at_ms or attempt.assigned_at_ms,
        ended_at_ms=now_ms,
        cause=Cause.EXIT_CODE.value if failed else "",
        message=message if failed else "",
    )
    worker = core.state.workers[attempt.worker]
    with core.change(Changes()) as changes:
        ended(core.state, changes, worker, end, report.decode(), now_ms)
        worker.cancels.add((job, number))
        changes.wake.add(worker.spec.name)
        if job in core.output_came.by_key:
            changes.after.append(partial(core.output_came.notify, job))
    await core.commit(changes)
    return body.status


async def _is_key(core: Core, job: int, name: str) -> bool:
    """Whether it is the name that the job came with."""
    query = select(t.jobs.c.key).where(t.jobs.c.id == job)
    return bool(name == await core.read(lambda connection: connection.execute(query).scalar()))


async def _was_told(core: Core, job: int, number: int, report: str) -> bool:
    """Whether the attempt ended with this report, whose answer may have been lost."""
    await core.settle()
    query = select(t.attempts.c.result).where(t.attempts.c.job_id == job, t.attempts.c.attempt == number)
    return bool(report == await core.read(lambda connection: connection.execute(query).scalar()))
