"""The driver for Kubernetes Jobs: a worker is one Job, whose one pod runs the agent for one job of Herder.

Called by the loops, from any thread. It keeps nothing: the Job has the worker in its annotations, and its name follows from the worker, so
that a creation that is repeated after a lost answer meets the first one. A Job is made suspended and started when its Secret exists; a
suspended one counts as not made yet.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from herder.drivers.kubernetes_jobs import checks as preflight
from herder.drivers.kubernetes_jobs import phases, quotas
from herder.drivers.kubernetes_jobs.api import Api
from herder.drivers.kubernetes_jobs.capacity import FreeCapacity
from herder.drivers.kubernetes_jobs.manifest import (
    CONTAINER,
    annotations_of,
    job_of,
    resources_of,
    secret_of,
    tags_in,
)
from herder.drivers.kubernetes_jobs.names import job_name, label_value, selector_of
from herder.drivers.kubernetes_jobs.objects import Job, Pod
from herder.drivers.kubernetes_jobs.settings import KubernetesJobsSettings
from herder.model.fleet.cluster import WORKER_LABEL, ClusterSettings
from herder.model.fleet.creation import Step
from herder.model.fleet.driver import (
    DriverContext,
    DriverError,
    InvalidRequest,
    Listing,
    Machine,
    NotFound,
    OutcomeUnknown,
    Phase,
    StartData,
    Unavailable,
)
from herder.model.fleet.driver_capabilities import Check, Quota
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import WorkerName
from herder.remote.kubernetes.access import access_of
from herder.remote.kubernetes.sync_connection import SyncConnection

_NAME_MAX = 250


def make(settings: KubernetesJobsSettings, context: DriverContext) -> "KubernetesJobsDriver":
    """Raises ValueError or ClusterError when the connection cannot be made; makes no call."""
    access = access_of(_connection(settings, context), context.clock, os.environ)
    name = settings.cluster or context.name or "kubernetes-jobs"
    return KubernetesJobsDriver(settings, context, SyncConnection(name, access, context.clock))


def _connection(settings: KubernetesJobsSettings, context: DriverContext) -> ClusterSettings:
    if settings.cluster:
        found = context.clusters.get(settings.cluster)
        if found is None:
            known = ", ".join(sorted(context.clusters)) or "none"
            raise ValueError(f"there is no cluster {settings.cluster!r} under clusters; there are: {known}")
        return found
    return ClusterSettings(
        name=context.name or "kubernetes-jobs",
        kubeconfig=settings.kubeconfig,
        context=settings.context,
        api=settings.api,
        ca_file=settings.ca_file,
        token_file=settings.token_file,
        token_env=settings.token_env,
    )


class KubernetesJobsDriver:
    #: How a pod has ended is in its status, written by its kubelet or by the controller that ended it.
    first_hand = True
    steps: Sequence[Step] = (Step.CREATE, Step.START)
    #: Up to four calls, of 10 s each.
    deadlines_s: Mapping[str, float] = {"create": 60.0, "delete": 60.0, "get": 40.0, "list": 60.0}

    def __init__(
        self, settings: KubernetesJobsSettings, context: DriverContext, connection: SyncConnection
    ) -> None:
        self._settings = settings
        self._context = context
        self._installation = context.installation
        self._connection = connection
        self._api = Api(connection, settings.namespace)
        self._capacity = FreeCapacity(self._api, context.clock)

    @property
    def name(self) -> str:
        return self._context.name or "kubernetes-jobs"

    # --- verbs

    def create(self, spec: WorkerSpec, start: StartData) -> Machine:
        self._check(spec)
        name = self._job_name(spec.name)
        job = self._find(name, spec.name)
        if job is None:
            resources = resources_of(self._settings, spec)
            quotas.check(self._settings.namespace, self._api.quotas(), quotas.wanted_by(resources))
            body = job_of(self._settings, self._installation, spec, start)
            if self._settings.check_free_capacity:
                self._capacity.check(spec.name, body["spec"]["template"]["spec"], spec.zone)
            job = self._begin(name, spec, body)
        if job.metadata.deletion_timestamp is None and job.spec.suspend:
            self._complete(name, job, spec, start)
            return Machine(
                worker=spec.name,
                handle=job.metadata.uid,
                phase=Phase.CREATING,
                operation=f"create-{job.metadata.uid}",
                tags=tags_in(annotations_of(self._installation, spec)),
                step=Step.CREATE,
            )
        return self._seen(spec.name, job).machine

    def get(self, worker: WorkerName, operation: str = "") -> Machine:
        job = self._find(self._job_name(worker), worker)
        if job is None:
            left = self._pods_of(worker)
            if left:
                return phases.leftover(worker, left[0])
            raise NotFound(f"Namespace {self._settings.namespace} has no Job for worker {worker}.")
        if job.spec.suspend and job.metadata.deletion_timestamp is None:
            raise NotFound(f"The Job of worker {worker} was not started: its creation was interrupted.")
        seen = self._seen(worker, job)
        if seen.error is not None:
            raise seen.error
        return seen.machine

    def delete(self, worker: WorkerName) -> Machine:
        name = self._job_name(worker)
        job = self._find(name, worker)
        if job is not None:
            _although_gone(lambda: self._api.delete_job(name, job.metadata.uid))
            _although_gone(lambda: self._api.delete_secret(name))
        left = self._pods_of(worker)
        if left:
            return phases.leftover(worker, left[0])
        if job is None:
            raise NotFound(f"Namespace {self._settings.namespace} has no Job for worker {worker}.")
        return Machine(worker=worker, handle=job.metadata.uid, phase=Phase.GONE)

    def list(self) -> Listing:
        """Pods after Jobs: a pod whose Job is not listed belongs to one that was deleted before."""
        selector = selector_of(self._installation)
        jobs, pods = self._api.jobs(selector), dict[str, list[Pod]]()
        for pod in self._api.pods(selector):
            worker = phases.ours(pod.metadata.annotations, self._installation)
            if worker is not None:
                pods.setdefault(worker, []).append(pod)
        found: dict[WorkerName, Machine] = {}
        for job in jobs:
            worker = phases.ours(job.metadata.annotations, self._installation)
            if worker is not None:
                own = pods.get(worker, [])
                found[worker] = phases.seen(worker, job, own, self._settings, self._now_ms()).machine
        for each, left in pods.items():
            if each not in found and any(pod.metadata.deletion_timestamp is not None for pod in left):
                found[WorkerName(each)] = phases.leftover(WorkerName(each), left[0])
        return Listing(machines=tuple(found[name] for name in sorted(found)))

    def health(self) -> None:
        self._api.ask()

    # --- capabilities

    def console(self, worker: WorkerName) -> str:
        pods = sorted(self._pods_of(worker), key=lambda pod: pod.metadata.creation_timestamp)
        if not pods:
            raise NotFound(f"Worker {worker} has no pod.")
        try:
            return self._api.log(pods[-1].metadata.name, CONTAINER, self._settings.console_most_bytes)
        except InvalidRequest as error:  # its container has not started
            raise NotFound(f"Worker {worker} has printed nothing yet. {error}") from error

    def checks(self) -> Sequence[Check]:
        return preflight.checks(self._api)

    def quotas(self) -> Sequence[Quota]:
        return quotas.limits(self._api.quotas())

    def close(self) -> None:
        self._connection.close()

    # --- inside

    def _check(self, spec: WorkerSpec) -> None:
        if spec.slots != 1:
            raise InvalidRequest(
                f"Driver {self.name} makes a worker for one job, but template {spec.template} has {spec.slots} slots. "
                f"Set one_job_per_worker: true in pool {spec.pool}."
            )
        if spec.spot:
            raise InvalidRequest(
                f"Driver {self.name} does not know which nodes are spot. Remove spot from template {spec.template}, and choose nodes by node_selector."
            )

    def _job_name(self, worker: str) -> str:
        if not worker or len(worker) > _NAME_MAX or not worker.isprintable() or "/" in worker:
            raise InvalidRequest(f"{worker[:_NAME_MAX]!r} is not a valid name of a worker.")
        return job_name(self._installation, worker)

    def _find(self, name: str, worker: str) -> Job | None:
        try:
            job = self._api.job(name)
        except NotFound:
            return None
        if phases.ours(job.metadata.annotations, self._installation) != worker:
            raise InvalidRequest(
                f"Job {name} of namespace {self._settings.namespace} was not made for worker {worker}. Remove it, or use another namespace."
            )
        return job

    def _begin(self, name: str, spec: WorkerSpec, body: Mapping[str, Any]) -> Job:
        """The Job, suspended. One that is there already is that of a call whose answer was lost."""
        try:
            return self._api.create_job(body)
        except (OutcomeUnknown, Unavailable) as error:
            found = self._find_after(name, spec.name, error)
            if found is None:
                raise
            return found

    def _find_after(self, name: str, worker: str, error: DriverError) -> Job | None:
        try:
            return self._find(name, worker)
        except DriverError:
            raise error from None  # what has happened is as open as before

    def _complete(self, name: str, job: Job, spec: WorkerSpec, start: StartData) -> None:
        try:
            self._api.apply_secret(name, secret_of(self._installation, spec, start, job.metadata.uid))
            self._api.start_job(name)
        except (OutcomeUnknown, Unavailable):
            raise
        except NotFound as error:
            raise OutcomeUnknown(f"The Job of worker {spec.name} was deleted while it was made.") from error
        except DriverError:
            # Nothing may be left of a creation that was refused.
            _although_gone(lambda: self._api.delete_job(name, job.metadata.uid))
            raise

    def _pods_of(self, worker: str) -> Sequence[Pod]:
        selector = f"{selector_of(self._installation)},{WORKER_LABEL}={label_value(worker)}"
        return [
            pod
            for pod in self._api.pods(selector)
            if phases.ours(pod.metadata.annotations, self._installation) == worker
        ]

    def _seen(self, worker: WorkerName, job: Job) -> phases.Seen:
        pods = self._pods_of(worker)
        events = [] if pods or job.spec.suspend else self._api.events_of(job.metadata.uid)
        return phases.seen(worker, job, pods, self._settings, self._now_ms(), events)

    def _now_ms(self) -> int:
        """By the clock of the API server, whose times are compared with it."""
        return self._connection.now_ms or self._context.clock.now_ms()


def _although_gone(act: Callable[[], None]) -> None:
    try:
        act()
    except NotFound:
        return
