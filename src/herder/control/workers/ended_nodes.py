"""Nodes of a cluster that belong to no worker that lives: which of them are left over from one that has ended, by its row in the store.

Called by the clusters loop. A machine is known to be gone when its worker was `terminated`, and in no other way: a worker that a person
has forgotten may still have one.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from herder.control.kernel.core import Core
from herder.model.fleet.node import NodeSeen
from herder.model.fleet.worker import WorkerState
from herder.store.rows.tables import workers

#: Names that are looked up at a time; the rest follows later.
LOOKED_UP_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """`remove`: its machine is gone. `unknown`: the store has no such worker. `claims`: it says that it is a worker of this installation."""

    node: NodeSeen
    remove: bool
    unknown: bool
    claims: bool


async def leftovers(core: Core, alone: Sequence[NodeSeen]) -> list[Leftover]:
    if not alone:
        return []
    some = alone[:LOOKED_UP_MAX]
    await core.settle()  # the end of its worker may be on its way
    names = sorted({str(node.worker or node.name) for node in some})

    def rows(connection: Connection) -> dict[str, Any]:
        query = select(workers.c.name, workers.c.state, workers.c.node).where(workers.c.name.in_(names))
        return {row.name: row for row in connection.execute(query)}

    known = await core.read(rows)
    return [_leftover(node, known.get(str(node.worker or node.name))) for node in some]


def _leftover(node: NodeSeen, row: Any) -> Leftover:
    claims = node.worker is not None
    if row is None:
        return Leftover(node=node, remove=False, unknown=not claims, claims=claims)
    uid = json.loads(row.node)["uid"] if row.node else ""
    same = uid == node.uid or (not uid and claims and node.ready is not True)
    gone = row.state == WorkerState.TERMINATED.value
    return Leftover(node=node, remove=gone and same, unknown=not (claims or same), claims=claims)
