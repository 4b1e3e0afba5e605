"""Nodes and pods of the size that real ones have (a pod about 3 kB), as plain data. Used by the measurement of clusters."""

from typing import Any

STARTED = "2026-11-27T05:00:00Z"
#: A third of the pods of a node, so that a hundred thousand are ten on each of ten thousand.
_REQUESTS = (("100m", "128Mi"), ("250m", "512Mi"), ("500m", "1Gi"), ("1", "2Gi"), ("2", "4Gi"))
#: Of a hundred pods so many wait.
WAITING_OF_100 = 3


def node_name(number: int) -> str:
    return f"worker-{number:05}"


def pod_name(number: int) -> tuple[str, str]:
    """Namespace and name."""
    return f"team-{number % 40}", f"app-{number % 500}-{number:06}"


def node(number: int) -> dict[str, Any]:
    name = node_name(number)
    kinds = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "topology.kubernetes.io/zone": f"zone-{number % 3}",
                "node-pool": "burst",
                "herder.dev/worker": f"burst-1-{number}",
            },
        },
        "spec": {"podCIDR": "10.244.0.0/24"},
        "status": {
            "allocatable": {"cpu": "15800m", "memory": "30720Mi", "pods": "110", "ephemeral-storage": "480Gi"},
            "capacity": {"cpu": "16", "memory": "32Gi", "pods": "110", "ephemeral-storage": "500Gi"},
            "conditions": [
                {
                    "type": kind,
                    "status": str(kind == "Ready"),
                    "reason": "KubeletReport",
                    "message": "kubelet has reported this",
                    "lastHeartbeatTime": STARTED,
                    "lastTransitionTime": STARTED,
                }
                for kind in kinds
            ],
            "nodeInfo": {"kubeletVersion": "v1.36.2", "osImage": "Talos (v1.8.0)", "architecture": "amd64"},
            "images": [{"names": [f"registry.example.com/team/image-{each}:v1"], "sizeBytes": 10**8} for each in range(10)],
        },
    }  # fmt: skip


def pod(number: int, nodes: int) -> dict[str, Any]:
    waits = number % 100 < WAITING_OF_100
    namespace, name = pod_name(number)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app": f"app-{number % 500}", "pod-template-hash": "5d8f6c7b9"},
            "annotations": {"checksum/config": "f" * 64},
        },
        "spec": {
            "containers": [_container(number, "main"), _container(number + 1, "sidecar")],
            "nodeName": "" if waits else node_name(number % nodes),
            "priority": 0,
            "schedulerName": "default-scheduler",
            "serviceAccountName": "default",
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "tolerations": [
                {"key": f"node.kubernetes.io/{why}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
                for why in ("not-ready", "unreachable")
            ],
            "volumes": [{"name": "kube-api-access", "projected": {"defaultMode": 420, "sources": [{"configMap": {"name": "ca"}}]}}],
        },
        "status": _status(waits),
    }  # fmt: skip


def _container(number: int, name: str) -> dict[str, Any]:
    cpu, memory = _REQUESTS[number % len(_REQUESTS)]
    return {
        "name": name,
        "image": f"registry.example.com/team/image-{number % 500}:v1.2.3",
        "args": ["--config=/etc/config/settings.yaml", "--verbose"],
        "env": [{"name": f"SETTING_{each}", "value": f"value-of-the-setting-{each}"} for each in range(12)],
        "resources": {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}},
        "volumeMounts": [{"name": "kube-api-access", "mountPath": "/var/run/secrets", "readOnly": True}],
        "terminationMessagePath": "/dev/termination-log",
        "imagePullPolicy": "IfNotPresent",
    }


def _status(waits: bool) -> dict[str, Any]:
    if waits:
        condition = {
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/10000 nodes are available: 10000 Insufficient cpu.", "lastTransitionTime": STARTED,
        }  # fmt: skip
        return {"phase": "Pending", "conditions": [condition]}
    kinds = ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    return {
        "phase": "Running",
        "podIP": "10.244.0.1",
        "startTime": STARTED,
        "conditions": [{"type": kind, "status": "True", "lastTransitionTime": STARTED} for kind in kinds],
        "containerStatuses": [
            {"name": name, "ready": True, "restartCount": 0, "image": "x", "state": {"running": {"startedAt": STARTED}}}
            for name in ("main", "sidecar")
        ],
    }  # fmt: skip
