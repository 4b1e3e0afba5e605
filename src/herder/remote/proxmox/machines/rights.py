"""The privileges that the driver needs, as data: a role for its token, and the check of each. Called by a person who looks; changes nothing."""

from collections.abc import Sequence

from herder.model.fleet.driver import DriverError
from herder.model.fleet.driver_capabilities import Check
from herder.model.values.phrases import listed
from herder.remote.proxmox.machines.api import Api
from herder.remote.proxmox.machines.placement import online_nodes
from herder.remote.proxmox.machines.settings import ProxmoxSettings

ROLE = "Herder"
#: By the path on which each is needed; {…} stands for a name of the settings.
NEEDED: dict[str, tuple[str, ...]] = {
    "/": ("Sys.Audit",),
    "/vms": (
        "VM.Allocate",
        "VM.Audit",
        "VM.Clone",
        "VM.Config.CDROM",
        "VM.Config.CPU",
        "VM.Config.Disk",
        "VM.Config.HWType",
        "VM.Config.Memory",
        "VM.Config.Network",
        "VM.Config.Options",
        "VM.PowerMgmt",
    ),
    "/storage": (
        "Datastore.Allocate",
        "Datastore.AllocateSpace",
        "Datastore.AllocateTemplate",
        "Datastore.Audit",
    ),
    "/sdn": ("SDN.Use",),
}
#: Only with GPUs, only with a guest agent, only with a resource pool.
OPTIONAL: dict[str, tuple[str, ...]] = {"/mapping/pci": ("Mapping.Use",), "/pool": ("Pool.Allocate",)}


def checks_of(api: Api, settings: ProxmoxSettings) -> Sequence[Check]:
    try:
        found = api.permissions()
    except DriverError as error:
        return (
            Check(name="API", passed=False, detail=str(error), remedy="Check the address and the token."),
        )
    checks = [Check(name="API", passed=True, detail=f"{api.client.url} answers.")]
    for path, privileges in NEEDED.items():
        have = {name for at, given in found.items() if _covers(at, path) for name in given}
        below = {
            name for at, given in found.items() if at.startswith(path.rstrip("/") + "/") for name in given
        }
        for privilege in privileges:
            passed = privilege in have or privilege in below
            remedy = (
                ""
                if passed
                else f"Add {privilege} to the role, and give the role on {path} to token and user."
            )
            checks.append(Check(name=f"{privilege} on {path}", passed=passed, remedy=remedy))
    if settings.bridge:
        checks.append(_bridge(api, settings))
    return checks


def _bridge(api: Api, settings: ProxmoxSettings) -> Check:
    bridge, name = settings.bridge, f"bridge {settings.bridge}"
    try:
        lacking = [
            node
            for node in online_nodes(api.cluster(), settings)
            if all(each.name != bridge for each in api.bridges(node))
        ]
    except DriverError as error:
        return Check(name=name, passed=False, detail=str(error), remedy="Check the cluster.")
    if not lacking:
        return Check(name=name, passed=True)
    detail = f"The token sees no bridge {bridge} on {listed(lacking)}."
    remedy = f"Create it there, give SDN.Use on /sdn/zones/localnetwork/{bridge}, or set another bridge."
    return Check(name=name, passed=False, detail=detail, remedy=remedy)


def _covers(at: str, path: str) -> bool:
    return at in (path, "/")


def documented() -> str:
    """docs/how-to/proxmox.md"""
    privileges = sorted({each for found in (NEEDED, OPTIONAL) for group in found.values() for each in group})
    return (
        "```sh\n"
        f'pveum role add {ROLE} --privs "{" ".join(privileges)}"\n'
        "pveum user add herder@pve\n"
        f"pveum acl modify / --users herder@pve --roles {ROLE}\n"
        "pveum user token add herder@pve workers --privsep 0\n"
        "```\n"
    )
