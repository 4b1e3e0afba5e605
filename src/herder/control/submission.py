"""Taking in work: batches and jobs are checked, put into classes, and given to the engine. Nothing is half accepted.

Called by the API's routes. Every function is synchronous, fills `changes` and answers; the route commits and then replies.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from herder.control.access import OF_KIND, check, not_known
from herder.control.backlog import BATCH_COUNTS_AS
from herder.control.core import Core
from herder.control.errors import Conflict, Invalid, Overloaded, TooLarge
from herder.control.job_classes import check_priority, class_of
from herder.control.limits import (
    FAILURES_MAX,
    INPUT_NAME_BYTES,
    INPUTS_COUNT,
    JOBS_PER_CALL,
    PARENTS_PER_CALL,
    PAYLOAD_BYTES,
    SLEEP_MS_MAX,
    WORDS,
    check_attributes,
    check_count,
    check_env,
    check_message,
    check_name,
)
from herder.engine.batch import DependencyError, add_jobs, commit_batch, create_batch, resolve
from herder.engine.batch_end import cancel_batch
from herder.engine.classes import forget_classes
from herder.engine.state import BatchLife
from herder.model.changes import Changes
from herder.model.ids import BatchId, ClassId, JobId, UserName
from herder.model.job import JobState
from herder.model.principal import Action, Kind, Principal, Thing
from herder.store.tables import DEFAULT_PROJECT
from herder.wire.exchange import JobPayload
from herder.wire.resources import BatchCreate, JobsAdded, JobSubmission

#: In a refusal.
PROJECTS_SHOWN = 10
#: Each of them is kept in memory.
NOT_ENDED = tuple(each for each in JobState if not each.ended)
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class _Accepted:
    """A call's jobs as columns, the form in which the engine takes them."""

    class_ids: list[ClassId] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    payloads: list[str] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    references: dict[int, Sequence[str | int]] = field(default_factory=dict)
    size: int = 0
    """Bytes of the payloads."""


def create(core: Core, who: Principal, request: BatchCreate, changes: Changes, now_ms: int) -> BatchLife:
    """A batch, with the jobs that travel along, committed if asked for."""
    _may_submit(core, who, Kind.BATCH, request.project)
    check_name(request.name, "name")
    check_attributes(request.attributes)
    if request.cancel_after_failures is not None and not 1 <= request.cancel_after_failures <= FAILURES_MAX:
        raise Invalid(f"cancel_after_failures must be 1 to {FAILURES_MAX:,}", field="cancel_after_failures")
    accepted = _check_jobs(core, who, who.user, request.project, request.jobs)
    draft = BatchLife(
        id=BatchId(0),
        user=who.user,
        project=request.project,
        name="",
        state="open",
        attributes="",
        created_at_ms=0,
    )
    parents = _parents(core, draft, accepted)  # refused before anything is made
    attributes = json.dumps(request.attributes, separators=(",", ":"))
    _count(core, who.user, BATCH_COUNTS_AS + len(request.jobs), accepted.size + len(attributes))
    batch = create_batch(
        core.state,
        user=who.user,
        project=request.project,
        name=request.name,
        attributes=attributes,
        cancel_after_failures=request.cancel_after_failures,
        now_ms=now_ms,
    )
    _take(core, changes, batch, accepted, parents, now_ms)
    if request.commit:
        commit_batch(core.state, changes, batch, now_ms)
    return batch


def add(
    core: Core, who: Principal, batch_id: int, jobs: Sequence[JobSubmission], changes: Changes, now_ms: int
) -> JobsAdded:
    """More jobs for an open batch."""
    batch = own_batch(core, who, batch_id)
    if batch.state != "open":
        raise Conflict(
            f"batch {batch_id} is committed; jobs can only be added before", hint="make a new batch"
        )
    accepted = _check_jobs(core, who, batch.user, batch.project, jobs)
    for key, place in accepted.places.items():
        if key in batch.keys:
            raise Invalid(f"the batch has a job {key!r} already", field=f"jobs[{place}].key")
    parents = _parents(core, batch, accepted)
    _count(core, batch.user, len(jobs), accepted.size)
    first = _take(core, changes, batch, accepted, parents, now_ms)
    return JobsAdded(batch=batch.id, first_job=first, count=len(jobs))


