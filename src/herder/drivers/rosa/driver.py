"""The driver for ROSA: a pool is one machine pool, and a worker is one of its nodes. Called by the loops, from any thread.

Creating a worker makes the machine pool one node larger, deleting one makes it one smaller; the provider chooses which node ends, drains it, and
keeps to PodDisruptionBudgets. Names and nodes are brought together by `ledger`, at each look. The driver keeps nothing itself but a lock.
"""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from herder.drivers.rosa.changes import planned
from herder.drivers.rosa.cluster import NEEDED, ClusterSide
from herder.drivers.rosa.importing import adoptable, smallest
from herder.drivers.rosa.in_turn import InTurn
from herder.drivers.rosa.ledger import Entry, Ledger, Settled
from herder.drivers.rosa.options import wanted
from herder.drivers.rosa.pools import RECENT_MS, Look, MachinePools, by_hand
from herder.drivers.rosa.settings import RosaSettings
from herder.model.fleet.cluster import POOL_LABEL
from herder.model.fleet.driver import (
    DriverContext,
    DriverError,
    InvalidRequest,
    Listing,
    Machine,
    MachineTags,
    NotFound,
    OutcomeUnknown,
    OutOfCapacity,
    Phase,
    QuotaExceeded,
    RateLimited,
    StartData,
    Unavailable,
)
from herder.model.fleet.driver_capabilities import AdoptablePool, Check, PlannedChange
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import PoolName, WorkerName
from herder.remote.kubernetes.calls import Right
from herder.remote.ocm import rules
from herder.remote.ocm.api import Ocm
from herder.remote.ocm.pools import Cluster, MachinePool
from herder.remote.ocm.sso import RedHatLogin

_LOG = logging.getLogger(__name__)
#: A value of a label, as Kubernetes has it.
_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


@dataclass(slots=True, eq=False)
class _Asked:
    """A creation that waits for its turn."""

    spec: WorkerSpec
    pool: MachinePool
    look: Look | None = None
    """What was seen after it was added; None: it was not."""


