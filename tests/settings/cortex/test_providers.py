"""Proxmox and Talos of worker-pools.json, and the environment variables of Cortex: taken over, and no secret among them."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from herder.bootstraps.registry import settings_faults as bootstrap_faults
from herder.drivers.registry import settings_faults as driver_faults
from herder.settings.cortex.importing import Imported, Kind, imported, written
from herder.settings.lint import lint
from herder.settings.load import load_texts
from herder.settings.syntax.problems import Severity
from tests.words.rules import faults

SAMPLE: dict[str, Any] = json.loads(Path(__file__).with_name("worker-pools.json").read_text())
SECRET = "11111111-2222-3333-4444-555555555555"
ENVIRONMENT = {
    "PROXMOX_URL": "https://pve-01.example.com:8006",
    "PROXMOX_TOKEN_ID": "cortex@pam!worker-provisioner",
    "PROXMOX_TOKEN_SECRET": SECRET,
}
PROXMOX = {
    "token_secret_env": "PROXMOX_TOKEN_SECRET",
    "storage": "local-lvm",
    "iso_storage": "local",
    "bridge": "vmbr1",
    "vlan": "20",
    "worker_overhead_mib": "2048",
}
TALOS = {
    "kind": "talos",
    "base_config": "/etc/herder/worker.yaml",
    "context": "prod-k8s",
    "endpoint": "https://192.168.1.10:6443",
    "install_image": "ghcr.io/siderolabs/installer:v1.8.0",
    "kubelet_args": "max-pods=110, pod-max-pids=4096",
}


def read(plain: Any, environment: dict[str, str] | None = None) -> Imported:
    return imported(json.dumps(plain), "w.json", environment)


def to_do(found: Imported) -> dict[str, str]:
    return {each.path: each.text for each in found.findings if each.kind is Kind.TO_DO}


def test_the_sections_and_the_environment_are_taken_over_and_a_server_could_start() -> None:
    found = read(SAMPLE, ENVIRONMENT)
    assert found.plain["drivers"]["proxmox"]["settings"] == {
        "url": ENVIRONMENT["PROXMOX_URL"],
        "token_id": ENVIRONMENT["PROXMOX_TOKEN_ID"],
        **PROXMOX,
    }
    assert found.plain["bootstraps"] == {"talos": TALOS}
    options = {name: pool["driver_options"] for name, pool in found.plain["pools"].items()}
    assert options == {
        "permanent": {"template": "9002", "cpu": "host", "disk": "200Gi"},
        "burst": {"template": "9002", "cpu": "host"},
        "spot": {"template": "9002", "cpu": "host", "disk": "200Gi"},
        "gpu": {"template": "9004", "cpu": "host", "disk": "500Gi", "gpu_mapping": "gpu-nvidia"},
    }
    assert {pool["bootstrap"] for pool in found.plain["pools"].values()} == {"talos"}
    assert [*to_do(found)] == [
        "clusters.prod-k8s",
        "cost_tracking.alerts.burst_cost_per_event_max",
        "bootstraps.talos.base_config",
        "pools.gpu.driver_options.gpu_mapping",
    ]
    settings = load_texts([("herder.yaml", written(found, "w.json"))])
    problems = lint(settings, driver_faults=driver_faults, bootstrap_faults=bootstrap_faults)
    assert [each for each in problems if each.severity is Severity.ERROR] == []


def test_what_the_environment_lacks_is_to_be_set_where_the_server_runs() -> None:
    found = read(SAMPLE)
    assert found.plain["drivers"]["proxmox"]["settings"] == PROXMOX
    text = to_do(found)["drivers.proxmox.settings"]
    assert text.startswith("Set PROXMOX_URL, PROXMOX_TOKEN_ID, PROXMOX_TOKEN_SECRET in the environment")
    assert faults(text) == []


@pytest.mark.parametrize("secret", [SECRET, {"a": SECRET}, [SECRET]])
def test_a_secret_is_never_written(secret: Any) -> None:
    plain = copy.deepcopy(SAMPLE)
    plain["proxmox_integration"]["authentication"]["token_secret"] = secret
    for environment in ({}, ENVIRONMENT):
        assert SECRET not in written(read(plain, environment), "w.json")


def test_the_environment_comes_before_the_file() -> None:
    more = {"TALOS_CLUSTER": "lab", "TALOS_ENDPOINT": "10.0.0.7"}
    found = read(SAMPLE, ENVIRONMENT | more)
    assert (
        found.plain["bootstraps"]["talos"] | {"context": "lab", "endpoint": "10.0.0.7"}
        == found.plain["bootstraps"]["talos"]
    )
    plain = copy.deepcopy(SAMPLE)
    plain["proxmox_integration"]["api_endpoint"] = "https://10.0.0.2:8006"
    assert read(plain).plain["drivers"]["proxmox"]["settings"]["url"] == "https://10.0.0.2:8006"
    assert (
        read(plain, ENVIRONMENT).plain["drivers"]["proxmox"]["settings"]["url"] == ENVIRONMENT["PROXMOX_URL"]
    )


def test_a_file_without_the_sections_has_what_the_environment_says() -> None:
    plain = {key: value for key, value in SAMPLE.items() if not key.endswith("_integration")}
    found = read(plain)
    assert "bootstraps" not in found.plain
    assert all("bootstrap" not in pool for pool in found.plain["pools"].values())
    found = read(plain, ENVIRONMENT | {"TALOS_ENDPOINT": "10.0.0.7"})
    assert found.plain["drivers"]["proxmox"]["settings"]["url"] == ENVIRONMENT["PROXMOX_URL"]
    assert found.plain["bootstraps"]["talos"]["endpoint"] == "10.0.0.7"
