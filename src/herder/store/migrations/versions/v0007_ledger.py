"""attempts and workers no longer carry money: what they cost is computed from their intervals, and the sums are made anew

Sums are made with the ledger as it is now, not as it was when this was written: they have to be what `invariants` computes.
"""

import json
from collections import Counter
from typing import Any

import sqlalchemy as sa
from alembic import op

from herder.ledger.prices import cost
from herder.model.ids import BatchId, JobId, PoolName, UserName, WorkerName
from herder.model.resources import Resources, stored_amounts
from herder.model.usage import AttemptUsage, Machine, MachineUsage

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

#: The first number of `model.job.AttemptState` that is an end, as it was when this was written.
_ENDED = 10
#: Rows fetched at a time.
_FETCH = 10_000

_batches = sa.table("batches", sa.column("id"), sa.column("cost_pico"), sa.column("ended_at_ms"))
_usage = sa.table("usage", sa.column("user"), sa.column("project"), sa.column("pool"), sa.column("cost_pico"))
_totals = sa.table("totals", sa.column("name"), sa.column("value"))


def upgrade() -> None:
    connection = op.get_bind()
    machines = _machines(connection)
    _book_attempts(connection, machines)
    op.drop_column("attempts", "cost_pico")
    op.drop_column("workers", "cost_pico")


def _machines(connection: sa.Connection) -> dict[str, Machine]:
    """Of all workers; and the totals of their pools."""
    columns = ("name", "pool", "spec", "provisioned_at_ms", "ended_at_ms")
    workers = sa.table("workers", *(sa.column(name) for name in columns))
    machines: dict[str, Machine] = {}
    costs: Counter[str] = Counter()
    for row in connection.execute(sa.select(workers)):
        spec = json.loads(row.spec)
        machine = Machine(
            WorkerName(row.name),
            PoolName(row.pool),
            _size(spec["allocatable"]),
            spec.get("gpu_parts", 1),
            spec["price"],
        )
        machines[row.name] = machine
        if row.ended_at_ms is not None and row.provisioned_at_ms is not None:
            costs[row.pool] += cost(MachineUsage(machine, row.provisioned_at_ms, row.ended_at_ms))
    for name, value in _forgotten(connection, "forgotten.cost").items():
        costs[name] += value[0]
    connection.execute(sa.delete(_totals).where(_totals.c.name.startswith("cost/")))
    if costs:
        rows = [{"name": f"cost/{pool}", "value": str(pico)} for pool, pico in costs.items()]
        connection.execute(sa.insert(_totals), rows)
    return machines


def _book_attempts(connection: sa.Connection, machines: dict[str, Machine]) -> None:
    classes = _classes(connection)
    accounts: Counter[tuple[str, str, str]] = Counter()
    batches: Counter[int] = Counter()
    for row in connection.execute(_ended_attempts(), execution_options={"yield_per": _FETCH}):
        machine = machines.get(row.worker)
        if machine is None:
            continue
        user, project, request = classes[row.class_id]
        batch = None if row.batch_id is None else BatchId(row.batch_id)
        pico = cost(
            AttemptUsage(
                machine, UserName(user), project, batch, JobId(row.job_id), row.attempt, request,
                row.assigned_at_ms, row.ended_at_ms,
            )
        )  # fmt: skip
        accounts[user, project, machine.pool] += pico
        if batch is not None:
            batches[batch] += pico
    for text, value in _forgotten(connection, "forgotten.usage").items():
        user, project, pool = json.loads(text)
        accounts[user, project, pool] += value[1]
    u, b = _usage.c, _batches.c
    for (user, project, pool), spent in accounts.items():
        mine = (u.user == user) & (u.project == project) & (u.pool == pool)
        connection.execute(sa.update(_usage).where(mine).values(cost_pico=str(spent)))
    before = connection.execute(
        sa.select(_totals.c.value).where(_totals.c.name == "forgotten.before")
    ).scalar()
    whole = b.ended_at_ms.is_(None) | (b.ended_at_ms >= int(before or 0))
    kept = set(connection.execute(sa.select(b.id).where(whole)).scalars())
    changed = [{"batch": batch, "pico": str(pico)} for batch, pico in batches.items() if batch in kept]
    if changed:
        one = sa.update(_batches).where(b.id == sa.bindparam("batch"))
        connection.execute(one.values(cost_pico=sa.bindparam("pico")), changed)


def _ended_attempts() -> sa.Select[Any]:
    columns = ("job_id", "attempt", "worker", "state", "assigned_at_ms", "ended_at_ms")
    attempts = sa.table("attempts", *(sa.column(name) for name in columns))
    jobs = sa.table("jobs", sa.column("id"), sa.column("batch_id"), sa.column("class_id"))
    return (
        sa.select(attempts, jobs.c.batch_id, jobs.c.class_id)
        .join(jobs, jobs.c.id == attempts.c.job_id)
        .where(attempts.c.state >= _ENDED)
    )


def _classes(connection: sa.Connection) -> dict[int, tuple[str, str, Resources]]:
    classes = sa.table("job_classes", *(sa.column(name) for name in ("id", "user", "project", "spec")))
    return {
        row.id: (row.user, row.project, _size(json.loads(row.spec)["request"]))
        for row in connection.execute(sa.select(classes))
    }


def _size(stored: Any) -> Resources:
    amounts = stored_amounts(stored)
    return Resources(amounts["cpu_milli"], amounts["memory_mib"], amounts["disk_mib"], amounts["gpu"])


def _forgotten(connection: sa.Connection, kind: str) -> dict[str, list[int]]:
    """By what stands behind the slash."""
    rows = connection.execute(sa.select(_totals).where(_totals.c.name.startswith(f"{kind}/")))
    return {row.name.partition("/")[2]: json.loads(row.value) for row in rows}


def downgrade() -> None:
    for table in ("attempts", "workers"):
        money = sa.Column("cost_pico", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
        op.add_column(table, money)
