"""The driver for Terra: a worker is a VM of Azure that Workspace Manager controls, in one workspace.

Called by the loops, from any thread. It needs nothing of its own after a restart: the ids of a VM and of the jobs that create it follow from the worker; properties
of the VM say what it was made as. In memory it has the workers that it has seen, to know VMs whose properties people removed.
"""

import logging
from collections.abc import Callable, Mapping, Sequence

from herder.drivers.terra.api import Api
from herder.drivers.terra.bodies import Body
from herder.drivers.terra.errors import job_error
from herder.drivers.terra.operations import operations_in
from herder.drivers.terra.options import wanted
from herder.drivers.terra.resources import (
    CREATE,
    DELETE,
    ErrorReport,
    Job,
    Vm,
    creation_id,
    deletion_id,
    facts_in,
    machine_of,
    phase_of,
    resource_id,
)
from herder.drivers.terra.rights import checks_of
from herder.drivers.terra.settings import TerraSettings
from herder.model.fleet.driver import (
    AlreadyExists,
    DriverContext,
    DriverError,
    Listing,
    Machine,
    NotFound,
    Phase,
    StartData,
    Unavailable,
)
from herder.model.fleet.driver_capabilities import Check, ProviderOperation
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import WorkerName
from herder.model.values.phrases import clause
from herder.remote.clouds.facts import check_worker, machine_name

_LOG = logging.getLogger(__name__)
#: Jobs that may have been used for earlier creations of one worker.
TURNS_MAX = 50


