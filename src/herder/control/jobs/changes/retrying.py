"""`herder batch retry --failed`: the failed jobs of a batch, or of a group of it, are tried again, with those that were skipped because of them.

Called by `Commands`. What has ended is in the store only, so it is read first, by the writer: between that and the commit nothing may be
deleted (`Core.keep_rows`), and no other retry may have come (`EngineState.retries`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select

from herder.control.access.access_check import OF_KIND, check, not_known
from herder.control.jobs.changes.groups import no_group
from herder.control.jobs.submitting.submission import batch_thing
from herder.control.kernel.bounds.errors import Conflict
from herder.control.kernel.bounds.limits import RETRIED_FAILED, RETRIED_SKIPPED
from herder.control.kernel.core import Core
from herder.control.kernel.jobs.batch_rows import groups_of_batch, life_of_row
from herder.engine.jobs.classes import remember_class
from herder.engine.jobs.groups import withdraws
from herder.engine.jobs.retry import EndedJob, retry, revived
from herder.engine.memory.groups import Groups
from herder.engine.memory.state import BatchLife
from herder.model.ids import BatchId, ClassId, JobId
from herder.model.permissions import Action, Kind, Principal
from herder.model.stored.changes import Changes
from herder.model.values.phrases import agree, counted, sentence
from herder.model.work.job import JobState
from herder.store.rows import tables as t
from herder.store.rows.job_ranges import in_group
from herder.store.rows.json_forms import decode_class
from herder.store.writing.retention import DELETED


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What the store says of a batch, as of `retries`."""

    row: Row[Any]
    failed: list[EndedJob]
    skipped: list[EndedJob]
    parents: dict[JobId, dict[JobId, JobState]]
    """Of the skipped ones."""
    groups: Groups | None = None
    """Of a batch that has some, and has ended or not."""
    group: str = ""
    """Whose failed jobs these are, with those of the groups below it. Empty: of the whole batch."""
    specs: dict[ClassId, str] = field(default_factory=dict)
    retries: int = 0


async def find(core: Core, who: Principal, batch: int, group: str) -> Ended:
    """Raises Refused."""
    check(who, Action.CHANGE, OF_KIND[Kind.BATCH])
    core.keep_rows()
    retries = core.state.retries
    await core.settle()
    found = await core.store.call(partial(read_ended, batch=BatchId(batch), retries=retries, group=group))
    if found is None:
        raise not_known(Kind.BATCH, batch)
    check(who, Action.CHANGE, batch_thing(batch, found.row.user, found.row.project))
    if group and (found.groups is None or group not in found.groups.by_path):
        raise no_group(batch, group)
    return found


def read_ended(connection: Connection, batch: BatchId, retries: int = 0, group: str = "") -> Ended | None:
    row = connection.execute(select(t.batches).where(t.batches.c.id == batch)).first()
    if row is None or row.state == DELETED:
        return None
    inside = [in_group(batch, group)] if group else []
    failed = _ended(connection, batch, JobState.FAILED, RETRIED_FAILED, *inside)
    skipped = _ended(connection, batch, JobState.SKIPPED, RETRIED_SKIPPED)
    classes = sorted({each.class_id for each in (*failed, *skipped)})
    specs = select(t.job_classes.c.id, t.job_classes.c.spec).where(t.job_classes.c.id.in_(classes))
    return Ended(
        row=row,
        failed=failed,
        skipped=skipped,
        parents=_parents(connection, batch, skipped),
        groups=groups_of_batch(connection, batch),
        group=group,
        specs={ClassId(number): spec for number, spec in connection.execute(specs)},
        retries=retries,
    )


def _ended(
    connection: Connection, batch: BatchId, state: JobState, most: int, *inside: ColumnElement[bool]
) -> list[EndedJob]:
    """By the index of states: the numbers of a batch's jobs lie between its first and its last."""
    j = t.jobs.c
    first, last = (
        select(j.id).where(j.batch_id == batch).order_by(order).limit(1).scalar_subquery()
        for order in (j.position, j.position.desc())
    )
    query = (
        select(j.id, j.class_id, j.attempts)
        .where(
            j.state == int(state), t.NOT_SUCCEEDED, j.id >= first, j.id <= last, j.batch_id == batch, *inside
        )
        .order_by(j.id)
        .limit(most)
    )
    return [
        EndedJob(job=JobId(row.id), class_id=ClassId(row.class_id), attempts=row.attempts)
        for row in connection.execute(query)
    ]


