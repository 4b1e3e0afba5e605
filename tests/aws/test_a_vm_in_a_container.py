"""A real server, the driver, the played region at an address, and instances that are containers which run the start script."""

from __future__ import annotations

import base64
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from herder.settings.sections.server import DriverSettings
from herder.testing.aws import ACCESS_KEY, SECRET, Aws
from herder.testing.aws.state import IMAGE, Instance
from herder.testing.fakes import Serving, serving
from herder.testing.fakes.user_data import script_in
from tests.api.conftest import Server
from tests.clouds.vms_in_containers import Vms, run_a_job
from tests.drivers.aws.lab import OPTIONS
from tests.support.container_engine import lacking, podman

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(lacking()), reason=f"containers cannot be run here: {lacking()}"),
]


@pytest.fixture
def aws() -> Aws:
    return Aws(now_ms=time.time_ns() // 1_000_000)


@pytest.fixture
def address(aws: Aws) -> Iterator[Serving]:
    with serving(aws, scale=20.0) as found:
        yield found


@pytest.fixture
def vms(aws: Aws, address: Serving, tmp_path: Path) -> Iterator[Vms]:
    def switch_off(vm: Instance) -> None:
        with address.lock:
            aws.shut_down(vm)

    def script_of(vm: Instance) -> str:
        return script_in(base64.b64decode(vm.form["UserData"]).decode())

    with podman() as engine:
        found = Vms(engine, tmp_path, script_of, switch_off)
        aws.hooks.append(found.happened)
        yield found
        for thread in found.threads:
            thread.join(30)


@pytest.fixture
def server(address: Serving, vms: Vms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    made = Server(tmp_path / "data")
    settings = {
        "region": "eu-west-1",
        "image": IMAGE,
        "ec2_url": address.url,
        "container_engine": "true",
        "pull_images": "docker.io/library/debian:12",
        "agent_command": f"{sys.executable} -m herder.agent",
    }
    made.drivers = (DriverSettings(name="aws", kind="aws", settings=tuple(settings.items())),)
    made.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.mark.timeout(180)
def test_an_instance_runs_the_start_script_and_then_a_job(server: Server, aws: Aws, vms: Vms) -> None:
    def left() -> bool:
        return bool(aws.volumes) or any(each.state != "terminated" for each in aws.instances.values())

    run_a_job(server, vms, "aws", dict(OPTIONS), left)
