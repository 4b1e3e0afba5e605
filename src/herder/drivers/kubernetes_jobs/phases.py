"""What a Job and its pods say, as a machine: its phase, its step, why it ended, and why it will never run. Pure.

Called by `driver` for one worker and for a listing. Times are those of the API server, also `now_ms`. What will never run is told as the
error that a creation raises; a listing only shows its words.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from herder.drivers.kubernetes_jobs.manifest import INSTALLATION, WORKER, tags_in
from herder.drivers.kubernetes_jobs.objects import Condition, Event, Job, Pod, Terminated
from herder.drivers.kubernetes_jobs.settings import KubernetesJobsSettings
from herder.model.fleet.creation import Step
from herder.model.fleet.driver import (
    DriverError,
    InvalidRequest,
    Machine,
    MachineEnd,
    OutOfCapacity,
    Phase,
    QuotaExceeded,
)
from herder.model.ids import WorkerName
from herder.model.values.phrases import clause
from herder.remote.kubernetes.objects import moment_ms

#: The registry was asked and has not given it; asked again at growing intervals.
_PULL_FAILS = frozenset({"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"})
#: Asking again gives nothing else.
_PULL_NEVER = frozenset({"InvalidImageName", "ErrImageNeverPull"})
_CONFIG_FAILS = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_ENDED = frozenset({"Succeeded", "Failed"})
#: Reasons of a pod whose node or scheduler has ended it.
_TAKEN_BACK = frozenset({"Evicted", "Preempting", "NodeShutdown", "Terminated", "NodeLost", "Shutdown"})
_TEXT_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A machine, and the error that its creation ended with."""

    machine: Machine
    error: DriverError | None = None


def ours(annotations: dict[str, str], installation: str) -> WorkerName | None:
    """The worker that an object was made for."""
    if annotations.get(INSTALLATION) != installation:
        return None
    worker = annotations.get(WORKER)
    return WorkerName(worker) if worker else None


def leftover(worker: WorkerName, pod: Pod) -> Machine:
    """A pod whose Job is deleted already."""
    return Machine(
        worker=worker,
        handle=pod.metadata.name,
        phase=Phase.STOPPING,
        operation=f"delete-{pod.metadata.uid}",
        detail="Its pod is ending.",
        tags=tags_in(pod.metadata.annotations),
    )


def seen(
    worker: WorkerName,
    job: Job,
    pods: Sequence[Pod],
    settings: KubernetesJobsSettings,
    now_ms: int,
    events: Sequence[Event] = (),
) -> Seen:
    """`events`: those of the Job, which are asked for only when it has no pod."""
    machine = Machine(
        worker=worker, handle=job.metadata.uid, phase=Phase.CREATING, tags=tags_in(job.metadata.annotations)
    )
    making = replace(machine, operation=f"create-{job.metadata.uid}", step=Step.CREATE)
    if job.metadata.deletion_timestamp is not None:
        text = "Its Job is being deleted."
        return Seen(
            machine=replace(
                machine, phase=Phase.STOPPING, operation=f"delete-{job.metadata.uid}", detail=text
            )
        )
    pod = max(pods, key=lambda each: each.metadata.creation_timestamp, default=None)
    if _over(job, pod):
        return Seen(machine=_ended(machine, job, pod))
    if pod is None:
        return _without_pod(making, job, events)
    if pod.status.phase == "Running":
        return Seen(machine=replace(machine, phase=Phase.RUNNING))
    if not pod.spec.node_name:
        return _unscheduled(making, pod, settings, now_ms)
    return _starting(replace(making, step=Step.START), pod, settings, now_ms)


# --- not yet running


def _without_pod(making: Machine, job: Job, events: Sequence[Event]) -> Seen:
    if job.spec.suspend:
        return Seen(machine=replace(making, detail="Its Job is suspended."))
    refused = next((each for each in reversed(events) if each.reason == "FailedCreate"), None)
    if refused is None:
        return Seen(machine=replace(making, detail="Its Job has no pod yet."))
    words = clause(refused.message)[:_TEXT_MAX]
    text = f"Kubernetes does not create the pod of worker {making.worker}: {words}."
    kind = QuotaExceeded if "exceeded quota" in words else InvalidRequest
    return Seen(machine=replace(making, detail=text), error=kind(text))


def _unscheduled(making: Machine, pod: Pod, settings: KubernetesJobsSettings, now_ms: int) -> Seen:
    scheduled = pod.condition("PodScheduled")
    if scheduled is None or scheduled.status != "False" or scheduled.reason != "Unschedulable":
        return Seen(machine=replace(making, detail="Its pod is not scheduled yet."))
    words = clause(scheduled.message)[:_TEXT_MAX]
    text = f"No node can take the pod of worker {making.worker}: {words}."
    since_ms = _moment(scheduled.last_transition_time) or _moment(pod.metadata.creation_timestamp)
    late = _late(since_ms, now_ms, settings.unschedulable_timeout_s)
    zone = making.tags.zone if making.tags is not None else ""
    return Seen(machine=replace(making, detail=text), error=OutOfCapacity(text, zone) if late else None)


