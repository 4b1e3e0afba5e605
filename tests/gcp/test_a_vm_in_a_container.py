"""A real server, the driver, the played project at an address, and VMs that are containers which run the start script: the agent activates and runs a job.

The package manager, the pull of images and the tools for disks are recorders; the rest of a VM is a container with the programs of this machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from herder.settings.sections.server import DriverSettings
from herder.testing.fakes import serving
from herder.testing.gcp import PROJECT, Gcp, Vm
from herder.testing.gcp.settings import IMAGE
from tests.api.conftest import Server
from tests.support.container_engine import Podman, lacking, podman

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(lacking()), reason=f"containers cannot be run here: {lacking()}"),
]
REPOSITORY = Path(__file__).resolve().parents[2]
RECORDED = ("apt-get", "podman", "systemctl", "mkfs.ext4", "mount", "mountpoint", "shutdown")
VM_IMAGE = "localhost/herder-vm:1"
WITHIN_S = 50.0


class Vms:
    """Of the project: each is a container that runs the start script."""

    def __init__(self, engine: Podman, folder: Path) -> None:
        self.engine, self.recorders = engine, folder / "recorders"
        self.folder = folder
        self.recorders.mkdir()
        for name in RECORDED:
            program = self.recorders / name
            program.write_text(f'#!/bin/sh\necho "{name} $*" >>/recorded/told\n')
            program.chmod(0o755)
        engine.run("import", str(self._root(folder)), VM_IMAGE)
        self.threads: list[threading.Thread] = []
        self.told: dict[str, Path] = {}
        self.printed: dict[str, str] = {}

    def happened(self, what: str, vm: Vm) -> None:
        """Called by the project, under its lock."""
        if what == "running":
            thread = threading.Thread(target=self._run, args=(vm,))
            self.threads.append(thread)
            thread.start()

    def _run(self, vm: Vm) -> None:
        place = self.folder / vm.name
        place.mkdir()
        (place / "start.sh").write_text(vm.metadata["startup-script"])
        self.told[vm.name] = place / "told"
        words = ["run", "--rm", "--network", "host", "--name", vm.name, "--volume", f"{place}:/recorded"]
        shared = {"/usr", "/etc", str(REPOSITORY), os.path.realpath(sys.base_prefix)}
        for each in (*sorted(shared), str(self.recorders)):
            words += ["--volume", f"{each}:{each}:ro"]
        words += [
            "--env",
            f"PATH={self.recorders}:/usr/local/bin:/usr/bin:/bin",
            "--env",
            "HERDER_CGROUPS=off",
        ]
        done = subprocess.run(
            [*self.engine._words, *words, VM_IMAGE, "/bin/sh", "/recorded/start.sh"],
            env=self.engine.env, cwd=self.engine.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.printed[vm.name] = done.stdout + done.stderr
        vm.console = self.printed[vm.name]
        vm.status = "TERMINATED" if vm.status == "RUNNING" else vm.status

    @staticmethod
    def _root(folder: Path) -> Path:
        """Folders, and the links of a merged /usr."""
        path = folder / "vm.tar"
        with tarfile.open(path, "w") as tar:
            for name in ("usr", "etc", "proc", "dev", "var", "var/lib", "root", "tmp", "run"):
                made = tarfile.TarInfo(name)
                made.type, made.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
                tar.addfile(made)
            for name in ("bin", "sbin", "lib", "lib64"):
                link = tarfile.TarInfo(name)
                link.type, link.linkname = tarfile.SYMTYPE, f"usr/{name}"
                tar.addfile(link)
        return path


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
        found = Vms(engine, tmp_path)
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


def until(holds: Callable[[], Any], what: str) -> Any:
    give_up_at = time.monotonic() + WITHIN_S
    while not (found := holds()):
        assert time.monotonic() < give_up_at, what
        time.sleep(0.1)
    return found


@pytest.mark.timeout(180)
def test_a_vm_runs_the_start_script_and_then_a_job(server: Server, gcp: Gcp, vms: Vms) -> None:
    check = server.http.get("/drivers/google/check").raise_for_status().json()
    assert check["passed"], check
    pool = {
        "name": "vms",
        "driver": "google",
        "templates": [{"name": "n2", "cpu": 2, "memory": "4Gi", "disk": "10Gi", "price_per_hour": "0.10", "spot": True}],
        "driver_options": {"machine_type": "n2-standard-2"},
        "max_workers": 1,
        "boot_timeout": "10m",
    }  # fmt: skip
    server.http.post("/apply", json={"pools": [pool]}).raise_for_status()
    job = {"command": ["sh", "-c", "echo made by $HERDER_WORKER"], "cpu": 1, "memory": "256Mi", "disk": "1Gi"}
    first = server.http.post("/jobs", json=job).raise_for_status().json()["first_job"]
    try:
        state = until(
            lambda: (
                found := server.http.get(f"/jobs/{first}").raise_for_status().json()["state"]
            ) in ("succeeded", "failed") and found,
            "the job has not ended",
        )  # fmt: skip
        (name,) = vms.told
        assert state == "succeeded", server.http.get(f"/jobs/{first}").text
        told = vms.told[name].read_text().splitlines()
        assert told == [
            "systemctl enable --now podman.socket",
            "podman pull --quiet docker.io/library/debian:12",
        ]
    finally:
        for worker in server.http.get("/workers").json()["items"]:
            server.http.post(f"/workers/{worker['name']}/remove", json={"force": True})
    until(lambda: not gcp.state.vms and not gcp.state.disks, "the VM is still there")
    (printed,) = until(lambda: list(vms.printed.values()), "the container has not ended")
    assert "the agent starts" in printed
    assert "this machine is switched off" in printed
    assert vms.told[name].read_text().splitlines()[-1] == "shutdown -h now"
    assert "HERDER_ACTIVATION_TOKEN" not in printed
