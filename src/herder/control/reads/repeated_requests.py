"""The answer to a repeated request with an Idempotency-Key: made again from the rows that the first request created.

Called by `port.py`, given what `control/access/idempotency.py` found. States and prices are those of now; numbers and names are the first answer's.
"""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from herder.control.access import users
from herder.control.budgets.outlook import outlooks
from herder.control.kernel.bounds.errors import NotKnown
from herder.control.kernel.core import Core
from herder.control.pools.prices import fleet_prices, rates_of
from herder.model.ids import UserName
from herder.store.rows import tables as t
from herder.wire.api.drivers import SweepAnswer
from herder.wire.api.people import UserView
from herder.wire.api.resources import ApplyAnswer, ApplyChange, ReasonView, ScaleAnswer

_OF_APPLY = ("pool.created", "pool.updated", "sharing.updated", "budget.created", "budget.updated")


async def scaled(core: Core, worker: str) -> ScaleAnswer:
    """What the request that made this worker, among others, was answered."""

    def read(connection: Connection) -> tuple[Row[Any] | None, list[str]]:
        one = connection.execute(select(t.workers).where(t.workers.c.name == worker)).first()
        w = t.workers.c
        all_ = select(w.name).where(w.pool == (one.pool if one else ""), w.plan == (one.plan if one else 0))
        return one, list(connection.execute(all_).scalars())

    row, names = await core.read(read)
    if row is None:
        raise NotKnown(f"Worker {worker}, which that request created, is no longer in the store.")
    why = json.loads(row.reason_made)
    reason = ReasonView(kind=why["kind"], text=why["text"], evidence=why["evidence"])
    names.sort(key=lambda name: (len(name), name))
    return ScaleAnswer(pool=row.pool, workers=names, plan=row.plan, dry_run=False, reasons=[reason])


async def swept(core: Core, event: int) -> SweepAnswer:
    """What the request was answered that decided about unknown machines; `event`: its own."""
    e = t.events.c
    query = select(e.object, e.text, e.data).where(e.sequence == event)
    row = await core.read(lambda connection: connection.execute(query).first())
    if row is None:
        raise NotKnown(f"Event {event:,} of that request is no longer in the store.")
    data = json.loads(row.data)
    counts = {name: data[name] for name in ("done", "refused", "stays_frozen")}
    return SweepAnswer(object=row.object, text=data.get("answer", row.text), **counts)


async def applied(core: Core, first: int, pools: Sequence[str], budgets_named: int = 0) -> ApplyAnswer:
    """`first`: the first event of that request; the others follow it at once. `pools`: those that it named."""

    def read(connection: Connection) -> list[Row[Any]]:
        e = t.events.c
        rows = connection.execute(
            select(t.events)
            .where(e.sequence >= first)
            .order_by(e.sequence)
            .limit(len(pools) + 1 + budgets_named)
        ).all()
        found: list[Row[Any]] = []
        for row in rows:
            another = bool(found and row.request) or (row.actor, row.at_ms) != (rows[0].actor, rows[0].at_ms)
            if another or row.kind not in _OF_APPLY:
                break
            found.append(row)
        return found

    changes = {name: ApplyChange(pool=name, change="unchanged") for name in pools}
    sharing: dict[str, Any] = {}
    budgets: dict[str, Any] = {}
    for row in await core.read(read):
        fields = json.loads(row.data)["fields"]
        if row.kind == "sharing.updated":
            sharing = fields
        elif row.kind.startswith("budget."):
            budgets |= fields
        else:
            name = row.object.partition("/")[2]
            changes[name] = ApplyChange(pool=name, change=row.kind.removeprefix("pool."), fields=fields)
    known = {name: each.spec for name, each in core.budgets.budgets.items() if not each.deleting}
    least, most = fleet_prices(core.state.pools.values())
    return ApplyAnswer(
        changes=list(changes.values()),
        dry_run=False,
        price_per_hour_min_usd=least,
        price_per_hour_max_usd=most,
        sharing=sharing,
        budgets=budgets,
        outlook=outlooks(core, rates_of(core.state.pools.values()), known, core.clock.now_ms()),
    )


def made_user(core: Core, name: str) -> UserView:
    user = core.directory.users.get(UserName(name))
    if user is None:
        raise NotKnown(f"User {name}, which that request created or changed, has been deleted since.")
    return users.view_of(user)
