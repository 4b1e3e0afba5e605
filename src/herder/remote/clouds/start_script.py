"""The script that a machine of a cloud runs at each boot: it sets the machine up once, then starts the agent. Pure.

One script for all clouds; where a cloud wants cloud-init, the script is its user data. It carries the activation token, so that it is a secret: it is
delivered as data of the machine, prints no value of a setting, and the files that it writes are for root only. When the agent has ended, the machine is
switched off: the agent ends by itself when it is told to leave or reaches no server for its `self_delete_after_s`.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from herder.model.fleet.driver import StartData
from herder.model.fleet.machine_logs import BEGINS, ENDS, STARTS
from herder.wire.worker import startup

STATE_FOLDER = "/var/lib/herder"
DATA_FOLDER = "/mnt/herder"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp:
    agent_command: str = "/usr/local/bin/herder agent"
    engine: bool = False
    """Whether a container engine is installed where there is none: Podman, from the packages of the distribution."""
    images: tuple[str, ...] = ()
    """Of containers, pulled before the agent starts, so that the first jobs do not wait for them."""
    data_disks: str = ""
    """A pattern of the shell for local disks, such as `/dev/disk/by-id/google-local-nvme-ssd-*`. They become one file system, which has the
    work folder of the agent. Empty: none."""
    notice_url: str = ""
    """Where the machine can ask whether it is taken back."""
    variables: tuple[tuple[str, str], ...] = ()
    """More settings of the agent."""
    removal: str = ""
    """Lines of the shell that ask the provider to delete this machine, where one that is switched off costs as much as one that runs."""


def start_script(worker: str, installation: str, start: StartData, set_up: SetUp) -> str:
    values = {
        startup.SERVER: start.server_url,
        startup.WORKER: worker,
        startup.INSTALLATION: installation,
        startup.ACTIVATION_TOKEN: start.activation_token,
        startup.SELF_DELETE_AFTER_S: f"{start.self_delete_after_s:g}",
    }
    if set_up.notice_url:
        values[startup.NOTICE_URL] = set_up.notice_url
    if set_up.data_disks:
        values[startup.WORK_FOLDER] = f"{DATA_FOLDER}/work"
    values |= dict(set_up.variables)
    steps = [part for part in (_engine(set_up), _disks(set_up), _images(set_up)) if part]
    once = "\n".join(f"    {line}" for line in "\n".join(steps or [":"]).splitlines())
    return _SCRIPT.format(
        state=STATE_FOLDER,
        network=_TRY if set_up.engine or set_up.images else "",
        set_up=once,
        removal="".join(f"    {line}\n" for line in set_up.removal.splitlines()),
        mount=_mount(set_up),
        variables=_exports(values),
        agent=set_up.agent_command,
        begins=BEGINS,
        starts=STARTS,
        ends=ENDS,
    )


_SCRIPT = """\
#!/bin/sh
# Written by Herder for this machine; runs at each boot as root.
set -u
umask 077

say() {{
    echo "{begins}$*"
}}

{network}set_up() {{
{set_up}
}}

off() {{
    say "$1; this machine is switched off"
{removal}    shutdown -h now
    exit 0
}}

mkdir -p {state} || off "the disk cannot be written"
if [ ! -e {state}/set-up ]; then
    set_up || off "the set-up has failed"
    : >{state}/set-up
fi
{mount}{variables}
say "{starts}"
{agent}
off "{ends} with status $?"
"""


#: Only where something needs the network.
_TRY = """\
# A step that needs the network is tried again: it comes up while this runs.
try() {
    for wait_s in 1 2 4 8 16 30 60 0; do
        if "$@"; then
            return 0
        fi
        say "failed: $1"
        sleep "$wait_s"
    done
    return 1
}

"""


def _exports(values: Mapping[str, str]) -> str:
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in values.items())


def _engine(set_up: SetUp) -> str:
    if not set_up.engine:
        return ""
    return """\
if ! command -v podman >/dev/null 2>&1; then
    if command -v apt-get >/dev/null 2>&1; then
        try apt-get update || return 1
        try apt-get install -y --no-install-recommends podman || return 1
    elif command -v dnf >/dev/null 2>&1; then
        try dnf install -y podman || return 1
    else
        say "there is no known package manager"
        return 1
    fi
fi
if command -v systemctl >/dev/null 2>&1; then
    systemctl enable --now podman.socket || return 1
fi"""


def _disks(set_up: SetUp) -> str:
    """One disk is formatted as it is, several are striped: they are as fast together as they are fragile."""
    if not set_up.data_disks:
        return ""
    return f"""\
set -- {set_up.data_disks}
if [ ! -e "$1" ]; then
    say "there are no local disks"
    return 1
fi
device="$1"
if [ "$#" -gt 1 ]; then
    device=/dev/md/herder
    mdadm --create "$device" --level=0 --force --run --raid-devices="$#" "$@" || return 1
fi
mkfs.ext4 -q -F -m 0 -L herder-data "$device" || return 1"""


def _mount(set_up: SetUp) -> str:
    if not set_up.data_disks:
        return ""
    return (
        f"mkdir -p {DATA_FOLDER}\n"
        f'mountpoint -q {DATA_FOLDER} || mount -o discard,nobarrier LABEL=herder-data {DATA_FOLDER} || off "the data disk cannot be mounted"\n'
        f"mkdir -p {DATA_FOLDER}/work\n"
    )


def _images(set_up: SetUp) -> str:
    return "\n".join(f"try podman pull --quiet {shlex.quote(image)} || return 1" for image in set_up.images)
