"""The Talos API of one cluster: each call to one machine, through the endpoints of a talosconfig or directly. Used by `bootstraps/talos`.

It raises `DriverError`s only. It tries the next endpoint when one was not reached, and never repeats a call that may have had its effect.
"""

from collections.abc import Callable
from typing import NamedTuple

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError

from herder.model.fleet.driver import DriverError, InvalidRequest, Unauthorised, Unavailable
from herder.model.values.phrases import clause
from herder.remote.talos.certificates import Validity, validity_of
from herder.remote.talos.errors import (
    Called,
    CertificateUnknown,
    Lost,
    Refused,
    Unreached,
    lost,
    refused,
)
from herder.remote.talos.messages import machine_pb2, resource_pb2
from herder.remote.talos.methods import (
    APPLY_CONFIGURATION,
    GET,
    LOGS,
    REBOOT,
    SERVICE_LIST,
    SERVICE_RESTART,
    SHUTDOWN,
    UPGRADE,
    VERSION,
    Method,
    Reply,
    Request,
)
from herder.remote.talos.talosconfig import Identity
from herder.remote.talos.wire import Wire

DEADLINE_S = 10.0
#: Talos fetches the image of the installer and looks at it before it answers.
UPGRADE_DEADLINE_S = 45.0
ANSWER_BYTES_MAX = 4 * 2**20
LOG_BYTES_MAX = 256 * 1024
VERSION_CHARACTERS_MAX = 64
MACHINE_STATUS = ("runtime", "MachineStatuses.runtime.talos.dev", "machine")


class MachineState(NamedTuple):
    """`stage`: by its number in the messages. `unmet`: names and reasons."""

    stage: int
    ready: bool
    unmet: tuple[tuple[str, str], ...]


