"""Machine pools and what is written of them: what OCM has, whose it is, and a change of a count whose every step is known after a restart.

Called by `driver`, under its lock.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from herder.drivers.rosa.cluster import ClusterSide
from herder.drivers.rosa.ledger import Ledger, Settled, settle
from herder.drivers.rosa.options import labels_of
from herder.model.fleet.driver import (
    AlreadyExists,
    DriverClock,
    DriverError,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    OutOfCapacity,
    QuotaExceeded,
    Unauthorised,
)
from herder.remote.ocm.api import Ocm, Written
from herder.remote.ocm.pools import Cluster, MachinePool

_LOG = logging.getLogger(__name__)
#: How old what OCM said of a machine pool may be for `get`.
RECENT_MS = 5_000
#: OCM has done nothing, and will not do it.
_REFUSED = (InvalidRequest, OutOfCapacity, QuotaExceeded, Unauthorised)


class Look(NamedTuple):
    """What was seen of a machine pool at a time."""

    at_ms: int
    ledger: Ledger
    found: MachinePool | None
    settled: Settled


class MachinePools:
    def __init__(self, ocm: Ocm, side: ClusterSide, installation: str, clock: DriverClock) -> None:
        self._ocm, self._side, self._installation, self._clock = ocm, side, installation, clock
        self._read: dict[str, tuple[int, MachinePool | None]] = {}

    # --- what OCM has

    def now(self, cluster: Cluster, name: str) -> MachinePool | None:
        try:
            return self._noted(name, self._ocm.pool(cluster, name))
        except NotFound:
            # Of a cluster that this account may not see it says the same: the list tells them apart.
            found = next((each for each in self._ocm.pools(cluster) if each.name == name), None)
            return self._noted(name, found)

    def recent(self, cluster: Cluster, name: str) -> MachinePool | None:
        """Not read again for each of many workers."""
        at_ms, found = self._read.get(name, (None, None))
        if at_ms is None or self._clock.monotonic_ms() - at_ms >= RECENT_MS:
            return self.now(cluster, name)
        return found

    def all(self, cluster: Cluster) -> Mapping[str, MachinePool]:
        return {pool.name: pool for pool in self._ocm.pools(cluster)}

    def _noted(self, name: str, found: MachinePool | None) -> MachinePool | None:
        self._read[name] = (self._clock.monotonic_ms(), found)
        return found

    # --- whose it is

    def ledger_of(self, machine_pool: str, pool: str) -> tuple[Ledger, str]:
        """With its version, empty where it is new. Raises InvalidRequest when another pool has the machine pool."""
        try:
            ledger, version = self.ledger(machine_pool)
        except NotFound:
            made = Ledger(installation=self._installation, pool=pool, machine_pool=machine_pool, ours=False)
            ledger, version = made, ""
        if (ledger.installation, ledger.pool) != (self._installation, pool):
            raise InvalidRequest(
                f"Machine pool {machine_pool} belongs to pool {ledger.pool} of installation {ledger.installation}. Set another machine_pool in driver_options."
            )
        return ledger, version

    def ledger(self, machine_pool: str) -> tuple[Ledger, str]:
        return self._side.ledger(map_of(machine_pool))

    def compared(self, cluster: Cluster, ledger: Ledger, found: MachinePool | None) -> MachinePool | None:
        """What people have changed is in the ledger afterwards, and is written with the next change. None: there is none of ours."""
        found = self._ours(cluster, ledger, found)
        if found is None:
            if ledger.ours:
                ledger.deleted()
            return None
        ledger.ours = True
        before = ledger.by_hand
        ledger.sized(found.replicas)
        if ledger.by_hand != before:
            _LOG.info(
                "Machine pool %s has %s replicas, which Herder did not set. %s",
                found.name,
                found.replicas,
                by_hand(ledger),
            )
        return found

    def lacking(self, ledger: Ledger, found: MachinePool) -> list[tuple[str, str]]:
        """Labels by which it would be ours."""
        labels = dict(found.labels)
        wanted = labels_of(self._installation, ledger.pool)
        return [(key, value) for key, value in wanted if labels.get(key) != value]

    def _ours(self, cluster: Cluster, ledger: Ledger, found: MachinePool | None) -> MachinePool | None:
        """A person who edits the labels of a machine pool replaces all of them: ours are put back."""
        lacking = [] if found is None else self.lacking(ledger, found)
        if found is None or not lacking:
            return found
        if not ledger.ours:
            return None
        _LOG.warning("Machine pool %s has lost the labels of Herder. They are put back.", found.name)
        wanted = replace(found, labels=tuple((dict(found.labels) | dict(lacking)).items()))
        return self._noted(found.name, self._ocm.change(cluster, found, wanted, "labels").pool)

    # --- changes

    def described(
        self, cluster: Cluster, ledger: Ledger, found: MachinePool | None, pool: MachinePool
    ) -> MachinePool | None:
        """Labels, taints, the price of spot and the limits of autoscaling become those of `pool` when the settings have changed; until then what a
        person has written stays. The ledger is written by the caller: a change that is repeated changes nothing."""
        before, ledger.settings = ledger.settings, _settings_of(pool)
        if found is None or before in ("", ledger.settings):
            return found
        both = found.autoscaling is not None and pool.autoscaling is not None
        wanted = replace(
            found,
            labels=pool.labels,
            taints=pool.taints,
            spot=pool.spot if cluster.hosted else found.spot,
            autoscaling=pool.autoscaling if both else found.autoscaling,
        )
        fields = [
            name
            for name, has, wants in (
                ("labels", dict(found.labels), dict(wanted.labels)),
                ("taints", {*found.taints}, {*wanted.taints}),
                ("spot", found.spot, wanted.spot),
                ("autoscaling", found.autoscaling, wanted.autoscaling),
            )
            if has != wants
        ]
        if not fields:
            return found
        _LOG.info("Machine pool %s gets the %s of its pool.", found.name, ", ".join(fields))
        made = self._ocm.change(cluster, found, wanted, *fields)
        _tell(found.name, made)
        return self._noted(found.name, made.pool)

    def carried_out(
        self,
        cluster: Cluster,
        ledger: Ledger,
        version: str,
        found: MachinePool | None,
        size: MachinePool | None,
        added: Sequence[str] = (),
    ) -> MachinePool | None:
        """Names first, then the count. `size`: what OCM is to have; None: nothing is asked of it. `added`: names that are forgotten when OCM
        refuses. Raises OutcomeUnknown when it ends in between."""
        ledger.asked = None if ledger.autoscaling and found is not None else ledger.target
        version = self._side.write(map_of(ledger.machine_pool), ledger, version)
        refused: DriverError | None = None
        try:
            try:
                found = found if size is None else self._noted(size.name, self._resized(cluster, found, size))
            except _REFUSED as error:
                refused = error
            if refused is None:
                ledger.asked, ledger.count = None, (found.replicas or 0) if found is not None else 0
                ledger.ours, ledger.making = found is not None, None
            elif added:
                ledger.asked = ledger.making = None
                for name in added:
                    del ledger.workers[name]
            self._side.write(map_of(ledger.machine_pool), ledger, version)
        except DriverError as error:
            raise OutcomeUnknown(str(error)) from error
        if refused is not None:
            raise refused
        return found

    def _resized(self, cluster: Cluster, found: MachinePool | None, size: MachinePool) -> MachinePool:
        if found is None:
            try:
                made = self._ocm.create(cluster, size)
            except AlreadyExists:
                return self._ocm.pool(cluster, size.name)  # of a call whose answer was lost
        elif size.replicas == found.replicas or size.autoscaling is not None:
            return found
        else:
            made = self._ocm.change(cluster, found, replace(found, replicas=size.replicas), "replicas")
        _tell(size.name, made)
        return made.pool

    def settle(
        self, ledger: Ledger, found: MachinePool | None, *, forget: bool = True, lost: bool = False
    ) -> Settled:
        """Names and nodes are brought together; workers that ended are forgotten, with `forget` also those of a machine pool that was deleted.
        `lost`: so is that the machine pool was ours."""
        nodes = self._side.nodes(self._installation, ledger.pool)
        gone = forget and found is None and not ledger.pending
        settled = settle(ledger, nodes, (found.replicas or 0) if found is not None else 0, gone=gone)
        for move in settled.moves:
            self._side.name_node(move)
        if settled.ended or lost:
            current, version = self.ledger(ledger.machine_pool)
            for name in settled.ended:
                current.workers.pop(name, None)
            if lost:
                current.deleted()
            self._side.write(map_of(ledger.machine_pool), current, version)
        return settled

    def look(
        self, cluster: Cluster, ledger: Ledger, found: MachinePool | None, *, forget: bool = False
    ) -> Look:
        was_ours = ledger.ours
        found = self.compared(cluster, ledger, found)
        settled = self.settle(ledger, found, forget=forget, lost=was_ours and not ledger.ours)
        return self.seen(ledger, found, settled)

    def seen(self, ledger: Ledger, found: MachinePool | None, settled: Settled) -> Look:
        return Look(self._clock.monotonic_ms(), ledger, found, settled)


def _tell(machine_pool: str, made: Written) -> None:
    for warning in made.warnings:
        _LOG.warning("OpenShift Cluster Manager on machine pool %s: %s", machine_pool, warning)


def _settings_of(pool: MachinePool) -> str:
    taints = sorted((each.key, each.value, each.effect) for each in pool.taints)
    said = (sorted(pool.labels), taints, pool.spot, pool.autoscaling)
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


def map_of(machine_pool: str) -> str:
    """The name of its ConfigMap."""
    return f"herder-rosa-{machine_pool}"


def by_hand(ledger: Ledger) -> str:
    if not ledger.by_hand:
        return ""
    than = "more" if ledger.by_hand > 0 else "fewer"
    return f"A person has set {abs(ledger.by_hand)} {than} replicas than workers."
