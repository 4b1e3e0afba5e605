"""The driver for AWS: a worker is an EC2 instance.

Called by the loops, from any thread. An instance is found by its client token, which follows from the worker and which nobody can change, or by its id, which the
operation has: lists are late by some seconds. Tags say what it was made as. In memory it has the ids of workers, which save calls; nothing has to be kept.
"""

from collections.abc import Mapping, Sequence

from herder.drivers.aws.api import Api
from herder.drivers.aws.errors import TokenUsed, end_error
from herder.drivers.aws.instances import (
    facts_in,
    machine_of,
    number_of,
    parameters_of,
    phase_of,
    token_in,
    token_of,
)
from herder.drivers.aws.interruptions import Interruptions
from herder.drivers.aws.leftovers import Leftovers
from herder.drivers.aws.market import Market, moment_of
from herder.drivers.aws.operations import operations_of
from herder.drivers.aws.options import wanted
from herder.drivers.aws.rights import checks_of
from herder.drivers.aws.services import Services
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
from herder.model.values.phrases import clause
from herder.remote.clouds.facts import check_worker, machine_name

#: So long after its creation an instance that EC2 does not know is merely new.
NEW_MS = 120_000
#: So many instances of a worker that have ended, and that AWS no longer shows, are passed over at a creation.
TOKENS_MAX = 20
_LISTING = "listing the instances"


