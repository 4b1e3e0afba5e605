"""All Talos machines of a cluster, and what each answers to a call. No socket and no clock: `server` and `in_process` call it.

Roles, refusals and their texts are those of Talos 1.13. A machine of `control_planes` passes a call on to the machine that the metadata
`node` names.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.message import Message

from herder.remote.talos.errors import Refused
from herder.remote.talos.messages import machine_pb2, resource_pb2
from herder.remote.talos.methods import METHODS, Method
from herder.testing.talos.faults import Fault, Kind, taken
from herder.testing.talos.machine import Hooks, Machine, Times

BY_PATH = {each.path: each for each in METHODS}
_IN_MAINTENANCE = ("Version", "ApplyConfiguration", "Get")
_NO_ROUTE = (
    'connection error: desc = "transport: Error while dialing: dial tcp {}:50000: connect: no route to host"'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    messages: Sequence[Message] = ()
    fault: Kind | None = None
    """What happens on the way instead."""


class Machines:
    def __init__(
        self, times: Times | None = None, hooks: Hooks | None = None, version: str = "v1.13.9"
    ) -> None:
        self.times = times or Times()
        self.hooks = hooks or Hooks()
        self.version = version
        self.by_name: dict[str, Machine] = {}
        self.control_planes: set[str] = set()
        """Addresses."""
        self.faults: list[Fault] = []
        self.calls: list[tuple[str, str]] = []
        """Machine and method of each call that was carried out."""

    def add(self, name: str, *addresses: str) -> Machine:
        """A machine that is off."""
        found = Machine(name, addresses, self.times, self.hooks, self.version)
        self.by_name[name] = found
        return found

    def add_control_plane(self, name: str, address: str) -> Machine:
        """It runs already."""
        found = self.add(name, address)
        self.control_planes.add(address)
        found.config = [{"machine": {"type": "controlplane", "network": {"hostname": name}}}]
        found.installed = found.powered = True
        found.stage = machine_pb2.MachineStatusEvent.RUNNING
        self.hooks.listening(found)
        return found

    def remove(self, name: str) -> None:
        """It is off and its disk is deleted."""
        found = self.by_name.pop(name, None)
        if found is not None and found.powered:
            found.power_off()

    def at(self, address: str) -> Machine | None:
        return next((each for each in self.by_name.values() if address in each.addresses), None)

    def step(self, now_ms: int) -> int | None:
        """Do what is due. Answers when to call it again; None: not at all."""
        for machine in list(self.by_name.values()):
            machine.step(now_ms)
        return min((each.next_ms for each in self.by_name.values() if each.next_ms is not None), default=None)

    # --- calls

    def call(
        self,
        machine: Machine,
        roles: Sequence[str] | None,
        method: Method[Message, Message],
        request: Message,
        metadata: Mapping[str, str],
        now_ms: int,
    ) -> Answer:
        """`roles` None: without a client certificate. Raises Refused."""
        self.step(now_ms)
        machine = self._target(machine, metadata)
        _check_rights(machine, roles, method)
        fault = taken(self.faults, machine.name, method.name)
        if fault is not None and fault.kind is Kind.REFUSE:
            raise Refused(fault.code, fault.words)
        if fault is not None and fault.kind is not Kind.LOSE_ANSWER:
            return Answer(fault=fault.kind)
        self.calls.append((machine.name, method.name))
        messages = _DOINGS[method.name](machine, request, now_ms)
        return Answer(messages=messages, fault=None if fault is None else fault.kind)

    def _target(self, machine: Machine, metadata: Mapping[str, str]) -> Machine:
        node = metadata.get("node", "")
        if not node or node in machine.addresses:
            return machine
        if not set(machine.addresses) & self.control_planes:
            raise Refused("PERMISSION_DENIED", "no request forwarding")
        found = self.at(node)
        if found is None or found.listens != "api":
            raise Refused("UNAVAILABLE", _NO_ROUTE.format(node))
        return found


def _check_rights(machine: Machine, roles: Sequence[str] | None, method: Method[Message, Message]) -> None:
    if machine.listens == "maintenance":
        if method.name not in _IN_MAINTENANCE:
            raise Refused("UNIMPLEMENTED", "API is not implemented in maintenance mode")
    elif not set(roles or ()) & set(method.roles):
        raise Refused("PERMISSION_DENIED", "not authorized")


def _version(machine: Machine, _request: Message, _now_ms: int) -> list[Message]:
    found = machine_pb2.VersionResponse()
    found.messages.add(version=machine_pb2.VersionInfo(tag=machine.version))
    return [found]


def _services(machine: Machine, _request: Message, _now_ms: int) -> list[Message]:
    found = machine_pb2.ServiceListResponse()
    found.messages.add(services=machine.service_infos())
    return [found]


def _restart(machine: Machine, request: Message, now_ms: int) -> list[Message]:
    assert isinstance(request, machine_pb2.ServiceRestartRequest)
    machine.restart(request.id, now_ms)
    found = machine_pb2.ServiceRestartResponse()
    found.messages.add(resp=f'Service "{request.id}" restarted')
    return [found]


def _reboot(machine: Machine, _request: Message, now_ms: int) -> list[Message]:
    machine.reboot(now_ms)
    found = machine_pb2.RebootResponse()
    found.messages.add(actor_id=machine.name)
    return [found]


def _upgrade(machine: Machine, request: Message, now_ms: int) -> list[Message]:
    assert isinstance(request, machine_pb2.UpgradeRequest)
    machine.upgrade(request.image, now_ms)
    found = machine_pb2.UpgradeResponse()
    found.messages.add(ack="Upgrade request received", actor_id=machine.name)
    return [found]


def _shutdown(machine: Machine, _request: Message, now_ms: int) -> list[Message]:
    machine.shut_down(now_ms)
    found = machine_pb2.ShutdownResponse()
    found.messages.add(actor_id=machine.name)
    return [found]


def _apply(machine: Machine, request: Message, now_ms: int) -> list[Message]:
    assert isinstance(request, machine_pb2.ApplyConfigurationRequest)
    machine.apply(request.data, now_ms)
    found = machine_pb2.ApplyConfigurationResponse()
    found.messages.add(mode_details="Applied configuration without a reboot")
    return [found]


def _logs(machine: Machine, request: Message, _now_ms: int) -> list[Message]:
    assert isinstance(request, machine_pb2.LogsRequest)
    lines = machine.lines.get(request.id, [])
    lines = lines[-request.tail_lines :] if request.tail_lines > 0 else lines
    return [machine_pb2.Data(bytes=f"{line}\n".encode()) for line in lines]


def _get(machine: Machine, request: Message, _now_ms: int) -> list[Message]:
    assert isinstance(request, resource_pb2.GetRequest)
    if (request.type, request.id) != ("MachineStatuses.runtime.talos.dev", "machine"):
        where = f"{request.namespace}/{request.id}"
        raise Refused("NOT_FOUND", f"resource {request.type}({where}) doesn't exist")
    found = resource_pb2.GetResponse()
    found.resource.metadata.type = request.type
    found.resource.spec.proto_spec = machine.status.SerializeToString()
    return [found]


_DOINGS: dict[str, Callable[[Machine, Message, int], list[Message]]] = {
    "Version": _version,
    "ServiceList": _services,
    "ServiceRestart": _restart,
    "Reboot": _reboot,
    "Shutdown": _shutdown,
    "Upgrade": _upgrade,
    "ApplyConfiguration": _apply,
    "Logs": _logs,
    "Get": _get,
}
