"""What a person should know before a worker is removed: the rows of the dry run of `herder worker remove`. Changes nothing and calls nobody.

Called by `worker_actions`, after it has checked that the order is allowed. What is not known has no verdict.
"""

from herder.control.kernel.core import Core
from herder.engine.memory.state import WorkerLife
from herder.engine.workers.draining.drain_texts import on_blocked
from herder.model.fleet.drain import OnBlocked
from herder.model.values.phrases import agree, counted
from herder.wire.api.resources import SafetyCheck

BLOCKED_MAX = 10


def checks_of_removal(core: Core, worker: WorkerLife, *, force: bool) -> list[SafetyCheck]:
    return [
        _work(worker),
        *_budgets(core, worker, force=force),
        _drain(worker, force=force),
        _size(core, worker),
        _order(worker),
    ]


def _work(worker: WorkerLife) -> SafetyCheck:
    running, node = worker.busy, worker.node
    what = "pod" if node is not None else "attempt"
    if node is not None and node.seen is None:
        detail = f"The node of worker {worker.spec.name} is not in the picture of its cluster, so its pods are not known."
        return SafetyCheck(name="running work", passed=None, detail=detail)
    if not running:
        return SafetyCheck(
            name="running work", passed=True, detail=f"No {what}s run on worker {worker.spec.name}."
        )
    again = "evicted" if node is not None else "retried on other workers, unless they end before"
    detail = f"{counted(running, what)} {agree(running, 'runs', 'run')} on worker {worker.spec.name}, to be {again}."
    return SafetyCheck(name="running work", passed=False, detail=detail)


def _budgets(core: Core, worker: WorkerLife, *, force: bool) -> list[SafetyCheck]:
    """Of nodes only. A budget is known when an eviction was refused: Herder has no right to read them."""
    node, name = worker.node, "disruption budgets"
    if node is None:
        return []
    if node.blocked:
        return [SafetyCheck(name=name, passed=False, detail=each.text) for each in node.blocked[:BLOCKED_MAX]]
    if not node.pods and node.seen is not None:
        return [SafetyCheck(name=name, passed=True, detail="No pods are to be evicted.")]
    if force or on_blocked(core.state, worker) is OnBlocked.FORCE:
        detail = "Pods that their PodDisruptionBudgets protect are deleted at the end."
        return [SafetyCheck(name=name, passed=False, detail=detail)]
    detail = "Known when pods are evicted; a drain that a budget blocks waits, and is shown as blocked."
    return [SafetyCheck(name=name, passed=None, detail=detail)]


def _drain(worker: WorkerLife, *, force: bool) -> SafetyCheck:
    what = "pods" if worker.node is not None else "attempts"
    if force:
        return SafetyCheck(name="graceful drain", passed=False, detail=f"--force ends the {what} at once.")
    return SafetyCheck(
        name="graceful drain", passed=True, detail=f"The worker is cordoned, and its {what} may end."
    )


def _size(core: Core, worker: WorkerLife) -> SafetyCheck:
    pool = core.state.pools.get(worker.spec.pool)
    if pool is None:
        return SafetyCheck(name="limits", passed=True, detail="The pool of the worker was deleted.")
    staying = sum(
        each.spec.pool == pool.name and not each.state.leaving and each is not worker
        for each in core.state.workers.values()
    )
    least = pool.size.min_workers
    created = " Another one is created." if staying < least else ""
    detail = f"{counted(staying, 'worker')} of pool {pool.name} would be left, and the minimum is {least}.{created}"
    return SafetyCheck(name="limits", passed=staying >= least, detail=detail)


def _order(worker: WorkerLife) -> SafetyCheck:
    detail = (
        "The machine is removed when the node is empty, and the Node object after it."
        if worker.node is not None
        else "The machine is removed when the drain has ended."
    )
    return SafetyCheck(name="order", passed=True, detail=detail)
