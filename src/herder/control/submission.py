"""Taking in work: batches and jobs are checked, put into classes, and given to the engine. Nothing is half accepted.

Called by the API's routes. Every function is synchronous, fills `changes` and answers; the route commits and then replies.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from herder.control.auth import Principal, Role
from herder.control.core import Core
from herder.control.errors import Conflict, Forbidden, Invalid, NotKnown, Overloaded, TooLarge
from herder.control.job_classes import class_of
from herder.engine.batch import DependencyError, add_jobs, commit_batch, create_batch, resolve
from herder.engine.batch_end import cancel_batch
from herder.engine.state import BatchLife
from herder.model.changes import Changes
from herder.model.ids import BatchId, ClassId, JobId
from herder.model.job import JobState
from herder.wire.exchange import JobPayload
from herder.wire.resources import BatchCreate, JobsAdded, JobSubmission

#: Jobs in one call. Ten thousand rows are one commit of about 50 ms.
JOBS_PER_CALL = 10_000
#: One job's command, environment, input and small files together.
PAYLOAD_BYTES = 256 * 1024
NAME_LENGTH = 200
FAILURES_MAX = 1_000_000_000

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class _Accepted:
    """A call's jobs as columns, the form in which the engine takes them."""

    class_ids: list[ClassId] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    payloads: list[str] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    references: dict[int, Sequence[str | int]] = field(default_factory=dict)


def create(core: Core, who: Principal, request: BatchCreate, changes: Changes, now_ms: int) -> BatchLife:
    """A batch, with the jobs that travel along, committed if asked for."""
    who.require(Role.USER)
    _check_name(request.name, "name")
    _check_name(request.project, "project")
    if request.cancel_after_failures is not None and not 1 <= request.cancel_after_failures <= FAILURES_MAX:
        raise Invalid(f"cancel_after_failures must be 1 to {FAILURES_MAX:,}", field="cancel_after_failures")
    accepted = _check_jobs(core, who, request.project, request.jobs)
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
    batch = create_batch(
        core.state,
        changes,
        user=who.user,
        project=request.project,
        name=request.name,
        attributes=json.dumps(request.attributes, separators=(",", ":")),
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
    accepted = _check_jobs(core, who, batch.project, jobs)
    for key, place in accepted.places.items():
        if key in batch.keys:
            raise Invalid(f"the batch has a job {key!r} already", field=f"jobs[{place}].key")
    parents = _parents(core, batch, accepted)
    first = _take(core, changes, batch, accepted, parents, now_ms)
    return JobsAdded(batch=batch.id, first_job=first, count=len(jobs))


def submit(core: Core, who: Principal, job: JobSubmission, changes: Changes, now_ms: int) -> JobsAdded:
    """One job of no batch; it is ready at once."""
    who.require(Role.USER)
    if job.parents:
        raise Invalid(
            "a single job cannot have parents", field="parents", hint="submit them together as a batch"
        )
    project = "default" if job.project is None else job.project
    _check_name(project, "project")
    accepted = _check_jobs(core, who, project, (job,), path="")
    first = _take(core, changes, None, accepted, {}, now_ms)
    return JobsAdded(batch=None, first_job=first, count=1)


def commit(core: Core, who: Principal, batch_id: int, changes: Changes, now_ms: int) -> BatchLife:
    batch = own_batch(core, who, batch_id)
    commit_batch(core.state, changes, batch, now_ms)
    return batch


def cancel(
    core: Core, who: Principal, batch_id: int, changes: Changes, now_ms: int, *, message: str = ""
) -> str:
    batch = own_batch(core, who, batch_id)
    if batch.cancelled:
        return f"batch {batch_id} is being cancelled already"
    left = sum(batch.counts.get(s, 0) for s in JobState if not s.ended)
    cancel_batch(core.state, changes, batch, now_ms, actor=who.actor, why=message or f"by {who.user}")
    return f"batch {batch_id} cancelled: {left} of {batch.jobs} jobs had not ended"


def own_batch(core: Core, who: Principal, batch_id: int) -> BatchLife:
    """A batch that has not ended and that `who` may change. Raises Refused."""
    who.require(Role.USER)
    batch = core.state.batches.get(BatchId(batch_id))
    if batch is None:
        if 0 < batch_id < core.state.next_batch:
            raise Conflict(f"batch {batch_id} has ended", hint=f"see herder batch get {batch_id}")
        raise NotKnown(f"there is no batch {batch_id}", hint="herder batch list shows what there is")
    may_change(who, batch.user, f"batch {batch_id}")
    return batch


def may_change(who: Principal, owner: str, what: str) -> None:
    if who.user != owner and who.role < Role.OPERATOR:
        raise Forbidden(f"{what} belongs to {owner}", hint="its owner or an operator may do this")


def _check_jobs(
    core: Core, who: Principal, project: str, jobs: Sequence[JobSubmission], path: str = "jobs[{}]."
) -> _Accepted:
    if len(jobs) > JOBS_PER_CALL:
        raise TooLarge(
            f"{len(jobs)} jobs in one call, at most {JOBS_PER_CALL} are taken",
            field="jobs",
            hint="send them in several calls before the commit",
        )
    if core.state.counts[JobState.READY] + len(jobs) > core.settings.jobs_queued_max:
        raise Overloaded(f"more than {core.settings.jobs_queued_max} jobs are queued", hint="try again later")
    accepted = _Accepted()
    for place, job in enumerate(jobs):
        where = path.format(place)
        accepted.class_ids.append(class_of(core, who.user, project, job, where))
        accepted.payloads.append(_payload(job, where))
        accepted.keys.append(job.key)
        if job.key is not None:
            _check_name(job.key, f"{where}key")
            if accepted.places.setdefault(job.key, place) != place:
                raise Invalid(f"two jobs of the call are called {job.key!r}", field=f"{where}key")
        if job.parents:
            accepted.references[place] = job.parents
    return accepted


def _payload(job: JobSubmission, where: str) -> str:
    if job.runtime == "process" and not (job.command and job.command[0]):
        raise Invalid(
            "the job has no command", field=f"{where}command", hint='write for example ["echo", "hello"]'
        )
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
    if "\\u0000" in text and _has_nul(job):
        raise Invalid(
            "the job contains a NUL character", field=f"{where}command", hint="no program can be given one"
        )
    return text


def _has_nul(job: JobSubmission) -> bool:
    texts = (*job.command, job.stdin, *job.env, *job.env.values(), *job.inputs, *job.inputs.values())
    return any("\x00" in text for text in texts)


def _check_name(name: str, path: str) -> None:
    if len(name) > NAME_LENGTH or (name and not name.isprintable()):
        raise Invalid(
            f"{name[:50]!r} is not a name", field=path, hint=f"up to {NAME_LENGTH} printable characters"
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