def submit(core: Core, who: Principal, job: JobSubmission, changes: Changes, now_ms: int) -> JobsAdded:
    """One job of no batch; it is ready at once."""
    project = DEFAULT_PROJECT if job.project is None else job.project
    _may_submit(core, who, Kind.JOB, project)
    if job.parents:
        raise Invalid(
            "a single job cannot have parents", field="parents", hint="submit them together as a batch"
        )
    accepted = _check_jobs(core, who, who.user, project, (job,), path="")
    _count(core, who.user, 1, accepted.size)
    first = _take(core, changes, None, accepted, {}, now_ms)
    return JobsAdded(batch=None, first_job=first, count=1)


def commit(core: Core, who: Principal, batch_id: int, changes: Changes, now_ms: int) -> BatchLife:
    batch = own_batch(core, who, batch_id)
    commit_batch(core.state, changes, batch, now_ms, actor=who.actor)
    return batch


def cancel(
    core: Core, who: Principal, batch_id: int, changes: Changes, now_ms: int, *, message: str = ""
) -> str:
    batch = own_batch(core, who, batch_id)
    check_message(message)
    if batch.cancelled:
        return f"batch {batch_id} is being cancelled already"
    left = sum(batch.counts.get(s, 0) for s in JobState if not s.ended)
    cancel_batch(core.state, changes, batch, now_ms, actor=who.actor, why=message or f"by {who.user}")
    return f"batch {batch_id} cancelled: {left} of {batch.jobs} jobs had not ended"


def own_batch(core: Core, who: Principal, batch_id: int) -> BatchLife:
    """A batch that has not ended and that `who` may change. Raises Refused. `Commands.find_batch` was asked before: what is not here
    any more has ended since."""
    batch = core.state.batches.get(BatchId(batch_id))
    if batch is None:
        check(who, Action.CHANGE, OF_KIND[Kind.BATCH])
        if 0 < batch_id < core.state.next_batch:
            raise Conflict(f"batch {batch_id} has ended", hint=f"see herder batch get {batch_id}")
        raise not_known(Kind.BATCH, batch_id)
    check(who, Action.CHANGE, batch_thing(batch.id, batch.user, batch.project))
    return batch


def batch_thing(number: int, owner: str, project: str) -> Thing:
    return Thing(kind=Kind.BATCH, name=str(number), owner=owner, project=project)


def job_thing(number: int, owner: str, project: str) -> Thing:
    return Thing(kind=Kind.JOB, name=str(number), owner=owner, project=project)


def _may_submit(core: Core, who: Principal, kind: Kind, project: str) -> None:
    """Where projects are defined, work is of one of them, or of `default`, which is there anyhow."""
    check(who, Action.CREATE, OF_KIND[kind])
    check_name(project, "project")
    defined = {each.name: each for each in core.state.sharing.projects}
    found = defined.get(project)
    if found is None:
        if defined and project != DEFAULT_PROJECT:
            some = sorted(defined)[:PROJECTS_SHOWN]
            raise Invalid(
                f"there is no project {project!r}",
                field="project",
                hint=f"projects: {', '.join(some)}{' …' if len(defined) > len(some) else ''}; herder project list shows them",
            )
        return
    members_only = bool(found.members)
    check(who, Action.CREATE, Thing(kind=kind, owner=who.user, project=project, members_only=members_only))


def _count(core: Core, user: UserName, jobs: int, size: int) -> None:
    """Against the limits for one user: the last check, since it counts."""
    core.backlog.add(core.state, user, jobs, size, core.clock.monotonic_ms())