class RosaDriver:
    #: Up to eight calls of two APIs.
    deadlines_s: Mapping[str, float] = {"create": 90.0, "delete": 90.0, "get": 60.0, "list": 90.0}

    def __init__(
        self, settings: RosaSettings, context: DriverContext, ocm: Ocm, side: ClusterSide, login: RedHatLogin
    ) -> None:
        self._settings, self._context = settings, context
        self._ocm, self._side, self._login = ocm, side, login
        self._installation = context.installation
        self._pools = MachinePools(ocm, side, context.installation, context.clock)
        #: One server changes a count at a time; another server is noticed by the version of the ConfigMap.
        self._lock = InTurn()
        self._cluster: Cluster | None = None
        self._looks: dict[str, Look] = {}
        """By machine pool, the last one; empty after a change."""
        self._asked: list[_Asked] = []
        """Creations that wait for the lock."""

    @property
    def name(self) -> str:
        return self._context.name or "rosa"

    # --- verbs

    def create(self, spec: WorkerSpec, start: StartData) -> Machine:
        self._check(spec.name)
        mine, cluster = _Asked(spec, wanted(self._installation, spec)), self._found_cluster()
        self._asked.append(mine)
        with self._lock:
            look = mine.look or self._add_with_others(cluster, mine)
        return self._machine(spec.name, look.ledger, look.settled, look.found)

    def get(self, worker: WorkerName, operation: str = "") -> Machine:
        self._check(worker)
        cluster = self._found_cluster()
        with self._lock:
            return self._recently_seen(worker) or self._looked(cluster, worker)

    def delete(self, worker: WorkerName) -> Machine:
        self._check(worker)
        cluster = self._found_cluster()
        with self._lock:
            self._looks.clear()
            ledger, version = self._pools.ledger(self._holding(worker).machine_pool)
            found = self._pools.compared(cluster, ledger, self._pools.now(cluster, ledger.machine_pool))
            entry = ledger.workers.get(worker)
            if entry is None:
                raise NotFound(f"The node of worker {worker} has ended.")
            if not entry.leaving and ledger.by_hand < 0 and not self._has_node(ledger, worker):
                ledger.by_hand += 1  # one of those whose node a person removed
            if not entry.leaving or ledger.pending:
                entry.leaving = True
                size = None if found is None else _sized(found, ledger, found)
                found = self._pools.carried_out(cluster, ledger, version, found, size)
            settled = self._settled(ledger, found)
            if worker in settled.ended:
                return Machine(worker=worker, handle=self._handle(ledger, worker), phase=Phase.GONE)
            return self._machine(worker, ledger, settled, found)

    def list(self) -> Listing:
        machines = []
        cluster = self._found_cluster()
        with self._lock:
            self._looks.clear()
            there = self._pools.all(cluster)
            for ledger in self._side.ledgers(self._installation):
                look = self._pools.look(cluster, ledger, there.get(ledger.machine_pool))
                for name in ledger.workers:
                    with suppress(NotFound):
                        machines.append(self._machine(name, ledger, look.settled, look.found))
        return Listing(machines=tuple(sorted(machines, key=lambda each: each.worker)))

    def health(self) -> None:
        self._ocm.health()
        self._side.ask()

    # --- capabilities

    def checks(self) -> Sequence[Check]:
        rights = [_try(f"right {right}", partial(self._has, right)) for right in NEEDED]
        return (_try("OpenShift Cluster Manager", self._ready), *rights)

    def planned(self, before: PoolSpec | None, after: PoolSpec) -> Sequence[PlannedChange]:
        return planned(self._installation, self.name, self._cluster, before, after)

    def importable(self) -> Sequence[AdoptablePool]:
        cluster = self._found_cluster()
        sizes = smallest(self._side.sizes())
        used = {each.machine_pool: each.pool for each in self._side.ledgers(self._installation) if each.ours}
        return [
            adoptable(
                pool,
                cluster,
                installation=self._installation,
                driver=self.name,
                kubernetes=self._settings.cluster,
                used_by=used.get(name, ""),
                node=sizes.get(pool.instance_type),
            )
            for name, pool in sorted(self._pools.all(cluster).items())
        ]

    def close(self) -> None:
        for each in (self._ocm, self._side, self._login):
            each.close()

    # --- inside

    def _check(self, worker: str) -> None:
        if not _LABEL.fullmatch(worker):
            raise InvalidRequest(
                f"{worker[:80]!r} is not a valid name of a worker: it cannot be a label of a node."
            )

    def _found_cluster(self) -> Cluster:
        if self._cluster is None:
            self._cluster = self._ocm.cluster(self._settings.rosa_cluster)
        return self._cluster

    def _add_with_others(self, cluster: Cluster, mine: _Asked) -> Look:
        """One change for all workers of the machine pool that wait for their turn: each one alone takes seconds."""
        batch = [each for each in list(self._asked) if each.pool == mine.pool]
        if mine not in batch:
            return self._add(cluster, [mine])  # it was asked for with others, and that failed
        for each in batch:
            self._asked.remove(each)
        if len(batch) > 1:
            try:
                return self._add(cluster, batch)
            except (InvalidRequest, OutOfCapacity, QuotaExceeded, Unavailable) as error:
                _LOG.info("%d workers of %s are asked for one by one: %s", len(batch), mine.pool.name, error)
        return self._add(cluster, [mine])

    def _add(self, cluster: Cluster, batch: Sequence[_Asked]) -> Look:
        self._looks.clear()
        pool = batch[0].pool
        ledger, version = self._pools.ledger_of(pool.name, batch[0].spec.pool)
        was_ours, there = ledger.ours, self._pools.now(cluster, pool.name)
        found = self._pools.compared(cluster, ledger, there)
        if there is not None:
            _check_fits(pool, there, self._pools.lacking(ledger, there) if found is None else ())
        if found is None:
            ledger.autoscaling, ledger.making = pool.autoscaling is not None, pool
        if not ledger.pending and (found is None or not was_ours):
            _end_all(ledger)
        added = _entered(ledger, [each.spec for each in batch])
        size = _sized(pool, ledger, found)
        rules.check(size, cluster, new=found is None)
        found = self._pools.described(cluster, ledger, found, pool)
        if added or ledger.pending or found is None:
            found = self._pools.carried_out(cluster, ledger, version, found, size, added=added)
        look = self._looks[pool.name] = self._pools.seen(ledger, found, self._settled(ledger, found))
        for each in batch:
            each.look = look
        return look

    def _looked(self, cluster: Cluster, worker: WorkerName) -> Machine:
        ledger = self._holding(worker)
        found = self._pools.recent(cluster, ledger.machine_pool)
        if ledger.pending:
            ledger, found = self._completed(cluster, ledger.machine_pool, worker)
        look = self._pools.look(cluster, ledger, found, forget=True)
        self._looks[ledger.machine_pool] = look
        return self._machine(worker, ledger, look.settled, look.found)

    def _recently_seen(self, worker: WorkerName) -> Machine | None:
        """That it is still being created or removed need not be asked anew for each of many workers."""
        since_ms = self._context.clock.monotonic_ms() - RECENT_MS
        for look in self._looks.values():
            if look.at_ms <= since_ms or worker not in look.ledger.workers or look.ledger.pending:
                continue
            if (
                worker not in look.settled.ended
                and worker not in look.settled.nodes
                and look.found is not None
            ):
                return self._machine(worker, look.ledger, look.settled, look.found)
        return None

    def _completed(
        self, cluster: Cluster, name: str, worker: WorkerName
    ) -> tuple[Ledger, MachinePool | None]:
        """A change that was interrupted is carried out where it is this worker's."""
        ledger, version = self._pools.ledger(name)
        found = self._pools.compared(cluster, ledger, self._pools.now(cluster, name))
        entry = ledger.workers.get(worker)
        if entry is not None and ledger.pending and (entry.leaving or worker in ledger.not_asked):
            pool = found or ledger.making
            needless = found is None and not ledger.staying
            size = None if pool is None or needless else _sized(pool, ledger, found)
            found = self._pools.carried_out(cluster, ledger, version, found, size)
        return ledger, found

    def _settled(self, ledger: Ledger, found: MachinePool | None) -> Settled:
        """After a change: what goes wrong here says nothing of it."""
        try:
            return self._pools.settle(ledger, found)
        except (RateLimited, Unavailable) as error:
            raise OutcomeUnknown(str(error)) from error

    def _has_node(self, ledger: Ledger, worker: str) -> bool:
        return any(node.worker == worker for node in self._side.nodes(self._installation, ledger.pool))

    def _holding(self, worker: str) -> Ledger:
        for ledger in self._side.ledgers(self._installation):
            if worker in ledger.workers:
                return ledger
        raise NotFound(f"No machine pool has worker {worker}.")

    def _handle(self, ledger: Ledger, worker: str) -> str:
        return f"{self._found_cluster().id}/{ledger.machine_pool}/{worker}"

    def _machine(self, worker: str, ledger: Ledger, settled: Settled, found: MachinePool | None) -> Machine:
        entry, node = ledger.workers[worker], settled.nodes.get(worker)
        if found is None and node is None and not ledger.pending:
            raise NotFound(f"Machine pool {ledger.machine_pool} of worker {worker} was deleted.")
        if worker in settled.ended:
            raise NotFound(f"The node of worker {worker} has ended.")
        # A removal that OCM has not been asked for is asked for again.
        leaving = entry.leaving and not ledger.pending
        phase = Phase.STOPPING if leaving else Phase.RUNNING if node is not None else Phase.CREATING
        detail = f"Node {node.name}." if node is not None else _lacks(ledger, settled, found)
        return Machine(
            worker=WorkerName(worker),
            handle=self._handle(ledger, worker),
            phase=phase,
            operation="" if phase is Phase.RUNNING else f"resize-{ledger.machine_pool}",
            detail=" ".join(filter(None, [detail, by_hand(ledger)])),
            tags=MachineTags(
                pool=PoolName(ledger.pool), template=entry.template, zone=entry.zone, spot=entry.spot
            ),
        )

    def _ready(self) -> None:
        cluster = self._found_cluster()
        if cluster.state != "ready":
            raise Unavailable(
                f"Cluster {cluster.name} is {cluster.state or 'in an unknown state'}. Wait until it is ready."
            )

    def _has(self, right: Right) -> None:
        if not self._side.allowed(right):
            raise InvalidRequest(
                f"The account of cluster {self._settings.cluster} lacks the right {right}. Add it to its role."
            )


