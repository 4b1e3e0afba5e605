"""An EC2 instance: what is asked for, and what the API says of it. Pure."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from herder.drivers.aws.settings import AwsSettings
from herder.drivers.aws.xml import Json, part, rows
from herder.model.fleet.driver import InvalidRequest, Machine, MachineEnd, Phase, StartData, Unavailable
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import WorkerName
from herder.remote.clouds.cloud_config import at_each_boot
from herder.remote.clouds.facts import Facts, facts_of, machine_name
from herder.remote.clouds.start_script import SetUp, start_script

INSTALLATION_TAG, WORKER_TAG = "herder-installation", "herder-worker"
POOL_TAG, TEMPLATE_TAG, ZONE_TAG, SPOT_TAG = "herder-pool", "herder-template", "herder-zone", "herder-spot"
NOTICE_URL = "http://169.254.169.254/latest/meta-data/spot/instance-action"
USER_DATA_BYTES_MAX = 16_384
_TAG_LETTERS_MAX = 256
_PREEMPTED = "Server.SpotInstanceTermination"
_PHASES = {
    "pending": Phase.CREATING,
    "running": Phase.RUNNING,
    "shutting-down": Phase.STOPPING,
    "stopping": Phase.STOPPING,
    "stopped": Phase.STOPPED,
    "terminated": Phase.GONE,
}


def phase_of(instance: Json) -> Phase:
    state = str(part(instance, "instanceState").get("name", ""))
    if state not in _PHASES:
        raise Unavailable(
            f"Instance {instance.get('instanceId', '')} has the state {state[:40]!r}, which Herder does not know."
        )
    return _PHASES[state]


def facts_in(row: Json, installation: str) -> Facts | None:
    """Of an instance or a volume. None: it is none of ours, or somebody has changed what says so."""
    tags = {str(each.get("key", "")): str(each.get("value", "")) for each in rows(row, "tagSet")}
    worker, token = tags.get(WORKER_TAG, ""), token_in(row)
    if tags.get(INSTALLATION_TAG) != installation or not worker:
        return None
    if token and token != token_of(installation, worker):
        return None
    return Facts(
        worker=worker,
        installation=installation,
        pool=tags.get(POOL_TAG, ""),
        template=tags.get(TEMPLATE_TAG, ""),
        zone=tags.get(ZONE_TAG, ""),
        spot=tags.get(SPOT_TAG) == "true",
    )


# --- client tokens: whose an instance is, which nobody can change


def token_of(installation: str, worker: str = "") -> str:
    """What the client tokens of the worker's instances begin with; without a worker: those of all instances. A number follows, one for each instance."""
    start = f"herder-{hashlib.sha256(installation.encode()).hexdigest()[:16]}-"
    own = hashlib.sha256(f"{installation}/{worker}".encode()).hexdigest()[:32]
    return f"{start}{own}-" if worker else start


def token_in(instance: Json) -> str:
    """Without its number."""
    start, hyphen, _ = str(instance.get("clientToken", "")).rpartition("-")
    return start + hyphen


def number_of(instance: Json) -> int:
    """In its client token. -1: it has none of ours."""
    text = str(instance.get("clientToken", "")).rpartition("-")[2]
    return int(text) if text.isdecimal() else -1


def machine_of(worker: WorkerName, instance: Json, facts: Facts | None, operation: str = "") -> Machine:
    phase, reason = phase_of(instance), part(instance, "stateReason")
    state = str(part(instance, "instanceState").get("name", ""))
    addresses = (str(instance.get(name, "")) for name in ("privateIpAddress", "ipAddress"))
    return Machine(
        worker=worker,
        handle=str(instance.get("instanceId", "")),
        phase=phase,
        operation=operation if phase in (Phase.CREATING, Phase.STOPPING) else "",
        detail=" ".join(filter(None, (state, str(reason.get("message", ""))))),
        tags=facts.tags if facts is not None else None,
        addresses=tuple(filter(None, addresses)),
        end=MachineEnd.PREEMPTED if reason.get("code") == _PREEMPTED else None,
    )


