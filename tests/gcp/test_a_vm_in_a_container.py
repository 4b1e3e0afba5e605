"""A real server, the driver, the played project at an address, and VMs that are containers which run the start script."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from herder.settings.sections.server import DriverSettings
from herder.testing.fakes import serving
from herder.testing.gcp import PROJECT, Gcp, Vm
from herder.testing.gcp.settings import IMAGE
from tests.api.conftest import Server
from tests.clouds.vms_in_containers import Vms, run_a_job
from tests.support.container_engine import lacking, podman

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(lacking()), reason=f"containers cannot be run here: {lacking()}"),
]


def _switch_off(vm: Vm) -> None:
    vm.status = "TERMINATED" if vm.status == "RUNNING" else vm.status


def _key(folder: Path, url: str) -> Path:
    """Of a service account, as `gcloud iam service-accounts keys create` writes it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "key.json"
    file.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": PROJECT,
                "private_key_id": "1",
                "private_key": pem.decode(),
                "client_email": f"herder@{PROJECT}.iam.gserviceaccount.com",
                "token_uri": f"{url}/token",
            }
        )
    )
    return file


@pytest.fixture
def gcp() -> Gcp:
    return Gcp(now_ms=time.time_ns() // 1_000_000)


@pytest.fixture
def vms(gcp: Gcp, tmp_path: Path) -> Iterator[Vms]:
    with podman() as engine:
        found = Vms(engine, tmp_path, lambda vm: vm.metadata["startup-script"], _switch_off)
        gcp.state.hooks.append(found.happened)
        yield found
        for thread in found.threads:
            thread.join(30)


@pytest.fixture
def server(gcp: Gcp, vms: Vms, tmp_path: Path) -> Iterator[Server]:
    with serving(gcp, scale=20.0) as address:
        made = Server(tmp_path / "data")
        settings = {
            "project": PROJECT,
            "zones": "europe-west4-a",
            "image": IMAGE,
            "credentials_file": str(_key(tmp_path, address.url)),
            "compute_url": f"{address.url}/compute/v1",
            "billing_url": f"{address.url}/v1",
            "projects_url": f"{address.url}/v1",
            "container_engine": "true",
            "pull_images": "docker.io/library/debian:12",
            "agent_command": f"{sys.executable} -m herder.agent",
        }
        made.drivers = (DriverSettings(name="google", kind="gcp", settings=tuple(settings.items())),)
        made.start()
        try:
            yield made
        finally:
            made.stop()


@pytest.mark.timeout(180)
def test_a_vm_runs_the_start_script_and_then_a_job(server: Server, gcp: Gcp, vms: Vms) -> None:
    run_a_job(
        server, vms, "google", {"machine_type": "n2-standard-2"}, lambda: gcp.state.vms or gcp.state.disks
    )
