"""The jobs of one call: checked one by one, and put into the columns in which the engine takes them.

Called by `submission.py`, also in dry runs, which keep nothing.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from herder.control.jobs.submitting.classes import check_priority, class_of, requirements_bytes, try_class
from herder.control.jobs.submitting.grouping import Marks
from herder.control.jobs.submitting.job_types import blamed, with_type
from herder.control.jobs.submitting.payload import payload_of
from herder.control.jobs.submitting.secret_uses import with_secrets
from herder.control.kernel.bounds.errors import Invalid, Overloaded, TooLarge
from herder.control.kernel.bounds.limits import JOBS_PER_CALL, PARENTS_PER_CALL, check_name
from herder.control.kernel.core import Core
from herder.engine.jobs.batch import DependencyError, resolve
from herder.engine.jobs.classes import forget_classes
from herder.engine.memory.state import BatchLife
from herder.model.ids import ClassId, JobId, UserName
from herder.model.permissions import Principal
from herder.model.work.job import JobClass, JobState
from herder.wire.api.work import JobSubmission

#: Each of them is kept in memory.
NOT_ENDED = tuple(each for each in JobState if not each.ended)


@dataclass(slots=True)
class Accepted:
    """A call's jobs as columns, the form in which the engine takes them."""

    class_ids: list[ClassId] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    payloads: list[str] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    references: dict[int, Sequence[str | int]] = field(default_factory=dict)
    marks: Marks = field(default_factory=Marks)
    """Groups and attributes of those that have some."""
    size: int = 0
    """Bytes of the payloads and attributes."""

    def take(self, job: JobSubmission, payload: str, place: int, where: str) -> None:
        """What its class does not say. Raises Invalid."""
        self.payloads.append(payload)
        self.size += len(payload)
        self.keys.append(job.key)
        if job.group or job.attributes:
            self.marks.add(job, place, where)
        if job.key is not None:
            self.name(job.key, place, where)
        if job.parents:
            self.references[place] = job.parents

    def name(self, key: str, place: int, where: str) -> None:
        """Raises Invalid."""
        check_name(key, f"{where}key")
        if self.places.setdefault(key, place) != place:
            raise Invalid(f"Two jobs of the call have the key {key!r}.", field=f"{where}key")


def check_jobs(
    core: Core,
    who: Principal,
    user: UserName,
    project: str,
    jobs: Sequence[JobSubmission],
    path: str = "jobs[{}].",
    *,
    earlier: int = 0,
    dry_run: bool,
) -> Accepted:
    """`earlier`: jobs of a batch that was checked and not made."""
    _check_number(core, len(jobs), earlier)
    if forget_classes(core.state):
        core.raw_classes.clear()
    accepted = Accepted()
    edges = 0
    tried: dict[Hashable, JobClass] = {}
    for place, job in enumerate(jobs):
        where = path.format(place)
        given = job
        if job.priority != 0 or job.secrets or job.type:
            job = _complete(core, who, user, project, job, where)  # noqa: PLW2901
        try:
            if dry_run:
                classes = len(tried)
                try_class(core, user, project, job, where, tried)
                if len(tried) > classes:
                    accepted.size += requirements_bytes(job)
            else:
                classes = len(core.state.classes)
                accepted.class_ids.append(class_of(core, user, project, job, where))
                if len(core.state.classes) > classes:
                    accepted.size += requirements_bytes(job)
            accepted.take(job, payload_of(job, where, user), place, where)
        except Invalid as error:
            raise blamed(error, given, job, where) from None
        edges += len(job.parents)
    accepted.size += accepted.marks.size
    if edges > PARENTS_PER_CALL:
        raise TooLarge(
            f"The call names {edges:,} parents; the maximum is {PARENTS_PER_CALL:,}.",
            field="jobs",
            hint="Send the jobs in several calls, or insert a job that waits for all parents and is the one parent of the others.",
        )
    return accepted


def _complete(
    core: Core, who: Principal, user: UserName, project: str, given: JobSubmission, where: str
) -> JobSubmission:
    """With what its type says, and which secrets it means. A priority that it names itself must be its user's to name."""
    if given.priority != 0:
        check_priority(core, who, given.priority, where)
    job = with_type(core, given, where) if given.type else given
    return with_secrets(core, who, user, project, job, where) if job.secrets else job


def _check_number(core: Core, jobs: int, earlier: int) -> None:
    if jobs > JOBS_PER_CALL:
        raise TooLarge(
            f"The call has {jobs:,} jobs; the maximum is {JOBS_PER_CALL:,}.",
            field="jobs",
            hint="Send the jobs in several calls, then commit the batch.",
        )
    most, there = core.settings.jobs_queued_max, sum(core.state.counts[each] for each in NOT_ENDED)
    there += earlier
    if there + jobs > most:
        raise Overloaded(
            f"{there:,} jobs have not ended and {jobs:,} more were sent; the maximum is {most:,}.",
            hint="Try again when some jobs have ended.",
        )


def resolved_parents(core: Core, batch: BatchLife, accepted: Accepted) -> dict[int, list[JobId]]:
    if not accepted.references:
        return {}
    try:
        return resolve(batch, core.state.next_job, len(accepted.keys), accepted.places, accepted.references)
    except DependencyError as error:
        raise Invalid(str(error), field=f"jobs[{error.index}].parents") from None
