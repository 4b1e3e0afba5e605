"""Submission: batches and jobs are checked, put into classes, and given to the engine, all or none.

Called by the API's routes. Every function is synchronous, fills `changes` and answers; the route commits and then replies.
"""

from herder.control.access.access_check import OF_KIND, check, not_known
from herder.control.jobs.callbacks import check_url
from herder.control.jobs.submitting.accepting import Accepted, check_jobs, resolved_parents
from herder.control.jobs.submitting.grouping import attributes_text, check_groups
from herder.control.kernel.bounds.errors import Conflict, Invalid
from herder.control.kernel.bounds.limits import (
    FAILURES_MAX,
    PARALLEL_MAX,
    check_attributes,
    check_message,
    check_name,
)
from herder.control.kernel.core import Core
from herder.control.kernel.jobs.backlog import BATCH_COUNTS_AS
from herder.engine.jobs.batch import (
    add_jobs,
    close_batch,
    commit_batch,
    create_batch,
)
from herder.engine.jobs.batch_end import cancel_batch
from herder.engine.jobs.groups import mark_jobs
from herder.engine.memory.state import BatchLife
from herder.model.ids import BatchId, JobId, UserName
from herder.model.permissions import Action, Kind, Principal, Thing
from herder.model.stored.changes import Changes
from herder.model.values.phrases import counted
from herder.model.work.job import JobState
from herder.store.rows.tables import DEFAULT_PROJECT
from herder.wire.api.resources import Result
from herder.wire.api.work import BatchCreate, JobsAdd, JobsAdded, JobSubmission

#: In a refusal.
PROJECTS_SHOWN = 10


def create(core: Core, who: Principal, request: BatchCreate, changes: Changes, now_ms: int) -> BatchLife:
    """A batch, with the jobs that travel along, committed if asked for."""
    accepted, parents = _check_batch(core, who, request, dry_run=False)
    attributes = attributes_text(request.attributes)
    size = accepted.size + len(attributes)
    _count(core, who.user, request.project, len(request.jobs), size, batches=1)
    batch = create_batch(
        core.state,
        user=who.user,
        project=request.project,
        name=request.name,
        attributes=attributes,
        cancel_after_failures=request.cancel_after_failures,
        now_ms=now_ms,
        parallel_max=request.parallel_max,
        accepts=request.keep_open,
        callback=request.callback,
    )
    _take(core, changes, batch, accepted, parents, now_ms)
    if request.commit:
        commit_batch(core.state, changes, batch, now_ms)
    return batch


def try_create(core: Core, who: Principal, request: BatchCreate) -> Result:
    """What `create` would say, with the same checks; nothing is kept."""
    accepted, _ = _check_batch(core, who, request, dry_run=True)
    jobs = request.earlier_jobs + len(request.jobs)
    size = accepted.size + len(attributes_text(request.attributes))
    _count(core, who.user, request.project, jobs, size, batches=1, dry_run=True)
    return Result(object="batch", text=f"A batch of {counted(jobs, 'job')} would be submitted.", dry_run=True)


def _check_batch(
    core: Core, who: Principal, request: BatchCreate, *, dry_run: bool
) -> tuple[Accepted, dict[int, list[JobId]]]:
    """All that is refused before anything is made."""
    may_submit(core, who, Kind.BATCH, request.project)
    check_name(request.name, "name")
    check_attributes(request.attributes)
    if request.cancel_after_failures is not None and not 1 <= request.cancel_after_failures <= FAILURES_MAX:
        raise Invalid(
            f"cancel_after_failures must be between 1 and {FAILURES_MAX:,}.", field="cancel_after_failures"
        )
    if request.parallel_max is not None and not 1 <= request.parallel_max <= PARALLEL_MAX:
        raise Invalid(f"parallel_max must be between 1 and {PARALLEL_MAX:,}.", field="parallel_max")
    if request.callback:
        check_url(core, request.callback)
    if (request.earlier_jobs or request.earlier_keys) and not dry_run:
        raise Invalid("earlier_jobs and earlier_keys are only allowed in a dry run.", field="earlier_jobs")
    draft = _draft(core, who, request)
    return _check_into(core, who, draft, request, dry_run=dry_run)


