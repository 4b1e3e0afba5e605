"""Cancels a job group of a batch, for `herder batch cancel --group`. Called by `Commands`."""

from herder.control.jobs.submitting.submission import own_batch
from herder.control.kernel.bounds.errors import NotKnown
from herder.control.kernel.bounds.limits import check_message
from herder.control.kernel.core import Core
from herder.engine.jobs.batch_end import close_if_done
from herder.engine.jobs.groups import cancel_group
from herder.model.permissions import Principal
from herder.model.stored.changes import Changes
from herder.model.values.phrases import counted
from herder.model.work.job import JobState


def cancel(
    core: Core,
    who: Principal,
    batch_id: int,
    path: str,
    changes: Changes,
    now_ms: int,
    *,
    message: str,
    dry_run: bool,
) -> str:
    """With the groups below it. Cancelling what is cancelled changes nothing and is no error. Raises Refused."""
    batch = own_batch(core, who, batch_id)
    check_message(message)
    group = None if batch.groups is None else batch.groups.by_path.get(path)
    if group is None:
        raise no_group(batch_id, path)
    if batch.cancelled or group.cancelled:
        return f"Group {path} of batch {batch_id} is already cancelled."
    left = sum(group.counts.get(each, 0) for each in JobState if not each.ended)
    if dry_run:
        running = group.counts.get(JobState.RUNNING, 0)
        return (
            f"{left:,} of {counted(group.jobs, 'job')} of group {path} of batch {batch_id} would be cancelled; {running:,} of them are "
            "running."
        )
    cancel_group(
        core.state, changes, batch, group, now_ms, actor=who.actor, why=message or f"requested by {who.user}"
    )
    close_if_done(core.state, changes, batch, now_ms)
    return f"Group {path} of batch {batch_id} was cancelled; {left:,} of its {counted(group.jobs, 'job')} had not ended."


def no_group(batch: int, path: str) -> NotKnown:
    return NotKnown(
        f"Batch {batch} has no group {path[:100]!r}.", hint=f"`herder batch groups {batch}` lists its groups."
    )