def _check_jobs(
    core: Core,
    who: Principal,
    user: UserName,
    project: str,
    jobs: Sequence[JobSubmission],
    path: str = "jobs[{}].",
) -> _Accepted:
    if len(jobs) > JOBS_PER_CALL:
        raise TooLarge(
            f"{len(jobs)} jobs in one call, at most {JOBS_PER_CALL} are taken",
            field="jobs",
            hint="send them in several calls before the commit",
        )
    most, there = core.settings.jobs_queued_max, sum(core.state.counts[each] for each in NOT_ENDED)
    if there + len(jobs) > most:
        raise Overloaded(
            f"{there:,} jobs have not ended and {len(jobs):,} more were sent, at most {most:,} are kept",
            hint="try again when some have ended",
        )
    if forget_classes(core.state):
        core.raw_classes.clear()
    accepted = _Accepted()
    edges = 0
    for place, job in enumerate(jobs):
        where = path.format(place)
        if job.priority != 0:
            check_priority(core, who, job.priority, where)
        accepted.class_ids.append(class_of(core, user, project, job, where))
        payload = _payload(job, where)
        accepted.payloads.append(payload)
        accepted.size += len(payload)
        accepted.keys.append(job.key)
        if job.key is not None:
            check_name(job.key, f"{where}key")
            if accepted.places.setdefault(job.key, place) != place:
                raise Invalid(f"two jobs of the call are called {job.key!r}", field=f"{where}key")
        if job.parents:
            edges += len(job.parents)
            accepted.references[place] = job.parents
    if edges > PARENTS_PER_CALL:
        raise TooLarge(
            f"{edges:,} parents in one call, at most {PARENTS_PER_CALL:,} are taken",
            field="jobs",
            hint="send the jobs in several calls, or put one job between: it waits for many, and many wait for it",
        )
    return accepted


def _payload(job: JobSubmission, where: str) -> str:
    if job.runtime == "process" and not (job.command and job.command[0]):
        raise Invalid(
            "the job has no command", field=f"{where}command", hint='write for example ["echo", "hello"]'
        )
    if job.env:
        check_env(job.env, len(job.env), f"{where}env")
    if job.inputs or len(job.command) > WORDS:
        _check_files(job, where)
    if not 0 <= job.sleep_ms <= SLEEP_MS_MAX:
        raise Invalid(f"sleep_ms {job.sleep_ms} is not between 0 and a year", field=f"{where}sleep_ms")
    payload = JobPayload(
        command=job.command, env=job.env, stdin=job.stdin, inputs=job.inputs, sleep_ms=job.sleep_ms
    )
    data = _encode(payload)
    if len(data) > PAYLOAD_BYTES:
        raise TooLarge(
            f"the job's command, environment and inputs take {len(data)} bytes, at most {PAYLOAD_BYTES} are taken",
            field=f"{where}command",
            hint="put large input where the job can fetch it",
        )
    text = data.decode()
    if "\\u0000" in text and (field := _with_nul(job)):
        raise Invalid(
            f"{field} contains a NUL character", field=where + field, hint="no program can be given one"
        )
    return text


def _with_nul(job: JobSubmission) -> str:
    """The field that holds a NUL; empty when it was only the text of one."""
    texts = {
        "command": job.command,
        "env": (*job.env, *job.env.values()),
        "stdin": (job.stdin,),
        "inputs": (*job.inputs, *job.inputs.values()),
    }
    return next((field for field, some in texts.items() if any("\x00" in text for text in some)), "")


def _check_files(job: JobSubmission, where: str) -> None:
    check_count(len(job.command), WORDS, f"{where}command")
    check_count(len(job.inputs), INPUTS_COUNT, f"{where}inputs")
    for name in job.inputs:
        if not name or len(name.encode(errors="replace")) > INPUT_NAME_BYTES:
            raise Invalid(
                f"{name[:50]!r} cannot be a file's name",
                field=f"{where}inputs",
                hint=f"1 to {INPUT_NAME_BYTES} bytes",
            )


def _parents(core: Core, batch: BatchLife, accepted: _Accepted) -> dict[int, list[JobId]]:
    if not accepted.references:
        return {}
    try:
        return resolve(batch, core.state.next_job, len(accepted.keys), accepted.places, accepted.references)
    except DependencyError as error:
        raise Invalid(str(error), field=f"jobs[{error.index}].parents") from None


def _take(
    core: Core,
    changes: Changes,
    batch: BatchLife | None,
    accepted: _Accepted,
    parents: dict[int, list[JobId]],
    now_ms: int,
) -> JobId:
    first = add_jobs(
        core.state, changes, batch, accepted.class_ids, accepted.keys, accepted.payloads, parents, now_ms
    )
    core.payloads.offer(first, accepted.payloads, None if batch is None else batch.id)
    return first
