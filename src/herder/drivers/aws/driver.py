"""The driver for AWS: a worker is an EC2 instance.

Called by the loops, from any thread. An instance is found by its tags, or by its id, which the operation has: lists are late by some seconds. In memory it has the
ids of workers, which save calls. Nothing has to be kept: a repeated creation has the client token of the first.
"""

import hashlib
from collections.abc import Mapping, Sequence

from herder.drivers.aws.api import Api
from herder.drivers.aws.errors import end_error
from herder.drivers.aws.instances import (
    INSTALLATION_TAG,
    WORKER_TAG,
    facts_in,
    machine_of,
    parameters_of,
    phase_of,
)
from herder.drivers.aws.market import Market, moment_of
from herder.drivers.aws.options import wanted
from herder.drivers.aws.rights import checks_of
from herder.drivers.aws.settings import AwsSettings
from herder.drivers.aws.xml import Json, part
from herder.model.fleet.driver import (
    AlreadyExists,
    DriverContext,
    InvalidRequest,
    Listing,
    Machine,
    NotFound,
    Phase,
    StartData,
    Unavailable,
)
from herder.model.fleet.driver_capabilities import Check, OfferedShape, Price
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import WorkerName
from herder.remote.clouds.facts import check_worker, machine_name

#: So long after its creation an instance that EC2 does not know is merely new.
NEW_MS = 120_000


