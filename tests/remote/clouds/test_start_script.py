"""The start script of a machine: what it does at its first boot and at others, that no shell reads it otherwise, and what it never prints."""

from __future__ import annotations

import base64
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from herder.model.fleet.driver import StartData
from herder.remote.clouds.cloud_config import at_each_boot
from herder.remote.clouds.start_script import DATA_FOLDER, STATE_FOLDER, SetUp, start_script

EVERYTHING = SetUp(
    engine=True,
    images=("docker.io/library/debian:12", "ghcr.io/acme/tool:1"),
    data_disks="/dev/disk/by-id/google-local-nvme-ssd-*",
    notice_url="http://metadata.google.internal/computeMetadata/v1/instance/preempted",
)
TOKEN = "hush'$(reboot)`\"token"


def start() -> StartData:
    return StartData(
        server_url="http://10.0.0.5:8080,http://10.0.0.6:8080",
        activation_token=TOKEN,
        self_delete_after_s=600.0,
    )


def setups() -> list[SetUp]:
    disks = ("", EVERYTHING.data_disks)
    return [
        SetUp(engine=engine, images=images, data_disks=each)
        for engine, images, each in product((False, True), ((), EVERYTHING.images), disks)
    ]


@pytest.mark.parametrize("number", range(8))
def test_shellcheck_finds_nothing(tmp_path: Path, number: int) -> None:
    script = tmp_path / "start.sh"
    script.write_text(start_script("burst-1-0", "ours", start(), setups()[number]))
    shellcheck = str(Path(sys.executable).with_name("shellcheck"))
    done = subprocess.run(
        # SC2016: the token looks like an expression, and must not be one.
        [shellcheck, "--shell=sh", "--severity=style", "--exclude=SC2016", str(script)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")


class Machine:
    """A folder that stands for a machine: its programs are recorders, its paths are below the folder."""

    def __init__(self, folder: Path, set_up: SetUp) -> None:
        self.folder, self.programs, self.told = folder, folder / "bin", folder / "told"
        self.programs.mkdir()
        self.told.write_text("")
        text = start_script("burst-1-0", "ours", start(), set_up)
        for place in (STATE_FOLDER, DATA_FOLDER):
            text = text.replace(place, f"{folder}{place}")
        self.script = folder / "start.sh"
        self.script.write_text(text)
        self.has("sleep", "shutdown", "apt-get", "mdadm", "mkfs.ext4", "mount", "systemctl")
        self.answers("mountpoint", 1)
        self.program(
            "herder-agent",
            'echo "agent $HERDER_WORKER $HERDER_SERVER $HERDER_WORK_FOLDER" >>"$TOLD"\nprintf %s "$HERDER_ACTIVATION_TOKEN" >"$TOLD.token"',
        )

    def program(self, name: str, body: str) -> None:
        file = self.programs / name
        file.write_text(f"#!/bin/sh\n{body}\n")
        file.chmod(0o755)

    def answers(self, name: str, status: int) -> None:
        self.program(name, f'echo "{name} $*" >>"$TOLD"\nexit {status}')

    def has(self, *names: str) -> None:
        for name in names:
            self.answers(name, 0)

    def boot(self) -> tuple[list[str], str]:
        """What its programs were told, and what was printed."""
        self.told.write_text("")
        tools = {"PATH": f"{self.programs}:/usr/bin-of-test", "TOLD": str(self.told)}
        for tool in ("mkdir", "sh", "cat"):
            link = self.programs / tool
            if not link.exists():
                link.symlink_to(f"/bin/{tool}")
        done = subprocess.run(
            ["/bin/sh", str(self.script)], env=tools, capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stderr
        return self.told.read_text().splitlines(), done.stdout + done.stderr


def test_the_first_boot_sets_up_and_later_ones_only_start_the_agent(tmp_path: Path) -> None:
    disks = tmp_path / "disks"
    disks.mkdir()
    for name in ("nvme0", "nvme1"):
        (disks / name).touch()
    set_up = SetUp(
        agent_command="herder-agent", engine=True, images=EVERYTHING.images, data_disks=f"{disks}/nvme*"
    )
    machine = Machine(tmp_path, set_up)
    machine.program(
        "apt-get",
        'echo "apt-get $*" >>"$TOLD"\n[ "$1" = update ] || ln -s "$TOLD.podman" "$(dirname "$0")/podman"',
    )
    Path(f"{machine.told}.podman").write_text('#!/bin/sh\necho "podman $*" >>"$TOLD"\n')
    Path(f"{machine.told}.podman").chmod(0o755)
    for tool in ("ln", "dirname"):
        (machine.programs / tool).symlink_to(f"/usr/bin/{tool}")
    told, printed = machine.boot()
    data = f"{tmp_path}{DATA_FOLDER}"
    assert told == [
        "apt-get update",
        "apt-get install -y --no-install-recommends podman",
        "systemctl enable --now podman.socket",
        f"mdadm --create /dev/md/herder --level=0 --force --run --raid-devices=2 {disks}/nvme0 {disks}/nvme1",
        "mkfs.ext4 -q -F -m 0 -L herder-data /dev/md/herder",
        "podman pull --quiet docker.io/library/debian:12",
        "podman pull --quiet ghcr.io/acme/tool:1",
        f"mountpoint -q {data}",
        f"mount -o discard,nobarrier LABEL=herder-data {data}",
        f"agent burst-1-0 http://10.0.0.5:8080,http://10.0.0.6:8080 {data}/work",
        "shutdown -h now",
    ]
    assert Path(f"{machine.told}.token").read_text() == TOKEN
    assert "hush" not in printed
    again, _ = machine.boot()
    assert again == told[-4:], "it is set up once"


def test_a_step_that_fails_is_tried_again_and_then_the_machine_is_switched_off(tmp_path: Path) -> None:
    machine = Machine(tmp_path, SetUp(agent_command="herder-agent", images=("a:1",)))
    machine.answers("podman", 125)
    told, printed = machine.boot()
    assert told.count("podman pull --quiet a:1") == 8
    assert told[-1] == "shutdown -h now"
    assert not any(line.startswith("agent") for line in told)
    assert "the set-up has failed; this machine is switched off" in printed
    machine.has("podman")
    again, _ = machine.boot()
    assert again[-2:] == ["agent burst-1-0 http://10.0.0.5:8080,http://10.0.0.6:8080 ", "shutdown -h now"]


def test_a_machine_without_its_disks_takes_no_work(tmp_path: Path) -> None:
    machine = Machine(tmp_path, SetUp(agent_command="herder-agent", data_disks=f"{tmp_path}/none*"))
    told, printed = machine.boot()
    assert told == ["shutdown -h now"]
    assert "there are no local disks" in printed


def test_cloud_init_writes_the_script_where_it_runs_at_each_boot() -> None:
    script = start_script("burst-1-0", "ours", start(), EVERYTHING)
    head, _, text = at_each_boot(script).partition("\n")
    (file,) = YAML(typ="safe").load(text)["write_files"]
    assert head == "#cloud-config"
    assert (file["path"], file["permissions"]) == ("/var/lib/cloud/scripts/per-boot/herder", "0700")
    assert base64.b64decode(file["content"]).decode() == script
    assert TOKEN not in text, "no shell and no YAML reads it before"
