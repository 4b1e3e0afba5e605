"""The driver for Google Cloud: a worker is a VM of Compute Engine.

Called by the loops, from any thread. It needs nothing of its own after a restart: the name of a VM follows from its worker, its metadata says what it was made
as, and the operation names the zone and what is under way there. In memory it has the zones of workers, which save calls.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from herder.drivers.gcp.api import Api, Json
from herder.drivers.gcp.errors import NoSuchZone, operation_error
from herder.drivers.gcp.instances import (
    FACTS_KEY,
    INSTALLATION_LABEL,
    Instance,
    body_of,
    machine_of,
    phase_of,
)
from herder.drivers.gcp.market import Market
from herder.drivers.gcp.operations import operation_of
from herder.drivers.gcp.options import wanted
from herder.drivers.gcp.orphans import Orphans
from herder.drivers.gcp.preemptions import Preemptions
from herder.drivers.gcp.rights import checks_of
from herder.drivers.gcp.settings import GcpSettings
from herder.model.fleet.driver import (
    AlreadyExists,
    DriverContext,
    DriverError,
    InvalidRequest,
    Listing,
    Machine,
    NotFound,
    Phase,
    RateLimited,
    StartData,
    Unavailable,
)
from herder.model.fleet.driver_capabilities import (
    Check,
    Interruption,
    Need,
    OfferedShape,
    Price,
    ProviderOperation,
    Quota,
)
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import WorkerName
from herder.remote.clouds.facts import check_worker, label_value, machine_name


@dataclass(frozen=True, slots=True)
class Operation:
    """What is under way, as the row of a worker keeps it."""

    verb: str
    zone: str
    name: str

    def __str__(self) -> str:
        return f"{self.verb}/{self.zone}/{self.name}"


def operation_in(text: str) -> Operation | None:
    parts = text.split("/")
    return Operation(*parts) if len(parts) == 3 and parts[0] in ("create", "delete") else None


class GcpDriver:
    deadlines_s: Mapping[str, float] = {
        "create": 60.0,
        "delete": 60.0,
        "get": 45.0,
        "list": 60.0,
        "checks": 60.0,
    }

    def __init__(self, settings: GcpSettings, context: DriverContext, api: Api) -> None:
        self._settings, self._context, self._api = settings, context, api
        self._installation = context.installation
        self._market = Market(api, settings, context.clock)
        self._orphans = Orphans(api, context.installation, context.clock)
        self._preemptions = Preemptions(api, settings.zone_names, context)
        self._zones: dict[WorkerName, str] = {}
        self._listed = False
        """Whether all VMs were listed since the start: until then one may be in a zone that the settings had before."""

    @property
    def name(self) -> str:
        return self._context.name or "gcp"

    # --- verbs

    def create(self, spec: WorkerSpec, start: StartData) -> Machine:
        check_worker(spec.name)
        zone = spec.zone or self._settings.zone_names[0]
        if zone not in self._settings.zone_names:
            raise InvalidRequest(
                f"Pool {spec.pool} wants zone {zone}, which driver {self.name} may not use. Add it to the setting zones."
            )
        body = body_of(spec, start, wanted(spec, self._settings), self._settings, self._installation, zone)
        boot = (item["value"] for item in body["metadata"]["items"] if item["key"] != FACTS_KEY)
        try:
            begun = self._api.insert(zone, body, secrets=(start.activation_token, *boot))
        except AlreadyExists as error:
            return self._existing(spec.name, zone, error)
        self._zones[spec.name] = zone
        try:
            return self._after(spec.name, Operation("create", zone, str(begun["name"])), begun)
        except DriverError as error:
            error.leaves_parts = True
            raise

    def get(self, worker: WorkerName, operation: str = "") -> Machine:
        check_worker(worker)
        under_way = operation_in(operation)
        if under_way is not None:
            machine = self._running(worker, under_way)
            if machine is not None:
                return machine
            if under_way.verb == "delete":
                return self._delete(worker, under_way.zone)
        instance = self._find(worker, under_way.zone if under_way is not None else "")
        if instance is None:
            raise NotFound(f"Google Cloud has no VM for worker {worker}.")
        return self._seen(worker, instance, operation)

    def delete(self, worker: WorkerName) -> Machine:
        check_worker(worker)
        return self._delete(worker)

    def list(self) -> Listing:
        label = label_value(self._installation)
        instances, complete = self._api.instances(INSTALLATION_LABEL, label)
        known = {machine_name(self._installation, worker): worker for worker in dict(self._zones)}
        machines: dict[WorkerName, Machine] = {}
        for instance in instances:
            facts = instance.facts(self._installation)
            worker = WorkerName(facts.worker) if facts is not None else known.get(instance.name)
            if worker is None:
                continue
            try:
                machines[worker] = machine_of(worker, instance, facts)
            except Unavailable:  # a status that is not known: it is there, and nobody can say how
                complete = False
                continue
            self._zones[worker] = instance.zone_name
        if complete:
            self._listed = True
            self._zones = {worker: zone for worker, zone in dict(self._zones).items() if worker in machines}
            machines |= {left.worker: left for left in self._orphans.found(machines)}
        return Listing(machines=tuple(machines[name] for name in sorted(machines)), complete=complete)

    def health(self) -> None:
        """One zone is enough: the others are known by what is asked of them."""
        problems: list[DriverError] = []
        for zone in self._settings.zone_names:
            try:
                if self._api.zone(zone).get("status") != "DOWN":
                    return
                problems.append(Unavailable(f"Zone {zone} of Google Cloud is down."))
            except NoSuchZone as error:
                problems.append(error)
        raise problems[0]

    # --- capabilities

    def console(self, worker: WorkerName) -> str:
        """What the VM has written to its first serial port."""
        instance = self._there(worker)
        return self._api.console(instance.zone_name, instance.name)

    def operations(self, worker: WorkerName) -> Sequence[ProviderOperation]:
        name = machine_name(self._installation, worker)
        known = self._zones.get(worker)
        zones = self._settings.zone_names if known is None else [known]
        found = [operation_of(each) for zone in zones for each in self._api.operations_of(zone, name)]
        return sorted(found, key=lambda each: each.began_ms or 0, reverse=True)

    def reboot(self, worker: WorkerName) -> Machine:
        instance = self._there(worker)
        if phase_of(instance) is Phase.RUNNING:
            self._api.reset(instance.zone_name, instance.name)
        return self._seen(worker, instance, "")

    def interruptions(self) -> Sequence[Interruption]:
        return self._preemptions.announced()

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

    # --- inside

    def _delete(self, worker: WorkerName, zone: str = "") -> Machine:
        """`zone`: where a deletion was begun before."""
        instance = self._find(worker, zone)
        try:
            if instance is not None:
                begun = self._api.delete(instance.zone_name, instance.name)
                done = Operation("delete", instance.zone_name, str(begun["name"]))
                return self._after(worker, done, begun)
        except NotFound:
            pass  # it has gone meanwhile
        zones = (*self._zones_of(worker, zone), *self._orphans.zones_of(worker))
        for each in dict.fromkeys(zones):
            left = self._orphans.remove(worker, each)
            if left is not None:
                return left
        raise NotFound(f"Google Cloud has no VM for worker {worker}.")

    def _existing(self, worker: WorkerName, zone: str, error: AlreadyExists) -> Machine:
        """The name is taken: by an earlier call for this worker, or by a VM that is none of ours."""
        try:
            instance = self._taking(worker, zone, error)
            if self._is_of(worker, instance):
                self._zones[worker] = zone
                return self._seen(worker, instance, "")
        except DriverError as failure:
            failure.leaves_parts = True
            raise
        raise InvalidRequest(
            f"VM {instance.name} in {zone} was not made for worker {worker}, but has its name. Rename or delete it."
        ) from error

    def _taking(self, worker: WorkerName, zone: str, error: AlreadyExists) -> Instance:
        try:
            return self._api.instance(zone, machine_name(self._installation, worker))
        except NotFound:
            self._orphans.remove(worker, zone)
            raise Unavailable(
                f"The disk of an earlier VM of worker {worker} in {zone} is being removed. The worker is created after that."
            ) from error

    def _after(self, worker: WorkerName, operation: Operation, begun: Json) -> Machine:
        """Of a call that has just begun an operation, which may have ended already."""
        machine = self._running(worker, operation, begun)
        return machine if machine is not None else self._ended(worker, operation)

    def _ended(self, worker: WorkerName, operation: Operation) -> Machine:
        handle = f"{operation.zone}/{machine_name(self._installation, worker)}"
        if operation.verb == "create":
            return self.get(worker, str(operation))
        instance = self._find(worker, operation.zone)
        if instance is not None:
            return self._seen(worker, instance, str(operation))
        left = self._orphans.remove(worker, operation.zone)
        return left or Machine(worker=worker, handle=handle, phase=Phase.GONE)

    def _running(self, worker: WorkerName, operation: Operation, known: Json | None = None) -> Machine | None:
        """None: it has ended well, or Google has forgotten it. Raises what it has failed with."""
        try:
            found = known if known is not None else self._api.operation(operation.zone, operation.name)
        except NotFound:
            return None
        creates, name = operation.verb == "create", machine_name(self._installation, worker)
        if found.get("status") == "DONE":
            what = f"{'creating' if creates else 'deleting'} VM {name} in {operation.zone}"
            error = operation_error(found, what, operation.zone)
            if error is None or (not creates and isinstance(error, (NotFound, Unavailable))):
                return None  # a deletion that failed inside Google is begun again
            if creates and isinstance(error, (Unavailable, RateLimited, AlreadyExists)):
                # Nothing is there: it is created again, under the same name.
                raise NotFound(str(error)) from error
            raise error
        return Machine(
            worker=worker,
            handle=f"{operation.zone}/{name}",
            phase=Phase.CREATING if creates else Phase.STOPPING,
            operation=str(operation),
            detail=f"{found.get('operationType', 'operation')} {found.get('status', '')}".strip(),
        )

    def _zones_of(self, worker: WorkerName, first: str = "") -> Sequence[str]:
        zones = (first, self._zones.get(worker, ""), *self._settings.zone_names)
        return tuple(zone for zone in dict.fromkeys(zones) if zone)

    def _find(self, worker: WorkerName, zone: str = "") -> Instance | None:
        """Asked by name, zone by zone: a list may be late, and its absence proves nothing."""
        found = self._in_zones(worker, self._zones_of(worker, zone))
        if found is None and not self._listed:
            self.list()
            found = self._in_zones(worker, (self._zones.get(worker, ""),))
        return found

    def _in_zones(self, worker: WorkerName, zones: Sequence[str]) -> Instance | None:
        name = machine_name(self._installation, worker)
        for each in filter(None, zones):
            try:
                instance = self._api.instance(each, name)
            except (NotFound, NoSuchZone):
                continue
            if self._is_of(worker, instance):
                self._zones[worker] = each
                return instance
        return None

    def _is_of(self, worker: WorkerName, instance: Instance) -> bool:
        """Its name says so, also when people have removed its facts; but a VM with the facts of another worker is not ours."""
        facts = instance.facts(self._installation)
        return facts.worker == worker if facts is not None else not instance.of_others

    def _there(self, worker: WorkerName) -> Instance:
        check_worker(worker)
        instance = self._find(worker)
        if instance is None:
            raise NotFound(f"Google Cloud has no VM for worker {worker}.")
        return instance

    def _seen(self, worker: WorkerName, instance: Instance, operation: str) -> Machine:
        facts = instance.facts(self._installation)
        leaving = phase_of(instance) in (Phase.STOPPING, Phase.STOPPED)
        preempted = (
            leaving
            and facts is not None
            and facts.spot
            and bool(self._api.preemptions(instance.zone_name, instance.id))
        )
        return machine_of(worker, instance, facts, operation, preempted=preempted)
