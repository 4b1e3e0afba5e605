"""The invariants of the rows, recomputed from the rows alone. Called by `herder admin invariants`, the API and tests.

One snapshot, read only. The same for the engine's memory stands in `engine/memory/invariants.py`.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator

from sqlalchemy import Connection, Row, func, select

from herder.ledger.costs import cost
from herder.model.fleet.worker import WorkerState
from herder.model.values.resources import stored_amounts
from herder.model.work.job import AttemptState, JobState
from herder.store.group_invariants import group_violations, jobs_of_groups
from herder.store.opening.one_moment import see_one_moment
from herder.store.rows import tables as t
from herder.store.rows.usage_rows import ended_attempts, ended_worker_cost
from herder.store.writing.retention import (
    DELETED,
    FORGOTTEN_COST,
    FORGOTTEN_JOBS,
    FORGOTTEN_USAGE,
    forgotten,
    forgotten_before_ms,
)

#: Rows of one kind that are named; the rest is only counted.
NAMED = 20


def violations(connection: Connection, *, groups: bool = True) -> list[str]:
    """Every broken rule as a sentence; empty when all is well. `connection` is fresh: no statement was run on it yet. `groups`: with those of
    job groups."""
    see_one_moment(connection)
    checks: tuple[Callable[[Connection], Iterator[str]], ...]
    checks = (_attempts, _jobs_and_attempts, _workers, _batches, _usage, _observations, _totals)
    checks += (group_violations,) if groups else ()
    return [sentence for check in checks for sentence in check(connection)]


def _named(rows: list[Row[tuple[object, ...]]], sentence: str) -> Iterator[str]:
    for row in rows[:NAMED]:
        yield sentence.format(*row)
    if len(rows) > NAMED:
        yield f"… and {len(rows) - NAMED:,} more of the same kind."


def _attempts(connection: Connection) -> Iterator[str]:
    """At most one live attempt and at most one success per job."""
    a = t.attempts.c
    for condition, what in (
        (a.state < int(AttemptState.SUCCEEDED), "live attempts"),
        (a.state == int(AttemptState.SUCCEEDED), "successes"),
    ):
        many = select(a.job_id, func.count()).where(condition).group_by(a.job_id).having(func.count() > 1)
        yield from _named(list(connection.execute(many)), "job {} has {} " + what)


def _jobs_and_attempts(connection: Connection) -> Iterator[str]:
    """A succeeded job has a success, a running one a live attempt, any other none."""
    j, a = t.jobs.c, t.attempts.c
    success = select(a.job_id).where(a.state == int(AttemptState.SUCCEEDED))
    live = select(a.job_id).where(a.state < int(AttemptState.SUCCEEDED))
    succeeded, running = j.state == int(JobState.SUCCEEDED), j.state == int(JobState.RUNNING)
    for where, sentence in (
        (succeeded & j.id.not_in(success), "Job {} succeeded without a successful attempt."),
        (~succeeded & j.id.in_(success), "Job {} has a successful attempt but has not succeeded."),
        (running & j.id.not_in(live), "Job {} is running without a live attempt."),
        (~running & j.id.in_(live), "Job {} has a live attempt but is not running."),
        (
            (running | succeeded | (j.state == int(JobState.FAILED))) & j.not_before_ms.is_not(None),
            "Job {} is not waiting but has a time before which it is not retried.",
        ),
    ):
        yield from _named(list(connection.execute(select(j.id).where(where))), sentence)


def _workers(connection: Connection) -> Iterator[str]:
    """Live attempts are on live workers and fit on them."""
    a, w, j = t.attempts.c, t.workers.c, t.jobs.c
    query = (
        select(a.worker, w.ended_at_ms, w.spec, t.job_classes.c.spec.label("job_class"))
        .join(t.jobs, j.id == a.job_id)
        .join(t.job_classes, t.job_classes.c.id == j.class_id)
        .outerjoin(t.workers, w.name == a.worker)
        .where(a.state < int(AttemptState.SUCCEEDED))
    )
    used: dict[str, Counter[str]] = {}
    capacity: dict[str, dict[str, int]] = {}
    for name, ended, spec, job_class in connection.execute(query):
        if spec is None or ended is not None:
            yield f"A live attempt is on worker {name}, which {'is unknown' if spec is None else 'has ended'}."
            continue
        capacity[name] = stored_amounts(json.loads(spec)["allocatable"])
        used.setdefault(name, Counter()).update(stored_amounts(json.loads(job_class)["request"]))
    kept = select(w.name).where(
        w.ended_at_ms.is_(None), w.health.contains('"quarantined_at_ms"'), w.cordoned == 0
    )
    yield from _named(list(connection.execute(kept)), "Worker {} is kept for inspection and is not cordoned.")
    open_states = [state.value for state in (WorkerState.READY, WorkerState.UNHEALTHY)]
    taken = select(w.name).where(
        w.ended_at_ms.is_(None),
        w.state.in_(open_states),
        w.health.contains('"notice"'),
        ~w.health.contains('"dismissed":true'),
    )
    yield from _named(
        list(connection.execute(taken)),
        "The machine of worker {} is taken back, and it is not being drained.",
    )
    for name, sums in used.items():
        if any(amount > capacity[name].get(key, 0) for key, amount in sums.items()):
            yield f"Worker {name} is oversubscribed: {dict(sums)} of {capacity[name]}."


def _batches(connection: Connection) -> Iterator[str]:
    """Counts and costs of a batch are those of its rows."""
    j = t.jobs.c
    rows: dict[int, Counter[str]] = {}
    query = (
        select(j.batch_id, j.state, func.count()).where(j.batch_id.is_not(None)).group_by(j.batch_id, j.state)
    )
    for batch, state, count in connection.execute(query):
        rows.setdefault(batch, Counter())[JobState(state).label] += count
    costs: Counter[int] = Counter()
    for usage in ended_attempts(connection, j.batch_id.is_not(None)):
        costs[usage.batch or 0] += cost(usage)
    before_ms = forgotten_before_ms(connection)
    groups = jobs_of_groups(connection)
    for batch in connection.execute(select(t.batches)):
        if batch.state == DELETED or (batch.ended_at_ms is not None and batch.ended_at_ms < before_ms):
            continue  # its jobs are being forgotten
        found = rows.get(batch.id, Counter())
        for label, count in groups.unmarked.get(batch.id, {}).items():
            found[label] -= count
            found["cancelled"] += count
        told = "pending" if batch.state == "open" else "held" if batch.hold else "ready"
        found[told] = found.pop("ready", 0) + found[told]  # the rows say ready
        said = Counter(json.loads(batch.counts))
        if batch.state != "cancelled" and +said != +found:
            yield f"Batch {batch.id} counts {dict(said)}, but its jobs are {dict(found)}."
        if sum(found.values()) != batch.jobs:
            yield f"Batch {batch.id} counts {batch.jobs} jobs, but {sum(found.values())} exist."
        if batch.cost_pico != str(costs[batch.id]):
            yield f"Batch {batch.id} has the cost {batch.cost_pico} pico-USD, but its attempts cost {costs[batch.id]}."
        if batch.ended_at_ms is not None and any(found[x] for x in ("running", "pending")):
            yield f"Batch {batch.id} has ended, but {found['running']} of its jobs are running."


def _usage(connection: Connection) -> Iterator[str]:
    """Running totals are the sums of the ended attempts, those that were forgotten among them."""
    counts: Counter[tuple[str, str, str]] = Counter()
    costs: Counter[tuple[str, str, str]] = Counter()
    for usage in ended_attempts(connection):
        key = usage.user, usage.project, usage.machine.pool
        counts[key] += 1
        costs[key] += cost(usage)
    for text, (count, pico) in forgotten(connection, FORGOTTEN_USAGE).items():
        user, project, pool = json.loads(text)
        counts[user, project, pool] += count
        costs[user, project, pool] += pico
    said = {(row.user, row.project, row.pool): row for row in connection.execute(select(t.usage))}
    for key in sorted({*said, *counts}):
        row = said.get(key)
        booked = (row.attempts, int(row.cost_pico)) if row else (0, 0)
        if booked != (counts[key], costs[key]):
            yield f"The usage of {'/'.join(key)} is {booked}, but the attempts add up to {(counts[key], costs[key])}."


def _observations(connection: Connection) -> Iterator[str]:
    """What a plan was made from belongs to a plan, and what it builds on is there."""
    o = t.observations.c
    base = t.observations.alias()
    lost = select(o.plan, o.follows).where(o.follows.is_not(None), o.follows.not_in(select(base.c.plan)))
    yield from _named(
        list(connection.execute(lost)),
        "The observation of plan {} builds on that of plan {}, which is missing.",
    )
    strange = select(o.plan).where(o.plan.not_in(select(t.plans.c.number)))
    yield from _named(
        list(connection.execute(strange)), "There is an observation of plan {}, but no such plan."
    )


def _totals(connection: Connection) -> Iterator[str]:
    """Counters that outlive their rows: what is there and what was forgotten."""
    j = t.jobs.c
    counts: Counter[str] = Counter()
    ended = select(j.state, func.count()).where(j.state >= int(JobState.SUCCEEDED)).group_by(j.state)
    for state, count in connection.execute(ended):
        counts[f"jobs/{JobState(state).label}"] += count
    counts["jobs/cancelled"] += _unmarked(connection)
    gone = select(t.workers).where(t.workers.c.ended_at_ms.is_not(None))
    for row in connection.execute(gone):
        counts[f"cost/{row.pool}"] += ended_worker_cost(row)
    for kind, name in ((FORGOTTEN_JOBS, "jobs"), (FORGOTTEN_COST, "cost")):
        for what, (amount,) in forgotten(connection, kind).items():
            counts[f"{name}/{what}"] += amount
    said = {
        row.name: int(row.value)
        for row in connection.execute(select(t.totals))
        if row.name.partition("/")[0] in ("jobs", "cost")
    }
    for name in sorted({*said, *counts}):
        if said.get(name, 0) != counts[name]:
            yield f"The total {name} is {said.get(name, 0)}, but the rows add up to {counts[name]}."


def _unmarked(connection: Connection) -> int:
    """Jobs of cancelled batches and groups whose rows do not say so yet."""
    j, b = t.jobs.c, t.batches.c
    over = (b.state == "cancelled") | b.ended_at_ms.is_not(None)
    live = b.ended_at_ms.is_(None)
    query = (
        select(t.job_classes.c.spec, live, func.count())
        .join(t.jobs, j.class_id == t.job_classes.c.id)
        .join(t.batches, b.id == j.batch_id)
        .where(j.state.in_([JobState.PENDING, JobState.BLOCKED, JobState.READY, JobState.HELD]), over)
        .group_by(t.job_classes.c.id, t.job_classes.c.spec, live)
    )
    of_batches: int = sum(
        count
        for spec, still_live, count in connection.execute(query)
        if not (still_live and json.loads(spec).get("always_run", False))
    )
    groups = jobs_of_groups(connection)
    going_on = connection.execute(select(b.id).where(b.id.in_(list(groups.unmarked)), ~over)).scalars()
    return of_batches + sum(map(groups.unmarked_jobs, going_on))