def _starting(making: Machine, pod: Pod, settings: KubernetesJobsSettings, now_ms: int) -> Seen:
    states = [each.state.waiting for each in pod.status.container_statuses]
    waiting = next((each for each in states if each is not None and each.reason), None)
    if waiting is None:
        return Seen(machine=replace(making, detail="Its pod is starting."))
    since_ms = _moment(pod.status.start_time) or _moment(pod.metadata.creation_timestamp)
    late = _late(since_ms, now_ms, settings.image_pull_timeout_s)
    words = clause(waiting.message or waiting.reason)[:_TEXT_MAX]
    image = pod.spec.containers[0].image if pod.spec.containers else ""
    error: DriverError | None = None
    if waiting.reason in _PULL_FAILS | _PULL_NEVER:
        text = f"Image {image} of worker {making.worker} cannot be pulled: {words}."
        if late or waiting.reason in _PULL_NEVER:
            error = InvalidRequest(text)
    elif waiting.reason in _CONFIG_FAILS:
        text = f"The container of worker {making.worker} cannot be started: {words}."
        error = InvalidRequest(text) if late else None
    else:
        text = f"Its pod waits: {waiting.reason}."
    return Seen(machine=replace(making, detail=text), error=error)


def _late(since_ms: int | None, now_ms: int, limit_s: float) -> bool:
    return since_ms is not None and now_ms - since_ms >= limit_s * 1000


def _moment(text: str | None) -> int | None:
    return moment_ms(text) if text else None


# --- ended


def _condition(job: Job, *kinds: str) -> Condition | None:
    found = (each for kind in kinds for each in job.status.conditions if each.type == kind)
    return next((each for each in found if each.status == "True"), None)


def _over(job: Job, pod: Pod | None) -> bool:
    if _condition(job, "Complete", "Failed", "FailureTarget") is not None:
        return True
    return pod is not None and (pod.status.phase in _ENDED or pod.metadata.deletion_timestamp is not None)


def _ended(machine: Machine, job: Job, pod: Pod | None) -> Machine:
    failed = _condition(job, "Failed", "FailureTarget")
    end, text = _why(failed, pod)
    ran = pod is None or pod.status.phase != "Pending"
    return replace(machine, phase=Phase.STOPPED if ran else Phase.FAILED, end=end, detail=text)


def _why(failed: Condition | None, pod: Pod | None) -> tuple[MachineEnd | None, str]:
    """The pod says it best; a pod that exists no more says nothing, and then the Job does."""
    if pod is not None:
        ends = [each.state.terminated for each in pod.status.container_statuses]
        stop = next((each for each in ends if each is not None), None)
        if stop is not None and stop.reason == "OOMKilled":
            text = "Its pod was ended because it used more memory than its limit (OOMKilled)."
            return MachineEnd.OUT_OF_MEMORY, text
        target = pod.condition("DisruptionTarget")
        if target is not None and target.status == "True":
            return MachineEnd.PREEMPTED, _taken_back(target.reason, target.message)
        if pod.status.reason in _TAKEN_BACK:
            return MachineEnd.PREEMPTED, _taken_back(pod.status.reason, pod.status.message)
    else:
        stop = None
    if "DeadlineExceeded" in (failed.reason if failed else "", pod.status.reason if pod else ""):
        return MachineEnd.TIMEOUT, "Its Job ran longer than active_deadline_s (DeadlineExceeded)."
    if pod is None:
        words = f": {clause(failed.message)[:_TEXT_MAX]}" if failed is not None and failed.message else ""
        if failed is not None and failed.reason == "PodFailurePolicy" and "DisruptionTarget" in words:
            return MachineEnd.PREEMPTED, f"Its pod was taken back by the cluster{words}."
        return None, f"Its pod no longer exists{words}."
    return None, _stopped(stop)


def _taken_back(reason: str, message: str) -> str:
    words = f": {clause(message)[:_TEXT_MAX]}" if message else ""
    return f"Its pod was taken back by the cluster ({reason or 'no reason given'}){words}."


def _stopped(stop: Terminated | None) -> str:
    if stop is None:
        return "Its pod has ended."
    words = f": {clause(stop.message)[:_TEXT_MAX]}" if stop.message else ""
    return f"Its agent has ended with exit code {stop.exit_code}{words}."
