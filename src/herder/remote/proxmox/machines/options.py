"""What one worker is to be: the pool's `driver_options` over the sizes of its template. Pure.

`Intent` is written into the notes of the VM when it is cloned: whoever goes on with the creation, also after a restart, reads it there.
It holds no secret.
"""

import re
from collections.abc import Iterator, Mapping

import msgspec

from herder.model.fleet.driver import InvalidRequest, tags_of
from herder.model.fleet.driver_capabilities import Need
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerSpec
from herder.model.values.phrases import sentences
from herder.model.values.resources import parse_mib
from herder.remote.proxmox.machines.names import tags_for
from herder.remote.proxmox.machines.placement import CPUS, MEMORY, MIB, Wanted
from herder.remote.proxmox.machines.settings import ProxmoxSettings

KNOWN = (
    "template",
    "cores",
    "memory",
    "disk",
    "bridge",
    "vlan",
    "cpu",
    "tags",
    "gpu_mapping",
    "pool",
    "node",
)
_TAG = re.compile(r"[a-z0-9_][a-z0-9_\-+.]*")
_WORD = re.compile(r"[A-Za-z0-9][-A-Za-z0-9_.,+=]*")
_NUMBERS_MOST = {"cores": 4_096, "vlan": 4_094}
_BEGIN = "herder: "
_DISK_LEAST_GROWTH = 2**20


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    worker: str
    installation: str
    vmid: int
    set: dict[str, str | int]
    """Parameters of the configuration."""
    disk: str = ""
    disk_bytes: int = 0
    iso: str = ""
    """The volume with the boot data."""
    iso_node: str = ""

    @property
    def note(self) -> str:
        about = f"Worker {self.worker} of the Herder installation {self.installation}. Herder reads the next line."
        return f"{about}\n\n{_BEGIN}{msgspec.json.encode(self).decode()}"


def intent_in(description: str) -> Intent | None:
    line = next((each for each in description.splitlines() if each.startswith(_BEGIN)), "")
    try:
        return msgspec.json.decode(line[len(_BEGIN) :], type=Intent) if line else None
    except msgspec.MsgspecError:
        return None


def options_of(spec: WorkerSpec) -> dict[str, str]:
    options = dict(spec.driver_options)
    for _, message, remedy in option_faults(options, gpu=bool(spec.allocatable.gpu)):
        raise InvalidRequest(sentences(f"Pool {spec.pool}: {message}", remedy))
    return options


def pool_faults(pool: PoolSpec) -> list[tuple[str, str, str]]:
    """What is wrong with the driver_options of a pool: option, message and remedy. Called by `herder config lint` and before a server starts."""
    return list(
        option_faults(dict(pool.driver_options), gpu=any(each.allocatable.gpu for each in pool.templates))
    )


def option_faults(options: Mapping[str, str], *, gpu: bool) -> Iterator[tuple[str, str, str]]:
    for name, value in options.items():
        if name not in KNOWN:
            yield (
                name,
                f"The Proxmox driver has no option {name!r} in driver_options.",
                f"Possible are {', '.join(KNOWN)}.",
            )
            continue
        wrong = _wrong(name, value)
        if wrong:
            yield name, f"driver_options {name} {value!r} is not possible.", wrong
    if "template" not in options:
        yield (
            "",
            "driver_options does not name a template VM.",
            "Set driver_options: {template: NAME or VMID}.",
        )
    if gpu and "gpu_mapping" not in options:
        yield (
            "",
            "The templates have GPUs, but driver_options name no mapping.",
            "Set driver_options: {gpu_mapping: NAME}, and create the PCI mapping in Proxmox.",
        )


def _wrong(name: str, value: str) -> str:
    """What to write instead; empty: the value is possible."""
    if name in _NUMBERS_MOST:
        most = _NUMBERS_MOST[name]
        fits = value.isdecimal() and len(value) <= 5 and 1 <= int(value) <= most
        return "" if fits else f"Write a number from 1 to {most:,}."
    if name in ("memory", "disk"):
        try:
            return "" if parse_mib(value) > 0 else "Write a size such as 16Gi."
        except ValueError:
            return "Write a size such as 16Gi."
    words = value.replace(",", " ").split() if name == "tags" else [value]
    form = _TAG if name == "tags" else _WORD
    if words and all(form.fullmatch(word) for word in words):
        return ""
    return (
        "Write words of small letters, digits and hyphens." if name == "tags" else "Write a name of Proxmox."
    )


