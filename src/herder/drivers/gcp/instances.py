"""A VM of Compute Engine: what is asked for, and what the API says of it. Pure."""

from typing import Any

import msgspec

from herder.drivers.gcp.options import Wanted
from herder.drivers.gcp.settings import GcpSettings, region_of
from herder.model.fleet.driver import (
    Machine,
    MachineEnd,
    Phase,
    StartData,
    Unavailable,
)
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import WorkerName
from herder.remote.clouds.facts import Facts, facts_in, facts_of, label_value, machine_name
from herder.remote.clouds.start_script import SetUp, start_script

INSTALLATION_LABEL = "herder-installation"
POOL_LABEL = "herder-pool"
#: Of the metadata: exactly what a VM was made as.
FACTS_KEY = "herder-worker"
NOTICE_URL = "http://metadata.google.internal/computeMetadata/v1/instance/preempted"
LOCAL_SSDS = "/dev/disk/by-id/google-local-nvme-ssd-*"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
#: REPAIRING: Google moves it to another host, and it goes on.
_PHASES: dict[str, Phase] = {
    "PENDING": Phase.CREATING,
    "PROVISIONING": Phase.CREATING,
    "STAGING": Phase.CREATING,
    "RUNNING": Phase.RUNNING,
    "REPAIRING": Phase.RUNNING,
    "PENDING_STOP": Phase.STOPPING,
    "STOPPING": Phase.STOPPING,
    "DEPROVISIONING": Phase.STOPPING,
    "SUSPENDING": Phase.STOPPING,
    "SUSPENDED": Phase.STOPPED,
    "STOPPED": Phase.STOPPED,
    "TERMINATED": Phase.STOPPED,
}


class Item(msgspec.Struct, frozen=True):
    key: str = ""
    value: str = ""


class Metadata(msgspec.Struct, frozen=True):
    items: tuple[Item, ...] = ()


class Access(msgspec.Struct, frozen=True):
    natIP: str = ""  # noqa: N815 - the API's own names


class Card(msgspec.Struct, frozen=True):
    networkIP: str = ""  # noqa: N815
    accessConfigs: tuple[Access, ...] = ()  # noqa: N815


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    status: str
    statusMessage: str = ""  # noqa: N815
    zone: str = ""
    labels: dict[str, str] = {}
    metadata: Metadata = Metadata()
    networkInterfaces: tuple[Card, ...] = ()  # noqa: N815

    @property
    def zone_name(self) -> str:
        return self.zone.rpartition("/")[2]

    @property
    def of_others(self) -> bool:
        """Nothing says that Herder has made it: neither what it carries nor a label."""
        return INSTALLATION_LABEL not in self.labels and not self._facts

    @property
    def _facts(self) -> str:
        return next((item.value for item in self.metadata.items if item.key == FACTS_KEY), "")

    def facts(self, installation: str) -> Facts | None:
        """None: it is none of ours, or somebody has removed what says so."""
        found = facts_in(self._facts, installation)
        # A VM that was copied carries the facts of its model.
        return found if found is not None and machine_name(installation, found.worker) == self.name else None


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    zone: str = ""
    description: str = ""
    labels: dict[str, str] = {}
    users: tuple[str, ...] = ()

    @property
    def zone_name(self) -> str:
        return self.zone.rpartition("/")[2]


def instance_of(found: Any) -> Instance:
    try:
        return msgspec.convert(found, Instance)
    except msgspec.ValidationError as error:
        raise Unavailable(
            f"Google Cloud describes a VM in a form that Herder does not know: {error}."
        ) from None


def disk_of(found: Any) -> Disk:
    try:
        return msgspec.convert(found, Disk)
    except msgspec.ValidationError as error:
        raise Unavailable(
            f"Google Cloud describes a disk in a form that Herder does not know: {error}."
        ) from None


def phase_of(instance: Instance) -> Phase:
    found = _PHASES.get(instance.status)
    if found is None:
        raise Unavailable(
            f"VM {instance.name} has the status {instance.status[:40]!r}, which Herder does not know."
        )
    return found