def _draft(core: Core, who: Principal, request: BatchCreate) -> BatchLife:
    """The batch as it would be before these jobs."""
    draft = BatchLife(
        id=BatchId(0),
        user=who.user,
        project=request.project,
        name="",
        state="open",
        attributes="",
        created_at_ms=0,
    )
    if not 0 <= request.earlier_jobs <= core.settings.jobs_queued_max:
        raise Invalid(
            f"earlier_jobs is {request.earlier_jobs}, which is not a number of jobs.", field="earlier_jobs"
        )
    if request.earlier_jobs:
        start = JobId(core.state.next_job - request.earlier_jobs)
        draft.jobs = request.earlier_jobs
        draft.bunches.append((0, start, request.earlier_jobs))
        draft.keys.update({key: JobId(start + place) for key, place in request.earlier_keys.items()})
    return draft


def _check_into(
    core: Core, who: Principal, batch: BatchLife, request: BatchCreate | JobsAdd, *, dry_run: bool
) -> tuple[Accepted, dict[int, list[JobId]]]:
    """Jobs for a batch that is open, or would be."""
    earlier = 0 if batch.id else batch.jobs  # of a draft nothing is counted yet
    accepted = check_jobs(
        core, who, batch.user, batch.project, request.jobs, earlier=earlier, dry_run=dry_run
    )
    for place, group in enumerate(request.groups):
        if group.callback:
            check_url(core, group.callback, f"groups[{place}].callback")
    if request.groups or accepted.marks.paths:
        check_groups(batch, accepted.marks, request.groups)
    for key, place in accepted.places.items():
        if key in batch.keys:
            raise Invalid(f"The batch already has a job with the key {key!r}.", field=f"jobs[{place}].key")
    return accepted, resolved_parents(core, batch, accepted)


def add(
    core: Core, who: Principal, batch_id: int, request: JobsAdd, changes: Changes, now_ms: int
) -> JobsAdded:
    """More jobs for an open batch."""
    batch = _open_batch(core, who, batch_id)
    accepted, parents = _check_into(core, who, batch, request, dry_run=False)
    _count(core, batch.user, batch.project, len(request.jobs), accepted.size)
    first = _take(core, changes, batch, accepted, parents, now_ms)
    return JobsAdded(batch=batch.id, first_job=first, count=len(request.jobs))


def try_add(core: Core, who: Principal, batch_id: int, request: JobsAdd) -> Result:
    """What `add` would say."""
    batch = _open_batch(core, who, batch_id)
    accepted, _ = _check_into(core, who, batch, request, dry_run=True)
    _count(core, batch.user, batch.project, len(request.jobs), accepted.size, dry_run=True)
    text = f"{counted(len(request.jobs), 'job')} would be added to batch {batch_id}."
    return Result(object=f"batch/{batch_id}", text=text, dry_run=True)


def _open_batch(core: Core, who: Principal, batch_id: int) -> BatchLife:
    batch = own_batch(core, who, batch_id)
    if batch.state != "open" and not batch.accepts:
        raise Conflict(
            f"Batch {batch_id} is committed; jobs can only be added before that, or to a batch with keep_open until it is closed.",
            hint="Submit a new batch.",
        )
    return batch


def submit(core: Core, who: Principal, job: JobSubmission, changes: Changes, now_ms: int) -> JobsAdded:
    """One job of no batch; it is ready at once."""
    accepted = _check_single(core, who, job, dry_run=False)
    _count(core, who.user, _project_of(job), 1, accepted.size)
    first = _take(core, changes, None, accepted, {}, now_ms)
    return JobsAdded(batch=None, first_job=first, count=1)


def try_submit(core: Core, who: Principal, job: JobSubmission) -> Result:
    """What `submit` would say."""
    accepted = _check_single(core, who, job, dry_run=True)
    _count(core, who.user, _project_of(job), 1, accepted.size, dry_run=True)
    return Result(object="job", text="1 job would be submitted.", dry_run=True)


def _check_single(core: Core, who: Principal, job: JobSubmission, *, dry_run: bool) -> Accepted:
    project = _project_of(job)
    may_submit(core, who, Kind.JOB, project)
    if job.parents:
        raise Invalid(
            "A single job cannot have parents.",
            field="parents",
            hint="Submit the job and its parents as one batch.",
        )
    if job.group:
        raise Invalid(
            "A single job cannot be in a group.",
            field="group",
            hint="Submit it in a batch, or use attributes.",
        )
    return check_jobs(core, who, who.user, project, (job,), path="", dry_run=dry_run)


def _project_of(job: JobSubmission) -> str:
    return DEFAULT_PROJECT if job.project is None else job.project


