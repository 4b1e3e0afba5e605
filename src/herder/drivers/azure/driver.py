"""The driver for Azure: a worker is a VM, with a network card, a disk and perhaps an address of its own.

Called by the loops, from any thread. It needs nothing of its own after a restart: names follow from the worker, and are unique in the resource group, whatever
the location; tags say what it was made as. In memory it has the names of workers that it has seen, to know VMs whose tags people removed.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from herder.drivers.azure.api import ADDRESSES, CARDS, Api, Json, Kind
from herder.drivers.azure.bodies import Bodies, names_of
from herder.drivers.azure.leftovers import Leftovers
from herder.drivers.azure.market import Market
from herder.drivers.azure.operations import LOG_DAYS, operations_in
from herder.drivers.azure.options import wanted
from herder.drivers.azure.resources import Part, Vm, facts_of_vm, handle_of, machine_of, phase_of
from herder.drivers.azure.rights import checks_of
from herder.drivers.azure.settings import AzureSettings, place_of
from herder.model.fleet.driver import (
    AlreadyExists,
    DriverContext,
    DriverError,
    InvalidRequest,
    Listing,
    Machine,
    NotFound,
    OutOfCapacity,
    Phase,
    QuotaExceeded,
    RateLimited,
    StartData,
    Unauthorised,
    Unavailable,
)
from herder.model.fleet.driver_capabilities import (
    Check,
    Need,
    OfferedShape,
    Price,
    ProviderOperation,
    Quota,
)
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import WorkerName
from herder.model.values.phrases import clause
from herder.remote.azure.errors import VmExists, operation_error
from herder.remote.clouds.facts import check_worker, machine_name
from herder.remote.clouds.pace import Pause

_LOG = logging.getLogger(__name__)
DELETE, CREATE = "delete", "create "
#: An address of an operation that is longer is not kept: the VM says how far it is, too.
_OPERATION_LETTERS_MAX = 400
#: A network card is ready at once, or within seconds.
_CARD_WAITS_S = (0.5, 1.0, 2.0, 4.0)


class AzureDriver:
    deadlines_s: Mapping[str, float] = {
        "create": 120.0,
        "delete": 90.0,
        "get": 60.0,
        "list": 120.0,
        "checks": 120.0,
        "prices": 120.0,
    }

    def __init__(self, settings: AzureSettings, context: DriverContext, api: Api, pause: Pause) -> None:
        self._settings, self._context, self._api, self._pause = settings, context, api, pause
        self._installation = context.installation
        self._market = Market(api, settings, context.clock)
        self._leftovers = Leftovers(api, context.installation, context.clock)
        self._known: set[WorkerName] = set()

    @property
    def name(self) -> str:
        return self._context.name or "azure"

    # --- verbs

    def create(self, spec: WorkerSpec, start: StartData) -> Machine:
        check_worker(spec.name)
        zone = spec.zone or self._settings.zone_names[0]
        if zone not in self._settings.zone_names:
            raise InvalidRequest(
                f"Pool {spec.pool} wants zone {zone}, which driver {self.name} may not use. Add it to the setting zones."
            )
        asked = wanted(spec, self._settings)
        bodies = Bodies(spec, start, asked, self._settings, self._installation, place_of(zone))
        bodies.vm("")  # what is wrong with it is told before anything is made
        found = self._find(spec.name)
        if found is not None:
            return self._existing(spec.name, found)
        made: dict[Kind, Part] = {}
        try:
            path = self._begun(bodies, made)
        except AlreadyExists as error:
            return self._taken(spec.name, error)
        except DriverError as error:
            error.leaves_parts = bool(made)
            if made and isinstance(error, (OutOfCapacity, QuotaExceeded, InvalidRequest, Unauthorised)):
                self._tidy(spec.name, self._leftovers.remove)
            if isinstance(error, OutOfCapacity):
                error.zone = zone
            raise
        self._known.add(spec.name)
        short = path if len(path) <= _OPERATION_LETTERS_MAX else ""
        return Machine(
            worker=spec.name,
            handle=handle_of(bodies.place.location, bodies.names.vm),
            phase=Phase.CREATING,
            operation=f"{CREATE}{short}",
            detail="Creating",
        )

    def get(self, worker: WorkerName, operation: str = "") -> Machine:
        check_worker(worker)
        vm = self._find(worker)
        if operation == DELETE:
            if vm is None:
                left = self._leftovers.remove(worker)
                if left is not None:
                    return left
            elif phase_of(vm) is not Phase.STOPPING:
                return self.delete(worker)  # it has failed inside Azure
        elif operation.startswith(CREATE):
            goes_on = self._raise_failure(worker, vm, operation.removeprefix(CREATE))
            if vm is None and goes_on:
                return Machine(
                    worker=worker, handle="", phase=Phase.CREATING, operation=operation, detail="Creating"
                )
        if vm is None:
            raise NotFound(f"Azure has no VM for worker {worker}.")
        return self._seen(worker, vm, operation)

    def delete(self, worker: WorkerName) -> Machine:
        check_worker(worker)
        vm = self._find(worker)
        try:
            if vm is not None and vm.properties.provisioningState.lower() != "deleting":
                self._api.delete_vm(vm.name)
        except NotFound:
            vm = None  # it has gone meanwhile
        if vm is None:
            left = self._leftovers.remove(worker)
            if left is not None:
                return left
            raise NotFound(f"Azure has no VM for worker {worker}.")
        return Machine(
            worker=worker,
            handle=handle_of(vm.location, vm.name),
            phase=Phase.STOPPING,
            operation=DELETE,
            detail="Deleting",
        )

    def list(self) -> Listing:
        known = {machine_name(self._installation, worker): worker for worker in set(self._known)}
        machines: dict[WorkerName, Machine] = {}
        complete = True
        for vm in self._api.vms():
            facts = facts_of_vm(vm, self._installation)
            worker = WorkerName(facts.worker) if facts is not None else known.get(vm.name)
            if worker is None:
                continue
            try:
                machines[worker] = machine_of(worker, vm, facts)
            except Unavailable:  # a state that is not known: it is there, and nobody can say how
                complete = False
        if complete:
            self._known = set(machines)
            machines |= {left.worker: left for left in self._leftovers.found(machines)}
        return Listing(machines=tuple(machines[name] for name in sorted(machines)), complete=complete)

    def health(self) -> None:
        self._api.resource_group()

    # --- capabilities

    def console(self, worker: WorkerName) -> str:
        """What the VM has written to its serial port."""
        return self._api.console(self._there(worker).name)

    def reboot(self, worker: WorkerName) -> Machine:
        vm = self._there(worker)
        if phase_of(vm) is Phase.RUNNING:
            self._api.restart(vm.name)
        return self._seen(worker, vm, "")

    def operations(self, worker: WorkerName) -> Sequence[ProviderOperation]:
        """Azure's log is some minutes late."""
        check_worker(worker)
        since_s = self._context.clock.now_ms() / 1000 - LOG_DAYS * 86_400
        since = datetime.fromtimestamp(since_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return operations_in(self._api.events(machine_name(self._installation, worker), since))

    def offers(self) -> Sequence[OfferedShape]:
        return self._market.offers()

    def prices(self) -> Sequence[Price]:
        return self._market.prices()

    def quotas(self) -> Sequence[Quota]:
        return self._market.quotas()

    def need(self, spec: WorkerSpec) -> Need:
        return self._market.need(spec)

    def checks(self) -> Sequence[Check]:
        return checks_of(self._api, self._settings)

    def close(self) -> None:
        self._api.close()

    # --- creating

    def _begun(self, bodies: Bodies, made: dict[Kind, Part]) -> str:
        """The address of the operation. What is made before the VM is noted in `made`; it may be there from an earlier try."""
        names, address_id = bodies.names, ""
        if self._settings.public_ip:
            made[ADDRESSES] = self._api.put_part(ADDRESSES, names.address, bodies.address())
            address_id = made[ADDRESSES].id
        made[CARDS] = self._api.put_part(CARDS, names.card, bodies.card(address_id))
        body = bodies.vm(self._ready(made[CARDS], bodies.spec.name).id)
        hidden = (bodies.start.activation_token, body["properties"]["osProfile"]["customData"])
        return self._api.put_vm(bodies.names.vm, body, hidden)

    def _ready(self, card: Part, worker: WorkerName) -> Part:
        for wait_s in _CARD_WAITS_S:
            if card.ready:
                return card
            self._pause(wait_s)
            card = self._api.part(CARDS, card.name)
        if card.ready:
            return card
        state = card.properties.provisioningState or "not known"
        raise Unavailable(
            f"Network card {card.name} of worker {worker} is not ready: its state is {state[:40]}. The VM is created after that."
        )

    def _taken(self, worker: WorkerName, error: AlreadyExists) -> Machine:
        """By a call that was made at the same time; or by parts of an earlier try."""
        vm = self._find(worker)
        if vm is not None:
            return self._existing(worker, vm)
        if isinstance(error, VmExists):
            raise _later(f"{clause(error)}. Azure does not show it yet.") from error
        self._leftovers.remove(worker)
        raise _later(
            f"{clause(error)}. What is left of an earlier VM of worker {worker} is being removed, and the worker is created after that."
        ) from error

    def _existing(self, worker: WorkerName, vm: Vm) -> Machine:
        phase = phase_of(vm)
        if phase is Phase.FAILED:
            self._api.delete_vm(vm.name)
        if phase in (Phase.FAILED, Phase.STOPPING):
            raise _later(
                f"An earlier VM of worker {worker} is being removed. The worker is created after that."
            )
        return self._seen(worker, vm, CREATE if phase is Phase.CREATING else "")

    def _raise_failure(self, worker: WorkerName, vm: Vm | None, path: str) -> bool:
        """What the creation has failed with, as the operation says it, or the VM. What it has left is removed: Azure keeps a VM that could not be made.
        Answers whether the operation says that it goes on: Azure may not show a VM yet that is being created."""
        phase = phase_of(vm) if vm is not None else None
        if phase not in (None, Phase.FAILED, Phase.STOPPING):
            return False
        operation = self._operation(path)
        failure = _failure_in(operation)
        if failure is None and vm is not None and phase is Phase.FAILED:
            failure = vm.failure
        if failure is None:
            return operation.get("status") not in (None, "", "Succeeded")
        if phase is not Phase.STOPPING:
            self._tidy(worker, self.delete)
        error = operation_error(failure, f"creating VM {machine_name(self._installation, worker)}")
        if isinstance(error, (Unavailable, RateLimited, AlreadyExists)):
            # It is created again, under the same name.
            raise NotFound(str(error)) from error
        raise error

    def _operation(self, path: str) -> Json:
        """Empty: Azure has forgotten it."""
        try:
            return self._api.operation(path) if path else {}
        except (NotFound, InvalidRequest):
            return {}

    def _tidy(self, worker: WorkerName, remove: Callable[[WorkerName], Machine | None]) -> None:
        """After a creation that has failed: an error of its own would hide why."""
        try:
            remove(worker)
        except NotFound:
            return
        except DriverError as error:
            _LOG.warning("Parts of worker %s are left, for the next sweep: %s.", worker, clause(error))

    # --- finding

    def _find(self, worker: WorkerName) -> Vm | None:
        """Asked by name: a list may be late, and its absence proves nothing. The name has a hash of the worker, so that tags which people removed or
        changed do not matter; but tags of another worker whose name is the same do."""
        try:
            vm = self._api.vm(machine_name(self._installation, worker))
        except NotFound:
            return None
        facts = facts_of_vm(vm, self._installation)
        if facts is not None and facts.worker != worker:
            return None
        self._known.add(worker)
        return vm

    def _there(self, worker: WorkerName) -> Vm:
        check_worker(worker)
        vm = self._find(worker)
        if vm is None:
            raise NotFound(f"Azure has no VM for worker {worker}.")
        return vm

    def _seen(self, worker: WorkerName, vm: Vm, operation: str) -> Machine:
        facts, addresses = facts_of_vm(vm, self._installation), tuple[str, ...]()
        if phase_of(vm) is Phase.RUNNING:
            addresses = self._addresses(worker)
        return machine_of(worker, vm, facts, operation, addresses)

    def _addresses(self, worker: WorkerName) -> tuple[str, ...]:
        names = names_of(self._installation, worker)
        found: list[str] = []
        try:
            card = self._api.part(CARDS, names.card)
            found += [each.properties.privateIPAddress for each in card.properties.ipConfigurations]
            if self._settings.public_ip:
                found.append(self._api.part(ADDRESSES, names.address).properties.ipAddress)
        except NotFound:
            pass  # people have given it another card
        return tuple(filter(None, found))


def _later(text: str) -> Unavailable:
    """Of a creation that has to wait for what is there."""
    error = Unavailable(text)
    error.leaves_parts = True
    return error


def _failure_in(operation: Json) -> Mapping[str, str] | None:
    """None: it goes on, or has succeeded."""
    if operation.get("status") not in ("Failed", "Canceled"):
        return None
    error = operation.get("error")
    return error if isinstance(error, dict) else {"code": str(operation["status"])}