def _not_cancelled(batch: BatchLife, jobs: Sequence[EndedJob]) -> Sequence[EndedJob]:
    """A group that was cancelled stays so."""
    return jobs if batch.groups is None else [each for each in jobs if not withdraws(batch, each.job)]


def _parents(
    connection: Connection, batch: BatchId, skipped: Sequence[EndedJob]
) -> dict[JobId, dict[JobId, JobState]]:
    found: dict[JobId, dict[JobId, JobState]] = {each.job: {} for each in skipped}
    if not skipped:
        return found
    p = t.job_parents.c
    query = (
        select(p.child_id, p.parent_id, t.jobs.c.state)
        .join(t.jobs, t.jobs.c.id == p.parent_id)
        .where(p.child_id.between(skipped[0].job, skipped[-1].job), p.batch_id == batch)
    )
    for child, parent, state in connection.execute(query):
        if child in found:
            found[JobId(child)][JobId(parent)] = JobState(state)
    return found


def retried(
    core: Core, found: Ended
) -> tuple[BatchLife, Sequence[EndedJob], list[tuple[EndedJob, list[JobId]]]] | None:
    """What can be tried again now, and the batch, which is not changed yet. None: nothing. Raises Conflict."""
    number, state = BatchId(found.row.id), core.state
    life = state.batches.get(number)
    if state.retries != found.retries or (life is None) != (found.row.ended_at_ms is not None):
        raise Conflict(f"Batch {number} has changed at this moment.", hint="Try again.")
    if found.row.state in ("cancelled", "open") or (life is not None and life.cancelled):
        why = "was cancelled" if found.row.state != "open" else "is not committed"
        raise Conflict(
            f"Batch {number} {why}, so its jobs cannot be retried.",
            hint="Submit its jobs as a new batch." if found.row.state != "open" else "Commit it first.",
        )
    life = life or life_of_row(found.row, found.groups)
    group = None if life.groups is None else life.groups.by_path.get(found.group)
    if group is not None and group.cancelled:
        raise Conflict(
            f"Group {group.path} of batch {number} was cancelled, so its jobs cannot be retried.",
            hint="Submit its jobs as a new batch.",
        )
    failed = _not_cancelled(life, found.failed)
    again = {each.job for each in _not_cancelled(life, found.skipped)}
    if group is not None and life.groups is not None:
        inside = life.groups.within(group)
        again = {job for job in again if inside(job) or _waits(found.parents[job])}
    above = revived({each.job for each in failed}, {job: found.parents[job] for job in again})
    skipped = [(each, above[each.job]) for each in found.skipped if each.job in above]
    if not failed and not skipped:
        return None
    return life, failed, skipped


def _waits(parents: Mapping[JobId, JobState]) -> bool:
    return any(state is not JobState.SUCCEEDED for state in parents.values())


def retry_failed(
    core: Core, who: Principal, found: Ended, changes: Changes, now_ms: int, *, dry_run: bool
) -> str:
    number = found.row.id
    again = retried(core, found)
    of = f"group {found.group} of batch {number}" if found.group else f"batch {number}"
    if again is None:
        return sentence(f"{of} has no failed jobs")
    batch, failed, skipped = again
    counts = batch.groups.by_path[found.group].counts if batch.groups and found.group else batch.counts
    left = counts.get(JobState.FAILED, 0) - len(failed)
    what = f"{counted(len(failed), 'failed job')} and {counted(len(skipped), 'skipped job')} of {of}"
    more = f" Repeat the command for the other {counted(left, 'failed job')}." if left else ""
    core.backlog.named.check(
        core.state, batch.user, batch.project, len(failed) + len(skipped), core.clock.monotonic_ms()
    )
    count = core.backlog.check if dry_run else core.backlog.add
    count(core.state, batch.user, len(failed) + len(skipped), 0, core.clock.monotonic_ms())
    if dry_run:
        return f"{what} would be retried."
    core.backlog.named.add(core.state, batch.user, batch.project, len(failed) + len(skipped))
    _remember_classes(core, found)
    if batch.ended_at_ms is not None:
        core.ledger.batches[batch.id] = int(found.row.cost_pico)
    retry(core.state, changes, batch, failed, skipped, now_ms, actor=who.actor)
    are = agree(len(failed) + len(skipped), "is", "are")
    return f"{what} {are} retried.{more}"


def _remember_classes(core: Core, found: Ended) -> None:
    """Those that were forgotten, since no job of them was left."""
    for class_id, spec in found.specs.items():
        if class_id not in core.state.classes:
            job_class = decode_class(spec, core.state.resources)
            remember_class(core.state, class_id, job_class)
            core.state.class_ids.setdefault(job_class, class_id)
