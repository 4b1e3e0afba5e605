"""The invariants of the rows of job groups, recomputed from the rows of jobs. Called by `invariants.py`."""

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import Connection, and_, func, select

from herder.ledger.costs import cost
from herder.model.work.job import JobState
from herder.store.rows import tables as t
from herder.store.rows.job_ranges import range_of_job
from herder.store.rows.usage_rows import ended_attempts
from herder.store.writing.retention import DELETED, forgotten_before_ms

_UNMARKED = (int(JobState.BLOCKED), int(JobState.READY), int(JobState.HELD))


@dataclass(slots=True)
class GroupJobs:
    """What the jobs of groups are, by batch and group, those of the groups below not among them. `unmarked`: of those the ones that were
    cancelled with a group and whose rows do not say so yet, by what the rows say."""

    counts: dict[tuple[int, int], Counter[str]] = field(default_factory=dict)
    unmarked: dict[int, Counter[str]] = field(default_factory=dict)

    def unmarked_jobs(self, batch: int) -> int:
        return sum(self.unmarked.get(batch, Counter()).values())


def jobs_of_groups(connection: Connection) -> GroupJobs:
    j, r, g, b = t.jobs.c, t.job_ranges.c, t.job_groups.c, t.batches.c
    with_groups = select(g.batch_id).distinct()
    of = select(j.state, j.class_id, range_of_job().label("range")).where(j.batch_id.in_(with_groups))
    jobs = of.subquery()
    query = (
        select(r.batch_id, r.group_id, jobs.c.state, t.job_classes.c.spec, g.cancelled, b.state, b.hold, func.count())
        .select_from(jobs)
        .join(t.job_ranges, r.first_job == jobs.c.range)
        .join(t.job_classes, t.job_classes.c.id == jobs.c.class_id)
        .join(t.job_groups, and_(g.batch_id == r.batch_id, g.id == r.group_id))
        .join(t.batches, b.id == r.batch_id)
        .group_by(r.batch_id, r.group_id, jobs.c.state, t.job_classes.c.spec, g.cancelled, b.state, b.hold)
    )  # fmt: skip
    found = GroupJobs()
    for batch, group, state, spec, cancelled, of_batch, hold, count in connection.execute(query):
        label = JobState(state).label
        counts = found.counts.setdefault((batch, group), Counter())
        stopped = cancelled and of_batch != "open" and state in _UNMARKED
        if stopped and not json.loads(spec).get("always_run", False):
            counts["cancelled"] += count
            found.unmarked.setdefault(batch, Counter())[label] += count
        elif state == JobState.READY:
            counts["pending" if of_batch == "open" else "held" if hold else label] += count
        else:
            counts[label] += count
    return found


def group_violations(connection: Connection) -> Iterator[str]:
    """Counts and costs of a group are those of its jobs and of the groups below."""
    own, spent = jobs_of_groups(connection).counts, _costs(connection)
    before_ms = forgotten_before_ms(connection)
    g, b = t.job_groups.c, t.batches.c
    query = select(t.job_groups, b.state.label("batch_state"), b.ended_at_ms).outerjoin(
        t.batches, b.id == g.batch_id
    )
    rows = connection.execute(query.order_by(g.batch_id, g.id)).all()
    numbers = {(row.batch_id, row.path): row.id for row in rows}
    found: dict[tuple[int, int], Counter[str]] = {}
    costs: Counter[tuple[int, int]] = Counter()
    for row in rows:
        path = row.path
        while path:
            above = row.batch_id, numbers.get((row.batch_id, path), 0)
            found.setdefault(above, Counter()).update(own.get((row.batch_id, row.id), Counter()))
            costs[above] += spent[row.batch_id, row.id]
            path = path.rpartition("/")[0]
    for row in rows:
        if row.batch_state is None:
            yield f"Group {row.path} is of batch {row.batch_id}, which is missing."
        if row.batch_state in (None, DELETED) or (
            row.ended_at_ms is not None and row.ended_at_ms < before_ms
        ):
            continue  # its jobs are being forgotten
        said, is_now = Counter(json.loads(row.counts)), found[row.batch_id, row.id]
        if row.batch_state != "cancelled" and +said != +is_now:
            yield f"Group {row.path} of batch {row.batch_id} counts {dict(said)}, but its jobs are {dict(is_now)}."
        if sum(is_now.values()) != row.jobs:
            yield f"Group {row.path} of batch {row.batch_id} counts {row.jobs} jobs, but {sum(is_now.values())} exist."
        if row.cost_pico and int(row.cost_pico) != costs[row.batch_id, row.id]:
            yield (
                f"Group {row.path} of batch {row.batch_id} has the cost {row.cost_pico} pico-USD, but its attempts cost "
                f"{costs[row.batch_id, row.id]}."
            )


def _costs(connection: Connection) -> Counter[tuple[int, int]]:
    """Pico-USD of the ended attempts of jobs of groups, by batch and group, those of the groups below not among them."""
    r = t.job_ranges.c
    query = select(r.first_job, r.jobs, r.batch_id, r.group_id).where(r.group_id.is_not(None))
    ranges = connection.execute(query.order_by(r.first_job)).all()
    firsts = [each.first_job for each in ranges]
    costs: Counter[tuple[int, int]] = Counter()
    with_groups = select(t.job_groups.c.batch_id).distinct()
    for usage in ended_attempts(connection, t.jobs.c.batch_id.in_(with_groups)):
        at = bisect_right(firsts, usage.job) - 1
        if at >= 0 and usage.job < firsts[at] + ranges[at].jobs:
            costs[ranges[at].batch_id, ranges[at].group_id] += cost(usage)
    return costs
