"""VMs of a played cloud that are containers which run their start script, under a real server: the agent activates and runs a job.

The package manager, the pull of images and the tools for disks are recorders; the rest of a VM is a container with the programs of this machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.api.conftest import Server
from tests.support.container_engine import Podman

REPOSITORY = Path(__file__).resolve().parents[2]
RECORDED = ("apt-get", "podman", "systemctl", "mkfs.ext4", "mount", "mountpoint", "shutdown")
VM_IMAGE = "localhost/herder-vm:1"
WITHIN_S = 50.0


class Vms:
    """Of a played cloud: each is a container that runs the start script. `script_of`, `switch_off`: of a VM."""

    def __init__(
        self,
        engine: Podman,
        folder: Path,
        script_of: Callable[[Any], str],
        switch_off: Callable[[Any], None],
    ) -> None:
        self._script_of, self._switch_off = script_of, switch_off
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

    def happened(self, what: str, vm: Any) -> None:
        """Called by the cloud, under its lock."""
        if what == "running":
            thread = threading.Thread(target=self._run, args=(vm,))
            self.threads.append(thread)
            thread.start()

    def _run(self, vm: Any) -> None:
        place = self.folder / vm.name
        place.mkdir()
        (place / "start.sh").write_text(self._script_of(vm))
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
            [*self.engine.words, *words, VM_IMAGE, "/bin/sh", "/recorded/start.sh"],
            env=self.engine.env, cwd=self.engine.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.printed[vm.name] = done.stdout + done.stderr
        vm.console = self.printed[vm.name]
        self._switch_off(vm)

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


def until(holds: Callable[[], Any], what: str) -> Any:
    give_up_at = time.monotonic() + WITHIN_S
    while not (found := holds()):
        assert time.monotonic() < give_up_at, what
        time.sleep(0.1)
    return found


def run_a_job(
    server: Server, vms: Vms, driver: str, options: Mapping[str, str], left: Callable[[], object]
) -> None:
    """On a VM of a pool that is made for it; then nothing may be `left` in the cloud."""
    check = server.http.get(f"/drivers/{driver}/check").raise_for_status().json()
    assert check["passed"], check
    pool = {
        "name": "vms",
        "driver": driver,
        "templates": [{"name": "t", "cpu": 2, "memory": "4Gi", "disk": "10Gi", "price_per_hour": "0.10", "spot": True}],
        "driver_options": dict(options),
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
    until(lambda: not left(), "the VM is still there")
    (printed,) = until(lambda: list(vms.printed.values()), "the container has not ended")
    assert "the agent starts" in printed
    assert "this machine is switched off" in printed
    assert vms.told[name].read_text().splitlines()[-1] == "shutdown -h now"
    assert "HERDER_ACTIVATION_TOKEN" not in printed
