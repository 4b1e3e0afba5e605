"""Herder's own store as the input of a simulation: its log as the trace, its pools' templates as the offers.

Called by the command. What a pool has now is what counts, also for jobs that ran under older settings.
"""

import json
from dataclasses import dataclass

from sqlalchemy import Connection, select

from herder.model.fleet.pool import PoolSpec, Template
from herder.model.values.addresses import shown_address
from herder.model.values.money import PICO_PER_USD
from herder.model.values.resources import Dimensions
from herder.settings import pool_from_plain, resources_from_text
from herder.simulate.history.trace_from_store import OwnLog, read_own_log
from herder.simulate.traces.rows import TraceError
from herder.simulate.world.offers import SimTemplate
from herder.store.opening.database import StoreError
from herder.store.opening.reading import reading
from herder.store.rows import tables as t
from herder.store.rows.meta import resources_text
from herder.store.rows.versions import opened


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnStore:
    log: OwnLog
    templates: tuple[SimTemplate, ...]
    """Of all pools; empty when there is none."""


def read_own_store(where: str, *, limit: int | None = None) -> OwnStore:
    """`where` as `store.opening.reading` takes it. Raises TraceError."""
    try:
        with reading(where) as connection:
            return OwnStore(
                log=read_own_log(connection, shown_address(where), limit=limit),
                templates=tuple(
                    _sold(pool, template) for pool in pools_of(connection) for template in pool.templates
                ),
            )
    except StoreError as error:
        raise TraceError(f"{error} {error.hint}".strip()) from None


def pools_of(connection: Connection) -> list[PoolSpec]:
    """Those that are in force; when all were deleted, those that were."""
    rows = connection.execute(
        select(t.pools.c.name, t.pools.c.spec, t.pools.c.deleted).order_by(t.pools.c.name)
    ).all()
    chosen = [row for row in rows if not row.deleted] or rows
    resources = resources_from_text(resources_text(connection))
    return [_pool(row.name, row.spec, resources) for row in chosen]


def _pool(name: str, spec: str, resources: Dimensions) -> PoolSpec:
    where = f"The stored pool {name}"
    return pool_from_plain(opened("pool", json.loads(spec), where), where, resources)


def _sold(pool: PoolSpec, template: Template) -> SimTemplate:
    size = template.allocatable
    return SimTemplate(
        name=f"{pool.name}/{template.name}",
        amounts=(size.cpu_milli, size.memory_mib, size.disk_mib, size.gpu * 1000),
        price=template.price_pico_per_hour / PICO_PER_USD,
        most=pool.size.max_workers,
    )


def described(template: SimTemplate) -> str:
    """`std/two (2 cores, 4 GiB, 0.1 per hour, at most 3)`."""
    cpu, memory, _, gpu = (amount or 0 for amount in template.amounts)
    parts = [f"{cpu / 1000:g} {'core' if cpu == 1000 else 'cores'}", f"{memory / 1024:.4g} GiB"]
    if gpu:
        parts.append(f"{gpu / 1000:g} GPU")
    return f"{template.name} ({', '.join(parts)}, {template.price:g} per hour, at most {template.most})"