# --- what is asked for


def parameters_of(
    spec: WorkerSpec, start: StartData, wanted: Mapping[str, str], settings: AwsSettings, installation: str
) -> Json:
    """Of RunInstances, as objects and lists; without the client token."""
    asked: Json = {
        "ImageId": wanted["image"],
        "InstanceType": wanted["instance_type"],
        "MinCount": 1,
        "MaxCount": 1,
        "InstanceInitiatedShutdownBehavior": "terminate",
        "UserData": _user_data(spec, start, settings, installation),
        "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled"},
        "BlockDeviceMapping": [
            {"DeviceName": settings.disk_device, "Ebs": _disk(spec, wanted, settings)},
        ],
        "TagSpecification": [
            {"ResourceType": kind, "Tag": _tags(spec, installation)} for kind in ("instance", "volume")
        ],
    }
    if spec.zone:
        asked["Placement"] = {"AvailabilityZone": spec.zone}
    subnets = settings.subnet_of
    if subnets:
        zone = spec.zone or next(iter(subnets))
        if zone not in subnets:
            raise InvalidRequest(
                f"Pool {spec.pool} wants zone {zone}, for which the setting subnets has no subnet. Add it."
            )
        asked["SubnetId"] = subnets[zone]
    if settings.groups:
        asked["SecurityGroupId"] = list(settings.groups)
    if wanted["instance_profile"]:
        asked["IamInstanceProfile"] = {"Name": wanted["instance_profile"]}
    if spec.spot:
        options = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
        if wanted["spot_max_price"]:
            options["MaxPrice"] = wanted["spot_max_price"]
        asked["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": options}
    return asked


def _disk(spec: WorkerSpec, wanted: Mapping[str, str], settings: AwsSettings) -> Json:
    size_gib = max(1, -(-spec.allocatable.disk_mib // 1024) + settings.system_disk_gib)
    return {"VolumeSize": size_gib, "VolumeType": wanted["disk_type"], "DeleteOnTermination": "true"}


def _tags(spec: WorkerSpec, installation: str) -> list[Json]:
    facts = facts_of(installation, spec)
    tags = {
        "Name": machine_name(installation, spec.name),
        INSTALLATION_TAG: installation,
        WORKER_TAG: facts.worker,
        POOL_TAG: facts.pool,
        TEMPLATE_TAG: facts.template,
        ZONE_TAG: facts.zone,
        SPOT_TAG: str(facts.spot).lower(),
    }
    for name, value in tags.items():
        if len(value) > _TAG_LETTERS_MAX:
            raise InvalidRequest(
                f"Tag {name} of worker {spec.name} has more than {_TAG_LETTERS_MAX} letters. Use shorter names."
            )
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def _user_data(spec: WorkerSpec, start: StartData, settings: AwsSettings, installation: str) -> str:
    if start.boot is not None:
        text = start.boot.user_data
    else:
        set_up = SetUp(
            agent_command=settings.agent_command,
            engine=settings.container_engine,
            images=settings.image_names,
            notice_url=NOTICE_URL if spec.spot else "",
        )
        text = at_each_boot(start_script(spec.name, installation, start, set_up))
    content = text.encode()
    if len(content) > USER_DATA_BYTES_MAX:
        raise InvalidRequest(
            f"The user data of worker {spec.name} has {len(content):,} bytes; AWS allows {USER_DATA_BYTES_MAX:,}. Shorten the bootstrap or pull_images."
        )
    return base64.b64encode(content).decode()


def flat(asked: Mapping[str, Any]) -> dict[str, str]:
    """As the query protocol writes it: `TagSpecification.1.Tag.2.Key`."""
    return dict(_flat("", asked))


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for each, inner in value.items():
            yield from _flat(f"{name}.{each}" if name else each, inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value, 1):
            yield from _flat(f"{name}.{number}", inner)
    else:
        yield name, str(value)
