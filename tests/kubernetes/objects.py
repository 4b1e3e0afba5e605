"""Objects that these tests send."""

from __future__ import annotations

from typing import Any

from tests.kubernetes.clusters import Json


def pod(name: str = "", cpu: str = "100m", memory: str = "64Mi", *, labels: Json | None = None,
        annotations: Json | None = None, generate: str = "", **spec: Any) -> Json:  # fmt: skip
    container = {
        "name": "c",
        "image": "example.com/x:1",
        "resources": {"requests": {"cpu": cpu, "memory": memory}},
    }
    metadata: Json = {"labels": labels or {}}
    if annotations:
        metadata["annotations"] = {f"testing.herder.dev/{key}": value for key, value in annotations.items()}
    metadata |= {"generateName": generate} if generate else {"name": name}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": {"restartPolicy": "Never", "containers": [container], **spec},
    }  # fmt: skip


def job(name: str, *, annotations: Json | None = None, pod_spec: Json | None = None, labels: Json | None = None,
        **spec: Any) -> Json:  # fmt: skip
    template = pod(
        "x", annotations=annotations, labels={"job-id": name, **(labels or {})}, **(pod_spec or {})
    )
    del template["metadata"]["name"], template["apiVersion"], template["kind"]
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"backoffLimit": 0, **spec, "template": template},
    }  # fmt: skip


def budget(name: str, selector: Json, **spec: Any) -> Json:
    return {
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": selector}, **spec},
    }  # fmt: skip


def config(name: str, labels: Json | None = None, **data: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": labels or {}},
        "data": data,
    }


def pods_path(namespace: str, name: str = "", below: str = "") -> str:
    return "/".join(filter(None, ("/api/v1/namespaces", namespace, "pods", name, below)))


def jobs_path(namespace: str, name: str = "") -> str:
    return "/".join(filter(None, ("/apis/batch/v1/namespaces", namespace, "jobs", name)))


def configs_path(namespace: str, name: str = "") -> str:
    return "/".join(filter(None, ("/api/v1/namespaces", namespace, "configmaps", name)))


def budgets_path(namespace: str, name: str = "") -> str:
    return "/".join(filter(None, ("/apis/policy/v1/namespaces", namespace, "poddisruptionbudgets", name)))
