"""attempts and workers no longer carry money: what they cost is computed from their intervals, and the sums are made anew

The ledger's arithmetic stands here a second time, as it was when this was written, so that no later change of it changes what this does.
"""

import json
from collections import Counter
from typing import Any, NamedTuple

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

#: The first number of `model.work.job.AttemptState` that is an end, as it was when this was written.
_ENDED = 10
#: Rows fetched at a time.
_FETCH = 10_000

_batches = sa.table("batches", sa.column("id"), sa.column("cost_pico"), sa.column("ended_at_ms"))
_usage = sa.table("usage", sa.column("user"), sa.column("project"), sa.column("pool"), sa.column("cost_pico"))
_totals = sa.table("totals", sa.column("name"), sa.column("value"))

#: Pico-dollars for an hour of a core, of a GiB, of a GPU.
_CORE_HOUR, _GIB_HOUR, _GPU_HOUR = 50_000_000_000, 5_000_000_000, 500_000_000_000
_MS_PER_HOUR = 3_600_000


class _Size(NamedTuple):
    cpu_milli: int
    memory_mib: int
    gpu: int


class _Machine(NamedTuple):
    pool: str
    size: _Size
    gpu_parts: int
    price: int


def upgrade() -> None:
    connection = op.get_bind()
    machines = _machines(connection)
    _book_attempts(connection, machines)
    op.drop_column("attempts", "cost_pico")
    op.drop_column("workers", "cost_pico")


def _machines(connection: sa.Connection) -> dict[str, _Machine]:
    """Of all workers; and the totals of their pools."""
    columns = ("name", "pool", "spec", "provisioned_at_ms", "ended_at_ms")
    workers = sa.table("workers", *(sa.column(name) for name in columns))
    machines: dict[str, _Machine] = {}
    costs: Counter[str] = Counter()
    for row in connection.execute(sa.select(workers)):
        spec = json.loads(row.spec)
        machine = _Machine(row.pool, _size(spec["allocatable"]), spec.get("gpu_parts", 1), spec["price"])
        machines[row.name] = machine
        if row.ended_at_ms is not None and row.provisioned_at_ms is not None:
            costs[row.pool] += _cost(machine.price, 1, 1, row.ended_at_ms - row.provisioned_at_ms)
    for name, value in _forgotten(connection, "forgotten.cost").items():
        costs[name] += value[0]
    connection.execute(sa.delete(_totals).where(_totals.c.name.startswith("cost/")))
    if costs:
        rows = [{"name": f"cost/{pool}", "value": str(pico)} for pool, pico in costs.items()]
        connection.execute(sa.insert(_totals), rows)
    return machines


def _book_attempts(connection: sa.Connection, machines: dict[str, _Machine]) -> None:
    classes = _classes(connection)
    accounts: Counter[tuple[str, str, str]] = Counter()
    batches: Counter[int] = Counter()
    for row in connection.execute(_ended_attempts(), execution_options={"yield_per": _FETCH}):
        machine = machines.get(row.worker)
        if machine is None:
            continue
        user, project, request = classes[row.class_id]
        part, whole = _share(machine, request)
        pico = _cost(machine.price, part, whole, row.ended_at_ms - row.assigned_at_ms)
        accounts[user, project, machine.pool] += pico
        if row.batch_id is not None:
            batches[row.batch_id] += pico
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
    unpruned = b.ended_at_ms.is_(None) | (b.ended_at_ms >= int(before or 0))
    kept = set(connection.execute(sa.select(b.id).where(unpruned)).scalars())
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


def _classes(connection: sa.Connection) -> dict[int, tuple[str, str, _Size]]:
    classes = sa.table("job_classes", *(sa.column(name) for name in ("id", "user", "project", "spec")))
    return {
        row.id: (row.user, row.project, _size(json.loads(row.spec)["request"]))
        for row in connection.execute(sa.select(classes))
    }


def _size(stored: Any) -> _Size:
    """Stored by name, or as [cpu_milli, memory_mib, disk_mib, gpu]."""
    if isinstance(stored, dict):
        return _Size(stored.get("cpu_milli", 0), stored.get("memory_mib", 0), stored.get("gpu", 0))
    cpu_milli, memory_mib, _, gpu = stored
    return _Size(cpu_milli, memory_mib, gpu)


def _share(machine: _Machine, request: _Size) -> tuple[int, int]:
    """(part, whole): the share of the machine's price that the request pays, in OpenCost's way."""
    there = machine.size
    cores, gib = there.cpu_milli * _CORE_HOUR // 1000, there.memory_mib * _GIB_HOUR // 1024
    gpus = there.gpu and max(machine.price - cores - gib, _GPU_HOUR * there.gpu // machine.gpu_parts)
    part, whole = 0, 1
    for weight, asked, had in zip((cores, gib, gpus), request, there, strict=True):
        if had > 0 and weight > 0:
            part, whole = part * had + weight * min(asked, had) * whole, whole * had
    return part, max(1, whole * (cores + gib + gpus))


def _cost(price: int, part: int, whole: int, duration_ms: int) -> int:
    """Of that share of an hourly price, rounded half-even."""
    if duration_ms <= 0:
        return 0
    divisor = whole * _MS_PER_HOUR
    pico, rest = divmod(price * part * duration_ms, divisor)
    return pico + (2 * rest > divisor or (2 * rest == divisor and pico % 2 == 1))


def _forgotten(connection: sa.Connection, kind: str) -> dict[str, list[int]]:
    """By what stands behind the slash."""
    rows = connection.execute(sa.select(_totals).where(_totals.c.name.startswith(f"{kind}/")))
    return {row.name.partition("/")[2]: json.loads(row.value) for row in rows}


def downgrade() -> None:
    for table in ("attempts", "workers"):
        money = sa.Column("cost_pico", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
        op.add_column(table, money)
