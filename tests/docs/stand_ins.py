"""What stands in for the tools of Proxmox, Talos and Kubernetes on the page of burst workers: each does to the datacentre in a process what
the tool would do, and fails where the page asks for something else than the datacentre has.

`install` puts them into a folder for PATH; run as a program, the name by which it is called says which tool it is.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
from ruamel.yaml import YAML

PLURALS = {"pod": "pods", "nodes": "nodes"}
CREATED = {
    "Pod": "/api/v1/namespaces/default/pods",
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "PriorityClass": "/apis/scheduling.k8s.io/v1/priorityclasses",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies",
}


def install(folder: Path) -> None:
    folder.mkdir()
    for name in ("wget", "xz", "qm", "pveum", "talosctl", "kubectl"):
        tool = folder / name
        tool.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} {name} "$@"\n')
        tool.chmod(0o755)


def _folder() -> Path:
    return Path(os.environ["DATACENTRE"])


def _proxmox(path: str) -> Any:
    secret = (_folder() / "proxmox-token").read_text().strip()
    header = f"PVEAPIToken={os.environ['DATACENTRE_TOKEN_ID']}={secret}"
    url = f"{os.environ['DATACENTRE_PROXMOX']}/api2/json{path}"
    return httpx.get(url, headers={"Authorization": header}).raise_for_status().json()["data"]


def wget(words: Sequence[str]) -> None:
    Path(words[-1].rpartition("/")[2]).write_bytes(b"")


def xz(words: Sequence[str]) -> None:
    Path(words[-1]).rename(words[-1].removesuffix(".xz"))


def qm(words: Sequence[str]) -> None:
    """The datacentre has the template: the page makes one of the same name."""
    config = _proxmox(f"/nodes/pve1/qemu/{words[1]}/config")
    if words[0] == "create":
        assert config["name"] == words[words.index("--name") + 1], config
        assert "bridge=vmbr0" in config["net0"], config
    elif words[0] == "set":
        assert config["boot"] == words[-1], config
        assert config["scsi0"].startswith("local-lvm:"), config
    else:
        assert str(config["template"]) == "1", config


def pveum(words: Sequence[str]) -> None:
    """The token of the datacentre has exactly the privileges of the page."""
    if words[:2] == ["role", "add"]:
        (given,) = (set(found) for found in _proxmox("/access/permissions").values())
        assert set(words[-1].split()) == given, given ^ set(words[-1].split())
    elif words[:3] == ["user", "token", "add"]:
        name = f"{words[3]}!{words[4]}"
        assert name == os.environ["DATACENTRE_TOKEN_ID"]
        secret = (_folder() / "proxmox-token").read_text().strip()
        sys.stdout.write(json.dumps({"full-tokenid": name, "value": secret}))


def talosctl(words: Sequence[str]) -> None:
    if words[:2] == ["gen", "config"]:
        shutil.copy(_folder() / "worker.yaml", words[words.index("--output") + 1])
    elif words[:2] == ["config", "new"]:
        assert words[words.index("--roles") + 1] == "os:operator"
        shutil.copy(_folder() / "talosconfig", words[2])


def kubectl(words: Sequence[str]) -> None:
    assert words[0] == "--kubeconfig"
    config = json.loads(Path(words[1]).read_text())
    headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
    with httpx.Client(base_url=config["clusters"][0]["cluster"]["server"], headers=headers) as http:
        verb, rest = words[2], words[3:]
        if verb == "apply":
            for found in YAML(typ="safe").load_all(Path(rest[1]).read_text()):
                _create(http, found)
        elif verb == "delete":
            http.delete(f"{CREATED['Pod']}/{rest[1]}").raise_for_status()
        elif rest[0] == "pod":
            found = http.get(f"{CREATED['Pod']}/{rest[1]}").raise_for_status().json()
            sys.stdout.write(f"{rest[1]} {found['status'].get('phase')}\n")
        else:
            for each in http.get("/api/v1/nodes").raise_for_status().json()["items"]:
                sys.stdout.write(f"{each['metadata']['name']}\n")


def _create(http: httpx.Client, found: dict[str, Any]) -> None:
    namespace = found["metadata"].get("namespace", "default")
    http.post(CREATED[found["kind"]].format(namespace=namespace), json=found).raise_for_status()


TOOLS: dict[str, Callable[[Sequence[str]], None]] = {
    "wget": wget,
    "xz": xz,
    "qm": qm,
    "pveum": pveum,
    "talosctl": talosctl,
    "kubectl": kubectl,
}

if __name__ == "__main__":
    TOOLS[sys.argv[1]](sys.argv[2:])