def wanted_of(spec: WorkerSpec, options: Mapping[str, str], settings: ProxmoxSettings, disk: int) -> Wanted:
    """`disk`: of the template, in bytes."""
    memory = spec.allocatable.memory_mib + settings.worker_overhead_mib
    if "memory" in options:
        memory = parse_mib(options["memory"])
    cores = -(-spec.allocatable.cpu_milli // 1000)
    if "cores" in options:
        cores = int(options["cores"])
    size = parse_mib(options["disk"]) * MIB if "disk" in options else spec.allocatable.disk_mib * MIB
    # A whole GiB, since Proxmox rounds sizes itself; a disk never shrinks.
    size = max(disk, -(-size // 2**30) * 2**30)
    taken = size if settings.clone == "full" else size - disk
    return Wanted(cores=max(1, cores), memory_mib=max(64, memory), disk_bytes=taken)


def network_of(options: Mapping[str, str], settings: ProxmoxSettings) -> tuple[str, int]:
    """Bridge and VLAN; empty and 0: as the template has them."""
    return options.get("bridge", settings.bridge), int(options.get("vlan", settings.vlan))


def need_of(spec: WorkerSpec, options: Mapping[str, str], settings: ProxmoxSettings) -> Need:
    wanted, (bridge, vlan) = wanted_of(spec, options, settings, 0), network_of(options, settings)
    node = spec.zone or options.get("node", "")
    quotas = {MEMORY: wanted.memory_mib} | ({CPUS: wanted.cores} if settings.cpu_ratio else {})
    zones = (node,) if node else settings.node_names
    return Need(quotas=quotas, zones=zones, network=bridge, vlan=vlan)


def intent_of(
    spec: WorkerSpec,
    options: Mapping[str, str],
    settings: ProxmoxSettings,
    installation: str,
    vmid: int,
    wanted: Wanted,
    template: Mapping[str, object],
    disk: tuple[str, int],
    iso: tuple[str, str],
) -> Intent:
    """`disk`: key and size of that of the template; `iso`: node and volume."""
    more = options.get("tags", "").replace(",", " ").split()
    tags = tags_for(settings.tag, installation, spec.name, vmid, tags_of(spec), more)
    config: dict[str, str | int] = {
        "cores": wanted.cores,
        "sockets": 1,
        "memory": wanted.memory_mib,
        "balloon": 0,
        "tags": ";".join(tags),
        "onboot": 0,
    }
    if iso[1]:
        config["ide2"] = f"{iso[1]},media=cdrom"
    if "cpu" in options:
        config["cpu"] = options["cpu"]
    if settings.wait_for_agent:
        config["agent"] = "1"
    bridge, vlan = network_of(options, settings)
    if bridge:
        config["net0"] = f"virtio,bridge={bridge}" + (f",tag={vlan}" if vlan else "")
    elif vlan:
        raise InvalidRequest(f"Pool {spec.pool} has a VLAN, but no bridge. Set bridge, too.")
    express = ",pcie=1" if "q35" in str(template.get("machine", "")) else ""
    for index in range(-(-spec.allocatable.gpu // spec.gpu_parts)):
        config[f"hostpci{index}"] = f"mapping={options['gpu_mapping']}{express}"
    size = wanted.disk_bytes + (0 if settings.clone == "full" else disk[1])
    grows = disk[0] and size >= disk[1] + _DISK_LEAST_GROWTH
    return Intent(
        worker=spec.name,
        installation=installation,
        vmid=vmid,
        set=config,
        disk=disk[0] if grows else "",
        disk_bytes=size if grows else 0,
        iso=iso[1],
        iso_node=iso[0],
    )
