"""A real server, the driver, the played subscription at an address, and VMs that are containers which run the start script."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from herder.settings.sections.server import DriverSettings
from herder.testing.azure import GROUP, SUBSCRIPTION, Azure, Vm
from herder.testing.azure.settings import IMAGE
from herder.testing.fakes import serving
from herder.testing.fakes.user_data import script_in
from tests.api.conftest import Server
from tests.clouds.vms_in_containers import Vms, run_a_job
from tests.drivers.azure.lab import OPTIONS, SETTINGS
from tests.support.container_engine import lacking, podman

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(lacking()), reason=f"containers cannot be run here: {lacking()}"),
]


def _switch_off(vm: Vm) -> None:
    vm.power = "stopped"


@pytest.fixture
def azure() -> Azure:
    return Azure(now_ms=time.time_ns() // 1_000_000)


@pytest.fixture
def vms(azure: Azure, tmp_path: Path) -> Iterator[Vms]:
    with podman() as engine:
        found = Vms(engine, tmp_path, lambda vm: script_in(vm.custom_data), _switch_off)
        azure.state.hooks.append(found.happened)
        yield found
        for thread in found.threads:
            thread.join(30)


@pytest.fixture
def server(azure: Azure, vms: Vms, tmp_path: Path) -> Iterator[Server]:
    principal = tmp_path / "herder-azure.json"
    principal.write_text(json.dumps({"appId": "app", "password": "hush", "tenant": "ours"}))
    with serving(azure, scale=20.0) as address:
        made = Server(tmp_path / "data")
        settings = {
            "subscription": SUBSCRIPTION,
            "resource_group": GROUP,
            "zones": "westeurope-1",
            "credentials_file": str(principal),
            "image": IMAGE,
            "subnet": "herder-{location}/workers",
            "ssh_public_key": SETTINGS.ssh_public_key,
            "container_engine": "true",
            "pull_images": "docker.io/library/debian:12",
            "agent_command": f"{sys.executable} -m herder.agent",
        } | dict.fromkeys(("arm_url", "login_url", "prices_url", "metadata_url"), address.url)
        made.drivers = (DriverSettings(name="azure", kind="azure", settings=tuple(settings.items())),)
        made.start()
        try:
            yield made
        finally:
            made.stop()


@pytest.mark.timeout(180)
def test_a_vm_runs_the_start_script_and_then_a_job(server: Server, azure: Azure, vms: Vms) -> None:
    run_a_job(server, vms, "azure", dict(OPTIONS), lambda: azure.state.vms or azure.state.parts)