class AwsDriver:
    deadlines_s: Mapping[str, float] = {
        "create": 60.0,
        "delete": 60.0,
        "get": 45.0,
        "list": 60.0,
        "checks": 120.0,
        "operations": 60.0,
        "prices": 120.0,
        "quotas": 60.0,
    }

    def __init__(self, settings: AwsSettings, context: DriverContext, api: Api, services: Services) -> None:
        self._settings, self._context, self._api = settings, context, api
        self._services = services
        self._market = Market(api, services, settings, context.clock)
        self._leftovers = Leftovers(api, context.installation, context.clock)
        self._installation = context.installation
        self._ids: dict[WorkerName, str] = {}
        self._interruptions = Interruptions(api, context, lambda: dict(self._ids))
        self._unseen_ms: dict[WorkerName, int] = {}
        """Since when AWS knows an instance of a worker by its token, and shows none."""

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
        asked = parameters_of(spec, start, wanted(spec, self._settings), self._settings, self._installation)
        what = f"creating instance {machine_name(self._installation, spec.name)}"
        secrets = (start.activation_token, str(asked["UserData"]))
        found = self._all(spec.name)
        there = _newest(found)
        if there is not None:
            return self._existing(spec.name, there)
        first = max(map(number_of, found), default=-1) + 1
        for number in range(first, first + TOKENS_MAX):
            asked["ClientToken"] = f"{token_of(self._installation, spec.name)}{number}"
            try:
                made = self._api.run(asked, what, secrets)
            except TokenUsed:
                continue
            except AlreadyExists as error:
                made_before = self._made_before(spec.name, error)
                if made_before is None:
                    continue
                return made_before
            if phase_of(made) in (Phase.STOPPING, Phase.GONE):
                continue
            self._ids[spec.name] = str(made.get("instanceId", ""))
            self._unseen_ms.pop(spec.name, None)
            return self._seen(spec.name, made, self._operation("create", made))
        raise Unavailable(
            f"AWS remembers {TOKENS_MAX} instances of worker {spec.name} that have ended. It forgets them after a day."
        )

    def get(self, worker: WorkerName, operation: str = "") -> Machine:
        check_worker(worker)
        verb, ident, began_ms = _read_operation(operation)
        instance = self._find(worker, ident)
        if verb == "create" and instance is not None and instance.get("instanceId") != ident:
            # The one that was made is not shown yet, but an earlier one that has ended is.
            instance = None if phase_of(instance) is Phase.GONE else instance
        if instance is None:
            if verb == "create" and self._context.clock.now_ms() - began_ms < NEW_MS:
                return Machine(
                    worker=worker, handle=ident, phase=Phase.CREATING, operation=operation,
                    detail="AWS does not show it yet.",
                )  # fmt: skip
            self._ids.pop(worker, None)
            raise NotFound(f"AWS has no instance for worker {worker}.")
        if verb == "create" and phase_of(instance) is Phase.GONE:
            reason = part(instance, "stateReason")
            error = end_error(str(reason.get("code", "")), str(reason.get("message", "")))
            if error is not None:
                raise error
        return self._seen(worker, instance, operation)

    def delete(self, worker: WorkerName) -> Machine:
        check_worker(worker)
        there = [each for each in self._all(worker) if phase_of(each) is not Phase.GONE]
        if not there:
            left = self._leftovers.remove(worker)
            if left is not None:
                return left
            raise NotFound(f"AWS has no instance for worker {worker}.")
        newest = there[-1]
        try:
            self._api.terminate([str(each["instanceId"]) for each in there])
        except (
            NotFound
        ) as error:  # what it shows and what it knows differ for a moment: nothing is proven gone
            raise Unavailable(
                f"AWS shows an instance of worker {worker}, but does not know it yet ({clause(error)}). Herder tries again."
            ) from error
        return Machine(
            worker=worker,
            handle=str(newest["instanceId"]),
            phase=Phase.STOPPING,
            operation=self._operation("delete", newest),
            detail="terminating",
        )

    def list(self) -> Listing:
        known = {token_of(self._installation, worker): worker for worker in dict(self._ids)}
        machines: dict[WorkerName, Machine] = {}
        complete = True
        rows = self._api.instances(token_of(self._installation), _LISTING)
        for instance in sorted(rows, key=number_of):
            facts = facts_in(instance, self._installation)
            worker = known.get(token_in(instance)) or (WorkerName(facts.worker) if facts else None)
            if worker is None:
                continue
            try:
                machine = machine_of(worker, instance, facts)
            except Unavailable:  # a state that is not known: it is there, and nobody can say how
                complete = False
                continue
            if machine.phase is not Phase.GONE:
                machines[worker] = machine
                self._ids[worker] = machine.handle
        if complete:
            machines |= {left.worker: left for left in self._leftovers.found(machines)}
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

    def operations(self, worker: WorkerName) -> Sequence[ProviderOperation]:
        """CloudTrail's log is some minutes late."""
        check_worker(worker)
        token = token_of(self._installation, worker)
        return operations_of(self._all(worker), token, self._services.creations, self._services.events)

    def interruptions(self) -> Sequence[Interruption]:
        return self._interruptions.announced()

    def offers(self) -> Sequence[OfferedShape]:
        return self._market.offers()

    def prices(self) -> Sequence[Price]:
        return self._market.prices()

    def quotas(self) -> Sequence[Quota]:
        return self._market.quotas()

    def need(self, spec: WorkerSpec) -> Need:
        return self._market.need(spec)

    def checks(self) -> Sequence[Check]:
        return checks_of(self._api, self._services, self._settings, moment_of(self._context.clock.now_ms()))

    def close(self) -> None:
        self._api.close()
        self._services.close()

    # --- inside

    def _there(self, worker: WorkerName) -> Json:
        check_worker(worker)
        instance = self._find(worker)
        if instance is None or phase_of(instance) is Phase.GONE:
            raise NotFound(f"AWS has no instance for worker {worker}.")
        return instance

    def _existing(self, worker: WorkerName, there: Json) -> Machine:
        if phase_of(there) is Phase.STOPPING:
            raise Unavailable(
                f"An earlier instance of worker {worker} is ending. The worker is created after that."
            )
        return self._seen(worker, there, self._operation("create", there))

    def _made_before(self, worker: WorkerName, error: AlreadyExists) -> Machine | None:
        """An instance was made with the same token and other parameters, such as an earlier activation token. None: it has ended, and AWS has forgotten all but the token."""
        there = _newest(self._all(worker))
        if there is not None:
            self._unseen_ms.pop(worker, None)
            return self._existing(worker, there)
        now_ms = self._context.clock.now_ms()
        if now_ms - self._unseen_ms.setdefault(worker, now_ms) >= NEW_MS:
            return None
        raise Unavailable(
            f"An earlier instance of worker {worker} is not in the lists of AWS yet. Herder looks again."
        ) from error

    def _find(self, worker: WorkerName, ident: str = "") -> Json | None:
        """By its id where that is known: lists are late. Else the one that there is, or the last that has ended."""
        known = ident or self._ids.get(worker, "")
        if known:
            instance = self._with_id(known)
            if instance is not None and (ident or phase_of(instance) is not Phase.GONE):
                return instance
        # Another server may have made a newer one.
        found = self._all(worker)
        return _newest(found) or (found[-1] if found else None)

    def _all(self, worker: WorkerName) -> Sequence[Json]:
        """Every instance of the worker that AWS shows, the newest last."""
        what = f"looking for the instance of worker {worker}"
        found = self._api.instances(token_of(self._installation, worker), what)
        known = self._ids.get(worker, "")
        if known and known not in {each.get("instanceId") for each in found}:
            late = self._with_id(known)
            found += [late] if late is not None else []
        found.sort(key=number_of)
        if (there := _newest(found)) is not None:
            self._ids[worker] = str(there["instanceId"])
        return found

    def _with_id(self, ident: str) -> Json | None:
        try:
            return self._api.instance(ident)
        except NotFound:
            return None

    def _operation(self, verb: str, instance: Json) -> str:
        return f"{verb}/{instance['instanceId']}/{self._context.clock.now_ms()}"

    def _seen(self, worker: WorkerName, instance: Json, operation: str) -> Machine:
        machine = machine_of(worker, instance, facts_in(instance, self._installation), operation)
        if machine.phase is Phase.GONE:
            self._ids.pop(worker, None)
        return machine


def _newest(found: Sequence[Json]) -> Json | None:
    """Of those that have not ended."""
    there = [each for each in found if phase_of(each) is not Phase.GONE]
    return there[-1] if there else None


def _read_operation(text: str) -> tuple[str, str, int]:
    """Without what is of a volume, which is no instance."""
    parts = text.split("/")
    if (
        len(parts) == 3
        and parts[1].startswith("i-")
        and parts[0] in ("create", "delete")
        and parts[2].isdecimal()
    ):
        return parts[0], parts[1], int(parts[2])
    return "", "", 0
