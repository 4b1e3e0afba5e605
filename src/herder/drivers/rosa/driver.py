"""The driver for ROSA: a pool is one machine pool, and a worker is one of its nodes. Called by the loops, from any thread.

Creating a worker makes the machine pool one node larger, deleting one makes it one smaller; the provider chooses which node ends, drains it, and
keeps to PodDisruptionBudgets. Names and nodes are brought together by `ledger`, at each look. The driver keeps nothing itself but a lock.
"""

import logging
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from herder.drivers.rosa.changes import planned
from herder.drivers.rosa.cluster import NEEDED, ClusterSide
from herder.drivers.rosa.ledger import Entry, Ledger, Settled, settle
from herder.drivers.rosa.options import labels_of, wanted
from herder.drivers.rosa.settings import RosaSettings
from herder.model.fleet.driver import (
    AlreadyExists,
    DriverContext,
    DriverError,
    InvalidRequest,
    Listing,
    Machine,
    MachineTags,
    NotFound,
    OutOfCapacity,
    Phase,
    QuotaExceeded,
    StartData,
    Unauthorised,
    Unavailable,
)
from herder.model.fleet.driver_capabilities import Check, PlannedChange
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import PoolName, WorkerName
from herder.remote.kubernetes.calls import Right
from herder.remote.ocm import rules
from herder.remote.ocm.api import Ocm
from herder.remote.ocm.pools import Cluster, MachinePool
from herder.remote.ocm.sso import RedHatLogin

_LOG = logging.getLogger(__name__)
#: How old what OCM said of a machine pool may be for `get`.
RECENT_MS = 5_000
#: A value of a label, as Kubernetes has it.
_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


