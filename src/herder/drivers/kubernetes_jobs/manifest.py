"""The Job and the Secret of one worker, as Kubernetes objects. Pure.

The Job is made suspended, so that no pod starts before its Secret exists; the Secret belongs to the Job and goes with it. A failed pod is
never replaced by Kubernetes: Herder decides what is tried again, and the activation token works once.
"""

import base64
from typing import Any

from herder.drivers.kubernetes_jobs.names import job_name, labels_of
from herder.drivers.kubernetes_jobs.settings import KubernetesJobsSettings, names_in, pairs_in, tolerations_in
from herder.model.fleet.driver import MachineTags, StartData
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import PoolName
from herder.wire.worker import startup

CONTAINER = "agent"
TOKEN_KEY = "activation-token"
WORKER = "herder.dev/worker"
INSTALLATION = "herder.dev/installation"
_POOL, _TEMPLATE, _ZONE = "herder.dev/pool", "herder.dev/template", "herder.dev/zone"
GPU = "nvidia.com/gpu"
ZONE_LABEL = "topology.kubernetes.io/zone"

#: Whatever ends the pod, the Job has failed: no second pod is made.
_NO_SECOND_POD = {
    "rules": [
        {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {
            "action": "FailJob",
            "onExitCodes": {"containerName": CONTAINER, "operator": "NotIn", "values": [0]},
        },
    ]
}


def annotations_of(installation: str, spec: WorkerSpec) -> dict[str, str]:
    found = {WORKER: spec.name, INSTALLATION: installation, _POOL: spec.pool, _TEMPLATE: spec.template}
    return found | ({_ZONE: spec.zone} if spec.zone else {})


def tags_in(annotations: dict[str, str]) -> MachineTags | None:
    if _POOL not in annotations or _TEMPLATE not in annotations:
        return None
    pool = PoolName(annotations[_POOL])
    return MachineTags(pool=pool, template=annotations[_TEMPLATE], zone=annotations.get(_ZONE, ""))


def image_of(settings: KubernetesJobsSettings, spec: WorkerSpec) -> str:
    return dict(spec.driver_options).get("image") or settings.image


def job_of(
    settings: KubernetesJobsSettings, installation: str, spec: WorkerSpec, start: StartData
) -> dict[str, Any]:
    labels = pairs_in("labels", settings.labels) | labels_of(installation, spec.name, spec.pool)
    annotations = annotations_of(installation, spec)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(installation, spec.name),
            "labels": labels,
            "annotations": annotations,
        },
        "spec": {
            "suspend": True,
            "completions": 1,
            "parallelism": 1,
            "backoffLimit": 0,
            "activeDeadlineSeconds": settings.active_deadline_s,
            "ttlSecondsAfterFinished": settings.ttl_after_finished_s,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": _NO_SECOND_POD,
            "template": {
                "metadata": {
                    "labels": labels,
                    "annotations": pairs_in("annotations", settings.annotations, labels=False) | annotations,
                },
                "spec": _pod(settings, installation, spec, start),
            },
        },
    }


def _pod(
    settings: KubernetesJobsSettings, installation: str, spec: WorkerSpec, start: StartData
) -> dict[str, Any]:
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": settings.termination_grace_s,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [_container(settings, installation, spec, start)],
        "volumes": [{"name": "scratch", "emptyDir": _scratch(spec)}],
    }
    selector = pairs_in("node_selector", settings.node_selector)
    if spec.zone:
        selector[ZONE_LABEL] = spec.zone
    optional = {
        "nodeSelector": selector,
        "tolerations": tolerations_in(settings.tolerations),
        "priorityClassName": settings.priority_class,
        "serviceAccountName": settings.service_account,
        "imagePullSecrets": [{"name": name} for name in names_in(settings.pull_secrets)],
    }
    return pod | {key: value for key, value in optional.items() if value}


def _scratch(spec: WorkerSpec) -> dict[str, str]:
    return {"sizeLimit": f"{spec.allocatable.disk_mib}Mi"} if spec.allocatable.disk_mib else {}


def _container(
    settings: KubernetesJobsSettings, installation: str, spec: WorkerSpec, start: StartData
) -> dict[str, Any]:
    token = {"secretKeyRef": {"name": job_name(installation, spec.name), "key": TOKEN_KEY}}
    plain = {
        startup.SERVER: settings.server_url or start.server_url,
        startup.WORKER: spec.name,
        startup.INSTALLATION: installation,
        startup.SELF_DELETE_AFTER_S: str(start.self_delete_after_s),
    }
    variables: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in plain.items()]
    return {
        "name": CONTAINER,
        "image": image_of(settings, spec),
        "imagePullPolicy": settings.pull_policy,
        "command": settings.command.split(),
        "env": [*variables, {"name": startup.ACTIVATION_TOKEN, "valueFrom": token}],
        "resources": resources_of(settings, spec),
        "securityContext": {"allowPrivilegeEscalation": False},
        # Scratch folders are made in the machine's temporary folder.
        "volumeMounts": [{"name": "scratch", "mountPath": "/tmp"}],
    }


def resources_of(settings: KubernetesJobsSettings, spec: WorkerSpec) -> dict[str, dict[str, str]]:
    """Memory is requested as it is limited: a pod that uses more than it has requested is among the first to be evicted."""
    size = spec.allocatable
    memory = f"{size.memory_mib + settings.agent_memory_mib}Mi"
    requests = {"cpu": f"{size.cpu_milli}m", "memory": memory}
    limits = {"memory": memory}
    if settings.cpu_limit_factor:
        limits["cpu"] = f"{round(size.cpu_milli * settings.cpu_limit_factor)}m"
    whole = {name: str(amount) for name, amount in size.declared().items() if "/" in name}
    if size.disk_mib:
        whole["ephemeral-storage"] = f"{size.disk_mib}Mi"
    if size.gpu:
        whole[GPU] = str(size.gpu)
    return {"requests": requests | whole, "limits": limits | whole}


def secret_of(installation: str, spec: WorkerSpec, start: StartData, job_uid: str) -> dict[str, Any]:
    """Owned by its Job, so that it is removed with it, whoever removes that."""
    name = job_name(installation, spec.name)
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job_uid}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "labels": labels_of(installation, spec.name, spec.pool),
            "ownerReferences": [owner],
        },
        "type": "Opaque",
        "data": {TOKEN_KEY: base64.b64encode(start.activation_token.encode()).decode()},
    }
