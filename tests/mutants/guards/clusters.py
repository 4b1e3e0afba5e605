"""Mutants of workers that are nodes: what keeps pods, nodes, machines and the cordons of others safe, and what makes pods demand.

That evictions keep to budgets is the API server's promise; its mutant is one of the API server, and shows that the rule can fail.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from herder.simulate.chaos.cluster_fleet import JOBS
from tests.mutants.mutant import Look, Mutant, Replaced, answers, replaced
from tests.support.cluster_worlds import short_lives

_NODES = "herder.engine.workers.cluster.nodes"
_LOOP = "herder.control.loops.clusters"
_DRIVER = "herder.drivers.kubernetes_jobs"
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
            from herder.engine.workers.cluster.nodes import ToDo

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


def _nothing_there(_before: Any) -> Any:
    def delete(_driver: Any, worker: Any) -> Any:
        from herder.model.fleet.driver import NotFound

        raise NotFound(f"There is no Job for worker {worker}.")

    return delete


def _unowned(secret_of: Any) -> Any:
    def made(*given: Any) -> Any:
        secret = secret_of(*given)
        del secret["metadata"]["ownerReferences"]
        return secret

    return made


def _tries_again(job_of: Any) -> Any:
    """As if Kubernetes were to decide what is tried again."""

    def made(*given: Any) -> Any:
        job = job_of(*given)
        del job["spec"]["podFailurePolicy"], job["spec"]["podReplacementPolicy"]
        job["spec"]["backoffLimit"] = 6
        return job

    return made


def _many_jobs(fleet: Any) -> Any:
    """Jobs go to the pool of Kubernetes Jobs, and to no other."""
    return replace(
        fleet,
        pools=tuple(
            pool
            if pool.name == JOBS or pool.cluster
            else replace(pool, jobs=replace(pool.jobs, default_eligible=False))
            for pool in fleet.pools
        ),
    )


async def _nothing(*_: Any) -> None:
    return None


_JOBS_WORLD = replace(
    _WORLD,
    jobs_per_day=1_500,
    fleet=_many_jobs,
    odds={"job_removed": 0.02, "pod_out_of_memory": 0.01, "pod_evicted": 0.01},
)

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
    Mutant(
        guard="Jobs go with their worker",
        removes="The Kubernetes Job of a removed worker is left.",
        rules=("no Job is left over",),
        replaced=(Replaced(name=f"{_DRIVER}.driver:KubernetesJobsDriver.delete", by=_nothing_there),),
        look=replace(_JOBS_WORLD, odds={}),
    ),
    Mutant(
        guard="Secrets go with their Job",
        removes="The Secret of a Job does not belong to it, and is left when somebody else removes the Job.",
        rules=("no Job is left over",),
        replaced=(replaced(f"{_DRIVER}.manifest:secret_of", _unowned),),
        look=_JOBS_WORLD,
    ),
    Mutant(
        guard="no second pod",
        removes="Kubernetes makes another pod for one that has failed.",
        rules=("a Job runs one pod",),
        replaced=(replaced(f"{_DRIVER}.manifest:job_of", _tries_again),),
        look=_JOBS_WORLD,
    ),
)