class AwsDriver:
    deadlines_s: Mapping[str, float] = {
        "create": 60.0,
        "delete": 60.0,
        "get": 45.0,
        "list": 60.0,
        "checks": 60.0,
    }

    def __init__(self, settings: AwsSettings, context: DriverContext, api: Api) -> None:
        self._settings, self._context, self._api = settings, context, api
        self._market = Market(api, settings.price_refresh_s, context.clock)
        self._ids: dict[WorkerName, str] = {}

    @property
    def name(self) -> str:
        return self._context.name or "aws"

    # --- verbs

    def create(self, spec: WorkerSpec, start: StartData) -> Machine:
        check_worker(spec.name)
        if spec.zone and not spec.zone.startswith(self._settings.region):
            raise InvalidRequest(
                f"Pool {spec.pool} wants zone {spec.zone}, which is not in region {self._settings.region} of driver {self.name}."
            )
        installation = self._context.installation
        asked = parameters_of(spec, start, wanted(spec, self._settings), self._settings, installation)
        there, ended = self._with_tags(spec.name)
        if there is not None:
            return self._seen(spec.name, there, self._operation("create", there))
        asked["ClientToken"] = _client_token(installation, spec.name, ended)
        what = f"creating instance {machine_name(installation, spec.name)}"
        secrets = (start.activation_token, str(asked["UserData"]))
        try:
            made = self._api.run(asked, what, secrets)
        except AlreadyExists as error:
            there, _ = self._with_tags(spec.name)
            if there is None:
                raise Unavailable(
                    f"An earlier instance of worker {spec.name} is not in the lists of AWS yet. Herder looks again."
                ) from error
            return self._seen(spec.name, there, self._operation("create", there))
        self._ids[spec.name] = str(made.get("instanceId", ""))
        return self._seen(spec.name, made, self._operation("create", made))

    def get(self, worker: WorkerName, operation: str = "") -> Machine:
        check_worker(worker)
        verb, ident, began_ms = _read_operation(operation)
        instance = self._find(worker, ident)
        if instance is None:
            if verb == "create" and self._context.clock.now_ms() - began_ms < NEW_MS:
                return Machine(
                    worker=worker, handle=ident, phase=Phase.CREATING, operation=operation,
                    detail="AWS does not show it yet.",
                )  # fmt: skip
            raise NotFound(f"AWS has no instance for worker {worker}.")
        if verb == "create" and phase_of(instance) is Phase.GONE:
            reason = part(instance, "stateReason")
            error = end_error(str(reason.get("code", "")), str(reason.get("message", "")))
            if error is not None:
                raise error
        return self._seen(worker, instance, operation)

    def delete(self, worker: WorkerName) -> Machine:
        check_worker(worker)
        instance = self._find(worker)
        if instance is None or phase_of(instance) is Phase.GONE:
            raise NotFound(f"AWS has no instance for worker {worker}.")
        self._api.terminate(str(instance["instanceId"]))
        again = self._find(worker, str(instance["instanceId"])) or instance
        seen = self._seen(worker, again, self._operation("delete", again))
        if seen.phase in (Phase.STOPPING, Phase.GONE):
            return seen
        return Machine(
            worker=worker, handle=seen.handle, phase=Phase.STOPPING, tags=seen.tags,
            operation=self._operation("delete", instance),
        )  # fmt: skip

    def list(self) -> Listing:
        installation, complete = self._context.installation, True
        machines: dict[WorkerName, Machine] = {}
        for instance in self._api.instances({INSTALLATION_TAG: installation}, "listing the instances"):
            facts = facts_in(instance, installation)
            if facts is None:
                continue
            worker = WorkerName(facts.worker)
            try:
                machine = machine_of(worker, instance, facts)
            except Unavailable:  # a state that is not known: it is there, and nobody can say how
                complete = False
                continue
            if machine.phase is not Phase.GONE:
                machines[worker] = machine
        return Listing(machines=tuple(machines[name] for name in sorted(machines)), complete=complete)

    def health(self) -> None:
        if not self._api.zones():
            raise Unavailable(f"Region {self._settings.region} of AWS shows no zone.")

    # --- capabilities

    def console(self, worker: WorkerName) -> str:
        """What the instance has written to its console. AWS keeps it for some minutes before it shows more."""
        return self._api.console(str(self._there(worker)["instanceId"]))

    def reboot(self, worker: WorkerName) -> Machine:
        instance = self._there(worker)
        if phase_of(instance) is Phase.RUNNING:
            self._api.reboot(str(instance["instanceId"]))
        return self._seen(worker, instance, "")

    def offers(self) -> Sequence[OfferedShape]:
        return self._market.offers()

    def prices(self) -> Sequence[Price]:
        return self._market.prices()

    def checks(self) -> Sequence[Check]:
        return checks_of(self._api, self._settings, moment_of(self._context.clock.now_ms()))

    def close(self) -> None:
        self._api.close()

    # --- inside

    def _there(self, worker: WorkerName) -> Json:
        check_worker(worker)
        instance = self._find(worker)
        if instance is None or phase_of(instance) is Phase.GONE:
            raise NotFound(f"AWS has no instance for worker {worker}.")
        return instance

    def _find(self, worker: WorkerName, ident: str = "") -> Json | None:
        """By its id where that is known: lists by tag are late."""
        known = ident or self._ids.get(worker, "")
        if known:
            try:
                instance = self._api.instance(known)
            except NotFound:
                instance = None
            if instance is not None and (ident or phase_of(instance) is not Phase.GONE):
                return instance
        # Another server may have made a newer one.
        there, ended = self._with_tags(worker)
        return there or ended

    def _with_tags(self, worker: WorkerName) -> tuple[Json | None, Json | None]:
        """The instance of the worker that there is, and the newest of those that have ended."""
        tags = {INSTALLATION_TAG: self._context.installation, WORKER_TAG: worker}
        found = self._api.instances(tags, f"looking for the instance of worker {worker}")
        if known := self._ids.get(worker):
            try:
                late = self._api.instance(known)
            except NotFound:
                late = None
            found += [late] if late is not None else []
        found.sort(key=lambda each: str(each.get("launchTime", "")))
        gone = [each for each in found if phase_of(each) is Phase.GONE]
        there = [each for each in found if phase_of(each) is not Phase.GONE]
        if there:
            self._ids[worker] = str(there[-1]["instanceId"])
        return (there[-1] if there else None), (gone[-1] if gone else None)

    def _operation(self, verb: str, instance: Json) -> str:
        return f"{verb}/{instance['instanceId']}/{self._context.clock.now_ms()}"

    def _seen(self, worker: WorkerName, instance: Json, operation: str) -> Machine:
        machine = machine_of(worker, instance, facts_in(instance, self._context.installation), operation)
        if machine.phase is Phase.GONE:
            self._ids.pop(worker, None)
        return machine


def _client_token(installation: str, worker: WorkerName, ended: Json | None) -> str:
    """The same for each try; another one once an instance of the worker has ended, since AWS would answer with that one."""
    after = str(ended["instanceId"]) if ended is not None else ""
    return hashlib.sha256(f"{installation}/{worker}/{after}".encode()).hexdigest()


def _read_operation(text: str) -> tuple[str, str, int]:
    parts = text.split("/")
    if len(parts) == 3 and parts[0] in ("create", "delete") and parts[2].isdecimal():
        return parts[0], parts[1], int(parts[2])
    return "", "", 0
