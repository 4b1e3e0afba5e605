"""The datacentre on loopback addresses: each API answers, and nothing is left when it ends."""

import asyncio
import os
import stat
import threading
from pathlib import Path

import httpx
import psutil

from herder.bootstraps.talos import TalosSettings, make
from herder.control.kernel.clock import SystemClock
from herder.ports.bootstrap import BootstrapContext
from herder.testing.datacentre.files import write_files
from herder.testing.datacentre.running import serving
from herder.testing.datacentre.settings import quick_settings


def connected(port: int) -> bool:
    """Whether this process has a socket that leads to the port."""
    return any(each.raddr and each.raddr.port == port for each in psutil.Process().net_connections("tcp"))


def test_the_three_apis_answer_with_the_files_that_lead_to_them(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with serving(quick_settings()) as server:
        access = write_files(tmp_path, server)
        for file in (access.kubeconfig, access.talosconfig, access.base_config, access.token_secret):
            assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
        header = f"PVEAPIToken={access.token_id}={access.token_secret.read_text().strip()}"
        with httpx.Client(headers={"Authorization": header}) as http:
            found = http.get(f"{access.proxmox_url}/api2/json/nodes").raise_for_status().json()["data"]
        assert sorted(each["node"] for each in found) == ["pve1", "pve2"]
        nodes = server.call(lambda centre, now_ms: centre.kubernetes.ask("GET", "/api/v1/nodes", now_ms))[1]
        assert [each["metadata"]["name"] for each in nodes["items"]] == ["talos-cp-1"]

        async def checks() -> list[bool]:
            settings = TalosSettings(
                base_config=str(access.base_config),
                talosconfig=str(access.talosconfig),
                port=access.talos_port,
            )
            context = BootstrapContext(name="talos", installation="lab", clock=SystemClock())
            bootstrap = make(settings, context, environment={})
            try:
                return [bool(each.passed) for each in await bootstrap.check()]
            finally:
                await bootstrap.close()
                while connected(access.talos_port):  # TLS says goodbye first
                    await asyncio.sleep(0.01)

        assert all(asyncio.run(checks()))
        assert server.call(lambda centre, _: centre.left_over()) == []
    assert set(threading.enumerate()) == before
