"""The scenes of the story, in order. Each waits for what the APIs and the datacentre say, and raises CommandError when it did not happen.

Called by `story`. What is printed was read from the server or the cluster.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from herder.cli.shell.exit_codes import CommandError
from herder.cli.views.plans import cost_line
from herder.demo.datacentre.waiting import Waiting
from herder.model.values.phrases import counted, listed
from herder.settings.sections.pool.pools import pool_from_plain
from herder.testing.datacentre import Sickness
from herder.wire.api.resources import PlanView, WorkerView

Json = dict[str, Any]
WEB_PODS = 4
FLEET = (("permanent", 1), ("spot", 1), ("burst", 2))


def play(at: Waiting) -> None:
    for title, scene in (
        ("Pods wait, and the planner knows what for", pods_wait),
        ("Virtual machines are cloned", machines_are_cloned),
        ("Machines join the cluster", nodes_join),
        ("Pods run", pods_run),
        ("A machine falls sick: the first rung restarts its kubelet", kubelet_is_restarted),
        ("A ttl ends soon and is extended", ttl_is_extended),
        ("The hosts are full: a spot worker is removed for a permanent one", spot_is_preempted),
        ("The restart has not helped: the next rung reboots the machine", machine_is_rebooted),
        ("The ttl ends: a budget blocks the drain, and then allows it", drain_is_blocked),
        ("All pools are deleted and nothing is left", nothing_is_left),
    ):
        with at.tell.scene_of(title):
            scene(at)


def pods_wait(at: Waiting) -> None:
    for app, pool, pods in (("web", "burst", WEB_PODS), ("batch", "spot", 1)):
        info = at.client.pools.scheduling_info(pool)
        for number in range(pods):
            at.site.create_pod(f"{app}-{number}", app, info)
    words = at.until("the pods are not unschedulable", lambda: _unschedulable(at.site.pods("web"), WEB_PODS))
    at.tell.fact(f"{counted(WEB_PODS, 'pod')} cannot be scheduled: {words}")
    at.until("the server does not see the cluster", lambda: _seen(at))
    waits = at.client.clusters.why_pod("default", "web-0").summary
    at.tell.fact(f"$ herder why pod web-0\n{waits}")
    plan = at.until("no plan creates workers of pool burst", lambda: _plan_for(at, "burst"))
    action = next(each for each in plan.actions if _pool_of(each) == "burst")
    cost = cost_line(plan.cost_pico_per_hour, plan.bound_pico_per_hour)
    at.tell.fact(f"Plan {plan.number}: {action['reason']['text']} Its {cost}.")


def _seen(at: Waiting) -> bool:
    (cluster,) = at.client.clusters.list()
    return cluster.state == "seen" and cluster.pending_pods > WEB_PODS


def _unschedulable(pods: Sequence[Json], count: int) -> str:
    """What the scheduler says of one, once it says it of all; else empty."""
    found = [
        each["message"]
        for pod in pods
        for each in pod["status"].get("conditions", ())
        if each["type"] == "PodScheduled" and each.get("reason") == "Unschedulable"
    ]
    return str(found[0]) if len(found) == count else ""


def _plan_for(at: Waiting, pool: str) -> PlanView | None:
    for plan in at.client.plans.list(actions=True, limit=10):
        if any(_pool_of(each) == pool for each in plan.actions):
            return plan
    return None


def _pool_of(action: Json) -> str:
    return str((action.get("spec") or {}).get("pool", ""))


def machines_are_cloned(at: Waiting) -> None:
    for pool, count in FLEET:
        for worker in at.workers(pool, count):
            at.event("worker.provisioned", worker.name)
            _check_machine(at, worker.name)


def _check_machine(at: Waiting, worker: str) -> None:
    vm = at.until(f"no machine of worker {worker} runs", lambda: at.site.vm(worker))
    if not vm.running or not vm.network.endswith("bridge=vmbr0,tag=20"):
        raise CommandError(f"VM {vm.vmid} of worker {worker} does not run, or its network is {vm.network}.")
    at.tell.fact(
        f"VM {vm.vmid} on host {vm.host}: {worker}, {vm.cores} cores, {vm.memory_mib:,} MiB, VLAN 20"
    )


def nodes_join(at: Waiting) -> None:
    for pool, count in FLEET:
        for worker in at.ready(pool, count):
            at.tell.fact(_as_it_joined(at, worker))


def _as_it_joined(at: Waiting, worker: WorkerView) -> str:
    at.until(f"node {worker.node} does not have all of its labels", lambda: not any(_lacking(at, worker)))
    node = at.site.nodes()[worker.node]
    labels, taints = node["metadata"]["labels"], node["spec"].get("taints", ())
    marks = [f"{each['key']}={each.get('value', '')}:{each['effect']}" for each in taints]
    if bool(marks) != (worker.pool != "permanent"):
        raise CommandError(f"Node {worker.node} has {counted(len(marks), 'taint')}.")
    about = [f"label node-pool={worker.pool}", *(f"taint {each}" for each in marks)]
    if worker.pool == "burst":
        about.append(f"label ttl={labels['ttl']}")
    return f"Node {worker.node}: {listed(about)}. {at.event('worker.ready', worker.name).text}"


def _lacking(at: Waiting, worker: WorkerView) -> Iterator[str]:
    labels = at.site.nodes()[worker.node]["metadata"]["labels"]
    if labels.get("herder.dev/worker") != worker.name:
        yield "herder.dev/worker"
    if labels.get("node-pool") != worker.pool:
        yield "node-pool"
    if worker.pool == "burst":
        yield from (key for key in ("provisioned-at", "ttl", "ttl-hours") if key not in labels)


def pods_run(at: Waiting) -> None:
    def running() -> list[Json] | None:
        pods = [*at.site.pods("web"), *at.site.pods("batch")]
        found = [each for each in pods if each["status"].get("phase") == "Running"]
        return found if len(found) == WEB_PODS + 1 else None

    for pod in at.until("the pods do not run", running):
        at.tell.fact(f"Pod {pod['metadata']['name']} runs on node {pod['spec']['nodeName']}.")
    at.site.require_available("web", WEB_PODS)
    at.tell.fact(
        f"A PodDisruptionBudget now requires {counted(WEB_PODS, 'available pod')} of application web."
    )


def kubelet_is_restarted(at: Waiting) -> None:
    worker = at.workers("permanent")[0].name
    at.site.sicken(worker, Sickness.KUBELET_CRASH_LOOP)
    at.tell.fact(f"Kubelet of {worker} crashes, and runs again only after a reboot of the machine.")
    at.until(f"node {worker} is not Unknown", lambda: at.site.ready(worker) == "Unknown")
    at.told("worker.unhealthy", worker)
    at.told("worker.repairing", worker, "restart_service")
    at.told("worker.repair_done", worker, "restart_service")


def machine_is_rebooted(at: Waiting) -> None:
    """It has begun during the scene before."""
    worker = at.workers("permanent")[0].name
    at.told("worker.repairing", worker, "reboot")
    at.told("worker.repair_done", worker, "reboot")
    at.told("worker.repaired", worker)
    at.until(f"node {worker} is not ready", lambda: at.site.ready(worker) == "True")


def ttl_is_extended(at: Waiting) -> None:
    """`Waiting` extends each ttl when it is announced."""
    for worker in at.workers("burst", 2):
        at.told("worker.expires_soon", worker.name)
        at.told("worker.extended", worker.name)


def spot_is_preempted(at: Waiting) -> None:
    (spot,) = (each.name for each in at.workers("spot"))
    plain = at.client.pools.get("permanent").settings
    at.client.apply([pool_from_plain({**plain, "min_workers": 2})])
    at.tell.fact("$ herder apply: min_workers of pool permanent is 2 now. The hosts have no memory left.")
    at.told("worker.draining", spot)
    at.event("worker.terminated", spot)
    at.until(f"the VM of {spot} exists", lambda: at.site.vm(spot) is None)
    at.tell.fact(f"Worker {spot} and its VM are removed.")
    first = at.workers("permanent")[0].name
    new = at.until("the new worker is not ready", lambda: _another(at.ready("permanent", 1), first))
    at.told("worker.ready", new)


def _another(workers: Sequence[WorkerView], first: str) -> str:
    return next((each.name for each in workers if each.name != first), "")


def drain_is_blocked(at: Waiting) -> None:
    names = [each.name for each in at.workers("burst", 2)]
    for name in names:
        at.told("worker.draining", name)
    at.told("worker.drain_blocked", names[0])
    at.until(
        "the cluster shows no blocked drain", lambda: next(iter(at.client.clusters.list())).blocked_drains
    )
    if len(at.site.pods("web")) != WEB_PODS:
        raise CommandError("Pods were evicted against their PodDisruptionBudget.")
    at.site.allow_disruption()
    at.tell.fact("The PodDisruptionBudget now requires 0 available pods.")
    at.until("pods of application web exist", lambda: not at.site.pods("web"))
    at.tell.fact(f"{counted(WEB_PODS, 'pod')} of application web were evicted.")


def nothing_is_left(at: Waiting) -> None:
    burst = [each.name for each in at.workers("burst")]
    at.site.delete_budget()
    at.site.delete_pods("batch")
    for pool, _ in FLEET:
        at.tell.fact(f"$ herder pool delete {pool}\n{at.client.pools.delete(pool).text}")
    for name in burst:
        at.event("worker.terminated", name)
        at.tell.fact(f"Worker {name} is removed.")
    at.until("workers exist", lambda: not list(at.client.workers.list()))
    left: list[str] = []

    def clean() -> bool:
        left[:] = at.site.left_over()
        return not left

    at.until("the datacentre is not as it was at the beginning", clean)
    wrong = at.client.invariants()
    if wrong:
        raise CommandError(f"{counted(len(wrong), 'invariant')} of the server does not hold.")
    at.tell.fact("No VM, volume, ISO image, lock, task, machine, node, lease or secret is left.")
