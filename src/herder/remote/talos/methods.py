"""The methods of the Talos API that Herder calls, as data: path, messages, the role that each needs, and whether it changes the machine.

Read by `client` and by the server for tests. Data only.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from herder.remote.talos.messages import machine_pb2, resource_pb2

Request = TypeVar("Request", bound=Message)
Reply = TypeVar("Reply", bound=Message)

ADMIN, OPERATOR, READER = "os:admin", "os:operator", "os:reader"
READERS = (READER, OPERATOR, ADMIN)
OPERATORS = (OPERATOR, ADMIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method(Generic[Request, Reply]):
    path: str
    request: type[Request]
    reply: type[Reply]
    roles: tuple[str, ...] = READERS
    """Each of them is enough; the least of them first."""
    changes: bool = False
    streamed: bool = False

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


VERSION = Method(path="/machine.MachineService/Version", request=Empty, reply=machine_pb2.VersionResponse)
SERVICE_LIST = Method(
    path="/machine.MachineService/ServiceList", request=Empty, reply=machine_pb2.ServiceListResponse
)
SERVICE_RESTART = Method(
    path="/machine.MachineService/ServiceRestart",
    request=machine_pb2.ServiceRestartRequest,
    reply=machine_pb2.ServiceRestartResponse,
    roles=OPERATORS,
    changes=True,
)
REBOOT = Method(
    path="/machine.MachineService/Reboot",
    request=machine_pb2.RebootRequest,
    reply=machine_pb2.RebootResponse,
    roles=OPERATORS,
    changes=True,
)
SHUTDOWN = Method(
    path="/machine.MachineService/Shutdown",
    request=machine_pb2.ShutdownRequest,
    reply=machine_pb2.ShutdownResponse,
    roles=OPERATORS,
    changes=True,
)
UPGRADE = Method(
    path="/machine.MachineService/Upgrade",
    request=machine_pb2.UpgradeRequest,
    reply=machine_pb2.UpgradeResponse,
    roles=(ADMIN,),
    changes=True,
)
APPLY_CONFIGURATION = Method(
    path="/machine.MachineService/ApplyConfiguration",
    request=machine_pb2.ApplyConfigurationRequest,
    reply=machine_pb2.ApplyConfigurationResponse,
    roles=(ADMIN,),
    changes=True,
)
LOGS = Method(
    path="/machine.MachineService/Logs",
    request=machine_pb2.LogsRequest,
    reply=machine_pb2.Data,
    streamed=True,
)
GET = Method(path="/cosi.resource.State/Get", request=resource_pb2.GetRequest, reply=resource_pb2.GetResponse)

#: For those who only pass messages on.
METHODS: tuple[Method[Message, Message], ...] = (
    VERSION, SERVICE_LIST, SERVICE_RESTART, REBOOT, SHUTDOWN, UPGRADE, APPLY_CONFIGURATION, LOGS, GET,
)  # type: ignore[assignment]  # fmt: skip