class TalosClient:
    def __init__(
        self, identity: Identity, wire: Wire, now_ms: Callable[[], int], deadline_s: float = DEADLINE_S
    ) -> None:
        self.validity: Validity = validity_of(identity.certificate_pem)
        self._identity = identity
        self._wire = wire
        self._now_ms = now_ms
        self._deadline_s = deadline_s
        self._first = 0
        """Of the endpoints: the one that answered last."""

    @property
    def endpoints(self) -> tuple[str, ...]:
        return self._identity.endpoints

    async def version(self, node: str, *, via: str = "") -> str:
        return _version_in(await self._ask(VERSION, Empty(), node, via=via))

    async def services(self, node: str) -> list[machine_pb2.ServiceInfo]:
        found = await self._ask(SERVICE_LIST, Empty(), node)
        return list(found.messages[0].services) if found.messages else []

    async def state(self, node: str) -> MachineState:
        space, kind, name = MACHINE_STATUS
        found = await self._ask(GET, resource_pb2.GetRequest(namespace=space, type=kind, id=name), node)
        try:
            event = machine_pb2.MachineStatusEvent.FromString(found.resource.spec.proto_spec)
        except DecodeError:
            raise Unavailable(
                f"Talos at {node} describes its state in a form that Herder does not know. Check its version."
            ) from None
        unmet = tuple((each.name, each.reason) for each in event.status.unmet_conditions)
        return MachineState(event.stage, event.status.ready, unmet)

    async def restart_service(self, node: str, service: str) -> None:
        await self._ask(SERVICE_RESTART, machine_pb2.ServiceRestartRequest(id=service), node)

    async def reboot(self, node: str) -> None:
        await self._ask(REBOOT, machine_pb2.RebootRequest(), node)

    async def upgrade(self, node: str, image: str) -> None:
        """Begin it: the machine reboots with the new version, and goes on with the old one when that does not come up."""
        request = machine_pb2.UpgradeRequest(image=image, preserve=True)
        await self._ask(UPGRADE, request, node, deadline_s=UPGRADE_DEADLINE_S)

    async def shut_down(self, node: str) -> None:
        """At once: without force Talos would drain the node a second time."""
        await self._ask(SHUTDOWN, machine_pb2.ShutdownRequest(force=True), node)

    async def logs(self, node: str, service: str, lines: int) -> str:
        request = machine_pb2.LogsRequest(namespace="system", id=service, tail_lines=lines)
        found = await self._all(LOGS, request, node, bytes_max=LOG_BYTES_MAX)
        data = b"".join(each.bytes for each in found)[-LOG_BYTES_MAX:]
        return "\n".join(data.decode(errors="replace").splitlines()[-lines:])

    # --- maintenance mode: no certificate on either side

    async def version_in_maintenance(self, address: str) -> str:
        found = await self._exchange(VERSION, Empty(), address, address, None, ANSWER_BYTES_MAX)
        return _version_in(found[0]) if found else ""

    async def apply_in_maintenance(self, address: str, config: str) -> None:
        mode = machine_pb2.ApplyConfigurationRequest.AUTO
        request = machine_pb2.ApplyConfigurationRequest(data=config.encode(), mode=mode)
        found = await self._exchange(APPLY_CONFIGURATION, request, address, address, None, ANSWER_BYTES_MAX)
        for reply in found:
            _raise_for_node(APPLY_CONFIGURATION, reply, address)

    async def close(self) -> None:
        await self._wire.close()

    # --- one call

    async def _ask(
        self,
        method: Method[Request, Reply],
        request: Request,
        node: str,
        *,
        via: str = "",
        deadline_s: float = 0.0,
    ) -> Reply:
        found = await self._all(method, request, node, via=via, deadline_s=deadline_s)
        if not found:
            raise Unavailable(f"Talos at {node} gave no answer to {method.name}.")
        _raise_for_node(method, found[0], node)
        return found[0]

    async def _all(
        self,
        method: Method[Request, Reply],
        request: Request,
        node: str,
        *,
        via: str = "",
        bytes_max: int = ANSWER_BYTES_MAX,
        deadline_s: float = 0.0,
    ) -> list[Reply]:
        text = self.validity.problem(self._now_ms())
        if text:
            raise Unauthorised(
                f"The client certificate of talosconfig context {self._identity.context} {text}"
            )
        endpoints = (via,) if via else self.endpoints or (node,)
        unreached: DriverError | None = None
        for turn in range(len(endpoints)):
            place = (self._first + turn) % len(endpoints)
            address = endpoints[place]
            try:
                found = await self._exchange(
                    method, request, node, address, self._identity, bytes_max, deadline_s
                )
            except Unreached as error:
                unreached = unreached or error
                continue
            except CertificateUnknown as error:
                raise (error if address == node else self._of_another_cluster(address)) from None
            if not via:
                self._first = place
            return found
        assert unreached is not None
        raise unreached

    def _of_another_cluster(self, endpoint: str) -> Unauthorised:
        return Unauthorised(
            f"Talos endpoint {endpoint} is not of the authority of talosconfig context {self._identity.context}. "
            "Use the talosconfig of its cluster."
        )

    async def _exchange(
        self,
        method: Method[Request, Reply],
        request: Request,
        node: str,
        address: str,
        identity: Identity | None,
        bytes_max: int,
        deadline_s: float = 0.0,
    ) -> list[Reply]:
        """`deadline_s` 0: as for every call."""
        at = node if node == address else f"{node} (through {address})"
        called = Called(method=method.name, at=at, roles=method.roles, changes=method.changes)
        metadata = {} if node == address else {"node": node}
        try:
            return await self._wire.call(
                address,
                identity,
                method,
                request,
                metadata=metadata,
                deadline_s=deadline_s or self._deadline_s,
                bytes_max=bytes_max,
            )
        except Refused as refusal:
            raise refused(called, refusal) from None
        except Lost as loss:
            raise lost(called, loss) from None


def _version_in(found: machine_pb2.VersionResponse) -> str:
    """It is shown and stored: one that is too long for a version is none."""
    tag = found.messages[0].version.tag if found.messages else ""
    return tag if len(tag) <= VERSION_CHARACTERS_MAX and tag.isprintable() else ""


def _raise_for_node(method: Method[Request, Reply], reply: Reply, node: str) -> None:
    """An endpoint that asks several machines puts the error of each into its message."""
    for message in getattr(reply, "messages", ()):
        words = clause(message.metadata.error)[:300]
        if words:
            kind = InvalidRequest if "doesn't support" in words else Unavailable
            raise kind(f"Talos at {node} refuses the call {method.name}: {words}.")
