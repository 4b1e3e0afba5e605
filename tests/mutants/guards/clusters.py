"""Mutants of workers that are nodes: what keeps pods, nodes, machines and the cordons of others safe, and what makes pods demand.

That evictions keep to budgets is the API server's promise; its mutant is one of the API server, and shows that the rule can fail.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from tests.mutants.mutant import Look, Mutant, Replaced, answers, replaced
from tests.support.cluster_worlds import short_lives

_NODES = "herder.engine.workers.nodes"
_LOOP = "herder.control.loops.clusters"
_WORLD = Look(
    cluster=True,
    workers=6,
    jobs_per_day=200,
    intensity=0.0,
    days=0.03,
    fleet=short_lives,
)


def _live_only(_before: Any) -> Any:
    return property(lambda worker: bool(worker.live))


def _forcing(to_do: Any) -> Any:
    def forced(state: Any, worker: Any) -> Any:
        found = to_do(state, worker)
        return None if found is None else replace(found, force=True)

    return forced


def _any_cordon(to_do: Any) -> Any:
    def uncordons(state: Any, worker: Any) -> Any:
        found = to_do(state, worker)
        node = worker.node
        if found is None and node is not None and node.seen is not None and node.seen.cordoned:
            from herder.engine.workers.nodes import ToDo

            return ToDo(node=node.seen, cordon=False)
        return found

    return uncordons


def _removed_first(tidy_up: Any) -> Any:
    async def early(hands: Any) -> None:
        from herder.control.workers.ended_nodes import Leftover
        from herder.model.fleet.worker import WorkerState

        for node in hands.life.seen.nodes:
            worker = hands.core.state.workers.get(node.worker)
            if worker is None or worker.state is not WorkerState.TERMINATING or node.uid in hands.work:
                continue
            found = Leftover(node=node, remove=True, unknown=False, claims=True)
            hands._begin(node, partial(hands._remove, found))
        await tidy_up(hands)

    return early


async def _nothing(*_: Any) -> None:
    return None


CLUSTERS: tuple[Mutant, ...] = (
    Mutant(
        guard="pods occupy their node",
        removes="A node whose drain has begun counts as empty.",
        rules=("no machine is removed under pods",),
        replaced=(Replaced(name="herder.engine.memory.state:WorkerLife.occupied", by=_live_only),),
        look=_WORLD,
    ),
    Mutant(
        guard="evictions before force",
        removes="Each drain deletes its pods.",
        rules=("no pod is deleted before its deadline",),
        replaced=(replaced(f"{_NODES}:to_do", _forcing),),
        look=_WORLD,
    ),
    Mutant(
        guard="budgets of the API server",
        removes="The API server allows each eviction.",
        rules=("pods are evicted within their budgets",),
        replaced=(answers("herder.testing.kubernetes.api.evictions:_use_budget", lambda: None),),
        look=_WORLD,
    ),
    Mutant(
        guard="a node goes with its machine",
        removes="Nodes whose machine is gone are left.",
        rules=("no node is left over",),
        replaced=(Replaced(name=f"{_LOOP}:_Hands.tidy_up", by=lambda _: _nothing),),
        look=_WORLD,
    ),
    Mutant(
        guard="a node goes after its machine",
        removes="The Node object is removed when its machine is about to be.",
        rules=("no node is removed whose machine exists",),
        replaced=(Replaced(name=f"{_LOOP}:_Hands.tidy_up", by=_removed_first),),
        look=_WORLD,
    ),
    Mutant(
        guard="cordons of others",
        removes="Herder takes back each cordon that it has no use for.",
        rules=("cordons of others stay",),
        replaced=(replaced(f"{_NODES}:to_do", _any_cordon),),
        look=replace(_WORLD, intensity=6.0),
    ),
    Mutant(
        guard="pods are demand",
        removes="Pending pods are no demand.",
        rules=("pods that fit are bound",),
        replaced=(answers(f"{_NODES}:pods_waiting", lambda: iter(())),),
        look=_WORLD,
    ),
)
