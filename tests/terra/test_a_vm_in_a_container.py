"""A real server, the driver, the played workspace at an address, and VMs that are containers which run the start script."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from herder.settings.sections.server import DriverSettings
from herder.testing.fakes import serving
from herder.testing.fakes.user_data import script_in
from herder.testing.terra import TOKEN, WORKSPACE, Terra, Vm
from herder.testing.terra.settings import IMAGE
from tests.api.conftest import Server
from tests.clouds.vms_in_containers import Vms, run_a_job
from tests.drivers.terra.lab import OPTIONS
from tests.support.container_engine import lacking, podman

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(lacking()), reason=f"containers cannot be run here: {lacking()}"),
]


def _switch_off(vm: Vm) -> None:
    vm.power = "stopped"


@pytest.fixture
def terra() -> Terra:
    return Terra(now_ms=time.time_ns() // 1_000_000)


@pytest.fixture
def vms(terra: Terra, tmp_path: Path) -> Iterator[Vms]:
    with podman() as engine:
        found = Vms(engine, tmp_path, lambda vm: script_in(vm.custom_data), _switch_off)
        terra.state.hooks.append(found.happened)
        yield found
        for thread in found.threads:
            thread.join(30)


@pytest.fixture
def server(terra: Terra, vms: Vms, tmp_path: Path) -> Iterator[Server]:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    with serving(terra, scale=20.0) as address:
        made = Server(tmp_path / "data")
        settings = {
            "url": address.url,
            "workspace": WORKSPACE,
            "token_file": str(token),
            "image": IMAGE,
            "container_engine": "true",
            "pull_images": "docker.io/library/debian:12",
            "agent_command": f"echo fetched && {sys.executable} -m herder.agent",
            "deletes_itself": "false",  # there is no metadata server here
        }
        made.drivers = (DriverSettings(name="terra", kind="terra", settings=tuple(settings.items())),)
        made.start()
        try:
            yield made
        finally:
            made.stop()


@pytest.mark.timeout(180)
def test_a_vm_runs_the_start_script_and_then_a_job(server: Server, terra: Terra, vms: Vms) -> None:
    run_a_job(server, vms, "terra", dict(OPTIONS), lambda: terra.state.vms)