class TerraDriver:
    deadlines_s: Mapping[str, float] = {
        "create": 120.0,
        "delete": 60.0,
        "get": 60.0,
        "list": 120.0,
        "operations": 60.0,
    }

    def __init__(self, settings: TerraSettings, context: DriverContext, api: Api) -> None:
        self._settings, self._context, self._api = settings, context, api
        self._installation = context.installation
        self._known: set[WorkerName] = set()

    @property
    def name(self) -> str:
        return self._context.name or "terra"

    # --- verbs

    def create(self, spec: WorkerSpec, start: StartData) -> Machine:
        check_worker(spec.name)
        body = Body(spec, start, wanted(spec, self._settings), self._settings, self._installation)
        found, vm = self._find(spec.name), body.vm()
        hidden = (start.activation_token, vm["customData"], vm["vmUser"]["password"])
        for turn in range(TURNS_MAX):
            if found is not None:
                return self._existing(spec.name, found)
            ident = creation_id(body.resource, turn)
            try:
                job = self._api.create_vm(body.name, body.of_job(ident, vm), hidden)
            except AlreadyExists as error:
                job = self._earlier(ident, error)
                if not job.running:
                    found = self._find(spec.name)
                    continue
            if job.failed:
                raise self._failure(spec.name, job, self._find(spec.name))
            self._known.add(spec.name)
            return self._creating(spec.name, ident)
        raise Unavailable(
            f"Worker {spec.name} was created and removed {TURNS_MAX} times. Remove it, so that another worker is created."
        )

    def get(self, worker: WorkerName, operation: str = "") -> Machine:
        check_worker(worker)
        vm = self._find(worker)
        if operation.startswith(DELETE) and vm is not None and phase_of(vm) is not Phase.STOPPING:
            self._raise_undeleted(vm, operation.removeprefix(DELETE))
            return self._removed(worker, vm)
        if operation.startswith(CREATE) and (vm is None or phase_of(vm) is Phase.FAILED):
            ident = operation.removeprefix(CREATE)
            job = self._job(self._api.creation, ident)
            if job is not None and job.running:
                return self._creating(worker, ident)
            if vm is not None or (job is not None and job.failed):
                raise self._failure(worker, job, vm)
        if vm is None:
            raise self._missing(worker)
        return self._seen(worker, vm)

    def delete(self, worker: WorkerName) -> Machine:
        check_worker(worker)
        vm = self._find(worker)
        if vm is None:
            raise self._missing(worker)
        return self._removed(worker, vm)

    def list(self) -> Listing:
        known = {self._resource(worker): worker for worker in set(self._known)}
        machines: dict[WorkerName, Machine] = {}
        vms, complete = self._api.vms()
        for vm in vms:
            facts = facts_in(vm, self._api.workspace, self._installation)
            worker = WorkerName(facts.worker) if facts is not None else known.get(vm.id)
            if worker is None:
                continue
            try:
                machines[worker] = machine_of(worker, vm, facts)
            except Unavailable:  # a state that is not known: it is there, and nobody can say how
                complete = False
        if complete:
            self._known = set(machines)
        return Listing(machines=tuple(machines[name] for name in sorted(machines)), complete=complete)

    def health(self) -> None:
        self._api.describe()

    # --- capabilities

    def operations(self, worker: WorkerName) -> Sequence[ProviderOperation]:
        check_worker(worker)
        return operations_in(self._api.jobs(machine_name(self._installation, worker)))

    def checks(self) -> Sequence[Check]:
        return checks_of(self._api)

    def close(self) -> None:
        self._api.close()

    # --- creating

    def _creating(self, worker: WorkerName, job: str) -> Machine:
        return Machine(
            worker=worker,
            handle=machine_name(self._installation, worker),
            phase=Phase.CREATING,
            operation=f"{CREATE}{job}",
            detail="CREATING",
        )

    def _existing(self, worker: WorkerName, vm: Vm) -> Machine:
        phase = phase_of(vm)
        if phase is Phase.FAILED:
            self._delete(vm)
        if phase in (Phase.FAILED, Phase.STOPPING):
            error = Unavailable(
                f"An earlier VM of worker {worker} is being removed. The worker is created after that."
            )
            error.leaves_parts = True
            raise error
        return self._seen(worker, vm)

    def _earlier(self, ident: str, error: AlreadyExists) -> Job:
        """Another conflict is not of this job: then there is none."""
        try:
            job = self._job(self._api.creation, ident)
        except DriverError as unread:
            unread.leaves_parts = True
            raise
        if job is None:
            raise Unavailable(str(error)) from error
        return job

    @staticmethod
    def _job(ask: Callable[[str], Job], ident: str) -> Job | None:
        """None: Terra has forgotten it."""
        try:
            return ask(ident)
        except NotFound:
            return None

    def _failure(self, worker: WorkerName, job: Job | None, vm: Vm | None) -> DriverError:
        """What a creation has failed with, as its job says it, or the VM. Some installations of Terra keep a VM that could not be made: it is removed."""
        report = job.errorReport if job is not None else None
        if report is None and vm is not None:
            report = vm.metadata.errorReport
        what = f"creating VM {machine_name(self._installation, worker)}"
        if vm is not None:
            try:
                self._delete(vm)
            except DriverError as error:  # it would hide why
                _LOG.warning("VM %s stays, for the next sweep: %s.", vm.metadata.name, clause(error))
        failure = job_error(report or ErrorReport(), what)
        if isinstance(failure, (Unavailable, AlreadyExists)):
            failure = NotFound(str(failure))  # it is created again, by another job
        failure.leaves_parts = vm is not None
        return failure

    # --- removing

    def _removed(self, worker: WorkerName, vm: Vm) -> Machine:
        phase, job, detail = phase_of(vm), "", "Deleting"
        if phase is Phase.CREATING:
            detail = "It is being created. Terra deletes it when that has ended."
        elif phase is not Phase.STOPPING:
            job = self._delete(vm)
        return Machine(
            worker=worker,
            handle=vm.metadata.name,
            phase=Phase.STOPPING,
            operation=f"{DELETE}{job}",
            detail=detail,
        )

    def _delete(self, vm: Vm) -> str:
        """The id of the job; empty: somebody was faster, and the next look says how far it is."""
        ident = deletion_id(vm.id, self._context.clock.now_ms())
        try:
            self._api.delete_vm(vm.id, ident, vm.metadata.name)
        except (AlreadyExists, NotFound):
            return ""
        return ident

    def _raise_undeleted(self, vm: Vm, ident: str) -> None:
        """Whoever removes the worker tells a person why, and begins again."""
        job = self._job(self._api.deletion, ident) if ident else None
        if job is None or not job.failed:
            return
        error = job_error(job.errorReport or ErrorReport(), f"deleting VM {vm.metadata.name}")
        if isinstance(error, NotFound):
            raise Unavailable(str(error))  # of a part of it: the VM is there
        raise error

    # --- finding

    def _resource(self, worker: WorkerName) -> str:
        return resource_id(self._api.workspace, self._installation, worker)

    def _find(self, worker: WorkerName) -> Vm | None:
        """Asked by its id, which follows from the worker: a list may be late, and properties that people removed do not matter."""
        try:
            vm = self._api.vm(self._resource(worker), machine_name(self._installation, worker))
        except NotFound:
            self._api.describe()  # of a workspace that is not there, Terra says the same
            return None
        self._known.add(worker)
        return vm

    def _missing(self, worker: WorkerName) -> NotFound:
        return NotFound(f"Terra has no VM for worker {worker}.")

    def _seen(self, worker: WorkerName, vm: Vm) -> Machine:
        return machine_of(worker, vm, facts_in(vm, self._api.workspace, self._installation))
