"""Commands of kubectl against an API server of the tests: by kubectl itself where it is installed, else by the requests that it would send."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

PROGRAM = shutil.which("kubectl")
PODS = "/api/v1/namespaces/{namespace}/pods"


def kubectl(words: Sequence[str], kubeconfig: Path, http: httpx.Client) -> str:
    """What it prints, or what the server answers. Fails as kubectl fails."""
    if PROGRAM is None:
        return "\n".join(each.text for each in _asked(words, http))
    # Answers of discovery are cached below HOME.
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "HOME": str(kubeconfig.parent)}
    done = subprocess.run(
        [PROGRAM, *words], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def _asked(words: Sequence[str], http: httpx.Client) -> list[httpx.Response]:
    return [
        http.request(method, path, **more).raise_for_status() for method, path, more in _requests(words, http)
    ]


Call = tuple[str, str, dict[str, Any]]


def _requests(words: Sequence[str], http: httpx.Client) -> Iterator[Call]:
    names = [word for word in words if not word.startswith("-")]
    match words[0], *names[1:]:
        case "get", kind, *_:
            yield "GET", _list_path(kind, words), {"params": dict(_selectors(words))}
        case "top", "nodes":
            yield "GET", "/apis/metrics.k8s.io/v1beta1/nodes", {}
        case "describe", "node", name:
            yield "GET", f"/api/v1/nodes/{name}", {}
        case "delete", "node", name:
            yield "DELETE", f"/api/v1/nodes/{name}", {}
        case "logs", *_, name:
            yield "GET", f"{PODS.format(namespace=_option(words, '-n') or 'default')}/{name}/log", {}
        case "drain", name:
            yield from _drain(name, http)
        case other:
            raise AssertionError(other)


def _list_path(kind: str, words: Sequence[str]) -> str:
    if kind == "nodes" or "--all-namespaces" in words:
        return f"/api/v1/{kind}"
    return PODS.format(namespace=_option(words, "-n") or "default")


def _selectors(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    for option, name in (("-l", "labelSelector"), ("--field-selector", "fieldSelector")):
        if value := _option(words, option):
            yield name, value


def _option(words: Sequence[str], name: str) -> str:
    for index, word in enumerate(words):
        if word == name:
            return words[index + 1]
        if word.startswith(f"{name}="):
            return word.removeprefix(f"{name}=")
    return ""


def _drain(name: str, http: httpx.Client) -> Iterator[Call]:
    media = {"Content-Type": "application/strategic-merge-patch+json"}
    yield "PATCH", f"/api/v1/nodes/{name}", {"json": {"spec": {"unschedulable": True}}, "headers": media}
    found = http.get("/api/v1/pods", params={"fieldSelector": f"spec.nodeName={name}"}).raise_for_status()
    for each in found.json()["items"]:
        pod, namespace = each["metadata"]["name"], each["metadata"]["namespace"]
        body = {"metadata": {"name": pod, "namespace": namespace}}
        yield "POST", f"{PODS.format(namespace=namespace)}/{pod}/eviction", {"json": body}