def commit(core: Core, who: Principal, batch_id: int, changes: Changes, now_ms: int) -> BatchLife:
    batch = own_batch(core, who, batch_id)
    commit_batch(core.state, changes, batch, now_ms, actor=who.actor)
    return batch


def close(core: Core, who: Principal, batch_id: int, changes: Changes, now_ms: int) -> str:
    batch = own_batch(core, who, batch_id)
    if not batch.accepts:
        return f"Batch {batch_id} is already closed."
    close_batch(core.state, changes, batch, now_ms, actor=who.actor)
    return f"Batch {batch_id} was closed with {counted(batch.jobs, 'job')}."


def cancel(
    core: Core,
    who: Principal,
    batch_id: int,
    changes: Changes,
    now_ms: int,
    *,
    message: str = "",
    dry_run: bool = False,
) -> str:
    batch = own_batch(core, who, batch_id)
    check_message(message)
    if batch.cancelled:
        return f"Batch {batch_id} is already being cancelled."
    left = sum(batch.counts.get(s, 0) for s in JobState if not s.ended)
    if dry_run:
        running = batch.counts.get(JobState.RUNNING, 0)
        return f"{left:,} of {counted(batch.jobs, 'job')} of batch {batch_id} would be cancelled; {running:,} of them are running."
    cancel_batch(
        core.state, changes, batch, now_ms, actor=who.actor, why=message or f"requested by {who.user}"
    )
    return f"Batch {batch_id} was cancelled; {left:,} of its {counted(batch.jobs, 'job')} had not ended."


def own_batch(core: Core, who: Principal, batch_id: int) -> BatchLife:
    """A batch that has not ended and that `who` may change. Raises Refused. `Commands.find_batch` was asked before: what is not here
    any more has ended since."""
    batch = core.state.batches.get(BatchId(batch_id))
    if batch is None:
        check(who, Action.CHANGE, OF_KIND[Kind.BATCH])
        if 0 < batch_id < core.state.next_batch:
            raise Conflict(
                f"Batch {batch_id} has already ended.", hint=f"`herder batch get {batch_id}` shows it."
            )
        raise not_known(Kind.BATCH, batch_id)
    check(who, Action.CHANGE, batch_thing(batch.id, batch.user, batch.project))
    return batch


def batch_thing(number: int, owner: str, project: str) -> Thing:
    return Thing(kind=Kind.BATCH, name=str(number), owner=owner, project=project)


def job_thing(number: int, owner: str, project: str) -> Thing:
    return Thing(kind=Kind.JOB, name=str(number), owner=owner, project=project)


def may_submit(core: Core, who: Principal, kind: Kind, project: str) -> None:
    """Where projects are defined, work is of one of them, or of `default`, which is there anyhow."""
    check(who, Action.CREATE, OF_KIND[kind])
    check_name(project, "project")
    defined = {each.name: each for each in core.state.sharing.projects}
    found = defined.get(project)
    if found is None:
        if defined and project != DEFAULT_PROJECT:
            some = sorted(defined)[:PROJECTS_SHOWN]
            raise Invalid(
                f"There is no project {project!r}.",
                field="project",
                hint=f"Projects are {', '.join(some)}{' …' if len(defined) > len(some) else ''}; `herder project list` shows them.",
            )
        return
    members_only = bool(found.members)
    check(who, Action.CREATE, Thing(kind=kind, owner=who.user, project=project, members_only=members_only))


def _count(
    core: Core, user: UserName, project: str, jobs: int, size: int, *, batches: int = 0, dry_run: bool = False
) -> None:
    """Against the limits for one user and one project: the last check, since it counts."""
    backlog, now_ms = core.backlog, core.clock.monotonic_ms()
    backlog.named.check(core.state, user, project, jobs, now_ms)
    count = backlog.check if dry_run else backlog.add
    count(core.state, user, batches * BATCH_COUNTS_AS + jobs, size, now_ms)
    if not dry_run:
        backlog.named.add(core.state, user, project, jobs)


def _take(
    core: Core,
    changes: Changes,
    batch: BatchLife | None,
    accepted: Accepted,
    parents: dict[int, list[JobId]],
    now_ms: int,
) -> JobId:
    if accepted.marks.runs or accepted.marks.new:
        mark_jobs(core.state, changes, batch, accepted.marks.new, accepted.marks.runs)
    first = add_jobs(
        core.state, changes, batch, accepted.class_ids, accepted.keys, accepted.payloads, parents, now_ms
    )
    core.payloads.offer(first, accepted.payloads, None if batch is None else batch.id)
    return first
