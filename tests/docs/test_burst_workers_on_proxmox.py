"""The command lines of the page on burst workers are run as they stand, in order, at a datacentre in a process: a new user follows the page."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import stand_ins
from tests.docs.page import DOCS, command_lines, run

PAGE = DOCS / "how-to" / "burst-workers-on-proxmox.md"


@pytest.fixture
def datacentre(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Its addresses, by name. Nothing may be left over in it."""
    folder = tmp_path / "datacentre"
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "herder.testing.datacentre", "--folder", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline().strip() for _ in range(4)]
    yield {"DATACENTRE": str(folder), **dict(line.split("=", 1) for line in lines)}
    process.terminate()
    left = process.communicate(timeout=30)[0]
    assert left == ""


@pytest.mark.acceptance
@pytest.mark.slow  # a machine is cloned, joins and is removed
@pytest.mark.timeout(240)
def test_a_new_user_gets_a_burst_worker_and_removes_it(
    tmp_path: Path, datacentre: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_ins.install(tmp_path / "tools")
    monkeypatch.setenv("DATACENTRE", datacentre["DATACENTRE"])
    monkeypatch.setenv("DATACENTRE_PROXMOX", datacentre["PROXMOX_URL"])
    monkeypatch.setenv("DATACENTRE_TOKEN_ID", datacentre["PROXMOX_TOKEN_ID"])
    text = PAGE.read_text()
    for theirs, here in (
        ("https://pve1.example:8006", datacentre["PROXMOX_URL"]),
        (
            "talosconfig: herder.talosconfig}",
            f'talosconfig: herder.talosconfig, port: "{datacentre["TALOS_PORT"]}"}}',
        ),
    ):
        assert theirs in text
        text = text.replace(theirs, here)
    setup = [f"PATH={tmp_path / 'tools'}:$PATH", 'cp "$DATACENTRE/kubeconfig" prod.kubeconfig']
    done = run([*setup, *command_lines(text)], tmp_path)
    output = done.stdout + done.stderr
    told = " ".join(output.split())  # cells of the checklist are wrapped
    assert "has capacity for 1 of 1 worker" in told, output
    assert "Network vmbr0 is in pve1" in told, output
    for said in (
        "burst-workload",
        "is demand",
        "talos-cp-1",
        "burst-",
        "Pool burst was deleted",
    ):
        assert said in output, (said, output)