class RosaDriver:
    #: Up to eight calls of two APIs.
    deadlines_s: Mapping[str, float] = {"create": 90.0, "delete": 90.0, "get": 60.0, "list": 90.0}

    def __init__(
        self, settings: RosaSettings, context: DriverContext, ocm: Ocm, side: ClusterSide, login: RedHatLogin
    ) -> None:
        self._settings, self._context = settings, context
        self._ocm, self._side, self._login = ocm, side, login
        self._installation = context.installation
        #: One server changes a count at a time; another server is noticed by the version of the ConfigMap.
        self._lock = threading.Lock()
        self._cluster: Cluster | None = None
        self._read: dict[str, tuple[int, MachinePool | None]] = {}

    @property
    def name(self) -> str:
        return self._context.name or "rosa"

    # --- verbs

    def create(self, spec: WorkerSpec, start: StartData) -> Machine:
        self._check(spec.name)
        pool, cluster = wanted(self._installation, spec), self._found_cluster()
        with self._lock:
            ledger, version = self._ledger_of(pool, spec)
            found = self._pool(cluster, pool.name)
            if found is None and ledger.asked is None:
                ledger.workers, ledger.count, ledger.by_hand = (
                    {},
                    0,
                    0,
                )  # it was deleted, and its nodes with it
            elif found is not None:
                self._check_ours(found, spec.pool)
                self._notice(ledger, found)
            known = ledger.workers.get(spec.name)
            if known is not None and known.leaving:
                raise Unavailable(f"Worker {spec.name} is still being removed. Herder tries again.")
            ledger.workers.setdefault(
                spec.name, Entry(template=spec.template, zone=spec.zone, spot=spec.spot)
            )
            size = replace(pool, replicas=None if ledger.autoscaling else ledger.target)
            rules.check(size, cluster, new=found is None)
            if known is None or ledger.asked is not None or found is None:
                found = self._carried_out(ledger, version, found, size, added=spec.name)
            return self._machine(spec.name, ledger, self._settle(ledger, found), found)

    def get(self, worker: WorkerName, operation: str = "") -> Machine:
        self._check(worker)
        cluster = self._found_cluster()
        with self._lock:
            ledger = self._holding(worker)
            found = _compared(ledger, self._recent(cluster, ledger.machine_pool))
            return self._machine(worker, ledger, self._settle(ledger, found), found)

    def delete(self, worker: WorkerName) -> Machine:
        self._check(worker)
        cluster = self._found_cluster()
        with self._lock:
            name = self._holding(worker).machine_pool
            ledger, version = self._side.ledger(_map(name))
            found = self._pool(cluster, name)
            if found is not None:
                self._notice(ledger, found)
            entry = ledger.workers.get(worker)
            if entry is None:
                raise NotFound(f"The node of worker {worker} has ended.")
            if not entry.leaving and ledger.by_hand < 0 and not self._has_node(ledger, worker):
                ledger.by_hand += 1  # one of those whose node a person removed
            if not entry.leaving or ledger.asked is not None:
                entry.leaving = True
                replicas = None if found is None else found.replicas if ledger.autoscaling else ledger.target
                size = None if found is None else replace(found, replicas=replicas)
                found = self._carried_out(ledger, version, found, size)
            settled = self._settle(ledger, found)
            if worker in settled.ended:
                return Machine(worker=worker, handle=self._handle(ledger, worker), phase=Phase.GONE)
            return self._machine(worker, ledger, settled, found)

    def list(self) -> Listing:
        machines = []
        with self._lock:
            pools = {pool.name: pool for pool in self._ocm.pools(self._found_cluster())}
            for ledger in self._side.ledgers(self._installation):
                found = _compared(ledger, pools.get(ledger.machine_pool))
                settled = self._settle(ledger, found)
                for name in ledger.workers:
                    with suppress(NotFound):
                        machines.append(self._machine(name, ledger, settled, found))
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

    def _pool(self, cluster: Cluster, name: str) -> MachinePool | None:
        try:
            return self._noted(name, self._ocm.pool(cluster, name))
        except NotFound:
            return self._noted(name, None)

    def _recent(self, cluster: Cluster, name: str) -> MachinePool | None:
        """Not read again for each of many workers that are being created."""
        at_ms, found = self._read.get(name, (None, None))
        if at_ms is None or self._context.clock.monotonic_ms() - at_ms >= RECENT_MS:
            return self._pool(cluster, name)
        return found

    def _noted(self, name: str, found: MachinePool | None) -> MachinePool | None:
        self._read[name] = (self._context.clock.monotonic_ms(), found)
        return found

    def _has_node(self, ledger: Ledger, worker: str) -> bool:
        return any(node.worker == worker for node in self._side.nodes(self._installation, ledger.pool))

    def _ledger_of(self, pool: MachinePool, spec: WorkerSpec) -> tuple[Ledger, str]:
        """With its version, empty where it is new."""
        try:
            ledger, version = self._side.ledger(_map(pool.name))
        except NotFound:
            made = Ledger(installation=self._installation, pool=spec.pool, machine_pool=pool.name)
            ledger, version = made, ""
        if (ledger.installation, ledger.pool) != (self._installation, spec.pool):
            raise InvalidRequest(
                f"Machine pool {pool.name} belongs to pool {ledger.pool} of installation {ledger.installation}. Set another machine_pool in driver_options."
            )
        ledger.autoscaling = pool.autoscaling is not None
        return ledger, version

    def _check_ours(self, found: MachinePool, pool: str) -> None:
        labels = dict(found.labels)
        lacking = [
            (key, value) for key, value in labels_of(self._installation, pool) if labels.get(key) != value
        ]
        if lacking:
            key, value = lacking[0]
            raise InvalidRequest(
                f"Machine pool {found.name} exists and was not made for pool {pool}. Add the label {key}={value} to hand it over, or set another machine_pool."
            )

    def _notice(self, ledger: Ledger, found: MachinePool) -> None:
        """A count that a person has changed is kept, and told."""
        if found.replicas is not None and not ledger.autoscaling and ledger.seen(found.replicas):
            _LOG.warning(
                "Machine pool %s has %d replicas, which Herder did not set. %s",
                found.name,
                found.replicas,
                _by_hand(ledger),
            )

    def _carried_out(
        self,
        ledger: Ledger,
        version: str,
        found: MachinePool | None,
        size: MachinePool | None,
        added: str = "",
    ) -> MachinePool | None:
        """Names first, then the count: what is between them is known after a restart. `added`: the name that is forgotten when OCM refuses."""
        ledger.asked = None if ledger.autoscaling else ledger.target
        version = self._side.write(_map(ledger.machine_pool), ledger, version)
        try:
            found = found if size is None else self._noted(size.name, self._resized(found, size))
        except (InvalidRequest, OutOfCapacity, QuotaExceeded, Unauthorised):
            if added:
                ledger.workers.pop(added)
                ledger.asked = None
                self._side.write(_map(ledger.machine_pool), ledger, version)
            raise
        ledger.asked, ledger.count = None, (found.replicas or 0) if found is not None else 0
        self._side.write(_map(ledger.machine_pool), ledger, version)
        return found

    def _resized(self, found: MachinePool | None, size: MachinePool) -> MachinePool:
        cluster = self._found_cluster()
        if found is None:
            try:
                made = self._ocm.create(cluster, size)
            except AlreadyExists:
                return self._ocm.pool(cluster, size.name)  # of a call whose answer was lost
        elif size.replicas == found.replicas or size.autoscaling is not None:
            return found
        else:
            made = self._ocm.change(cluster, found, replace(found, replicas=size.replicas), "replicas")
        for warning in made.warnings:
            _LOG.warning("OpenShift Cluster Manager on machine pool %s: %s", size.name, warning)
        return made.pool

    def _settle(self, ledger: Ledger, found: MachinePool | None) -> Settled:
        """Names and nodes are brought together; workers that ended are forgotten."""
        nodes = self._side.nodes(self._installation, ledger.pool)
        settled = settle(ledger, nodes, (found.replicas or 0) if found is not None else 0)
        for move in settled.moves:
            self._side.name_node(move)
        if settled.ended:
            current, version = self._side.ledger(_map(ledger.machine_pool))
            for name in settled.ended:
                current.workers.pop(name, None)
            self._side.write(_map(ledger.machine_pool), current, version)
        return settled

    def _holding(self, worker: str) -> Ledger:
        for ledger in self._side.ledgers(self._installation):
            if worker in ledger.workers:
                return ledger
        raise NotFound(f"No machine pool has worker {worker}.")

    def _handle(self, ledger: Ledger, worker: str) -> str:
        return f"{self._found_cluster().id}/{ledger.machine_pool}/{worker}"

    def _machine(self, worker: str, ledger: Ledger, settled: Settled, found: MachinePool | None) -> Machine:
        if worker in settled.ended:
            raise NotFound(f"The node of worker {worker} has ended.")
        entry, node = ledger.workers[worker], settled.nodes.get(worker)
        if found is None and node is None and ledger.asked is None:
            raise NotFound(f"Machine pool {ledger.machine_pool} of worker {worker} was deleted.")
        phase = Phase.STOPPING if entry.leaving else Phase.RUNNING if node is not None else Phase.CREATING
        detail = f"Node {node.name}." if node is not None else _lacks(ledger, settled, found)
        return Machine(
            worker=WorkerName(worker),
            handle=self._handle(ledger, worker),
            phase=phase,
            operation="" if phase is Phase.RUNNING else f"resize-{ledger.machine_pool}",
            detail=" ".join(filter(None, [detail, _by_hand(ledger)])),
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


def _map(machine_pool: str) -> str:
    """The name of its ConfigMap."""
    return f"herder-rosa-{machine_pool}"


def _compared(ledger: Ledger, found: MachinePool | None) -> MachinePool | None:
    """What a person has changed is in `ledger` afterwards, and is written with the next change."""
    if found is not None and found.replicas is not None and not ledger.autoscaling:
        ledger.seen(found.replicas)
    return found


def _lacks(ledger: Ledger, settled: Settled, found: MachinePool | None) -> str:
    if found is None:
        return f"Machine pool {ledger.machine_pool} does not exist."
    wants = len(ledger.staying)
    said = f" OpenShift Cluster Manager reports: {found.message}." if found.message else ""
    return f"Machine pool {found.name} has {len(settled.nodes)} of {wants} nodes.{said}"


def _by_hand(ledger: Ledger) -> str:
    if not ledger.by_hand:
        return ""
    than = "more" if ledger.by_hand > 0 else "fewer"
    return f"A person has set {abs(ledger.by_hand)} {than} replicas than workers."