def _try(name: str, act: Callable[[], None]) -> Check:
    try:
        act()
    except DriverError as error:
        detail, _, remedy = str(error).partition(". ")
        return Check(name=name, passed=False, detail=f"{detail.rstrip('.')}.", remedy=remedy)
    return Check(name=name, passed=True)


def _sized(pool: MachinePool, ledger: Ledger, found: MachinePool | None) -> MachinePool:
    """A person may have turned autoscaling on or off: what is so stays."""
    if not ledger.autoscaling:
        return replace(pool, replicas=ledger.target, autoscaling=None)
    return pool if found is None else replace(pool, replicas=None, autoscaling=found.autoscaling)


def _entered(ledger: Ledger, specs: Sequence[WorkerSpec]) -> list[str]:
    """The names that are new. Raises Unavailable."""
    new = [str(spec.name) for spec in specs if spec.name not in ledger.workers]
    for spec in specs:
        entry = Entry(template=spec.template, zone=spec.zone, spot=spec.spot)
        if ledger.workers.setdefault(spec.name, entry).leaving:
            raise Unavailable(f"Worker {spec.name} is still being removed. Herder tries again.")
    return new


def _end_all(ledger: Ledger) -> None:
    """A machine pool that was deleted is made anew: the nodes of before have ended, or are ending."""
    for entry in ledger.workers.values():
        entry.leaving = True


def _check_fits(pool: MachinePool, found: MachinePool, lacking: Sequence[tuple[str, str]]) -> None:
    """Raises InvalidRequest when a machine pool exists that `pool` cannot be. `lacking`: labels of one that is not ours."""
    if lacking:
        key, value = lacking[0]
        raise InvalidRequest(
            f"Machine pool {found.name} exists and was not made for pool {dict(pool.labels)[POOL_LABEL]}. Add the label {key}={value} to hand it "
            "over, or set another machine_pool."
        )
    for what, has, wants in (
        ("instance type", found.instance_type, pool.instance_type),
        ("market", _market(found), _market(pool)),
    ):
        if has and has != wants:
            raise InvalidRequest(
                f"Machine pool {found.name} has {what} {has}, and its pool wants {wants}. Delete the machine pool to have it created again, or set "
                "another machine_pool."
            )


def _market(pool: MachinePool) -> str:
    return "on-demand" if pool.spot is None else "spot"


def _lacks(ledger: Ledger, settled: Settled, found: MachinePool | None) -> str:
    if found is None:
        return f"Machine pool {ledger.machine_pool} does not exist."
    wants = len(ledger.staying)
    said = f" OpenShift Cluster Manager reports: {found.message}." if found.message else ""
    return f"Machine pool {found.name} has {len(settled.nodes)} of {wants} nodes.{said}"