def machine_of(
    worker: WorkerName,
    instance: Instance,
    facts: Facts | None,
    operation: str = "",
    *,
    preempted: bool = False,
) -> Machine:
    phase = phase_of(instance)
    addresses = [
        address
        for card in instance.networkInterfaces
        for address in (card.networkIP, *(each.natIP for each in card.accessConfigs))
        if address
    ]
    return Machine(
        worker=worker,
        handle=f"{instance.zone_name}/{instance.name}",
        phase=phase,
        operation=operation if phase in (Phase.CREATING, Phase.STOPPING) else "",
        detail=" ".join(filter(None, (instance.status, instance.statusMessage))),
        tags=facts.tags if facts is not None else None,
        addresses=tuple(addresses),
        end=MachineEnd.PREEMPTED if preempted else None,
    )


# --- what is asked for


def body_of(
    spec: WorkerSpec, start: StartData, wanted: Wanted, settings: GcpSettings, installation: str, zone: str
) -> dict[str, Any]:
    """Of `instances.insert`."""
    name, facts = machine_name(installation, spec.name), facts_of(installation, spec)
    labels = {INSTALLATION_LABEL: label_value(installation), POOL_LABEL: label_value(spec.pool)}
    disk = {
        "sourceImage": wanted.image,
        "diskSizeGb": str(wanted.disk_gib),
        "diskType": f"zones/{zone}/diskTypes/{wanted.disk_type}",
        "labels": labels,
        "description": facts.text,
    }
    body: dict[str, Any] = {
        "name": name,
        "machineType": f"zones/{zone}/machineTypes/{wanted.machine_type}",
        "labels": labels,
        "disks": [{"boot": True, "autoDelete": True, "initializeParams": disk}, *_local_ssds(wanted, zone)],
        "networkInterfaces": [_card(wanted, settings, zone)],
        "metadata": {"items": _metadata(spec, start, wanted, settings, facts)},
        "scheduling": _scheduling(wanted, spot=spec.spot),
    }
    if wanted.service_account:
        body["serviceAccounts"] = [{"email": wanted.service_account, "scopes": [SCOPE]}]
    if wanted.network_tags:
        body["tags"] = {"items": list(wanted.network_tags)}
    if wanted.accelerators:
        kind = f"zones/{zone}/acceleratorTypes/{wanted.accelerator}"
        body["guestAccelerators"] = [
            {"acceleratorType": kind, "acceleratorCount": wanted.accelerators},
        ]
    if wanted.min_cpu_platform:
        body["minCpuPlatform"] = wanted.min_cpu_platform
    return body


def _card(wanted: Wanted, settings: GcpSettings, zone: str) -> dict[str, Any]:
    card: dict[str, Any] = {}
    if wanted.subnetwork:
        whole = "/" in wanted.subnetwork
        card["subnetwork"] = (
            wanted.subnetwork if whole else f"regions/{region_of(zone)}/subnetworks/{wanted.subnetwork}"
        )
    else:
        card["network"] = settings.network
    if settings.external_ip:
        card["accessConfigs"] = [{"type": "ONE_TO_ONE_NAT", "name": "External NAT"}]
    return card


def _local_ssds(wanted: Wanted, zone: str) -> list[dict[str, Any]]:
    """Of 375 GiB each; they go with the VM."""
    kind = {"diskType": f"zones/{zone}/diskTypes/local-ssd"}
    disk = {"type": "SCRATCH", "interface": "NVME", "autoDelete": True, "initializeParams": kind}
    return [disk] * wanted.local_ssds


def _metadata(
    spec: WorkerSpec, start: StartData, wanted: Wanted, settings: GcpSettings, facts: Facts
) -> list[dict[str, str]]:
    items = {FACTS_KEY: facts.text}
    if start.boot is not None:
        items["user-data"] = start.boot.user_data
    else:
        set_up = SetUp(
            agent_command=settings.agent_command,
            engine=settings.container_engine,
            images=settings.image_names,
            data_disks=LOCAL_SSDS if wanted.local_ssds else "",
            notice_url=NOTICE_URL if spec.spot else "",
        )
        items["startup-script"] = start_script(spec.name, facts.installation, start, set_up)
    return [{"key": key, "value": value} for key, value in items.items()]


def _scheduling(wanted: Wanted, *, spot: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"automaticRestart": False, "provisioningModel": "SPOT" if spot else "STANDARD"}
    if spot or wanted.accelerators:
        found["onHostMaintenance"] = "TERMINATE"
    if wanted.max_run_s:
        found["maxRunDuration"] = {"seconds": str(wanted.max_run_s)}
    if spot or wanted.max_run_s:
        found["instanceTerminationAction"] = "DELETE"
    return found
