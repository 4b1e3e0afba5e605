"""The sections for Proxmox and Talos of `worker-pools.json`, and the environment variables of Cortex, as plain forms of herder.yaml.

Pure; called by `importing`. A secret is never taken over: the file that is written names the environment variable or the file that has it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from herder.settings.cortex.pools import DRIVER, given
from herder.settings.imports.reading import Node

BOOTSTRAP = "talos"
BASE_CONFIG = "/etc/herder/worker.yaml"
URL, TOKEN_ID, TOKEN_SECRET = "PROXMOX_URL", "PROXMOX_TOKEN_ID", "PROXMOX_TOKEN_SECRET"
TALOS_CLUSTER, TALOS_ENDPOINT = "TALOS_CLUSTER", "TALOS_ENDPOINT"
_REFERENCE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?")


def proxmox(root: Node, environment: Mapping[str, str]) -> dict[str, str]:
    """Settings of the driver. What neither file nor environment says is read from the environment when the server starts."""
    node = root.at("proxmox_integration")
    login, storage, network = (node.at(key) for key in ("authentication", "storage", "network"))
    login.at("method").use()
    login.at("token_secret").use()
    overhead = max((_overhead_mib(each) for _, each in root.at("worker_templates").children()), default=0)
    vlan = network.at("vlan_tag").whole()
    found = given(
        url=_value(node.at("api_endpoint").text(), URL, environment),
        token_id=_value(login.at("token_id").text(), TOKEN_ID, environment),
        token_secret_env=TOKEN_SECRET if node.value is not None or environment.get(TOKEN_SECRET) else None,
        storage=storage.at("vm_storage").text(),
        iso_storage=storage.at("iso_storage").text(),
        bridge=network.at("bridge").text(),
        vlan=str(vlan) if vlan else None,
        worker_overhead_mib=str(overhead) if overhead else None,
    )
    return {key: str(value) for key, value in found.items()}


def talos(root: Node, environment: Mapping[str, str]) -> dict[str, Any]:
    """The bootstrap; empty: neither file nor environment knows Talos."""
    node = root.at("talos_integration")
    named = environment.get(TALOS_CLUSTER) or environment.get(TALOS_ENDPOINT)
    if node.value is None and not named:
        return {}
    kubelet = node.at("kubelet_config")
    pods, pids = kubelet.at("max_pods").whole(), kubelet.at("pod_pids_limit").whole()
    for key in ("register_with_taints", "register_node_labels"):
        kubelet.at(key).use()
    arguments = given(**{"max-pods": pods, "pod-max-pids": pids})
    return given(
        kind=BOOTSTRAP,
        base_config=BASE_CONFIG,
        context=_value(node.at("cluster_name").text(), TALOS_CLUSTER, environment),
        endpoint=_value(node.at("cluster_endpoint").text(), TALOS_ENDPOINT, environment),
        install_image=_install_image(root),
        kubelet_args=", ".join(f"{key}={value}" for key, value in arguments.items()) or None,
    )


def options(root: Node, pool: Mapping[str, Any]) -> dict[str, str]:
    """driver_options of a pool: the template VM of its first template."""
    names = [each["name"] if isinstance(each, dict) else each for each in pool.get("templates") or ()]
    if not names:
        return {}
    template = root.at("worker_templates", names[0])
    vmid, name = template.at("proxmox_template_id").whole(), template.at("template_name").text()
    if vmid is None and name is None:
        return {}
    cpu = root.at("proxmox_integration", "vm_settings", "cpu_type").text()
    disk = template.at("resources", "disk_gb").whole() if len(names) == 1 else None
    gpu = template.at("allocatable_resources", "nvidia.com/gpu").whole()
    return given(
        template=name if vmid is None else str(vmid),
        cpu=cpu,
        disk=f"{disk}Gi" if disk else None,
        gpu_mapping=names[0] if gpu else None,
    )


def to_do(plain: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What a person has to do for these sections: path and sentence."""
    settings = plain["drivers"][DRIVER].get("settings", {})
    needed = [(URL, "url"), (TOKEN_ID, "token_id")]
    missing = [name for name, key in needed if settings and key not in settings]
    missing += [TOKEN_SECRET] if settings and not environment.get(TOKEN_SECRET) else []
    if missing:
        yield (
            f"drivers.{DRIVER}.settings",
            f"Set {', '.join(missing)} in the environment of the server. A secret is never written to this file.",
        )
    for name in plain.get("bootstraps", {}):
        yield (
            f"bootstraps.{name}.base_config",
            "Write where the base configuration of a worker is; the path in the file is an example.",
        )
    for name, pool in plain["pools"].items():
        if mapping := pool.get("driver_options", {}).get("gpu_mapping"):
            yield (
                f"pools.{name}.driver_options.gpu_mapping",
                f"Create the PCI mapping {mapping} in Proxmox, or write the name of one that exists.",
            )


def _value(written: str | None, name: str, environment: Mapping[str, str]) -> str | None:
    """The environment decides, as it does for Cortex; a reference such as ${PROXMOX_URL} is read there, too."""
    if environment.get(name):
        return environment[name]
    reference = _REFERENCE.fullmatch(written or "")
    if reference is not None:
        return environment.get(reference[1]) or None
    return written or None


def _overhead_mib(template: Node) -> int:
    whole, left = (
        template.at(section, "memory_mb").whole() for section in ("resources", "allocatable_resources")
    )
    return max(0, whole - left) if whole is not None and left is not None else 0


def _install_image(root: Node) -> str | None:
    """When all templates have the same."""
    found = {
        each.at("talos_config", "install_image").text() for _, each in root.at("worker_templates").children()
    }
    return found.pop() if len(found) == 1 else None
